"""The page of what came and went between two parts of the catalogue: caches, refs, points in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachescope.model.contents import (
    ChangedSpec,
    ChangeKind,
    ContentsPage,
    PackageTotals,
    Part,
    SideTotal,
    is_part_text,
    parse_part,
)
from cachescope.model.errors import UserInputError
from cachescope.model.identity import MirrorName, is_hash_text
from cachescope.present import urls, wording
from cachescope.present.pages import Frame, Moved, Pager, PageRequest, pager
from cachescope.present.terminal import cell, new_table, room, say
from cachescope.present.to_json import document

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.present import lock_shapes

__all__ = [
    "DifferencePage",
    "PackageLine",
    "asked_binaries",
    "asked_parts",
    "difference_page",
    "render_json",
    "render_text",
]

_SUGGESTED = 300
_VERSIONS = 4
_LONGEST_VERSION = 60
_WORDS = {
    ChangeKind.CAME: "came",
    ChangeKind.WENT: "went",
    ChangeKind.VERSIONS: "other versions",
    ChangeKind.BUILDS: "other builds",
}


@dataclass(frozen=True, slots=True)
class PackageLine:
    """One package of the table."""

    totals: PackageTotals
    words: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferencePage:
    """Two parts of the catalogue beside each other, or (``result`` None) the form that asks for them."""

    frame: Frame
    result: ContentsPage | None
    lines: tuple[PackageLine, ...]
    first: str
    second: str
    suggested: tuple[str, ...]
    """What can be compared, as it is typed."""

    pager: Pager
    swapped: str
    """The address with the sides exchanged."""


def asked_binaries(request: PageRequest) -> Moved | None:
    """Return where two binaries are compared, if both sides are hashes."""
    first, second = request.subject.strip(), request.other.strip()
    if not (is_hash_text(first.removeprefix("/")) and is_hash_text(second.removeprefix("/"))):
        return None
    if is_part_text(first) or is_part_text(second):
        return None
    return Moved(urls.compare(first.removeprefix("/"), second.removeprefix("/"), request.scope))


def asked_parts(request: PageRequest) -> tuple[Part, Part] | None:
    """Return what is compared; None where one of the sides is not given. Raises ``UserInputError``."""
    texts = request.subject.strip(), request.other.strip()
    if not all(texts):
        return None
    for text in texts:
        if len(text) > _LONGEST:
            raise UserInputError("a side of the comparison is too long", hint=_EXAMPLE)
    return parse_part(texts[0]), parse_part(texts[1])


_LONGEST = 300
_EXAMPLE = "for example develop/e4s, ref:develop or develop/e4s@{2026-11-01}"


def difference_page(
    result: ContentsPage | None, names: Sequence[MirrorName], request: PageRequest
) -> DifferencePage:
    """Build the page."""
    first, second = request.subject.strip(), request.other.strip()
    refs = list(dict.fromkeys(f"ref:{one.ref}" for one in names))
    return DifferencePage(
        frame=Frame(
            title=f"From {first} to {second}" if result is not None else "Compare two caches",
            section="caches",
            address=urls.difference(first, second, page=request.page),
            scope=request.scope,
            now=request.now,
        ),
        result=result,
        lines=tuple(map(_line, result.packages)) if result is not None else (),
        first=first,
        second=second,
        suggested=tuple([*refs, *map(str, names)][:_SUGGESTED]),
        pager=pager(result.pages if result is not None else 1, request.page),
        swapped=urls.difference(second, first),
    )


def _line(one: PackageTotals) -> PackageLine:
    before, after = one.versions_before, one.versions_after
    if one.kind is ChangeKind.VERSIONS:
        # What both have says nothing of the change.
        both = set(before) & set(after)
        before, after = (tuple(each for each in some if each not in both) for some in (before, after))
    return PackageLine(one, _WORDS[one.kind], _listed(before), _listed(after))


def _listed(versions: Sequence[str]) -> str:
    shown = ", ".join(wording.cut(one, _LONGEST_VERSION) for one in versions[-_VERSIONS:])
    hidden = len(versions) - _VERSIONS
    return f"{shown} and {hidden} older" if hidden > 0 else shown


def render_json(page: DifferencePage) -> bytes:
    """Write the difference for programs; without two sides, what can be compared."""
    result = page.result
    if result is None:
        form: lock_shapes.DifferenceForm = {"compare": list(page.suggested)}
        return document(form)
    found: lock_shapes.DifferencePart = {
        "first": _side(result.first),
        "second": _side(result.second),
        "specs": {"came": result.came, "went": result.went, "stay": result.stay},
        "changes": {kind.value: result.kinds[kind] for kind in ChangeKind},
        "packages": [
            {
                "name": one.name,
                "change": one.kind.value,
                "versions_before": list(one.versions_before),
                "versions_after": list(one.versions_after),
                "came": one.came,
                "went": one.went,
                "stay": one.stay,
                "first_came": _specs(one.first_came),
                "first_went": _specs(one.first_went),
            }
            for one in result.packages
        ],
        "page": result.page,
        "pages": result.pages,
    }
    return document(found)


def _side(side: SideTotal) -> "lock_shapes.DifferenceSide":
    return {
        "name": side.name,
        "at": wording.rfc3339(side.moment) if side.moment is not None else None,
        "specs": side.specs,
        "packages": side.packages,
    }


def _specs(specs: Sequence[ChangedSpec]) -> "list[lock_shapes.ChangedSpec]":
    return [{"hash": one.hash, "version": one.version} for one in specs]


def render_text(console: "Console", page: DifferencePage) -> None:
    """Print counts, then the packages of this page."""
    result = page.result
    if result is None:
        say(console, f"Two parts of the catalogue: {_EXAMPLE}")
        for one in page.suggested:
            say(console, one)
        return
    for side in (result.first, result.second):
        say(
            console,
            f"{side.name}: {wording.count(side.specs, 'spec')} of {wording.count(side.packages, 'package')}",
        )
    say(
        console,
        f"{wording.count(result.came)} came, {wording.count(result.went)} went, {wording.count(result.stay)} stay",
    )
    if not page.lines:
        return
    with room(console):
        table = new_table("Package", "Change", "Before", "After", "Came", "Went", "Stay", numbers=(4, 5, 6))
        for line in page.lines:
            totals = line.totals
            figures = (wording.count(figure) for figure in (totals.came, totals.went, totals.stay))
            table.add_row(*map(cell, (totals.name, line.words, line.before, line.after, *figures)))
        console.print(table)
    say(console, f"page {result.page} of {result.pages}")
