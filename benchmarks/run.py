"""Runs the benchmarks and writes their tables into ``docs/benchmarks.md``: ``make bench``, or ``python benchmarks/run.py``.

Two profiles: ``short`` takes a few minutes, ``full`` hours, 20 GB of disk and, for the peers, 16 GB of memory. Options
change one thing of a profile; ``--only`` runs one benchmark. Data is generated under ``benchmarks/data`` (ignored by
git) and used again. With ``SPACK_ROOT`` set to a checkout of Spack, Spack reads the same index beside (``SPACK_PYTHON``
says with which Python). ``CACHESCOPE_BENCH_NODES`` gives the concrete nodes that mirrors are made from; without it they
are those of the bundled sample. Other peers stand in ``.venv-bench``, which ``make bench`` makes.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import blobs
import bucket_sync
import growth
import load
import packages
import pages
import peers
import queries
import site_files
import start
import sync
import virtual
from bucket_sync import Size
from measure import ProcessFailed
from nodes import INDEX_MANIFEST, NODES_VARIABLE
from report import HEAD, replace_block, signature

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent / "docs" / "benchmarks.md"

Lines = Iterator[str]


@dataclass(frozen=True, slots=True)
class Profile:
    """How large everything is."""

    records: int
    runs: int
    sizes: tuple[int, ...]
    growth_runs: int
    spack_up_to: int
    """Records above which Spack is left out of the curves."""

    bucket: Size
    bucket_runs: int
    load_seconds: int
    """For how long each server is put under load."""


PROFILES = {
    "short": Profile(20_000, 3, (2_500, 5_000, 10_000, 20_000), 1, 10_000, Size(6, 4, 10_000), 1, 5),
    "full": Profile(
        400_000, 3, (10_000, 100_000, 400_000, 1_100_000), 1, 400_000, Size(30, 10, 1_100_000), 1, 60
    ),
}


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Measure, print the tables, and write them into the report, each as soon as it is there."""
    parser = _parser(environment)
    options = parser.parse_args(arguments)
    profile = PROFILES[options.profile]
    records, runs = _or(options.records, profile.records), _or(options.runs, profile.runs)
    if runs < 1 or records < 1 or min(options.sizes or (1,)) < 1:
        parser.error("--runs, --records and --sizes are 1 or more")
    root = environment.get("SPACK_ROOT")
    if root and not Path(root, "bin", "spack").is_file():
        parser.error(f"SPACK_ROOT={root} holds no bin/spack; give a checkout of Spack, or unset it")
    plan = sync.Plan(
        records=records,
        runs=runs,
        seed=options.seed,
        share_changed=0.01,
        nodes=Path(options.nodes).resolve() if options.nodes else None,
        data=options.data.resolve(),
        spack=peers.Spack(Path(root), environment.get("SPACK_PYTHON", "python3")) if root else None,
        python=options.peers_python if options.peers_python.is_file() else None,
        peers_only=options.peers_only,
        environment={key: value for key, value in environment.items() if not _changes_figures(key)},
    )
    benchmarks = _benchmarks(plan, profile, options)
    chosen = options.only or list(benchmarks)
    if plan.peers_only:
        chosen = ["sync"]
    elif options.catalogue is not None:
        chosen = ["queries"]
    command = shlex.join(["python", "benchmarks/run.py", *arguments])
    try:
        for name in chosen:
            print(f"{name}:", flush=True)
            _publish(name, benchmarks[name](), command, None if options.no_report else options.report)
    except ProcessFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _changes_figures(variable: str) -> bool:
    """Say whether a variable of this shell would change what is measured: compiling all modules at each start, for one."""
    return variable.startswith("CACHESCOPE_") or variable == "PYTHONDONTWRITEBYTECODE"


def _or(given: int | None, default: int) -> int:
    return default if given is None else given


def _publish(name: str, lines: Lines, command: str, report: Path | None) -> None:
    block = "\n".join([*lines, "", signature(command)])
    print(f"\n{block}\n", flush=True)
    if report is not None:
        text = report.read_text(encoding="utf-8") if report.exists() else HEAD
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(replace_block(text, name, block), encoding="utf-8")


