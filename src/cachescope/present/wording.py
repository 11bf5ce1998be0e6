"""How figures, times and differences are written for people, on pages and in the terminal alike."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cachescope.model.archive import SizeSum
from cachescope.model.results import DependencyDifference, Relaxation, SpecReport, SpecSummary
from cachescope.model.sources import SourceStatus

__all__ = [
    "ABSENT",
    "NOT_KNOWN",
    "NOT_RECORDED",
    "STALE_AFTER",
    "age",
    "count",
    "cut",
    "day",
    "difference",
    "difference_name",
    "distinct",
    "layout_words",
    "marked_query",
    "moment",
    "one_line",
    "plain",
    "rfc3339",
    "share_known",
    "short_sum",
    "shown_characters",
    "signed",
    "size",
    "size_sum",
    "system",
]

NOT_RECORDED = "not recorded"
"""Stands for a value that no source gives; never 0 and never blank."""

NOT_KNOWN = "not known"
"""Stands for a size that no source has stated."""

ABSENT = "absent"
"""Stands in a difference for "has no such dependency"."""

STALE_AFTER = timedelta(hours=24)
"""A copy older than this is marked."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_VALUES_SHOWN = 6
_SHORT_HASH = 7
_LONGER = (10, 14, 20)
_WHOLE_HASH = 32
_LONGEST_SHOWN = 160


def count(number: int, singular: str = "", plural: str = "") -> str:
    """Write a number with thousands apart, with its noun where one is given: ``1,204 specs``."""
    figure = f"{number:,}"
    if not singular:
        return figure
    return f"{figure} {singular if number == 1 else plural or singular + 's'}"


def cut(text: str, most: int = _LONGEST_SHOWN) -> str:
    """Write a text, and of one that nobody would read whole only its beginning, with its length."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


_UNITS = ("kB", "MB", "GB", "TB")
_THOUSAND = 1000


def size(number: int | None) -> str:
    """Write bytes for people, in thousands: ``812 bytes``, ``3.1 kB``, ``42.0 MB``; ``not known`` for None."""
    if number is None:
        return NOT_KNOWN
    if number < _THOUSAND:
        return count(number, "byte")
    value = float(number)
    for unit in _UNITS:
        value /= _THOUSAND
        # Not 1000.0 kB: what would be rounded up to it is 1.0 of the next unit.
        if round(value, 1) < _THOUSAND or unit == _UNITS[-1]:
            return f"{value:,.1f} {unit}"
    raise AssertionError("the last unit takes all")


def size_sum(found: SizeSum) -> str:
    """Write a sum, and how much of it is known: ``42.8 kB``, or ``3.1 kB so far: sizes of 3 of 14 known``."""
    if found.is_complete:
        return size(found.bytes)
    words = share_known(found) if not found.known else f"{size(found.bytes)} so far: {share_known(found)}"
    if found.without_binary:
        words += f"; {count(found.without_binary)} of them {'has' if found.without_binary == 1 else 'have'} no binary"
    return words


def short_sum(found: SizeSum | None) -> str:
    """Write a sum for a narrow column: ``42.8 kB``, or ``3.1 kB (3 of 14)``."""
    if found is None or not found.known:
        return NOT_KNOWN
    return size(found.bytes) + (
        "" if found.is_complete else f" ({count(found.known)} of {count(found.total)})"
    )


def share_known(found: SizeSum) -> str:
    """Say of how many the size is known: ``sizes of 3 of 14 known``."""
    return f"sizes of {count(found.known)} of {count(found.total)} known"


def age(then: datetime, now: datetime) -> str:
    """Write how long ago it was, in one unit: ``12 min ago``; a time to come is ``just now``."""
    seconds = int((now - then).total_seconds())
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min ago"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h ago"
    return f"{seconds // _DAY} d ago"


def moment(time: datetime) -> str:
    """Write a time in UTC to the minute: ``2026-11-21 00:12``."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def day(time: datetime) -> str:
    """Write a day in UTC: ``2026-11-21``."""
    return time.astimezone(UTC).strftime("%Y-%m-%d")


