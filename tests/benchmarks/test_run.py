"""The benchmark runner: real processes on a small mirror, cachescope itself left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "run.py"
PROSE = "# Figures\n\nProse before.\n\n"
OTHER = "<!-- bench:search -->\nanother table\n<!-- /bench -->\n"
NO_PEERS = ("--peers-python", "/nowhere/python")
SMALL = ("--peers-only", "--records", "300", "--runs", "1", *NO_PEERS)


def run(*options: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the benchmarks with nothing of the caller's Spack or settings."""
    unset = ("SPACK_ROOT", "CACHESCOPE_BENCH_NODES")
    kept = {key: value for key, value in os.environ.items() if key not in unset}
    command = [sys.executable, str(RUN), *map(str, options)]
    return subprocess.run(command, check=False, capture_output=True, env=kept | environment)


def test_table_replaces_its_own_block_alone(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_text(
        f"{PROSE}<!-- bench:sync -->\nold figures\n<!-- /bench -->\n\n{OTHER}", encoding="utf-8"
    )
    assert run(*SMALL, "--data", tmp_path / "data", "--report", report).returncode == 0
    text = report.read_text(encoding="utf-8")
    assert text.startswith(f"{PROSE}<!-- bench:sync -->\n300 records with ")
    assert text.endswith(f"\n<!-- /bench -->\n\n{OTHER}")
    assert "old figures" not in text
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")] == [
        "| process",
        "| `json.loads` of the same bytes",
        "| the same, garbage collector off",
        "| `sqlite3` inserting as many rows",
        "| straightforward draft",
        "| the draft, garbage collector off",
    ]


def test_new_report_has_prose_and_the_table(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    assert run(*SMALL, "--data", tmp_path / "data", "--report", report).returncode == 0
    text = report.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks\n")
    assert text.count("<!-- bench:sync -->") == text.count("<!-- /bench -->") == 1


@pytest.mark.parametrize(
    ("options", "environment", "problem"),
    [
        (("--runs", "0"), {}, "1 or more"),
        (("--sizes", "10,0"), {}, "1 or more"),
        ((), {"SPACK_ROOT": "/nowhere"}, "/nowhere holds no bin/spack"),
    ],
    ids=["no runs", "no size", "no Spack"],
)
def test_bad_request_is_refused_before_anything_runs(
    tmp_path: Path, options: tuple[str, ...], environment: dict[str, str], problem: str
) -> None:
    answer = run(*options, "--data", tmp_path / "data", **environment)
    assert answer.returncode == 2
    assert problem in answer.stderr.decode()
    assert not (tmp_path / "data").exists()


def test_table_says_which_peers_were_not_measured(tmp_path: Path) -> None:
    answer = run(*SMALL, "--data", tmp_path / "data", "--no-report")
    assert (
        b"Not measured: orjson (there is no .venv-bench; 'make bench' makes it); Spack (SPACK_ROOT is not set)."
        in answer.stdout
    )


def test_blobs_are_not_measured_without_the_servers_and_it_says_so(tmp_path: Path) -> None:
    answer = run("--only", "blobs", "--data", tmp_path / "data", "--no-report", PATH=str(tmp_path))
    assert answer.returncode == 0
    assert (
        b"Not measured: nginx (nginx is not installed (Debian: apt-get install nginx-light)); wrk ("
        in answer.stdout
    )
