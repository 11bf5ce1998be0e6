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

import queries
import sync
from measure import ProcessFailed, Row
from nodes import INDEX_MANIFEST, NODES_VARIABLE

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench:{name} -->", "<!-- /bench -->"
HEAD = """\
# Benchmarks

What cachescope costs on real work. `make bench` generates the data, measures, and replaces the tables here; the prose
stays. A sync is measured as a whole process: start-up, reading, verifying and writing together.

"""
SECTIONS = {
    "sync": """\
## Reading a mirror

The mirror is generated out of real concrete nodes, rebuilt for other operating systems, targets and compiler versions
with all DAG hashes recomputed, so it is as irregular as a real one and every record verifies. Each round starts with a
fresh database. Beside cachescope run: Python's `json.loads` of the same bytes, as one would call it and with the cyclic
garbage collector off, which takes most of its time; a straightforward draft of a sync (`benchmarks/draft.py`: decode
all with msgspec, fill three tables, verify no DAG hash, keep nothing else; as one would write it, and with the
collector off); and, where a checkout of Spack is at hand, Spack reading the index into its own database: its seconds are those of the reading alone, without
starting Spack; processor time and memory are of the whole process. The columns "of ..." are the median divided by that
process's median: below 1 is faster.

""",
    "queries": """\
## Asking the catalogue

Queries over the catalogue of such a mirror, in one process that has asked before, as the site and the API do: each gives
the first 50 specs with all that a list shows, and the count of all. The last query matches nothing, and its time includes
the explanation why. The budgets are those that the project has set itself for 400,000 specs on two cores
(`python benchmarks/run.py --only queries --records 400000`). Beside it Spack, where a checkout is at hand: `satisfies` of
all present specs of the same index, its reading not counted; without recipes Spack knows no virtual packages, and finds
less where a query names one. The column "of Spack" is our median divided by Spack's time.

""",
}
"""What stands before each table in a report that does not have it yet."""

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
    command = shlex.join(["python", "benchmarks/run.py", *arguments])
    try:
        for name, lines in _blocks(plan, options):
            block = "\n".join([*lines, "", f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {_machine()}: `{command}`"])
            print(f"\n{block}\n")
            if not options.no_report:
                path: Path = options.report
                report = path.read_text(encoding="utf-8") if path.exists() else HEAD
                path.write_text(replace_block(report, name, block), encoding="utf-8")
    except ProcessFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _blocks(plan: sync.Plan, options: argparse.Namespace) -> Iterator[tuple[str, Iterator[str]]]:
    """Measure one after another; yield the name of each block and its lines."""
    if options.only in {None, "sync"} and options.catalogue is None:
        yield "sync", _sync_block(plan, sync.benchmark(plan))
    if options.only in {None, "queries"} and not plan.peers_only:
        asked = _query_plan(plan, options.catalogue, options.mirror)
        yield "queries", queries.block(asked, queries.benchmark(asked))


def _query_plan(plan: sync.Plan, catalogue: Path | None, mirror: Path | None) -> queries.Plan:
    index = None
    if catalogue is None:
        generated = sync.generate(plan)
        catalogue, index = queries.synced_catalogue(generated, plan.environment), generated.index
    elif mirror is not None:
        index = sync.GeneratedMirror(mirror, (mirror / INDEX_MANIFEST).read_bytes(), b"").index
    return queries.Plan(
        catalogue=catalogue,
        index=index,
        runs=queries.RUNS,
        process_runs=plan.runs,
        spack_root=plan.spack_root,
        spack_python=plan.spack_python,
        environment=plan.environment,
    )


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
    parser.add_argument("--only", choices=["sync", "queries"], help="one of the benchmarks (default both)")
    parser.add_argument("--catalogue", type=Path, metavar="FILE", help="ask this catalogue; syncs nothing")
    parser.add_argument(
        "--mirror", type=Path, metavar="DIR", help="what --catalogue was made from, for Spack"
    )
    parser.add_argument("--peers-only", action="store_true", help="leave cachescope itself out")
    parser.add_argument("--report", type=Path, default=REPORT, help="Markdown file that holds the tables")
    parser.add_argument("--no-report", action="store_true", help="print the table, leave the report alone")
    return parser


def _sync_block(plan: sync.Plan, figures: sync.SyncFigures) -> Iterator[str]:
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
    """Put ``block`` between the markers of ``name``; with its section at the end of a report that has none."""
    begin = BEGIN.format(name=name)
    before, found, rest = report.partition(begin)
    if not found:
        return f"{report.rstrip()}\n\n{SECTIONS[name]}{begin}\n{block}\n{END}\n"
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{block}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
