"""``db``: upkeep of the catalogue."""

from datetime import timedelta
from pathlib import Path

import click

from cachescope.cli.context import Context, console, error_console, say, write_bytes
from cachescope.cli.options import as_json as json_option

__all__ = ["db"]

_FINDINGS = 1


@click.group()
def db() -> None:
    """Look after the catalogue: how large it is, whether it is whole, backups, copies, history."""


@db.command()
@json_option
@click.pass_obj
def status(context: Context, *, as_json: bool) -> None:
    """Tell where the catalogue is, how large, what is in it and how far back it goes."""
    from cachescope import compose
    from cachescope.catalogue import upkeep
    from cachescope.present import upkeep as present

    with compose.reading(context.settings()) as (catalogue, _):
        found = upkeep.status(catalogue)
    if as_json:
        write_bytes(present.render_status(found))
    else:
        present.status(console(), found)


@db.command()
@json_option
@click.pass_obj
def check(context: Context, *, as_json: bool) -> int:
    """Check the whole catalogue: storage, keys, intervals, counts and summaries, original records.

    Ends with 1 if something is wrong.
    """
    from cachescope import compose
    from cachescope.catalogue import checking
    from cachescope.present import upkeep as present

    with compose.reading(context.settings()) as (catalogue, _):
        report = checking.check(catalogue)
    if as_json:
        write_bytes(present.render_check(report))
    else:
        present.check(console(), report)
    return _FINDINGS if report.findings else 0


@db.command()
@click.pass_obj
def vacuum(context: Context) -> None:
    """Remove history older than the setting history_days, and give room back to the disk.

    What is there now is never removed. A file needs as much room again while it is written anew.
    """
    from cachescope import compose
    from cachescope.catalogue import upkeep
    from cachescope.present import upkeep as present

    settings = context.settings()
    keep = timedelta(days=settings.history_days) if settings.history_days else None
    with compose.writing(settings) as tools:
        report = upkeep.vacuum(tools.catalogue, now=compose.now(), keep=keep)
    present.vacuum(console(), report)


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(context: Context, *, file: Path) -> None:
    """Write the catalogue to FILE, as it is at this moment; it may be in use meanwhile.

    Only an earlier backup (a cachescope catalogue) gives way to it. For a catalogue in a file; PostgreSQL has pg_dump.
    """
    from cachescope import compose
    from cachescope.catalogue import copying
    from cachescope.present import wording

    with compose.reading(context.settings()) as (catalogue, _):
        size = copying.back_up(catalogue, file)
    say(f"wrote {file} ({wording.size(size)})")


@db.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.pass_obj
def copy(context: Context, *, source: str, target: str) -> None:
    """Copy a catalogue with its whole history into an empty one: between files and PostgreSQL databases, both ways."""
    from cachescope import compose
    from cachescope.catalogue import copying

    with compose.copying(context.settings(), source, target) as (read, write):
        with error_console().status("copying") as shown:
            rows = copying.copy_catalogue(
                read, write, progress=lambda table, done: shown.update(f"copying {table}: {done:,}")
            )
        place = write.database.shown
    say(f"copied {sum(rows.values()):,} rows to {place}: {rows['spec']:,} specs, {rows['mirror']:,} mirrors")
