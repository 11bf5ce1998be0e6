"""What came and went between two places or times, as text, Markdown and JSON."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cachescope.model.contents import ChangeKind, ContentsDiff, PackageChange, SideTotal
from cachescope.model.results import SpecSummary
from cachescope.present import wording
from cachescope.present.coverage import markdown_cell
from cachescope.present.terminal import cell, new_table, room, say
from cachescope.present.to_json import document, spec_object

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["render_json", "render_markdown", "render_text"]

_SHOWN = 40
_VERSIONS = 4
_HEADINGS = {
    ChangeKind.VERSIONS: "Other versions",
    ChangeKind.BUILDS: "Other builds of the same versions",
    ChangeKind.CAME: "Packages that came",
    ChangeKind.WENT: "Packages that went",
}
"""In the order in which they are told."""


def render_json(found: ContentsDiff) -> bytes:
    """Write the difference for programs."""
    return document(
        {
            "first": _side(found.first),
            "second": _side(found.second),
            "specs": {"came": found.came, "went": found.went, "stay": found.stay},
            "changes": {kind.value: len(found.of_kind(kind)) for kind in ChangeKind},
            "packages": [
                {
                    "name": one.name,
                    "change": one.kind.value,
                    "versions_before": list(one.versions_before),
                    "versions_after": list(one.versions_after),
                    "stay": one.stay,
                    # Where a spec is, is the question itself: no 'mirrors' here.
                    "came": [_spec(each) for each in one.came],
                    "went": [_spec(each) for each in one.went],
                }
                for one in found.packages
            ],
        }
    )


def _side(side: SideTotal) -> dict[str, object]:
    return {
        "name": side.name,
        "at": wording.rfc3339(side.moment) if side.moment is not None else None,
        "specs": side.specs,
        "packages": side.packages,
    }


def _spec(one: SpecSummary) -> dict[str, object]:
    return {key: value for key, value in spec_object(one).items() if key != "mirrors"}


def render_text(console: "Console", found: ContentsDiff) -> None:
    """Print counts, then the packages by how they differ."""
    for line in _headlines(found):
        say(console, line)
    for kind, heading in _HEADINGS.items():
        packages = found.of_kind(kind)
        if not packages:
            continue
        say(console, "")
        say(console, f"{heading} ({wording.count(len(packages))})", bold=True)
        with room(console):
            table = new_table("Package", *_columns(kind), "Came", "Went", "Stay", numbers=_numbers(kind))
            for one in packages[:_SHOWN]:
                table.add_row(*map(cell, _row(one)))
            console.print(table)
        if len(packages) > _SHOWN:
            say(console, f"and {wording.count(len(packages) - _SHOWN)} more: --json has all")


def _headlines(found: ContentsDiff) -> Iterator[str]:
    for side in (found.first, found.second):
        specs, packages = wording.count(side.specs, "spec"), wording.count(side.packages, "package")
        yield f"{side.name}: {specs} of {packages}"
    if not (found.came or found.went):
        yield "Both have the same specs."
        return
    yield (
        f"From the first to the second {wording.count(found.came, 'spec')} came, {wording.count(found.went)} went, "
        f"{wording.count(found.stay)} stay"
    )


def _columns(kind: ChangeKind) -> tuple[str, ...]:
    return ("Before", "After") if kind is ChangeKind.VERSIONS else ("Versions",)


def _numbers(kind: ChangeKind) -> tuple[int, ...]:
    first = 1 + len(_columns(kind))
    return (first, first + 1, first + 2)


def _row(one: PackageChange) -> list[str]:
    if one.kind is ChangeKind.VERSIONS:
        # What both have says nothing of the change.
        both = set(one.versions_before) & set(one.versions_after)
        versions = [
            _listed([each for each in some if each not in both], more="same" if both else "")
            for some in (one.versions_before, one.versions_after)
        ]
    else:
        versions = [_listed(one.versions_after or one.versions_before)]
    return [
        one.name,
        *versions,
        wording.count(len(one.came)),
        wording.count(len(one.went)),
        wording.count(one.stay),
    ]


def _listed(versions: Sequence[str], *, more: str = "") -> str:
    shown = ", ".join(versions[-_VERSIONS:])
    hidden = len(versions) - _VERSIONS
    text = f"{shown} and {hidden} older" if hidden > 0 else shown
    return text or more or wording.ABSENT


def render_markdown(found: ContentsDiff) -> bytes:
    """Write the difference for a pull request or release notes."""
    lines = [
        f"### From {markdown_cell(found.first.name)} to {markdown_cell(found.second.name)}",
        "",
        *(markdown_cell(line) + "  " for line in _headlines(found)),
    ]
    for kind, heading in _HEADINGS.items():
        packages = found.of_kind(kind)
        if not packages:
            continue
        columns = ("package", *(one.lower() for one in _columns(kind)), "came", "went", "stay")
        lines += [
            "",
            f"<details><summary>{heading} ({len(packages)})</summary>",
            "",
            f"| {' | '.join(columns)} |",
            "|---" * (len(columns) - 3) + "|--:|--:|--:|",
            *(f"| {' | '.join(map(markdown_cell, _row(one)))} |" for one in packages[:_SHOWN]),
        ]
        if len(packages) > _SHOWN:
            lines.append(f"| and {len(packages) - _SHOWN} more |" + " |" * (len(columns) - 1))
        lines += ["", "</details>"]
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
