"""Coverage, causes and places of the specs of documents that are handed in: each answer out of one state of the catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.formats.lock_json import read_lock
from cachescope.jobs.coverage import Wanted, cached_summary, coverage_of, look_up
from cachescope.jobs.lock_graph import dependencies_first
from cachescope.jobs.what_if import estimate
from cachescope.jobs.why import explain_missing
from cachescope.model.coverage import Coverage
from cachescope.model.errors import NotInCatalogue, UserInputError
from cachescope.model.hosts import Host
from cachescope.model.identity import DagHash
from cachescope.model.lock_answers import Asked, Explained, FoundHash, FoundHashes, WhyQuestion
from cachescope.model.lockfile import LockFile
from cachescope.model.record import Presence
from cachescope.model.spec import ConcreteSpec
from cachescope.model.why import WhatIf, WhyReport
from cachescope.query.grammar import parse_query

__all__ = ["CatalogueLockAnswers", "levels_of"]


class CatalogueLockAnswers:
    """Fulfils ``model.lock_answers.LockAnswers``."""

    def __init__(self, catalogue: Catalogue, *, most_specs: int) -> None:
        """``most_specs`` of one document are answered, more are refused: bounds the time that one question takes."""
        self._catalogue = catalogue
        self._most_specs = most_specs

    def coverage(self, asked: Asked, *, deptypes: str, host: Host | None) -> Coverage:
        """How much is present."""
        with self._looked_up(asked) as (lookup, wanted):
            return coverage_of(wanted, lookup, deptypes=deptypes, host=host)

    def why(self, asked: Asked, question: WhyQuestion) -> tuple[WhyReport, WhatIf | None]:
        """Causes of what is missing."""
        only = parse_query(question.only) if question.only is not None else None
        change = parse_query(question.assumed) if question.assumed is not None else None
        with self._looked_up(asked) as (lookup, wanted):
            report = explain_missing(wanted, lookup, only=only)
            return report, estimate(wanted, lookup, change) if change is not None else None

    def explained(self, asked: Asked, *, deptypes: str, host: Host | None) -> Explained:
        """Coverage, causes and the shape of the DAG together."""
        with self._looked_up(asked) as (lookup, wanted):
            return Explained(
                coverage=coverage_of(wanted, lookup, deptypes=deptypes, host=host),
                report=explain_missing(wanted, lookup),
                levels=levels_of(wanted.specs),
                roots=wanted.lock.roots,
                urls=lookup.urls,
            )

    def lookup(self, asked: Asked) -> FoundHashes:
        """Where each spec is."""
        lock = self._read(asked)
        hashes = [*lock.specs, *lock.bare]
        with self._catalogue.reading() as connection:
            lookup = LockLookup(connection, asked.against)
            known = lookup.known(hashes)
            cached = lookup.specs([one.key for one in known.values()])
            variants = lookup.variants({one.variant_set for one in cached.values()})
            found = []
            for one in hashes:
                if one not in known:
                    found.append(FoundHash(one, None))
                    continue
                spec, presence = cached[known[one].key], known[one].presence
                found.append(
                    FoundHash(
                        one,
                        cached_summary(
                            spec,
                            variants,
                            presence if presence is not None else Presence.MENTIONED,
                            known[one].present_in,
                        ),
                        presence,
                    )
                )
        return FoundHashes(tuple(found))

    def against_names(self) -> Sequence[str]:
        """What can be judged by, as it is typed."""
        with self._catalogue.reading() as connection:
            mirrors = LockLookup(connection).mirrors
        return [*sorted({f"ref:{one.ref}" for one in mirrors}), *map(str, mirrors)]

    def _read(self, asked: Asked) -> LockFile:
        lock = read_lock(asked.document, asked.name)
        total = len(lock.specs) + len(lock.bare)
        if total > self._most_specs:
            raise UserInputError(
                f"{total:,} specs are more than are answered at once ({self._most_specs:,})",
                where=asked.name,
                hint="ask in several parts, or with the command line",
            )
        return lock

    @contextmanager
    def _looked_up(self, asked: Asked) -> Iterator[tuple[LockLookup, Wanted]]:
        lock = self._read(asked)
        with self._catalogue.reading() as connection:
            lookup = LockLookup(connection, asked.against)
            if not lookup.mirrors:
                raise NotInCatalogue(
                    "the catalogue has no caches to judge by", hint="read one first: cachescope sync URL"
                )
            yield lookup, look_up(lock, lookup)


def levels_of(specs: Mapping[DagHash, ConcreteSpec]) -> dict[DagHash, int]:
    """Return the longest way from each spec down to one without dependencies, in edges."""
    levels: dict[DagHash, int] = {}
    for one in dependencies_first(specs):
        levels[one] = max(
            (levels[edge.hash] + 1 for edge in specs[one].edges if edge.hash in levels), default=0
        )
    return levels
