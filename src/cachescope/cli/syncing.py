"""``sync``: reads mirrors and published pages into the catalogue."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, say, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.cli.sync_targets import Plan, Step, ask_first, done
from cachescope.model.errors import CachescopeError, UserInputError
from cachescope.model.identity import SourceName
from cachescope.model.sources import SizesOutcome, SourceOutcome, SyncReport

if TYPE_CHECKING:
    from cachescope.jobs.freshness import Asked
    from cachescope.jobs.sizes import SizeReader

__all__ = ["sync"]


@click.command()
@click.argument("targets", nargs=-1, metavar="[NAME or URL]...")
@click.option("--as", "name", metavar="NAME", help="Name for the mirror at an address.")
@click.option("--probe", is_flag=True, help="Ask again for layouts (and sizes) that a mirror did not have.")
@click.option("--strict", is_flag=True, help="Refuse an index with even one record that cannot be read.")
@click.option("--allow-empty", is_flag=True, help="Accept an index that lost all its records.")
@click.option(
    "--sizes",
    "with_sizes",
    is_flag=True,
    help="Ask also how large the binaries are that were not asked for yet.",
)
@click.option(
    "--keep-going/--fail-fast",
    default=True,
    show_default=True,
    help="Go on with the other mirrors after a failure, or stop.",
)
@json_option
@click.pass_obj
def sync(
    context: Context,
    *,
    targets: tuple[str, ...],
    name: str | None,
    probe: bool,
    strict: bool,
    allow_empty: bool,
    with_sizes: bool,
    keep_going: bool,
    as_json: bool,
) -> int:
    """Read what is in mirrors: those named, those at the addresses given, or all that are registered.

    A target is a mirror (NAME or NAME@VIEW), the address of one, a published page or a folder of pages. What did not
    change costs one small request; what fails leaves the former state as it was.
    """
    from cachescope import compose
    from cachescope.cli.progress import sync_progress

    if name is not None and len(targets) != 1:
        raise UserInputError("--as names one mirror", hint="give one address with --as")
    settings, report = context.settings(), _Report(as_json=as_json)
    with ExitStack() as stack:
        progress = stack.enter_context(sync_progress())
        asked: Asked | None = None
        if len(targets) <= 1 and not probe and not with_sizes:
            check = compose.freshness(settings, progress, strict=strict, allow_empty=allow_empty)
            asked = ask_first(stack.enter_context(check), targets, name)
        if asked is not None and asked.outcomes is not None:
            report.add(asked.outcomes)
            return report.finish()
        tools = stack.enter_context(compose.writing(settings))
        refresher = tools.refresher(progress, probe=probe, strict=strict, allow_empty=allow_empty)
        plan = Plan(
            tools=tools,
            refresher=refresher,
            pages=tools.page_reader(progress, strict=strict),
            hints=report.hints,
        )
        # All targets are understood before the first one is read.
        if asked is not None and asked.fetched is not None:
            steps: Sequence[Step] = [plan.fetched(asked.fetched)]
        else:
            steps = plan.steps(targets, name)
        for outcomes in plan.done_side_by_side(steps) if keep_going else map(done, steps):
            report.add(outcomes)
            if not keep_going and any(one.error is not None for one in outcomes):
                break
        else:
            if with_sizes:
                sizes = tools.size_reader(progress, again=probe)
                report.add_sizes(_read_sizes(sizes, report.outcomes, everything=not targets))
    return report.finish()


@dataclass(slots=True, kw_only=True)
class _Report:
    """What is printed as it comes, or (as JSON) at the end."""

    as_json: bool
    outcomes: list[SourceOutcome] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    sizes: tuple[SizesOutcome, ...] | None = None

    def add(self, outcomes: Sequence[SourceOutcome]) -> None:
        from cachescope.present import sync_text

        self.outcomes.extend(outcomes)
        for outcome in () if self.as_json else outcomes:
            for line in sync_text.sync_lines(outcome):
                say(line)

    def add_sizes(self, outcomes: Sequence[SizesOutcome]) -> None:
        from cachescope.present import sync_text

        self.sizes = tuple(outcomes)
        for outcome in () if self.as_json else outcomes:
            for line in sync_text.sizes_lines(outcome):
                say(line)

    def finish(self) -> int:
        """Print the remedies, or all as JSON; return the worst exit code."""
        ended: list[SourceOutcome | SizesOutcome] = [*self.outcomes, *(self.sizes or ())]
        self.hints.extend(_remedies(ended))
        if self.as_json:
            from cachescope.present import sync_json

            write_bytes(
                sync_json.render_sync(SyncReport(tuple(self.outcomes), tuple(self.hints), self.sizes))
            )
        else:
            for hint in self.hints:
                say(hint)
        return _exit_code(ended)


def _read_sizes(
    reader: "SizeReader", outcomes: Sequence[SourceOutcome], *, everything: bool
) -> Sequence[SizesOutcome]:
    """Ask for sizes where the index could be read: a mirror that is down is told once."""
    down = {str(one.name) for one in outcomes if one.error is not None}
    asked = [one.name for one in outcomes if isinstance(one.name, SourceName) and str(one.name) not in down]
    if everything and not down:
        return reader.read()
    return reader.read(asked)


def _remedies(outcomes: Sequence[SourceOutcome | SizesOutcome]) -> Sequence[str]:
    """Return what to do about the failures, each once."""
    hints = [one.error.hint for one in outcomes if isinstance(one.error, CachescopeError)]
    return [f"Hint: {hint}" for hint in dict.fromkeys(hints) if hint]


def _exit_code(outcomes: Sequence[SourceOutcome | SizesOutcome]) -> int:
    """Return the worst code of several mirrors."""
    codes = [one.error.exit_code for one in outcomes if isinstance(one.error, CachescopeError)]
    return max(codes, default=0)
