"""Figures over time as the path of a small SVG picture; it always stands beside its number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Sparkline", "sparkline"]

WIDTH, HEIGHT = 96, 18
_EDGE = 2
"""Room for the mark of the last point."""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line of steps, and where it ends."""

    path: str
    end_x: float
    end_y: float


def sparkline(points: Sequence[tuple[datetime, int]], *, until: datetime) -> Sparkline | None:
    """Draw how a figure went: each holds until the next; None for less than two, which are no history."""
    if len(points) < 2:  # noqa: PLR2004 - see above
        return None
    first = points[0][0]
    span = max((until - first).total_seconds(), 1.0)
    low = min(value for _, value in points)
    height = max(value for _, value in points) - low

    def across(at: datetime) -> float:
        return round(_EDGE + (WIDTH - 2 * _EDGE) * min(1.0, (at - first).total_seconds() / span), 1)

    def down(value: int) -> float:
        share = (value - low) / height if height else 0.5
        return round(HEIGHT - _EDGE - (HEIGHT - 2 * _EDGE) * share, 1)

    steps = [f"M{across(first):g} {down(points[0][1]):g}"]
    for at, value in points[1:]:
        steps.append(f"H{across(at):g}V{down(value):g}")
    end = across(until)
    steps.append(f"H{end:g}")
    return Sparkline("".join(steps), end, down(points[-1][1]))
