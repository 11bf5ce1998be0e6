"""``search``, ``package``, ``packages`` and ``show``: what is in the catalogue. None of them asks a mirror."""

import click

from cachescope.cli.context import Context, console, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.cli.options import parse_scope, ref_option, stack_option
from cachescope.model.identity import parse_package_name

__all__ = ["package", "packages", "show"]


@click.command()
@ref_option
@stack_option
@click.option("--prefix", default="", metavar="TEXT", help="Only packages whose names begin so.")
@json_option
@click.pass_obj
def packages(context: Context, *, ref: str | None, stack: str | None, prefix: str, as_json: bool) -> None:
    """List packages with their counts."""
    from cachescope import compose

    chosen_ref, chosen_stack = parse_scope(ref, stack)
    with compose.reading(context.settings()) as (_, reader):
        result = reader.packages(ref=chosen_ref, stack=chosen_stack, prefix=prefix)
    if as_json:
        from cachescope.present import to_json

        write_bytes(to_json.render_packages(result))
        return
    from cachescope.present import package_text

    package_text.packages(console(), result)


@click.command()
@click.argument("name", metavar="PACKAGE")
@ref_option
@stack_option
@json_option
@click.pass_obj
def package(context: Context, *, name: str, ref: str | None, stack: str | None, as_json: bool) -> None:
    """Show one package: versions, where it is built, which binaries look alike and what separates them."""
    from cachescope import compose

    chosen_ref, chosen_stack = parse_scope(ref, stack)
    parsed = parse_package_name(name)
    with compose.reading(context.settings()) as (_, reader):
        result = reader.package(parsed, ref=chosen_ref, stack=chosen_stack)
    if as_json:
        from cachescope.present import to_json

        write_bytes(to_json.render_package(result))
        return
    from cachescope.present import package_text

    package_text.package(console(), result)


@click.command()
@click.argument("dag_hash", metavar="HASH")
@json_option
@click.pass_obj
def show(context: Context, *, dag_hash: str, as_json: bool) -> None:
    """Show the binary with this HASH, or the beginning of it: everything known, its dependencies and dependents, where it is, and how to use it."""
    from cachescope import compose

    with compose.reading(context.settings()) as (_, reader):
        result = reader.spec(dag_hash)
    if as_json:
        from cachescope.present import to_json

        write_bytes(to_json.render_spec(result))
        return
    from cachescope.present import spec_text

    spec_text.spec(console(), result)
