"""The benchmark of queries: a small mirror is made, synced and asked, with everything real but Spack."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "run.py"
SMALL = ("--only", "queries", "--records", "700", "--runs", "1")


def run(*options: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run the benchmark with nothing of the caller's Spack or settings."""
    unset = ("SPACK_ROOT", "CACHESCOPE_BENCH_NODES")
    kept = {key: value for key, value in os.environ.items() if key not in unset}
    command = [sys.executable, str(RUN), *map(str, options)]
    return subprocess.run(command, check=False, capture_output=True, env=kept)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one run wrote, with its data beside it."""
    folder = tmp_path_factory.mktemp("bench")
    answer = run(*SMALL, "--data", folder / "data", "--report", folder / "report.md")
    assert answer.returncode == 0, answer.stderr.decode()
    return folder / "report.md"


def rows(report: Path) -> dict[str, list[str]]:
    """Read the cells of the table by query."""
    table = report.read_text(encoding="utf-8").partition("<!-- bench:queries -->")[2]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


def test_table_has_every_query_with_its_time_and_its_matches(report: Path) -> None:
    table = rows(report)
    matches = {query: int(cells[3].replace(",", "")) for query, cells in table.items()}
    assert len(table) == 21
    assert all(float(cells[0]) > 0 for cells in table.values())
    assert matches.pop("cr-hdf@99 +mpi") == 0
    assert matches["cr-hdf"] > matches["cr-hdf ^cr-zlib"] > 0
    assert min(matches[query] for query in ("+mpi", "target=x86_64_v3", "^crmpi", "^cr-zlib@1:")) > 0
    assert [count for query, count in matches.items() if query.startswith("/")] == [1]


def test_report_says_what_the_arrays_take(report: Path) -> None:
    assert re.search(
        r"from \d+ MB of arrays, which are read in \d+\.\d s", report.read_text(encoding="utf-8")
    )


def test_table_says_that_spack_was_not_measured(report: Path) -> None:
    assert "| Spack's `satisfies` | not measured: SPACK_ROOT is not set |" in report.read_text(
        encoding="utf-8"
    )


def test_synced_catalogue_is_used_again_and_may_be_given(report: Path) -> None:
    [catalogue] = report.parent.glob("data/sync-*/catalogue-*.sqlite")
    written = catalogue.stat().st_mtime_ns
    again = run(*SMALL, "--data", report.parent / "data", "--no-report")
    given = run("--catalogue", catalogue, "--runs", "1", "--no-report")
    assert (again.returncode, given.returncode) == (0, 0)
    assert b"700 specs, " in again.stdout
    assert b"700 specs, " in given.stdout
    assert catalogue.stat().st_mtime_ns == written


def test_catalogue_without_the_packages_is_refused(tmp_path: Path) -> None:
    answer = run("--catalogue", tmp_path / "none.sqlite", "--no-report")
    assert answer.returncode == 1
    assert b"the catalogue has none of hdf5, cr-hdf" in answer.stderr
