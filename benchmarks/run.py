"""Runs the benchmarks and writes their tables into ``docs/benchmarks.md``: ``python benchmarks/run.py``, or ``make bench``.

Data is generated under ``benchmarks/data`` (ignored by git). With ``SPACK_ROOT`` set to a checkout of Spack, Spack reads
the same index beside (``SPACK_PYTHON`` says with which Python). ``CACHESCOPE_BENCH_NODES`` gives the concrete nodes
that mirrors are made from; without it they are those of the bundled sample.
"""

import argparse
import datetime as dt
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import sync
from generator import NODES_VARIABLE
from measure import ProcessFailed, Row

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench:{name} -->", "<!-- /bench -->"
PROSE = """\
# Benchmarks

What cachescope costs on real work, measured as whole processes: start-up, reading, verifying and writing together.
`make bench` generates the data, measures, and replaces the tables here; the prose stays.

## Reading a mirror

The mirror is generated out of real concrete nodes, rebuilt for other operating systems, targets and compiler versions
with all DAG hashes recomputed, so it is as irregular as a real one and every record verifies. Each round starts with a
fresh database. Beside cachescope run: Python's `json.loads` of the same bytes, as one would call it and with the cyclic
garbage collector off, which takes most of its time; a straightforward draft of a sync (`benchmarks/draft.py`: decode
all with msgspec, fill three tables, verify no DAG hash, keep nothing else; collector off too); and, where a checkout of
Spack is at hand, Spack reading the index into its own database: its seconds are those of the reading alone, without
starting Spack; processor time and memory are of the whole process. The columns "of ..." are the median divided by that
process's median: below 1 is faster.

"""
MIB = 1024 * 1024


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Measure, print the table, and write it into the report."""
    parser = _parser(environment)
    options = parser.parse_args(arguments)
    if options.runs < 1 or options.records < 1:
        parser.error("--runs and --records are 1 or more")
    root = environment.get("SPACK_ROOT")
    if root and not Path(root, "bin", "spack").is_file():
        parser.error(f"SPACK_ROOT={root} holds no bin/spack; give a checkout of Spack, or unset it")
    plan = sync.Plan(
        records=options.records,
        runs=options.runs,
        seed=options.seed,
        share_changed=0.01,
        nodes=Path(options.nodes).resolve() if options.nodes else None,
        data=options.data.resolve(),
        spack_root=Path(root) if root else None,
        spack_python=environment.get("SPACK_PYTHON", "python3"),
        peers_only=options.peers_only,
        environment={key: value for key, value in environment.items() if not key.startswith("CACHESCOPE_")},
    )
    try:
        figures = sync.benchmark(plan)
    except ProcessFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    block = "\n".join(_sync_block(plan, figures, shlex.join(["python", "benchmarks/run.py", *arguments])))
    print(f"\n{block}")
    if not options.no_report:
        path: Path = options.report
        report = path.read_text(encoding="utf-8") if path.exists() else PROSE
        path.write_text(replace_block(report, "sync", block), encoding="utf-8")
    return 0


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=20_000, help="records of the index (default 20000)")
    parser.add_argument("--runs", type=int, default=5, help="rounds; the median counts (default 5)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated mirror (default 1)")
    parser.add_argument(
        "--nodes", default=environment.get(NODES_VARIABLE), help="concrete nodes to start from"
    )
    parser.add_argument("--data", type=Path, default=HERE / "data", help="folder for generated data")
    parser.add_argument("--peers-only", action="store_true", help="leave cachescope itself out")
    parser.add_argument("--report", type=Path, default=REPORT, help="Markdown file that holds the tables")
    parser.add_argument("--no-report", action="store_true", help="print the table, leave the report alone")
    return parser


def _sync_block(plan: sync.Plan, figures: sync.SyncFigures, command: str) -> Iterator[str]:
    rows = {row.name: row for row in figures.rows}
    compared = [name for name in (sync.DRAFT, sync.JSON, sync.SPACK, sync.FIRST) if name in rows]
    nodes = plan.nodes.name if plan.nodes else "the bundled sample"
    size = f"{figures.index_bytes / MIB:.1f} MiB of JSON"
    yield f"{plan.records:,} records made from {nodes}, {size}; rounds: {plan.runs}."
    yield ""
    yield "| process | median s | fastest to slowest | user+sys s | peak MiB |" + "".join(
        f" of {_short(name)} |" for name in compared
    )
    yield "|---|--:|--:|--:|--:|" + "--:|" * len(compared)
    for row in figures.rows:
        yield _line(row, [rows[name] for name in compared])
    yield ""
    if figures.database_bytes is not None:
        yield f"Database after the first sync: {_database(figures.database_bytes, plan.records)};"
        yield f"of the draft: {_database(figures.draft_bytes, plan.records)}."
    else:
        yield f"Database of the draft: {_database(figures.draft_bytes, plan.records)}."
    yield ""
    yield f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {_machine()}: `{command}`"


def _short(name: str) -> str:
    return {sync.DRAFT: "draft", sync.JSON: "`json.loads`", sync.SPACK: "Spack"}.get(name, name)


def _line(row: Row, peers: Sequence[Row]) -> str:
    fastest, slowest = row.range
    cells = [
        row.name,
        f"{row.seconds:.2f}",
        f"{fastest:.2f} to {slowest:.2f}",
        f"{row.cpu_seconds:.2f}",
        f"{row.peak_bytes / MIB:.0f}",
        *(f"{row.seconds / peer.seconds:.2f}" for peer in peers),
    ]
    return f"| {' | '.join(cells)} |"


def _database(size: int, records: int) -> str:
    return f"{size / MIB:.1f} MiB, {size / records:.0f} bytes a record"


def _machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def replace_block(report: str, name: str, block: str) -> str:
    """Put ``block`` between the markers of ``name``; at the end of the report where it has none yet."""
    begin = BEGIN.format(name=name)
    before, found, rest = report.partition(begin)
    if not found:
        return f"{report.rstrip()}\n\n{begin}\n{block}\n{END}\n"
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{block}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
