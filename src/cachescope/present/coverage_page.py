"""The pages on which a lock file is handed in, and what is said about it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cachescope.model.coverage import MirrorSet, MirrorShare
from cachescope.model.identity import DagHash, MirrorName
from cachescope.model.lock_answers import Explained
from cachescope.model.mirror import MirrorUrl, mirror_add
from cachescope.model.why import Cause, CauseKind, Lacking, Nearest
from cachescope.present import urls, wording
from cachescope.present.coverage import download_words, percent, tally_words, title
from cachescope.present.coverage_picture import Picture, picture_of
from cachescope.present.pages import Frame
from cachescope.present.why import difference_words

__all__ = [
    "CauseBlock",
    "CoverageFormPage",
    "CoveragePage",
    "LackingRow",
    "MirrorRow",
    "coverage_form_page",
    "coverage_page",
]

_CAUSES = 12
_ROWS = 80
_MIRRORS = 25
_SUGGESTED = 200
_NAMES = 6
_MOST = 0.9
"""Share of the missing specs that the causes named in the lead explain, if a few do."""

_FEW = 5
_SHORT_HASH = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageFormPage:
    """Where a lock file is dropped or pasted."""

    frame: Frame
    largest: int
    """Bytes that are taken."""

    against: tuple[str, ...]
    """What can be judged by, to choose from."""

    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseBlock:
    """A cause with its remedy, and the nearest binary to one of its specs."""

    number: int
    cause: Cause
    figure: int
    figure_words: str
    names: tuple[str, ...]
    """Packages of specs that follow; the first few."""

    more: int
    nearest: Nearest | None
    nearest_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRow:
    """What one mirror has, and how much of it no mirror above it has."""

    share: MirrorShare
    words: str
    percent: float
    in_set: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LackingRow:
    """A missing spec with its causes and its nearest binary."""

    spec: Lacking
    title: str
    causes: tuple[int, ...]
    itself: bool
    through: str
    nearest: Nearest | None
    differs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePage:
    """Coverage and causes of one document."""

    frame: Frame
    result: Explained
    heading: str
    lead: str
    download: str
    run: str
    build: str
    picture: Picture
    causes: tuple[CauseBlock, ...]
    mirrors: tuple[MirrorRow, ...]
    best: MirrorSet | None
    commands: tuple[str, ...]
    """Configure the fewest mirrors that reach the best share."""

    rows: tuple[LackingRow, ...]
    json_commands: tuple[str, ...]


def coverage_form_page(
    against: Sequence[str], *, largest: int, origin: str, scope: urls.Scope, now: datetime
) -> CoverageFormPage:
    """Build the form."""
    frame = Frame(title="Coverage of a lock file", section="coverage", address="", scope=scope, now=now)
    return CoverageFormPage(frame=frame, largest=largest, against=tuple(against[:_SUGGESTED]), origin=origin)


def coverage_page(result: Explained, *, origin: str, scope: urls.Scope, now: datetime) -> CoveragePage:
    """Build the answer; ``origin`` is where the site is, for commands."""
    coverage, report = result.coverage, result.report
    best = coverage.sets[-1] if coverage.sets and coverage.tally.present else None
    missing = len(coverage.missing)
    heading = (
        f"{wording.count(coverage.tally.present)} of {wording.count(coverage.tally.total)} are in the caches"
    )
    if missing:
        heading += f"; {wording.count(missing)} would be built"
    return CoveragePage(
        frame=Frame(
            title=f"Coverage of {', '.join(map(wording.plain, coverage.files))}",
            section="coverage",
            address="",
            scope=scope,
            now=now,
        ),
        result=result,
        heading=heading,
        lead=_lead(report.causes, report.missing),
        download=download_words(coverage),
        run=tally_words(coverage.run),
        build=tally_words(coverage.build),
        picture=picture_of(result),
        causes=tuple(_blocks(report.causes[:_CAUSES], report.missing)),
        mirrors=tuple(_mirrors(coverage.mirrors[:_MIRRORS], best)),
        best=best,
        commands=tuple(_commands(best, result.urls)) if best is not None else (),
        rows=tuple(_rows(result)),
        json_commands=_json_commands(origin, coverage.files),
    )


def _lead(causes: Sequence[Cause], missing: Sequence[Lacking]) -> str:
    """Say how few causes are behind most of what is missing."""
    if not missing:
        return "Nothing is missing."
    total = len(missing)
    if len(causes) == 1:
        return f"All {wording.count(total)} have one cause." if total > 1 else ""
    for few in range(1, min(_FEW, len(causes)) + 1):
        explained = sum(any(place < few for place in one.causes) for one in missing)
        if explained >= _MOST * total:
            named = f"the first {few} of" if few < len(causes) else "these"
            words = "cause 1 has" if few == 1 else f"{named} {len(causes)} causes have"
            return f"In {wording.count(explained)} of the {wording.count(total)}, {words} a part."
    return f"There are {wording.count(len(causes), 'cause')}; those that explain most come first."


def _blocks(causes: Sequence[Cause], missing: Sequence[Lacking]) -> Iterator[CauseBlock]:
    lacking = {one.spec.hash: one for one in missing}
    for number, cause in enumerate(causes, start=1):
        names = [lacking[one].spec.name for one in cause.consequences if one in lacking]
        distinct = wording.distinct(names)
        about = next((lacking[one] for one in cause.hashes if one in lacking), None)
        nearest = about.nearest[0] if about is not None and about.nearest else None
        yield CauseBlock(
            number=number,
            cause=cause,
            figure=cause.explained,
            figure_words=_figure_words(cause),
            names=distinct[:_NAMES],
            more=max(0, len(distinct) - _NAMES),
            nearest=nearest,
            nearest_title=f"{about.spec.name}@{nearest.version}" if about and nearest else "",
        )


def _figure_words(cause: Cause) -> str:
    follow = wording.count(len(cause.consequences))
    if cause.kind is CauseKind.DEPENDENCY_UNUSED:
        return "missing because of it"
    if not cause.consequences:
        return "missing" if len(cause.hashes) > 1 else "missing: itself alone"
    own = "itself" if len(cause.hashes) == 1 else f"{wording.count(len(cause.hashes))} of this kind"
    return f"missing: {own}, and {follow} above"


def _mirrors(shares: Sequence[MirrorShare], best: MirrorSet | None) -> Iterator[MirrorRow]:
    for one in shares:
        yield MirrorRow(
            share=one,
            words=percent(one.tally.share),
            percent=round(one.tally.share * 100, 1),
            in_set=best is not None and one.name in best.mirrors,
        )


def _commands(best: MirrorSet, addresses: Mapping[MirrorName, MirrorUrl | None]) -> Iterator[str]:
    for name in best.mirrors:
        address = addresses.get(name)
        if address is not None:
            yield mirror_add(name, address)


def _rows(result: Explained) -> Iterator[LackingRow]:
    """Causes first, then what follows; each as ``why`` prints it."""
    report = result.report
    names = {one.spec.hash: one.spec.name for one in report.missing}
    own: dict[DagHash, int] = {}
    for place, cause in enumerate(report.causes):
        for dag_hash in cause.hashes:
            own.setdefault(dag_hash, place)
    ordered = sorted(
        report.missing,
        key=lambda one: (one.spec.hash not in own, own.get(one.spec.hash, min(one.causes, default=0))),
    )
    for one in ordered[:_ROWS]:
        nearest = one.nearest[0] if one.nearest else None
        through = [names.get(each, f"/{each[:_SHORT_HASH]}") for each in one.follows]
        yield LackingRow(
            spec=one,
            title=title(one.spec),
            causes=tuple(place + 1 for place in one.causes[:_NAMES]),
            itself=one.spec.hash in own or not one.follows,
            through=", ".join(through[:_NAMES]) + (", ..." if len(through) > _NAMES else ""),
            nearest=nearest,
            differs=", ".join(map(difference_words, nearest.differences[:_NAMES])) if nearest else "",
        )


def _json_commands(origin: str, files: Sequence[str]) -> tuple[str, ...]:
    # What a browser calls a pasted text is no file that the command could read.
    name = (
        shlex.quote(files[0])
        if len(files) == 1 and "/" not in files[0] and " " not in files[0]
        else "spack.lock"
    )
    address = shlex.quote(origin + urls.api("/coverage"))
    return (
        f"curl --data-binary @{name} {address}",
        f"curl --data-binary @{name} {shlex.quote(origin + urls.api('/why'))}",
    )
