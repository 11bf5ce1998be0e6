"""``virtual``: small, complete mirrors made of many, which ``serve`` serves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, console, say, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.model.errors import NotInCatalogue, UserInputError

if TYPE_CHECKING:
    from cachescope.catalogue.engine import Catalogue
    from cachescope.model.virtual import VirtualMirror
    from cachescope.settings import Settings

__all__ = ["virtual"]


@click.group()
def virtual() -> None:
    """Define mirrors that are made of others: filtered, complete, and served at /mirror/NAME by 'serve'."""


@virtual.command()
@click.argument("name")
@click.option(
    "--from",
    "sources",
    metavar="SOURCE",
    multiple=True,
    help="A mirror (develop/e4s), a view of one (develop/e4s@science) or a whole ref (ref:develop). "
    "Several may be given: of a hash that several have, the first gives the binary.",
)
@click.option(
    "--filter", "query", metavar="QUERY", default="", help="Only specs that match, in Spack's language."
)
@click.option(
    "--for",
    "host",
    metavar="HOST",
    default="",
    help="Only what runs there: host (this machine), or os=...,target=...,glibc=...",
)
@click.option("--lock", metavar="FILE", help="Only the run closure of this lock file, as it is now.")
@click.option("--incomplete", is_flag=True, help="Present, too, what lacks something that it needs to run.")
@json_option
@click.pass_obj
def define(
    context: Context,
    *,
    name: str,
    sources: Sequence[str],
    query: str,
    host: str,
    lock: str | None,
    incomplete: bool,
    as_json: bool,
) -> None:
    """Define the virtual mirror NAME, in place of an older definition, and write its index.

    What fits is in it with all that it needs to run, or not at all. 'serve' then serves it at /mirror/NAME.
    """
    from cachescope import compose
    from cachescope.catalogue.virtual_definitions import define_virtual
    from cachescope.catalogue.virtual_sources import sources_of_virtual
    from cachescope.cli.covering import content
    from cachescope.cli.host_detection import detect_host
    from cachescope.jobs.virtual_definition import lock_shape, make_definition

    chosen = context.settings()
    mirror = make_definition(
        name,
        sources,
        query=query,
        host=host,
        lock=lock_shape(*content(lock)) if lock is not None else None,
        incomplete=incomplete,
        detect_host=detect_host,
    )
    if name in compose.virtual_of_settings(chosen):
        raise UserInputError(f"{name} is defined in the settings file", hint="change it there")
    with compose.writing(chosen) as tools:
        with tools.catalogue.writing() as connection:
            sources_of_virtual(connection, mirror)  # a definition of nothing is a mistake
            define_virtual(connection, mirror, now=compose.now())
        _tell(tools.catalogue, chosen, mirror, as_json=as_json)


@virtual.command("list")
@json_option
@click.pass_obj
def list_(context: Context, *, as_json: bool) -> None:
    """List what is defined, in the catalogue and in the settings file."""
    from cachescope import compose
    from cachescope.catalogue.virtual_definitions import defined_mirrors
    from cachescope.present import virtual as present

    chosen = context.settings()
    of_settings = compose.virtual_of_settings(chosen)
    with compose.reading(chosen) as (catalogue, _), catalogue.reading() as connection:
        defined = {one.name: one for one in defined_mirrors(connection)}
    found = [one for _, one in sorted({**defined, **of_settings}.items())]
    if as_json:
        write_bytes(present.render_list_json(found))
    else:
        present.render_list_text(console(), found)


@virtual.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(context: Context, *, name: str, as_json: bool) -> None:
    """Show what is in the virtual mirror NAME, what each source gives, and what is left out for lack of what.

    NAME may be a mirror too, as it is served at /mirror/REF/STACK.
    """
    from cachescope import compose

    chosen = context.settings()
    with compose.reading(chosen) as (catalogue, _):
        _tell(catalogue, chosen, _found(catalogue, chosen, name), as_json=as_json)


@virtual.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def remove(context: Context, *, names: tuple[str, ...]) -> None:
    """Forget definitions; their sources are not touched."""
    from cachescope import compose
    from cachescope.catalogue.virtual_definitions import remove_virtual

    chosen = context.settings()
    for name in names:
        if name in compose.virtual_of_settings(chosen):
            raise UserInputError(f"{name} is defined in the settings file", hint="remove it there")
    with compose.writing(chosen) as tools, tools.catalogue.writing() as connection:
        for name in names:
            remove_virtual(connection, name)
    with compose.reading(chosen) as (catalogue, _):
        writer = compose.virtual_writer(catalogue, chosen)
        for name in names:
            writer.forget(name)
    for name in names:
        say(f"removed {name}")


def _found(catalogue: "Catalogue", chosen: "Settings", name: str) -> "VirtualMirror":
    from cachescope import compose
    from cachescope.catalogue.registry import find_mirror
    from cachescope.catalogue.virtual_definitions import defined_mirror
    from cachescope.model.identity import SourceName, parse_mirror_name
    from cachescope.model.virtual import VirtualMirror

    of_settings = compose.virtual_of_settings(chosen)
    if name in of_settings:
        return of_settings[name]
    with catalogue.reading() as connection:
        defined = defined_mirror(connection, name)
        if defined is not None:
            return defined
        mirror = parse_mirror_name(name)
        if find_mirror(connection, mirror) is None:
            raise NotInCatalogue(f"no virtual mirror {name} is defined", hint="cachescope virtual list")
    return VirtualMirror(name=str(mirror), sources=(SourceName(mirror),))


def _tell(catalogue: "Catalogue", chosen: "Settings", mirror: "VirtualMirror", *, as_json: bool) -> None:
    from cachescope import compose
    from cachescope.jobs.virtual_serving import report_of
    from cachescope.present import virtual as present

    report = report_of(catalogue, compose.virtual_writer(catalogue, chosen).current(mirror))
    if as_json:
        write_bytes(present.render_json(report))
    else:
        present.render_text(console(), report)
