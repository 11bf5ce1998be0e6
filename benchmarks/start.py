"""The benchmark of starting: what a whole process takes that does next to nothing."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Measure, Row, measure
from peers import NO_SPACK, cachescope, not_measured, settings
from sync import MIB, Plan

PYTHON = "`python -c pass`"
VERSION = "`cachescope --version`"
HELP = "`cachescope --help`"
SPACK = "`spack --version`"
RUNS = 4
"""Times more than other benchmarks run."""


def benchmark(plan: Plan) -> tuple[Row, ...]:
    """Measure in turn. Raises ``ProcessFailed``."""
    measures: dict[str, list[Measure]] = {}
    with tempfile.TemporaryDirectory() as name:
        environment = settings(plan.environment, Path(name, "none.sqlite"))
        commands = {
            PYTHON: ([sys.executable, "-c", "pass"], dict(plan.environment)),
            VERSION: (cachescope("--version"), environment),
            HELP: (cachescope("--help"), environment),
        }
        if plan.spack is not None:
            commands[SPACK] = plan.spack.start(Path(name, "spack"), plan.environment, "--version")
        for command in commands.values():
            measure(*command)  # writes the byte code
        for _ in range(RUNS * plan.runs):
            for title, command in commands.items():
                measures.setdefault(title, []).append(measure(*command))
    return tuple(Row(title, tuple(runs)) for title, runs in measures.items())


def block(plan: Plan, rows: tuple[Row, ...]) -> Iterator[str]:
    """Yield the lines of the table."""
    compared = [row for row in rows if row.name in {PYTHON, SPACK}]
    yield f"Rounds: {RUNS * plan.runs}."
    yield ""
    yield "| process | median ms | fastest to slowest | peak MiB |" + "".join(
        f" of {row.name} |" for row in compared
    )
    yield "|---|--:|--:|--:|" + "--:|" * len(compared)
    for row in rows:
        fastest, slowest = row.range
        cells = [row.name, f"{row.seconds * 1000:.0f}", f"{fastest * 1000:.0f} to {slowest * 1000:.0f}"]
        cells += [f"{row.peak_bytes / MIB:.0f}", *(f"{row.seconds / peer.seconds:.2f}" for peer in compared)]
        yield f"| {' | '.join(cells)} |"
    yield from not_measured({"Spack": None if plan.spack else NO_SPACK})
