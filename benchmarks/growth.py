"""How time, memory and bytes grow with the size of a mirror: the benchmark of a sync at several sizes, and its plots."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sync
from measure import measure
from peers import NO_PYTHON, not_measured
from sync import MIB, Plan, SyncFigures

HERE = Path(__file__).resolve().parent
PEERS = (sync.SPACK, sync.JSON, sync.ORJSON, sync.FLOOR)
LEFT_OUT = (sync.DRAFT, sync.JSON_NO_GC)
"""Each stands in the table of one size; a curve of it would say no more."""


@dataclass(frozen=True, slots=True)
class Point:
    """One size, and what was measured there."""

    records: int
    figures: SyncFigures


def benchmark(
    plan: Plan, sizes: Sequence[int], spack_up_to: int, known: Mapping[int, SyncFigures] | None = None
) -> tuple[Point, ...]:
    """Measure each size in turn; Spack only up to a size, since it takes minutes and gigabytes there.

    ``known`` has figures of sizes that this run has measured already.
    """
    points = []
    for records in sizes:
        print(f" {records:,} records", flush=True)
        spack = plan.spack if records <= spack_up_to else None
        figures = (known or {}).get(records) or sync.benchmark(replace(plan, records=records, spack=spack))
        points.append(Point(records, figures))
    return tuple(points)


def block(plan: Plan, points: Sequence[Point], folder: Path, spack_up_to: int) -> Iterator[str]:
    """Yield the lines of the table, and draw the plots into ``folder``, which stands beside the report."""
    present = [
        name for name in PEERS if any(row.name == name for point in points for row in point.figures.rows)
    ]
    yield f"Rounds: {plan.runs}. Spack up to {spack_up_to:,} records."
    yield ""
    yield "| records | process | median s | ms a 1,000 records | peak MiB |" + "".join(
        f" of {sync.short(name)} |" for name in present
    )
    yield "|--:|---|--:|--:|--:|" + "--:|" * len(present)
    for point in points:
        rows = {row.name: row for row in point.figures.rows}
        for row in rows.values():
            if row.name in LEFT_OUT:
                continue
            cells = [f"{point.records:,}", row.name, f"{row.seconds:.2f}"]
            cells += [f"{row.seconds / point.records * 1e6:.1f}", f"{row.peak_bytes / MIB:.0f}"]
            cells += [f"{row.seconds / rows[peer].seconds:.2f}" if peer in rows else "" for peer in present]
            yield f"| {' | '.join(cells)} |"
    yield ""
    yield from _bytes_table(points)
    if plan.python is not None:
        yield ""
        for file, title in draw(plan, points, folder):
            yield f"![{title}]({folder.name}/{file})"
    absent = {**sync.absent(plan), "plots": None if plan.python else NO_PYTHON}
    yield from not_measured(absent)


def _bytes_table(points: Sequence[Point]) -> Iterator[str]:
    yield "| records | edges | JSON MiB | database MiB | bytes a record | of the JSON | of the draft's | of the floor's |"
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|"
    for point in points:
        figures = point.figures
        own = figures.database_bytes or 0
        cells = [f"{point.records:,}", f"{figures.edges:,}", f"{figures.index_bytes / MIB:.1f}"]
        cells += [f"{own / MIB:.1f}", f"{own / point.records:.0f}"]
        peers = (figures.index_bytes, figures.draft_bytes, figures.floor_bytes)
        cells += [f"{own / peer:.2f}" for peer in peers]
        yield f"| {' | '.join(cells)} |"


def draw(plan: Plan, points: Sequence[Point], folder: Path) -> list[tuple[str, str]]:
    """Draw the curves as SVG; return file and title of each plot."""
    seconds: dict[str, list[tuple[int, float]]] = {}
    peaks: dict[str, list[tuple[int, float]]] = {}
    sizes: dict[str, list[tuple[int, float]]] = {}
    for point in points:
        for row in point.figures.rows:
            if row.name not in LEFT_OUT:
                name = row.name.replace("`", "")
                seconds.setdefault(name, []).append((point.records, row.seconds))
                peaks.setdefault(name, []).append((point.records, row.peak_bytes / MIB))
        figures = point.figures
        for name, size in (
            ("JSON", figures.index_bytes),
            ("cachescope", figures.database_bytes or 0),
            ("draft", figures.draft_bytes),
            ("floor", figures.floor_bytes),
        ):
            sizes.setdefault(name, []).append((point.records, size / MIB))
    plots = [
        {"file": "growth-time.svg", "title": "Time", "y": "seconds", "series": seconds},
        {"file": "growth-memory.svg", "title": "Peak memory", "y": "MiB", "series": peaks},
        {"file": "growth-bytes.svg", "title": "Bytes", "y": "MiB", "series": sizes},
    ]
    folder.mkdir(parents=True, exist_ok=True)
    measure([str(plan.python), str(HERE / "plot.py"), str(folder), json.dumps(plots)], plan.environment)
    return [(str(plot["file"]), str(plot["title"])) for plot in plots]
