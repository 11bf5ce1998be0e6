"""``sync``: reads mirrors and published pages into the catalogue."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, console, error_console, say, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.model.errors import CachescopeError, NotInCatalogue, UserInputError
from cachescope.model.identity import MirrorName, SourceName, parse_source_name
from cachescope.model.mirror import MirrorUrl
from cachescope.model.results import Attempt, AttemptOutcome, SizesOutcome, SourceOutcome, SyncReport

if TYPE_CHECKING:
    from cachescope.compose import Writing
    from cachescope.jobs.published_pages import PageReader
    from cachescope.jobs.refresh import Refresher
    from cachescope.jobs.sizes import SizeReader

__all__ = ["sync"]

_PUBLIC_REF = re.compile(r"develop(-\d{4}-\d{2}-\d{2})?|v\d+\.\d+(\.\d+)?")


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
    hints: list[str] = []
    outcomes: list[SourceOutcome] = []
    sizes: Sequence[SizesOutcome] | None = None
    with compose.writing(context.settings()) as tools, sync_progress(error_console()) as progress:
        plan = _Plan(
            tools=tools,
            refresher=tools.refresher(progress, probe=probe, strict=strict, allow_empty=allow_empty),
            pages=tools.page_reader(progress, strict=strict),
            hints=hints,
        )
        # All targets are understood before the first one is read.
        steps = plan.steps(targets, name)
        for done in plan.done_side_by_side(steps) if keep_going else map(_done, steps):
            outcomes.extend(done)
            if not as_json:
                _print(done)
            if not keep_going and any(one.error is not None for one in done):
                break
        else:
            if with_sizes:
                sizes = _read_sizes(
                    tools.size_reader(progress, again=probe), outcomes, everything=not targets
                )
                if not as_json:
                    _print_sizes(sizes)
    hints.extend(_remedies([*outcomes, *(sizes or ())]))
    if as_json:
        from cachescope.present import to_json

        found = tuple(sizes) if sizes is not None else None
        write_bytes(to_json.render_sync(SyncReport(tuple(outcomes), tuple(hints), found)))
    else:
        for hint in hints:
            say(hint)
    return _exit_code([*outcomes, *(sizes or ())])


def _done(step: "_Step") -> Sequence[SourceOutcome]:
    """Take one step; what is wrong with its target alone does not keep the others from being read."""
    try:
        return step.read()
    except (NotInCatalogue, UserInputError) as error:
        return _failed(step, error)


def _failed(step: "_Step", error: CachescopeError) -> Sequence[SourceOutcome]:
    attempt = Attempt(None, AttemptOutcome.FAILED, str(error))
    return [SourceOutcome(name=step.target, layout=None, attempt=attempt, error=error)]


def _print(outcomes: Sequence[SourceOutcome]) -> None:
    from cachescope.present import to_text

    for outcome in outcomes:
        to_text.sync_outcome(console(), outcome)


def _read_sizes(
    reader: "SizeReader", outcomes: Sequence[SourceOutcome], *, everything: bool
) -> Sequence[SizesOutcome]:
    """Ask for sizes where the index could be read: a mirror that is down is told once."""
    down = {str(one.name) for one in outcomes if one.error is not None}
    asked = [one.name for one in outcomes if isinstance(one.name, SourceName) and str(one.name) not in down]
    if everything and not down:
        return reader.read()
    return reader.read(asked)


def _print_sizes(outcomes: Sequence[SizesOutcome]) -> None:
    from cachescope.present import to_text

    for outcome in outcomes:
        to_text.sizes_outcome(console(), outcome)


def _remedies(outcomes: Sequence[SourceOutcome | SizesOutcome]) -> Sequence[str]:
    """Return what to do about the failures, each once."""
    hints = [one.error.hint for one in outcomes if isinstance(one.error, CachescopeError)]
    return [f"Hint: {hint}" for hint in dict.fromkeys(hints) if hint]


def _exit_code(outcomes: Sequence[SourceOutcome | SizesOutcome]) -> int:
    """Return the worst code of several mirrors."""
    codes = [one.error.exit_code for one in outcomes if isinstance(one.error, CachescopeError)]
    return max(codes, default=0)


@dataclass(frozen=True, slots=True)
class _Step:
    """One target, understood."""

    target: SourceName | MirrorUrl
    read: Callable[[], Sequence[SourceOutcome]]
    beside_others: SourceName | None = None
    """Set for a registered mirror, which may be read while others are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """From what was typed to what is read."""

    tools: "Writing"
    refresher: "Refresher"
    pages: "PageReader"
    hints: list[str]

    def steps(self, targets: Sequence[str], name: str | None) -> Sequence[_Step]:
        """Understand all targets; without one, everything that is known. Raises ``UserInputError``."""
        if targets:
            return [
                self._address(one, name) if _is_address(one) else self._named(one, name) for one in targets
            ]
        from cachescope.catalogue import registry

        with self.tools.catalogue.reading() as connection:
            mirrors = [mirror.name for mirror in registry.mirrors(connection) if mirror.url is not None]
        steps = [
            _Step(SourceName(mirror), partial(self.refresher.refresh, mirror), SourceName(mirror))
            for mirror in mirrors
        ]
        addresses = self.pages.known_pages()
        if addresses:
            steps.append(_Step(addresses[0], self.pages.read_known))
        if not steps:
            raise UserInputError(
                "no mirror is registered yet",
                hint="cachescope add NAME URL, or at once: cachescope sync URL --as NAME",
            )
        return steps

    def done_side_by_side(self, steps: Sequence[_Step]) -> Iterator[Sequence[SourceOutcome]]:
        """Take all steps, those together that may be; outcomes come in the order of the steps."""
        together: list[tuple[_Step, SourceName]] = []
        for step in steps:
            source = step.beside_others
            if source is not None and source.mirror not in {one.mirror for _, one in together}:
                together.append((step, source))
                continue
            yield from self._together(together)
            together = [(step, source)] if source is not None else []
            if source is None:
                yield _done(step)
        yield from self._together(together)

    def _together(self, some: Sequence[tuple[_Step, SourceName]]) -> Iterator[Sequence[SourceOutcome]]:
        if len(some) < 2:  # noqa: PLR2004 - one alone needs no threads
            yield from (_done(step) for step, _ in some)
            return
        results = self.tools.side_by_side(self.refresher).refresh([source for _, source in some])
        for (step, _), result in zip(some, results, strict=True):
            yield _failed(step, result) if isinstance(result, CachescopeError) else result

    def _named(self, target: str, name: str | None) -> _Step:
        from cachescope.catalogue import registry

        source = parse_source_name(target)
        if name is not None:
            raise UserInputError(
                f"{target} is the name of a mirror, not an address", hint="--as goes with an address"
            )
        with self.tools.catalogue.reading() as connection:
            mirror = registry.find_mirror(connection, source.mirror)
        if mirror is not None and mirror.url is None:
            return _Step(source, partial(self.pages.read_known, source.mirror))
        return _Step(source, partial(self.refresher.refresh, source.mirror, view=source.view), source)

    def _address(self, target: str, name: str | None) -> _Step:
        from cachescope import compose
        from cachescope.catalogue import registry
        from cachescope.jobs.published_pages import is_page_address

        url = compose.parse_url(target)
        if is_page_address(target):
            return _Step(url, partial(self.pages.read_page, url))
        if name is not None:
            return _Step(url, partial(self._read_mirror, parse_source_name(name), url))
        if self.refresher.has_no_index(url) and self.pages.holds_pages(url):
            return _Step(url, partial(self.pages.read_folder, url))
        with self.tools.catalogue.reading() as connection:
            known = [mirror.name for mirror in registry.mirrors(connection) if mirror.url == url]
        return _Step(
            url, partial(self._read_mirror, SourceName(known[0] if known else _guessed_name(url)), url)
        )

    def _read_mirror(self, source: SourceName, url: MirrorUrl) -> Sequence[SourceOutcome]:
        from cachescope.catalogue import registry

        with self.tools.catalogue.reading() as connection:
            is_new = registry.find_mirror(connection, source.mirror) is None
        outcomes = self.refresher.refresh_at(source.mirror, url, view=source.view)
        if is_new and all(one.error is not None for one in outcomes):
            self.hints.append(
                f"kept as {source.mirror}, to be tried again; 'cachescope remove {source.mirror}' forgets it"
            )
        elif source.view is None and (views := self.refresher.views(source.mirror)):
            self.hints.append(
                f"{source.mirror} has views too ({', '.join(views)}); "
                f"read one with: cachescope sync {source.mirror}@{views[0]}"
            )
        return outcomes


def _is_address(text: str) -> bool:
    """Tell an address from a name: by its form, else because it is there on the disk (as in ``sync mirrors/site``)."""
    return "://" in text or text.startswith((".", "/", "~")) or text.endswith(".md") or Path(text).exists()


def _guessed_name(url: MirrorUrl) -> MirrorName:
    """Make a name of an address: its last parts, if the one before the last is a public ref."""
    parts = [re.sub(r"[^A-Za-z0-9_.+-]", "-", part) for part in url.text.split("/") if part]
    is_staged = len(parts) > 1 and _PUBLIC_REF.fullmatch(parts[-2])
    text = f"{parts[-2]}/{parts[-1]}" if is_staged else parts[-1]
    try:
        return parse_source_name(text).mirror
    except UserInputError as error:
        raise UserInputError(
            "no name can be made of the address", where=str(url), hint="give one with --as NAME"
        ) from error
