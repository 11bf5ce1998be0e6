"""Many mirrors in one sync: several are fetched at a time, one thread writes what was fetched.

Planning and writing are in the caller's thread, in between the mirrors fetch; so the catalogue has one writer, and a
mirror is planned with what stands when it is its turn. Mirrors that wait together, because writing takes longer than
fetching, are one transaction of some seconds, in which their refs and the whole catalogue are counted once. A sync
that is interrupted has the mirrors that it wrote, and finds them unchanged the next time.
"""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from cachescope.jobs.fetching import FetchedMirror, PlannedMirror
from cachescope.jobs.lanes import Crew
from cachescope.jobs.refresh import Refresher
from cachescope.model.errors import CachescopeError, NotInCatalogue, UserInputError
from cachescope.model.identity import SourceName
from cachescope.model.sources import SourceOutcome

__all__ = ["SideBySide"]

_TOGETHER = 10.0
"""Seconds for which a transaction takes further mirrors: so long may others wait to write, and so much may Ctrl-C undo."""

_LONGEST = 20.0
"""The same where counting a large catalogue at the end of each transaction would take more than a tenth of the time."""

_TIMES = 10

_WORTH_COLLECTING = 1.0
"""Seconds of transactions after which a collection of garbage is a small part of them: it takes some hundredths."""


@dataclass(frozen=True, slots=True)
class _Planned:
    place: int
    mirror: PlannedMirror


@dataclass(frozen=True, slots=True)
class _Fetched:
    place: int
    result: FetchedMirror | CachescopeError

    def close(self) -> None:
        if isinstance(self.result, FetchedMirror):
            self.result.close()


class SideBySide:
    """Refreshes many registered mirrors; ``mirrors_at_once`` are fetched, or wait to be written, at any time."""

    def __init__(
        self, refresher: Refresher, *, mirrors_at_once: int, connections_per_host: int, hosts_at_once: int
    ) -> None:
        self._refresher = refresher
        self._mirrors_at_once = mirrors_at_once
        self._connections_per_host = connections_per_host
        self._hosts_at_once = min(hosts_at_once, mirrors_at_once)
        self._counting = 0.0
        """Seconds that the end of the last transaction took."""

    def refresh(self, names: Sequence[SourceName]) -> Iterator[Sequence[SourceOutcome] | CachescopeError]:
        """Yield the outcomes of each mirror in the order of ``names``; they are written as they come.

        A mirror that fails is in its outcomes, or an error in their place where it could not even be asked. Raises
        ``CatalogueUnusable``. No mirror may be named twice.
        """
        ready: dict[int, Sequence[SourceOutcome] | CachescopeError] = {}
        lanes = self._lanes(names, ready)
        hosts = max(1, min(len(lanes), self._hosts_at_once))
        # Each host has its share of what is held, so that one that is down does not keep the others from being read.
        share = max(1, min(self._mirrors_at_once // hosts, self._connections_per_host))
        crew = Crew(
            [self._planned(names, lane, ready) for lane in lanes],
            self._fetch,
            width=share,
            lanes_at_once=hosts,
            ahead=share,
            unwanted=_Fetched.close,
        )
        told, written = 0, 0.0
        with crew:
            while (first := crew.result(wait=True)) is not None:
                begun = monotonic()
                self._write_together(crew, first, ready)
                written += monotonic() - begun
                if written > _WORTH_COLLECTING:
                    # The command runs without the collector, and each transaction leaves some circles.
                    gc.collect()
                    written = 0.0
                while told in ready:
                    yield ready.pop(told)
                    told += 1
        # Mirrors that could not be planned are told without having been fetched.
        yield from (ready[place] for place in sorted(ready))

    def _lanes(
        self, names: Sequence[SourceName], ready: dict[int, Sequence[SourceOutcome] | CachescopeError]
    ) -> Sequence[Sequence[int]]:
        """Sort the places of names by host. What is not registered is told at once."""
        hosts: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            try:
                host = self._refresher.address(name.mirror).host
            except NotInCatalogue as error:
                ready[place] = error
            else:
                hosts.setdefault(host, []).append(place)
        return list(hosts.values())

    def _planned(
        self,
        names: Sequence[SourceName],
        places: Sequence[int],
        ready: dict[int, Sequence[SourceOutcome] | CachescopeError],
    ) -> Iterator[_Planned]:
        for place in places:
            try:
                planned = self._refresher.plan(names[place].mirror, view=names[place].view)
            except NotInCatalogue as error:  # removed by another process since
                ready[place] = error
            else:
                yield _Planned(place, planned)

    def _fetch(self, planned: _Planned) -> _Fetched:
        """Runs in several threads."""
        try:
            return _Fetched(planned.place, self._refresher.fetch(planned.mirror))
        except UserInputError as error:
            return _Fetched(planned.place, error)

    def _write_together(
        self,
        crew: Crew[_Planned, _Fetched],
        first: tuple[_Fetched],
        ready: dict[int, Sequence[SourceOutcome] | CachescopeError],
    ) -> None:
        """Write a mirror, and in the same transaction those that become ready meanwhile."""
        places: list[int] = []
        written = monotonic()

        def mirrors() -> Iterator[FetchedMirror]:
            nonlocal written
            end = written + min(_LONGEST, max(_TOGETHER, _TIMES * self._counting))
            one: tuple[_Fetched] | None = first
            while one is not None:
                (fetched,) = one
                if isinstance(fetched.result, CachescopeError):
                    ready[fetched.place] = fetched.result
                else:
                    places.append(fetched.place)
                    yield fetched.result
                written = monotonic()
                one = crew.result(wait=False) if written < end else None

        if isinstance(first[0].result, CachescopeError):
            ready[first[0].place] = first[0].result
        else:
            outcomes = self._refresher.write_together(mirrors())
            self._counting = monotonic() - written
            ready.update(zip(places, outcomes, strict=True))
