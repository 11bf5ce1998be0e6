"""``diff``: two binaries field by field, or what came and went between two places, times or lock files."""

import os
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, console, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.cli.options import refuse_two_forms
from cachescope.model.errors import UserInputError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cachescope.model.contents import Part
    from cachescope.model.lockfile import LockFile

__all__ = ["diff"]


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--markdown", is_flag=True, help="Print Markdown (for places and lock files).")
@json_option
@click.pass_obj
def diff(context: Context, *, first: str, second: str, markdown: bool, as_json: bool) -> None:
    """Compare two binaries (hashes), or what two places, points in time or lock files hold.

    A and B are hashes; mirrors (develop/e4s), views (develop/e4s@science) or refs (ref:develop), each also at a point in
    time (develop/e4s@{2026-11-01}); or lock files. Of binaries all fields are told and the deepest causes, of the others
    which packages and specs came and went, and which changed version.
    """
    from cachescope import compose

    refuse_two_forms("--json" if as_json else None, {"--markdown": markdown})
    with compose.reading(context.settings()) as (catalogue, reader):
        with catalogue.reading() as connection:
            sides = [_side(connection, text) for text in (first, second)]
            one, other = sides
            if one is not None and other is not None:
                from cachescope.jobs.contents import diff_contents
                from cachescope.present import contents

                found = diff_contents(connection, one, other)
                if as_json:
                    write_bytes(contents.render_json(found))
                elif markdown:
                    write_bytes(contents.render_markdown(found))
                else:
                    contents.render_text(console(), found)
                return
        _check_binaries(first, second, sides, markdown=markdown)
        comparison = reader.compare(first, second)
    from cachescope.present import comparison as present

    if as_json:
        write_bytes(present.render_json(comparison))
    else:
        present.render_text(console(), comparison)


def _side(connection: "Connection", text: str) -> "Part | LockFile | None":
    """Understand one side; None is a hash. A lone word is a mirror only where the catalogue has it."""
    from cachescope.catalogue import registry
    from cachescope.model.contents import is_part_text, parse_part
    from cachescope.model.identity import ROOT, is_hash_text

    if text == "-" or (not is_hash_text(text.removeprefix("/")) and _is_file(text)):
        from cachescope.cli.covering import read_all

        return read_all([text])
    if is_part_text(text):
        return parse_part(text)
    lone = {mirror.name.ref for mirror in registry.mirrors(connection) if mirror.name.stack == ROOT}
    return parse_part(text) if text.partition("@")[0] in lone else None


def _is_file(text: str) -> bool:
    if "@{" in text or text.startswith("ref:"):
        return False
    return text.endswith((".lock", ".json")) or os.path.exists(text)  # noqa: PTH110 - Path.exists() raises for a text too long for a name


def _check_binaries(
    first: str, second: str, sides: "list[Part | LockFile | None]", *, markdown: bool
) -> None:
    from cachescope.present.wording import cut

    if any(side is not None for side in sides):
        alone = first if sides[0] is None else second
        # Letters and digits may be meant for either.
        unknown = "" if alone.startswith("/") else f"no mirror has the name {cut(alone)}; "
        raise UserInputError(
            f"{cut(alone)} is a binary, and the other side is not",
            hint=f"{unknown}compare two hashes, or two of mirrors, refs, points in time and lock files",
        )
    if markdown:
        raise UserInputError(
            "two binaries are not compared as Markdown",
            hint="leave --markdown out, or write --json in its place",
        )
