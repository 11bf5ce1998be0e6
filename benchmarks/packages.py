"""The benchmark of one aggregate: how many binaries each package has, from the catalogue and from the JSON itself."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import Measure, ProcessFailed, Row, measure
from peers import NO_PYTHON, cachescope, not_measured, settings
from sync import MIB, Plan

HERE = Path(__file__).resolve().parent
OWN = "`cachescope packages --json`"
DUCKDB = "DuckDB over the JSON"
ORJSON = "`orjson` and a `Counter`"
JSON = "`json` and a `Counter`, collector off"
COUNT = """
import collections, gc, json, pathlib, sys
import {0} as decoder
gc.disable()
installs = decoder.loads(pathlib.Path(sys.argv[1]).read_bytes())["database"]["installs"]
counts = collections.Counter()
for record in installs.values():
    counts[record["spec"]["name"]] += record["in_buildcache"]
print(json.dumps(counts))
"""


@dataclass(frozen=True, slots=True)
class PackageFigures:
    """All that the benchmark found."""

    rows: tuple[Row, ...]
    packages: int
    binaries: int


def benchmark(plan: Plan, catalogue: Path, index: Path) -> PackageFigures:
    """Ask all in turn. Raises ``ProcessFailed`` if one fails, or gives other numbers."""
    environment = dict(plan.environment)
    commands = {
        OWN: (cachescope("packages", "--json"), settings(plan.environment, catalogue)),
        JSON: ([sys.executable, "-c", COUNT.format("json"), str(index)], environment),
    }
    if plan.python is not None:
        python = str(plan.python)
        commands[ORJSON] = ([python, "-c", COUNT.format("orjson"), str(index)], environment)
        commands[DUCKDB] = ([python, str(HERE / "duckdb_packages.py"), str(index)], environment)
    measures: dict[str, list[Measure]] = {}
    expected: dict[str, int] = {}
    measure(*commands[OWN])  # writes the byte code
    for _ in range(plan.runs):
        for name, command in commands.items():
            one = measure(*command)
            counts = _counts(one.output)
            if counts != (expected := expected or counts):
                raise ProcessFailed(f"{name}: other counts than those of {OWN}")
            measures.setdefault(name, []).append(one)
    rows = tuple(Row(name, tuple(runs)) for name, runs in measures.items())
    return PackageFigures(rows, len(expected), sum(expected.values()))


def _counts(output: str) -> dict[str, int]:
    told = json.loads(output)
    if "packages" in told and isinstance(told["packages"], list):
        return {package["name"]: package["present"] for package in told["packages"]}
    counts: dict[str, int] = told
    return counts


def block(plan: Plan, figures: PackageFigures) -> Iterator[str]:
    """Yield the lines of the table."""
    peers = [row for row in figures.rows if row.name != OWN]
    yield f"{figures.binaries:,} binaries of {figures.packages:,} packages; rounds: {plan.runs}."
    yield ""
    yield "| process | median s | fastest to slowest | peak MiB |" + "".join(
        f" of {row.name} |" for row in peers
    )
    yield "|---|--:|--:|--:|" + "--:|" * len(peers)
    for row in figures.rows:
        fastest, slowest = row.range
        cells = [
            row.name,
            f"{row.seconds:.2f}",
            f"{fastest:.2f} to {slowest:.2f}",
            f"{row.peak_bytes / MIB:.0f}",
        ]
        cells += [f"{row.seconds / peer.seconds:.3f}" for peer in peers]
        yield f"| {' | '.join(cells)} |"
    yield from not_measured({"DuckDB, orjson": None if plan.python else NO_PYTHON})
