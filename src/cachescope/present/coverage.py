"""Coverage as text, Markdown and JSON."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cachescope.model.coverage import Coverage, MirrorSet, MirrorShare, MissingSpec, Tally
from cachescope.model.results import SpecSummary
from cachescope.present import wording
from cachescope.present.terminal import cell, new_table, room, say
from cachescope.present.to_json import document, spec_object

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.present import lock_shapes

__all__ = [
    "STANDARD_INPUT",
    "download_words",
    "markdown_cell",
    "percent",
    "render_json",
    "render_markdown",
    "render_text",
    "tally_words",
    "title",
    "why_command",
]

STANDARD_INPUT = "standard input"
"""What a document is called that came without a name."""

_MISSING_SHOWN = 50
_SHORT_HASH = 7


def percent(share: float) -> str:
    """Write a share: ``96.4 %``. Never 100 % for less than all, never 0 % for more than nothing."""
    figure = round(share * 100, 1)
    if figure >= 100 > share * 100:  # noqa: PLR2004 - per cent
        figure = 99.9
    if figure <= 0 < share:
        figure = 0.1
    return f"{figure:g} %" if figure in {0, 100} else f"{figure:.1f} %"


def tally_words(tally: Tally) -> str:
    """Write ``27 of 40 (67.5 %)``."""
    if not tally.total:
        return "none wanted"
    return f"{wording.count(tally.present)} of {wording.count(tally.total)} ({percent(tally.share)})"


def title(spec: SpecSummary) -> str:
    """Name a spec: ``zlib@1.3.1``."""
    return f"{spec.name}@{spec.version}" if spec.version else f"/{spec.hash}"


def render_json(coverage: Coverage) -> bytes:
    """Write coverage for programs."""
    found: lock_shapes.Coverage = {
        "files": list(coverage.files),
        "against": [str(one) for one in coverage.against],
        "deptypes": coverage.deptypes,
        "host": str(coverage.host) if coverage.host is not None else None,
        "share": coverage.tally.share,
        "installable": coverage.installable,
        "total": coverage.tally.total,
        "closures": {"run": _tally(coverage.run), "build": _tally(coverage.build)},
        "bytes": coverage.bytes_known if coverage.bytes_unknown < coverage.tally.present else None,
        "bytes_unknown": coverage.bytes_unknown,
        "mirrors": [_mirror(one) for one in coverage.mirrors],
        "sets": [_set(one) for one in coverage.sets],
        "present": [spec_object(one) for one in coverage.present],
        "missing": [_missing(one) for one in coverage.missing],
        "external": [spec_object(one) for one in coverage.external],
        "unstated": [spec_object(one) for one in coverage.unstated],
        "not_runnable": [spec_object(one) for one in coverage.not_runnable],
        "warnings": list(coverage.warnings),
    }
    return document(found)


def _tally(tally: Tally) -> "lock_shapes.Share":
    return {"present": tally.present, "total": tally.total, "share": tally.share}


def _mirror(one: MirrorShare) -> "lock_shapes.MirrorShare":
    return {
        "name": str(one.name),
        **_tally(one.tally),
        "run": _tally(one.run),
        "installable": one.installable,
    }


def _set(one: MirrorSet) -> "lock_shapes.MirrorSet":
    return {"mirrors": [str(name) for name in one.mirrors], **_tally(one.tally), "exact": one.exact}


def _missing(one: MissingSpec) -> "lock_shapes.MissingSpec":
    return {**spec_object(one.spec), "dependents": one.dependents, "needed_at_run": one.needed_at_run}


def render_text(console: "Console", coverage: Coverage, *, target: float | None = None) -> None:
    """Print coverage; ``target`` (0 to 1) is the share that is wanted."""
    for line in _headlines(coverage):
        say(console, line)
    for warning in coverage.warnings:
        say(console, f"Note: {warning}")
    if coverage.mirrors:
        say(console, "")
        with room(console):
            table = new_table("Cache", "Present", "Share", "Run closure", numbers=(1, 2))
            for one in coverage.mirrors:
                run = "complete" if one.installable else tally_words(one.run)
                table.add_row(
                    *map(
                        cell, [str(one.name), wording.count(one.tally.present), percent(one.tally.share), run]
                    )
                )
            console.print(table)
    for line in _set_lines(coverage, target):
        say(console, line)
    if coverage.missing:
        say(console, "")
        say(console, "Missing, those on which most others depend first:")
        with room(console) as roomy:
            table = new_table(
                "Package", "Dependents", "Needed", *(("Target",) if roomy else ()), "Hash", numbers=(1,)
            )
            for missing in coverage.ordered_missing(_MISSING_SHOWN):
                spec = missing.spec
                needed = "to run" if missing.needed_at_run else "to build"
                target_cell = [f"{spec.architecture.os} {spec.architecture.target}"] if roomy else []
                table.add_row(
                    *map(
                        cell,
                        [title(spec), wording.count(missing.dependents), needed, *target_cell, spec.hash],
                    )
                )
            console.print(table)
        if len(coverage.missing) > _MISSING_SHOWN:
            say(console, f"and {wording.count(len(coverage.missing) - _MISSING_SHOWN)} more: --json has all")
        say(console, f"Why: {why_command(coverage)}")


def why_command(coverage: Coverage) -> str:
    """Return the command that tells the causes, as a shell takes it."""
    return " ".join(["cachescope why", *(shlex.quote(_argument(one)) for one in coverage.files)])


def _argument(file: str) -> str:
    return "-" if file == STANDARD_INPUT else file


def _headlines(coverage: Coverage) -> list[str]:
    lines = [f"{', '.join(coverage.files)}: {tally_words(coverage.tally)} of the specs are present"]
    parts = []
    if coverage.external:
        parts.append(f"{wording.count(len(coverage.external), 'external')} not counted")
    if coverage.unstated:
        parts.append(f"{wording.count(len(coverage.unstated))} unstated")
    if coverage.not_runnable:
        parts.append(f"{wording.count(len(coverage.not_runnable))} present, but not for {coverage.host}")
    if parts:
        lines[0] += f"; {', '.join(parts)}"
    if coverage.deptypes == "all":
        lines += [
            f"  run closure  {tally_words(coverage.run)}",
            f"  build only   {tally_words(coverage.build)}",
        ]
    lines.append(
        "Installable: the whole run closure is present."
        if coverage.installable
        else "Not installable from caches alone: the run closure has gaps."
    )
    if coverage.tally.present:
        known = coverage.tally.present - coverage.bytes_unknown
        lines.append(
            f"To download: {download_words(coverage)}"
            if known
            else "To download: sizes are not known ('cachescope sync --sizes' reads them)"
        )
    return lines


def download_words(coverage: Coverage) -> str:
    """Say how much is to be downloaded: ``42.8 kB``, or ``3.1 kB, and 4 specs of unknown size``."""
    unknown = coverage.bytes_unknown
    if unknown and unknown == coverage.tally.present:
        return wording.NOT_KNOWN
    more = f", and {wording.count(unknown, 'spec')} of unknown size" if unknown else ""
    return wording.size(coverage.bytes_known) + more


def _set_lines(coverage: Coverage, target: float | None) -> list[str]:
    if len(coverage.mirrors) <= 1 or not coverage.sets:
        return []
    lines = []
    best = coverage.sets[-1]
    if target is not None and (enough := coverage.smallest_set(target)) is not None and enough is not best:
        lines.append(_set_words(enough, len(coverage.against)))
    lines.append(_set_words(best, len(coverage.against)))
    return lines


def _set_words(one: MirrorSet, total: int) -> str:
    names = ", ".join(map(str, one.mirrors))
    found = f"{len(one.mirrors)} of {total} caches {'reach' if len(one.mirrors) > 1 else 'reaches'} {percent(one.tally.share)}"
    return f"{found}: {names}{'' if one.exact else ' (fewer may do: not all sets were tried)'}"


def render_markdown(coverage: Coverage, *, passed: bool | None = None) -> bytes:
    """Write coverage for a pull request; ``passed`` says whether a bar was reached, None where none was set."""
    verdict = "" if passed is None else ("passed: " if passed else "**failed**: ")
    told = (
        f"{verdict}{tally_words(coverage.tally)} specs of `{', '.join(coverage.files)}` are present, "
        f"{len(coverage.external)} externals not counted; "
        f"{'installable' if coverage.installable else 'not installable'} from caches alone."
    )
    lines = [
        f"### Build cache coverage {percent(coverage.tally.share)}",
        "",
        told,
        "",
        "| cache | present | share | run closure |",
        "|---|--:|--:|---|",
    ]
    for mirror in coverage.mirrors:
        run = "complete" if mirror.installable else tally_words(mirror.run)
        lines.append(f"| {mirror.name} | {mirror.tally.present} | {percent(mirror.tally.share)} | {run} |")
    if coverage.missing:
        lines += [
            "",
            f"<details><summary>{len(coverage.missing)} missing</summary>",
            "",
            "| spec | hash | dependents | needed |",
            "|---|---|--:|---|",
        ]
        lines += [
            f"| {markdown_cell(title(one.spec))} | `{one.spec.hash[:_SHORT_HASH]}` | {one.dependents} | "
            f"{'to run' if one.needed_at_run else 'to build'} |"
            for one in coverage.ordered_missing(_MISSING_SHOWN)
        ]
        if len(coverage.missing) > _MISSING_SHOWN:
            lines.append(f"| and {len(coverage.missing) - _MISSING_SHOWN} more | | | |")
        lines += ["", "</details>"]
    return _encoded(lines)


def markdown_cell(text: str) -> str:
    """Write text so that a table of Markdown shows it as it is."""
    for sign in ("\\", "|", "`", "*", "_", "<", ">", "[", "]"):
        text = text.replace(sign, f"\\{sign}")
    return wording.plain(text).replace("\n", " ")


def _encoded(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
