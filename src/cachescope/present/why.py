"""Causes of what is missing, as text, Markdown and JSON."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cachescope.model.identity import DagHash
from cachescope.model.why import Cause, CauseKind, Difference, Lacking, Nearest, WhatIf, WhyReport
from cachescope.present import wording
from cachescope.present.coverage import markdown_cell, tally_words, title
from cachescope.present.terminal import cell, new_table, room, say
from cachescope.present.to_json import document, spec_object

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.present import lock_shapes

__all__ = ["render_json", "render_markdown", "render_text"]

_CAUSES_SHOWN = 30
_MISSING_SHOWN = 200
_NAMES_SHOWN = 6
_SHORT_HASH = 7


def render_json(report: WhyReport, what_if: WhatIf | None = None) -> bytes:
    """Write causes for programs; ``if`` only where something was assumed."""
    found: lock_shapes.Why = {
        "files": list(report.files),
        "against": [str(one) for one in report.against],
        "present": report.present,
        "external": report.external,
        "unstated": report.unstated,
        "causes": [_cause(one) for one in report.causes],
        "missing": [_lacking(one) for one in report.missing],
        "notes": list(report.notes),
    }
    if what_if is not None:
        found["if"] = {
            "query": what_if.query,
            "estimate": True,
            "before": {"present": what_if.before.present, "share": what_if.before.share},
            "after": {"present": what_if.after.present, "share": what_if.after.share},
            "total": what_if.after.total,
            "changed": what_if.changed,
            "gained": list(what_if.gained),
            "lost": list(what_if.lost),
        }
    return document(found)


def _cause(one: Cause) -> "lock_shapes.Cause":
    return {
        "kind": one.kind.value,
        "name": one.name,
        "version": one.version,
        "hashes": list(one.hashes),
        "differences": [_difference(each) for each in one.differences],
        "consequences": list(one.consequences),
        "gains": one.gains,
        "remedy": one.remedy,
        "note": one.note,
        "mirrors": [str(name) for name in one.places],
        "until": wording.rfc3339(one.until) if one.until is not None else None,
    }


def _difference(one: Difference) -> "lock_shapes.WantedDifference":
    return {"field": one.field, "wanted": one.wanted, "cached": one.cached}


def _lacking(one: Lacking) -> "lock_shapes.Missing":
    return {
        **spec_object(one.spec),
        "causes": list(one.causes),
        "follows": list(one.follows),
        "nearest": [_nearest(each) for each in one.nearest],
    }


def _nearest(one: Nearest) -> "lock_shapes.Nearest":
    return {
        "hash": one.hash,
        "version": one.version,
        "dependencies_known": one.dependencies_known,
        "differences": [_difference(each) for each in one.differences],
    }


def render_text(console: "Console", report: WhyReport, what_if: WhatIf | None = None) -> None:
    """Print the causes, then each missing spec with the way to its causes."""
    if what_if is not None:
        for line in _what_if_lines(what_if):
            say(console, line)
        say(console, "")
    say(console, _headline(report))
    for note in report.notes:
        say(console, f"Note: {note}")
    names = _names(report)
    for place, cause in enumerate(report.causes[:_CAUSES_SHOWN], start=1):
        say(console, "")
        say(console, f"{place}. {_sentence(cause)}", bold=True)
        for line in _cause_lines(cause, names):
            say(console, f"   {line}")
    if len(report.causes) > _CAUSES_SHOWN:
        say(console, "")
        say(console, f"and {len(report.causes) - _CAUSES_SHOWN} further causes: --json has all")
    if report.missing:
        say(console, "")
        _table(console, report, names)


def _headline(report: WhyReport) -> str:
    files = ", ".join(report.files)
    if not report.missing:
        return f"{files}: nothing is missing ({wording.count(report.present)} present, {report.external} external)"
    causes = wording.count(len(report.causes), "cause")
    total = report.present + len(report.missing) + report.unstated
    return f"{files}: {wording.count(len(report.missing))} of {wording.count(total)} specs are missing, from {causes}"


def _sentence(cause: Cause) -> str:
    until = f" (until {wording.moment(cause.until)})" if cause.until is not None else ""
    return f"{cause.note}{until}"


def _names(report: WhyReport) -> dict[DagHash, str]:
    return {one.spec.hash: one.spec.name for one in report.missing}


def _cause_lines(cause: Cause, names: dict[DagHash, str]) -> Iterator[str]:
    shown = " ".join(f"/{one[:_SHORT_HASH]}" for one in cause.hashes[:_NAMES_SHOWN])
    more = f" and {len(cause.hashes) - _NAMES_SHOWN} more" if len(cause.hashes) > _NAMES_SHOWN else ""
    yield f"{cause.kind.value.replace('_', ' ')}: {shown}{more}"
    if cause.consequences:
        follow = [names.get(one, f"/{one[:_SHORT_HASH]}") for one in cause.consequences]
        listed = ", ".join(follow[:_NAMES_SHOWN])
        rest = f" and {len(follow) - _NAMES_SHOWN} more" if len(follow) > _NAMES_SHOWN else ""
        yield f"{wording.count(len(follow), 'follows', 'follow')}: {listed}{rest}"
    gain = f" (would bring {cause.gains}, by estimate)" if cause.gains else ""
    yield f"Remedy{gain}:"
    for line in cause.remedy.split("\n"):
        yield f"  {line}"


def _table(console: "Console", report: WhyReport, names: dict[DagHash, str]) -> None:
    with room(console) as roomy:
        columns = (
            "Missing",
            "Cause",
            "Through",
            *(("Nearest", "It differs in") if roomy else ("Nearest",)),
            "Hash",
        )
        table = new_table(*columns)
        for one in report.missing[:_MISSING_SHOWN]:
            table.add_row(*map(cell, _row(one, names, report, roomy=roomy)))
        console.print(table)
    if len(report.missing) > _MISSING_SHOWN:
        say(console, f"and {wording.count(len(report.missing) - _MISSING_SHOWN)} more: --json has all")


def _row(one: Lacking, names: dict[DagHash, str], report: WhyReport, *, roomy: bool) -> list[str]:
    itself = any(
        one.spec.hash in report.causes[place].hashes
        or (report.causes[place].kind is CauseKind.DEPENDENCY_UNUSED and len(one.follows) == 0)
        for place in one.causes
    )
    through = ["itself"] if itself else [names.get(each, f"/{each[:_SHORT_HASH]}") for each in one.follows]
    listed = ", ".join(through[:_NAMES_SHOWN]) + (", ..." if len(through) > _NAMES_SHOWN else "")
    nearest = one.nearest[0] if one.nearest else None
    differs = ", ".join(map(difference_words, nearest.differences)) if nearest is not None else ""
    cells = [
        title(one.spec),
        ", ".join(str(place + 1) for place in one.causes),
        listed,
        f"{nearest.version} /{nearest.hash[:_SHORT_HASH]}" if nearest is not None else wording.ABSENT,
    ]
    return [*cells, *([differs or "dependencies"] if roomy else []), one.spec.hash]


def difference_words(one: Difference) -> str:
    """Write a difference in a few words: ``target x86_64_v2 (cached x86_64_v3)``."""
    if one.field == "recipe":
        return "recipe"
    name = one.field.partition(":")[2] or one.field
    return f"{name} {one.wanted or 'none'} (cached {one.cached or 'none'})"


def _what_if_lines(what_if: WhatIf) -> list[str]:
    change = wording.count(what_if.changed, "spec")
    return [
        f"Estimate with {what_if.query}: {tally_words(what_if.after)} would be present, now {tally_words(what_if.before)}",
        f"  {change} would change; {len(what_if.gained)} gained, {len(what_if.lost)} lost",
        "  By nearest match: 'spack concretize' and 'cachescope coverage' say for certain.",
    ]


def render_markdown(report: WhyReport, what_if: WhatIf | None = None) -> bytes:
    """Write the causes for a pull request."""
    lines = ["### Why specs are missing in the build caches", "", _headline(report), ""]
    if what_if is not None:
        lines += [*(line.strip() + "  " for line in _what_if_lines(what_if)), ""]
    names = _names(report)
    for place, cause in enumerate(report.causes[:_CAUSES_SHOWN], start=1):
        lines.append(f"{place}. **{markdown_cell(_sentence(cause))}**")
        found = [line for line in _cause_lines(cause, names) if not line.startswith(("  ", "Remedy"))]
        lines += [f"   - {markdown_cell(line)}" for line in found]
        lines += ["", "   ```yaml" if cause.remedy.startswith(("packages:", "concretizer:")) else "   ```"]
        lines += [f"   {line}" for line in cause.remedy.split("\n")]
        lines += ["   ```", ""]
    if len(report.causes) > _CAUSES_SHOWN:
        lines.append(f"and {len(report.causes) - _CAUSES_SHOWN} further causes")
    return _encoded(lines)


def _encoded(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines).rstrip() + "\n").encode("utf-8", "backslashreplace")
