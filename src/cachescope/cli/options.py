"""Options that several commands share, with one wording each."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from cachescope.model.errors import UserInputError
from cachescope.model.identity import Ref, Stack, parse_mirror_name, parse_ref

__all__ = ["as_json", "parse_scope", "ref_option", "refuse_two_forms", "stack_option", "with_sizes"]

Command = TypeVar("Command", bound=Callable[..., Any])


def as_json(command: Command) -> Command:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def ref_option(command: Command) -> Command:
    """``--ref``, to narrow a question."""
    return click.option("--ref", metavar="REF", help="Only this ref, for example develop.")(command)


def stack_option(command: Command) -> Command:
    """``--stack``, to narrow a question."""
    text = "Only this stack, for example e4s; root is the ref itself."
    return click.option("--stack", metavar="STACK", help=text)(command)


def with_sizes(command: Command) -> Command:
    """``--with-sizes``, for published pages."""
    text = "Print sizes in bytes where they are known, in place of '-'."
    return click.option("--with-sizes", is_flag=True, help=text)(command)


def parse_scope(ref: str | None, stack: str | None) -> tuple[Ref | None, Stack | None]:
    """Read what ``--ref`` and ``--stack`` were given."""
    chosen = parse_ref(ref) if ref is not None else None
    return chosen, parse_mirror_name(f"ref/{stack}").stack if stack is not None else None


def refuse_two_forms(json_form: str | None, others: Mapping[str, bool]) -> None:
    """Refuse a form of output beside JSON, which would be left aside without a word; ``json_form`` is how JSON was asked for."""
    for name, is_given in others.items():
        if json_form is not None and is_given:
            raise UserInputError(f"{json_form} does not go with {name}", hint="leave one of them out")
