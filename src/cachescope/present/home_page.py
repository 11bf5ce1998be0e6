"""The first page: what the caches hold, how they grow, and what changed last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cachescope.model.identity import Ref, SourceName
from cachescope.model.mirrors import SnapshotChange
from cachescope.model.results import RefStacks
from cachescope.model.sources import AttemptOutcome, SourceStatus
from cachescope.present import urls, wording
from cachescope.present.pages import Frame, PageRequest
from cachescope.present.sparkline import Sparkline, sparkline

__all__ = ["Growth", "HomePage", "RefRow", "featured_ref", "home_page"]

_HOME_SOURCES = 40
_HOME_REFS = 100
_HOME_CHANGES = 8
_MAIN_REF = Ref("develop")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefRow:
    """A ref, with the freshness of its newest copy."""

    ref: RefStacks
    snapshot_at: datetime | None
    stale: bool
    failing: int
    """Sources whose last attempt failed."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How the binaries of a source changed in the last 24 hours, and over all snapshots."""

    came: int
    gone: int
    spark: Sparkline | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """What the caches hold: a search box, the refs, the mirrors of one ref."""

    frame: Frame
    refs: tuple[RefStacks, ...]
    sources: tuple[SourceStatus, ...]
    rows: tuple[RefRow, ...]
    """The refs, each with its freshness; the first hundred."""

    featured: RefRow | None
    """The ref whose mirrors are listed: as ``featured_ref`` says; None without any."""

    listed: tuple[SourceStatus, ...]
    """Sources of the featured ref, cut to what a first page can hold."""

    featured_total: int
    """Sources of the featured ref before the cut."""

    growth: tuple[Growth, ...]
    """Of the listed sources, in their order."""

    changes: tuple[SnapshotChange, ...]
    """The last snapshots of the featured ref that changed something, newest first."""


def featured_ref(refs: Sequence[RefStacks], request: PageRequest) -> Ref | None:
    """Return the ref whose mirrors the first page lists; None without any.

    The chosen one, else ``develop``, else that of most binaries; of as many the first.
    """
    names = [one.ref for one in refs]
    for wanted in (request.scope.ref, _MAIN_REF):
        if wanted in names:
            return wanted
    # Without a main line the order of the refs says little: the first may be a mirror of four binaries.
    most = max(refs, key=lambda one: (one.counts.present, one.counts.unstated), default=None)
    return most.ref if most is not None else None


def home_page(
    refs: Sequence[RefStacks],
    sources: Sequence[SourceStatus],
    request: PageRequest,
    changes: Sequence[SnapshotChange] = (),
) -> HomePage:
    """Build the first page; ``changes`` are those of the featured ref."""
    rows = tuple(_ref_row(one, sources, request.now) for one in refs)
    shown = featured_ref(refs, request)
    featured = next((row for row in rows if row.ref.ref == shown), None)
    of_ref = [one for one in sources if featured is not None and one.name.ref == featured.ref.ref]
    return HomePage(
        frame=Frame(
            title="What the Spack build caches hold",
            section="",
            address=urls.home(request.scope),
            scope=request.scope,
            now=request.now,
        ),
        refs=tuple(refs),
        sources=tuple(sources),
        rows=rows[:_HOME_REFS],
        featured=featured,
        listed=tuple(of_ref[:_HOME_SOURCES]),
        featured_total=len(of_ref),
        growth=tuple(_growth(one, changes, request.now) for one in of_ref[:_HOME_SOURCES]),
        changes=tuple(one for one in changes if one.came or one.gone)[:_HOME_CHANGES],
    )


def _growth(source: SourceStatus, changes: Sequence[SnapshotChange], now: datetime) -> Growth:
    """Say how the binaries of a source changed: a copy that was never read has no history."""
    own = [
        one
        for one in reversed(changes)
        if (one.source, one.layout) == (SourceName(source.name, source.view), source.layout)
    ]
    lately = [one for one in own if now - one.at <= wording.STALE_AFTER and not one.first]
    return Growth(
        sum(one.came for one in lately),
        sum(one.gone for one in lately),
        sparkline([(one.at, one.present) for one in own], until=now),
    )


def _ref_row(ref: RefStacks, sources: Sequence[SourceStatus], now: datetime) -> RefRow:
    of_ref = [one for one in sources if one.name.ref == ref.ref]
    read = [one.snapshot_at for one in of_ref if one.snapshot_at is not None]
    newest = max(read, default=None)
    return RefRow(
        ref=ref,
        snapshot_at=newest,
        stale=ref.stale or (newest is not None and now - newest > wording.STALE_AFTER),
        failing=sum(one.last_attempt.outcome == AttemptOutcome.FAILED for one in of_ref),
    )
