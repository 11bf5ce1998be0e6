"""From what was typed to what ``sync`` reads: names, addresses, pages, or all that is registered."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cachescope.model.errors import CachescopeError, NotInCatalogue, UserInputError
from cachescope.model.identity import MirrorName, SourceName, parse_source_name
from cachescope.model.mirror import MirrorUrl
from cachescope.model.sources import Attempt, AttemptOutcome, SourceOutcome

if TYPE_CHECKING:
    from cachescope.compose import Writing
    from cachescope.jobs.fetching import FetchedMirror
    from cachescope.jobs.freshness import Asked, FreshnessCheck
    from cachescope.jobs.published_pages import PageReader
    from cachescope.jobs.refresh import Refresher

__all__ = ["Plan", "Step", "ask_first", "done"]

_PUBLIC_REF = re.compile(r"develop(-\d{4}-\d{2}-\d{2})?|v\d+\.\d+(\.\d+)?")


def ask_first(check: "FreshnessCheck | None", targets: Sequence[str], name: str | None) -> "Asked | None":
    """Ask the one mirror that is meant whether it changed; None if that is not plain. Raises ``UserInputError``."""
    from cachescope import compose

    if check is None:
        return None
    if not targets:
        return check.ask()
    (target,) = targets
    if not _is_address(target):
        return check.ask(parse_source_name(target)) if name is None else None
    if target.endswith(".md"):
        return None
    return check.ask(parse_source_name(name) if name is not None else None, url=compose.parse_url(target))


def done(step: "Step") -> Sequence[SourceOutcome]:
    """Take one step; what is wrong with its target alone does not keep the others from being read."""
    try:
        return step.read()
    except (NotInCatalogue, UserInputError) as error:
        return _failed(step, error)


def _failed(step: "Step", error: CachescopeError) -> Sequence[SourceOutcome]:
    attempt = Attempt(None, AttemptOutcome.FAILED, str(error))
    return [SourceOutcome(name=step.target, layout=None, attempt=attempt, error=error)]


@dataclass(frozen=True, slots=True)
class Step:
    """One target, understood."""

    target: SourceName | MirrorUrl
    read: Callable[[], Sequence[SourceOutcome]]
    beside_others: SourceName | None = None
    """Set for a registered mirror, which may be read while others are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """From what was typed to what is read."""

    tools: "Writing"
    refresher: "Refresher"
    pages: "PageReader"
    hints: list[str]

    def steps(self, targets: Sequence[str], name: str | None) -> Sequence[Step]:
        """Understand all targets; without one, everything that is known. Raises ``UserInputError``."""
        if targets:
            return [
                self._address(one, name) if _is_address(one) else self._named(one, name) for one in targets
            ]
        from cachescope.catalogue import registry

        with self.tools.catalogue.reading() as connection:
            mirrors = [mirror.name for mirror in registry.mirrors(connection) if mirror.url is not None]
        steps = [
            Step(SourceName(mirror), partial(self.refresher.refresh, mirror), SourceName(mirror))
            for mirror in mirrors
        ]
        addresses = self.pages.known_pages()
        if addresses:
            steps.append(Step(addresses[0], self.pages.read_known))
        if not steps:
            raise UserInputError(
                "no mirror is registered yet",
                hint="cachescope add NAME URL, or at once: cachescope sync URL --as NAME",
            )
        return steps

    def fetched(self, mirror: "FetchedMirror") -> Step:
        """Go on with a mirror that was fetched already, and differs from what is known."""
        name = SourceName(mirror.planned.name)
        return Step(name, partial(self.refresher.write, mirror))

    def done_side_by_side(self, steps: Sequence[Step]) -> Iterator[Sequence[SourceOutcome]]:
        """Take all steps, those together that may be; outcomes come in the order of the steps."""
        together: list[tuple[Step, SourceName]] = []
        for step in steps:
            source = step.beside_others
            if source is not None and source.mirror not in {one.mirror for _, one in together}:
                together.append((step, source))
                continue
            yield from self._together(together)
            together = [(step, source)] if source is not None else []
            if source is None:
                yield done(step)
        yield from self._together(together)

    def _together(self, some: Sequence[tuple[Step, SourceName]]) -> Iterator[Sequence[SourceOutcome]]:
        if len(some) < 2:  # noqa: PLR2004 - one alone needs no threads
            yield from (done(step) for step, _ in some)
            return
        results = self.tools.side_by_side(self.refresher).refresh([source for _, source in some])
        for (step, _), result in zip(some, results, strict=True):
            yield _failed(step, result) if isinstance(result, CachescopeError) else result

    def _named(self, target: str, name: str | None) -> Step:
        from cachescope.catalogue import registry

        source = parse_source_name(target)
        if name is not None:
            raise UserInputError(
                f"{target} is the name of a mirror, not an address", hint="--as goes with an address"
            )
        with self.tools.catalogue.reading() as connection:
            mirror = registry.find_mirror(connection, source.mirror)
        if mirror is not None and mirror.url is None:
            return Step(source, partial(self.pages.read_known, source.mirror))
        return Step(source, partial(self.refresher.refresh, source.mirror, view=source.view), source)

    def _address(self, target: str, name: str | None) -> Step:
        from cachescope import compose
        from cachescope.catalogue import registry
        from cachescope.jobs.published_pages import is_page_address

        url = compose.parse_url(target)
        if is_page_address(target):
            return Step(url, partial(self.pages.read_page, url))
        if name is not None:
            return Step(url, partial(self._read_mirror, parse_source_name(name), url))
        if self.refresher.has_no_index(url) and self.pages.holds_pages(url):
            return Step(url, partial(self.pages.read_folder, url))
        with self.tools.catalogue.reading() as connection:
            known = [mirror.name for mirror in registry.mirrors(connection) if mirror.url == url]
        return Step(
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
    return "://" in text or text.startswith((".", "/", "~")) or text.endswith(".md") or os.path.exists(text)  # noqa: PTH110 - Path.exists() raises for a text too long for a name


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
