"""The page of one mirror: its sources, what is in it, and what snapshots changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cachescope.model.identity import MirrorName
from cachescope.model.mirrors import CompilerUse, MirrorReport, SnapshotChange, Tally
from cachescope.present import urls
from cachescope.present.pages import Frame, PageRequest
from cachescope.present.sparkline import Sparkline, sparkline

__all__ = ["MirrorPage", "Share", "mirror_page"]

_CHANGES_SHOWN = 12
_TALLIES_SHOWN = 20
_BAR = 120


@dataclass(frozen=True, slots=True)
class Share:
    """A row of a list with a bar; ``width`` in pixels, the longest is 120."""

    name: str
    figure: int
    more: int
    """A second figure; 0 for none."""

    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPage:
    """One mirror."""

    frame: Frame
    result: MirrorReport
    spark: Sparkline | None
    """Binaries of the source that was read most often."""

    changes: tuple[SnapshotChange, ...]
    before: tuple[datetime | None, ...]
    """For each of them when the mirror was last read before; None where it was not."""

    biggest: tuple[Share, ...]
    compilers: tuple[Share, ...]
    systems: tuple[Share, ...]
    targets: tuple[Share, ...]


def mirror_page(result: MirrorReport, request: PageRequest) -> MirrorPage:
    """Build the page of a mirror."""
    name: MirrorName = result.name
    return MirrorPage(
        frame=Frame(
            title=str(name),
            section="caches",
            address=urls.cache(name),
            scope=urls.mirror_scope(name),
            now=request.now,
        ),
        result=result,
        spark=_spark(result, request),
        changes=result.changes[:_CHANGES_SHOWN],
        before=tuple(_before(one, result.changes) for one in result.changes[:_CHANGES_SHOWN]),
        biggest=_shares([(one.name, one.counts.present, one.versions) for one in result.biggest]),
        compilers=_shares(_uses(result.compilers)),
        systems=_shares(_tallies(result.systems)),
        targets=_shares(_tallies(result.targets)),
    )


def _before(change: SnapshotChange, changes: Sequence[SnapshotChange]) -> datetime | None:
    return max((one.at for one in changes if one.at < change.at), default=None)


def _uses(compilers: tuple[CompilerUse, ...]) -> list[tuple[str, int, int]]:
    return [(one.name, one.packages, one.specs) for one in compilers]


def _tallies(tallies: tuple[Tally, ...]) -> list[tuple[str, int, int]]:
    return [(one.name, one.specs, 0) for one in tallies]


def _shares(rows: list[tuple[str, int, int]]) -> tuple[Share, ...]:
    most = max((figure for _, figure, _ in rows), default=1) or 1
    return tuple(
        Share(name, figure, more, -(-_BAR * figure // most)) for name, figure, more in rows[:_TALLIES_SHOWN]
    )


def _spark(result: MirrorReport, request: PageRequest) -> Sparkline | None:
    by_source: dict[object, list[SnapshotChange]] = {}
    for one in reversed(result.changes):
        by_source.setdefault((one.source, one.layout), []).append(one)
    longest = max(by_source.values(), key=len, default=[])
    return sparkline([(one.at, one.present) for one in longest], until=request.now)