def signed(number: int) -> str:
    """Write a change with its sign: ``+38``, ``-3``, ``0``."""
    if not number:
        return "0"
    return f"+{number:,}" if number > 0 else f"\N{MINUS SIGN}{-number:,}"


def rfc3339(time: datetime) -> str:
    """Write a time in UTC as programs read it: ``2026-11-21T00:12:00Z``."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def distinct(values: Sequence[str]) -> tuple[str, ...]:
    """Return each value once, in the order of first meeting."""
    return tuple(dict.fromkeys(values))


def difference(found: DependencyDifference) -> str:
    """Write one difference with all its values: ``python 3.11.9 / 3.12.5``."""
    values = [ABSENT if value == "-" else cut(value) for value in distinct(found.values)]
    shown = " / ".join(values[:_VALUES_SHOWN])
    if len(values) > _VALUES_SHOWN:
        shown += f" and {len(values) - _VALUES_SHOWN} more"
    return f"{difference_name(found)} {shown}"


def difference_name(found: DependencyDifference) -> str:
    """Name what differs: ``python`` for its version, else ``python compiler``; the field alone for their own."""
    if not found.subject:
        return found.field
    return found.subject if found.field == "version" else f"{found.subject} {found.field}"


def shown_characters(hashes: Sequence[str]) -> int:
    """Return how many characters tell the hashes of one list apart: 7, or as many as needed."""
    whole = set(hashes)
    for length in (_SHORT_HASH, *_LONGER):
        if len({one[:length] for one in whole}) == len(whole):
            return length
    return _WHOLE_HASH


def layout_words(source: SourceStatus) -> str:
    """Write layout and index version: ``v3, index 8``."""
    if source.layout is None:
        return "not read yet"
    if source.index_version is None:
        return source.layout.value
    return f"{source.layout.value}, index {source.index_version}"


def system(spec: SpecSummary) -> str:
    """Write where a binary runs: ``linux-ubuntu24.04-aarch64``."""
    return str(spec.architecture)


def plain(text: str) -> str:
    """Make control characters visible, so that a record cannot drive the terminal that shows it."""
    return "".join(one if one.isprintable() or one == "\n" else f"\\x{ord(one):02x}" for one in text)


def one_line(text: str) -> str:
    """Make control characters and ends of lines visible, so that a record cannot pass off lines of its own as ours."""
    return plain(text).replace("\n", "\\x0a")


def marked_query(query: str, start: int, end: int) -> tuple[str, str]:
    """Write a query, and the line below it that marks its characters from ``start`` to ``end``, at least one."""
    mark = "^" * max(1, _columns(query[start:end]))
    return one_line(query), " " * _columns(query[:start]) + mark


def _columns(text: str) -> int:
    """Return how many columns a text takes in a terminal, as it is shown."""
    return sum(
        2 if unicodedata.east_asian_width(one) in "WF" else 0 if unicodedata.combining(one) else 1
        for one in one_line(text)
    )


def relaxation(one: Relaxation) -> str:
    """Say what would match: ``14 match without +cuda``, ``3 match with target=x86_64_v3 in place of target=zen4``."""
    matching = f"{count(one.total)} {'matches' if one.total == 1 else 'match'}"
    dropped = " and ".join(one.dropped)
    if not one.instead:
        return f"{matching} without {dropped}"
    having = ", ".join(
        text if number == one.total else f"{text} ({count(number)})" for text, number in one.instead
    )
    return f"{matching} with {having} in place of {dropped}"


def compiler_shown(spec: SpecSummary) -> str:
    """Write the compiler."""
    return spec.compiler_name


def where(spec: SpecSummary) -> str:
    """Write the mirrors that have a binary, or what is known in place of one."""
    if spec.mirrors:
        return ", ".join(map(str, spec.mirrors))
    return spec.presence.word


def identity(spec: SpecSummary) -> str:
    """Write what a person tells a binary by, besides its hash."""
    return f"{spec.name}@{spec.version} %{compiler_shown(spec)} {system(spec)}"


def verdict_reason(result: SpecReport) -> str:
    """Write why: the reason of the verdict, and what else is known about it."""
    reason = result.verification.reason if result.verification is not None else ""
    return "; ".join(one for one in (reason, result.verification_note) if one)
