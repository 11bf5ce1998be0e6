"""Many mirrors in one sync: several are fetched at a time, one thread writes what was fetched, mirror after mirror.

Planning and writing are in the caller's thread, in between the mirrors fetch; so the catalogue has one writer, and a
mirror is planned with what stands when it is its turn. Each mirror is a transaction of its own: a sync that is
interrupted has the mirrors that it wrote, and finds them unchanged the next time.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from cachescope.jobs.fetching import FetchedMirror, PlannedMirror
from cachescope.jobs.lanes import side_by_side
from cachescope.jobs.refresh import Refresher
from cachescope.model.errors import CachescopeError, NotInCatalogue, UserInputError
from cachescope.model.identity import SourceName
from cachescope.model.results import SourceOutcome

__all__ = ["SideBySide"]


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
        fetched = side_by_side(
            [self._planned(names, lane, ready) for lane in lanes],
            self._fetch,
            width=share,
            lanes_at_once=hosts,
            ahead=share,
            unwanted=_Fetched.close,
        )
        told = 0
        with closing(fetched):
            for one in fetched:
                ready[one.place] = self._written(one)
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

    def _written(self, one: _Fetched) -> Sequence[SourceOutcome] | CachescopeError:
        if isinstance(one.result, CachescopeError):
            return one.result
        try:
            return self._refresher.write(one.result)
        except (NotInCatalogue, UserInputError) as error:
            return error
