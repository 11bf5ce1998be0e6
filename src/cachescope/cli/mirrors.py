"""``add``, ``remove`` and ``caches``: which mirrors the catalogue knows."""

import click

from cachescope.cli.context import Context, console, say, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.model.errors import UserInputError
from cachescope.model.identity import parse_mirror_name, parse_source_name

__all__ = ["add", "caches", "remove"]


@click.command()
@click.argument("name", required=False)
@click.argument("url", required=False)
@click.option(
    "--discover", metavar="URL", help="Register all mirrors that a cache_spack_io_index.json lists."
)
@click.option(
    "--ref", default="*", metavar="PATTERN", help="With --discover: only these refs; * and ? are understood."
)
@click.option(
    "--stack",
    default="*",
    metavar="PATTERN",
    help="With --discover: only these stacks; * and ? are understood.",
)
@click.pass_obj
def add(
    context: Context, *, name: str | None, url: str | None, discover: str | None, ref: str, stack: str
) -> None:
    """Register the mirror at URL as NAME, or with --discover all mirrors of a bucket.

    NAME is REF/STACK or one word, with @VIEW for a view; URL a folder, file://, http:// or https:// address.
    Nothing is read before 'cachescope sync'.
    """
    if discover is not None:
        if name is not None:
            raise UserInputError(
                "--discover takes the names from the document", hint="leave NAME and URL out, or --discover"
            )
        _discover(context, discover, ref, stack)
        return
    if name is None:
        raise UserInputError(
            "a name is missing", hint="cachescope add NAME URL, for example: cachescope add site /mnt/mirror"
        )
    _add(context, name, url)


def _add(context: Context, name: str, url: str | None) -> None:
    from cachescope import compose
    from cachescope.catalogue import registry
    from cachescope.model.mirror import Layout

    source = parse_source_name(name)
    if url is None and source.view is None:
        raise UserInputError("the address is missing", hint=f"cachescope add {name} URL")
    with compose.writing(context.settings()) as tools, tools.catalogue.writing() as connection:
        if url is not None:
            new = registry.add_mirror(connection, source.mirror, compose.parse_url(url))
        elif registry.find_mirror(connection, source.mirror) is None:
            raise UserInputError(f"{source.mirror} has no address yet", hint=f"cachescope add {name} URL")
        else:
            new = True
        if source.view is not None:
            registry.ensure_source(connection, source, Layout.V3)
    word = "added" if new else "known already:"
    say(f"{word} {source}; read it with: cachescope sync {source}")


def _discover(context: Context, url: str, ref: str, stack: str) -> None:
    from cachescope import compose
    from cachescope.jobs.discover import discover

    chosen = context.settings()
    with compose.writing(chosen) as tools:
        found = discover(
            tools.catalogue,
            compose.parse_url(url),
            open_source=tools.open_source,
            parse_url=compose.parse_url,
            public_addresses=chosen.public_addresses,
            ref=ref,
            stack=stack,
        )
    for mirror in found.added:
        say(f"added {mirror}")
    for sentence in found.skipped:
        say(f"left out {sentence}")
    say(
        f"{len(found.added)} mirrors added, {len(found.known)} known already, {len(found.skipped)} left out; "
        "read them with: cachescope sync"
    )


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def remove(context: Context, *, names: tuple[str, ...]) -> None:
    """Forget mirrors: their snapshots and history go, the mirrors themselves are not touched."""
    from cachescope import compose
    from cachescope.catalogue import registry

    mirrors = [parse_mirror_name(one) for one in names]
    with compose.writing(context.settings()) as tools, tools.catalogue.writing() as connection:
        for mirror in mirrors:
            registry.remove_mirror(connection, mirror)
    for mirror in mirrors:
        say(f"removed {mirror}")


@click.command()
@json_option
@click.pass_obj
def caches(context: Context, *, as_json: bool) -> None:
    """List mirrors and their sources: layout, freshness, what is in them, and why the last sync failed if it did."""
    from cachescope import compose

    with compose.reading(context.settings()) as (_, reader):
        sources = reader.sources()
    if as_json:
        from cachescope.present import to_json

        write_bytes(to_json.render_caches(sources))
        return
    from cachescope.present import to_text

    to_text.caches(console(), sources, now=compose.now())
