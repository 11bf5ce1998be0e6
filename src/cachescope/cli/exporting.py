"""``page`` and ``export``: published pages in the form of the public site."""

from pathlib import Path

import click

from cachescope.cli.context import Context, say, write_bytes
from cachescope.cli.options import with_sizes as with_sizes_option
from cachescope.model.identity import parse_package_name, parse_ref

__all__ = ["export", "page"]


@click.command()
@click.argument("package")
@click.option("--ref", required=True, metavar="REF", help="Ref of the page, for example develop.")
@with_sizes_option
@click.pass_obj
def page(context: Context, *, package: str, ref: str, with_sizes: bool) -> None:
    """Print the published page of PACKAGE, byte for byte in its canonical form."""
    from cachescope import compose
    from cachescope.jobs.export import page as written_page

    chosen_package, chosen_ref = parse_package_name(package), parse_ref(ref)
    with compose.reading(context.settings()) as (catalogue, _):
        data = written_page(catalogue, chosen_package, chosen_ref, with_sizes=with_sizes)
    write_bytes(data)


class _Exports(click.Group):
    """The site needs templates and processes, which take longer to load than other exports to run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "site"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "site":
            return super().get_command(ctx, cmd_name)
        from cachescope.cli.site_exporting import export_site

        return export_site


@click.group(cls=_Exports)
def export() -> None:
    """Write files from the catalogue."""


@export.command("pages")
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@click.option("--ref", required=True, metavar="REF", help="Ref whose pages are written.")
@with_sizes_option
@click.pass_obj
def export_pages(context: Context, *, folder: Path, ref: str, with_sizes: bool) -> None:
    """Write the published pages of a whole ref below OUT.

    The same catalogue gives the same bytes; unchanged files are not touched.
    """
    from cachescope import compose
    from cachescope.jobs.export import export_pages as write_pages
    from cachescope.transport.writer import write_atomically

    chosen = parse_ref(ref)
    with compose.reading(context.settings()) as (catalogue, _):
        count, changed = write_pages(catalogue, chosen, folder, write=write_atomically, with_sizes=with_sizes)
    say(f"{count} pages of {chosen} in {folder}; {changed} files written, the others were current")