def _benchmarks(  # noqa: C901 - one piece for each block of the report
    plan: sync.Plan, profile: Profile, options: argparse.Namespace
) -> dict[str, Callable[[], Lines]]:
    """Return what measures each benchmark and gives the lines of its table, in the order of the report."""
    size = Size(
        _or(options.bucket_refs, profile.bucket.refs),
        _or(options.bucket_stacks, profile.bucket.stacks),
        _or(options.bucket_specs, profile.bucket.specs),
    )
    plots = plan.data / "plots" if options.no_report else options.report.with_suffix("")
    growth_runs = _or(options.runs, profile.growth_runs)
    synced: dict[int, sync.SyncFigures] = {}

    def of_sync() -> Lines:
        figures = sync.benchmark(plan)
        synced.update(_point(plan, figures, growth_runs, profile))
        return sync.block(plan, figures)

    def of_growth() -> Lines:
        small = replace(plan, runs=growth_runs)
        points = growth.benchmark(small, options.sizes or profile.sizes, profile.spack_up_to, synced)
        return growth.block(small, points, plots, profile.spack_up_to)

    def of_bucket() -> Lines:
        bucket = options.bucket or bucket_sync.generate(plan, size)
        figures = bucket_sync.benchmark(plan, bucket, _or(options.runs, profile.bucket_runs))
        return bucket_sync.block(plan, figures)

    def of_packages() -> Lines:
        mirror = sync.generate(plan)
        catalogue = queries.synced_catalogue(mirror, plan.environment)
        return packages.block(plan, packages.benchmark(plan, catalogue, mirror.index))

    def of_queries() -> Lines:
        asked = _query_plan(plan, options.catalogue, options.mirror)
        return queries.block(asked, queries.benchmark(asked))

    def of_pages() -> Lines:
        mirror = sync.generate(plan)
        mirror.show(mirror.first)
        catalogue = queries.synced_catalogue(mirror, plan.environment)
        return pages.block(plan, pages.benchmark(plan, catalogue, mirror.folder))

    def of_load() -> Lines:
        mirror = sync.generate(plan)
        mirror.show(mirror.first)
        catalogue = queries.synced_catalogue(mirror, plan.environment)
        seconds = profile.load_seconds
        return load.block(plan, load.benchmark(plan, catalogue, mirror.folder, seconds), seconds)

    def of_virtual() -> Lines:
        figures = []
        if plan.spack is not None and options.recipes:
            for records in options.sizes or (plan.records,):
                one = replace(plan, records=records)
                mirror = sync.generate(one)
                catalogue = queries.synced_catalogue(mirror, plan.environment)
                figures.append(virtual.benchmark(one, plan.spack, catalogue, mirror, options.recipes))
        return virtual.block(plan, figures, options.recipes)

    return {
        "start": lambda: start.block(plan, start.benchmark(plan)),
        "sync": of_sync,
        "growth": of_growth,
        "bucket": of_bucket,
        "packages": of_packages,
        "queries": of_queries,
        "pages": of_pages,
        "load": of_load,
        "site": lambda: site_files.block(plan, site_files.benchmark(plan)),
        "virtual": of_virtual,
        "blobs": lambda: blobs.block(plan, blobs.benchmark(plan, profile.load_seconds), profile.load_seconds),
    }


def _point(
    plan: sync.Plan, figures: sync.SyncFigures, growth_runs: int, profile: Profile
) -> Mapping[int, sync.SyncFigures]:
    """Return the point that the curves have in common with the sync of one size: at full size it takes a quarter of an hour."""
    is_same = plan.runs == growth_runs and (plan.spack is None or plan.records <= profile.spack_up_to)
    return {plan.records: figures} if is_same else {}


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
        spack=plan.spack,
        environment=plan.environment,
    )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["start", "sync", "growth", "bucket", "packages", "queries", "pages", "load", "site"]
    names += ["virtual", "blobs"]
    parser.add_argument(
        "--profile", choices=list(PROFILES), default="short", help="how large (default short)"
    )
    parser.add_argument(
        "--only", choices=names, action="append", help="this benchmark alone; may be repeated (default all)"
    )
    parser.add_argument("--records", type=int, help="records of the index")
    parser.add_argument("--runs", type=int, help="rounds; the median counts")
    parser.add_argument("--sizes", type=_sizes, metavar="N,N", help="records of each point of the curves")
    parser.add_argument("--bucket-refs", type=int, metavar="N", help="refs of the bucket")
    parser.add_argument("--bucket-stacks", type=int, metavar="N", help="stacks of each ref")
    parser.add_argument("--bucket-specs", type=int, metavar="N", help="distinct specs of the bucket")
    parser.add_argument("--bucket", type=Path, metavar="DIR", help="read this generated bucket; makes none")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated data (default 1)")
    parser.add_argument(
        "--recipes",
        default=environment.get(virtual.RECIPES_VARIABLE) or None,
        help=f"package repository that Spack concretizes with; else {virtual.RECIPES_VARIABLE}",
    )
    parser.add_argument(
        "--nodes", default=environment.get(NODES_VARIABLE) or None, help="concrete nodes to start from"
    )
    parser.add_argument("--data", type=Path, default=HERE / "data", help="folder for generated data")
    parser.add_argument("--catalogue", type=Path, metavar="FILE", help="ask this catalogue; syncs nothing")
    parser.add_argument(
        "--mirror", type=Path, metavar="DIR", help="what --catalogue was made from, for Spack"
    )
    parser.add_argument("--peers-only", action="store_true", help="sync alone, without cachescope itself")
    parser.add_argument(
        "--peers-python", type=Path, default=peers.PYTHON, help="Python that has orjson, DuckDB and datasette"
    )
    parser.add_argument("--report", type=Path, default=REPORT, help="Markdown file that holds the tables")
    parser.add_argument("--no-report", action="store_true", help="print the tables, leave the report alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
