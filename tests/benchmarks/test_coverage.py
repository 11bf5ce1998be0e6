"""The benchmark of ``coverage`` and ``why`` runs on small mirrors, and its lock file misses what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.catalogues import ROOT
from tests.commands import process


def test_benchmark_measures_both_commands_on_a_lock_file_that_misses_what_it_says(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "CACHESCOPE_BENCH_NODES"}
    command = [sys.executable, str(ROOT / "benchmarks" / "coverage.py"), "--records", "1000", "--runs", "1"]
    ended = subprocess.run(
        [*command, "--folder", str(tmp_path)], check=False, capture_output=True, text=True, env=kept
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    told = re.match(r"(\d+) nodes, (\d+) changed or above a changed one", ended.stdout)
    assert told is not None
    assert [line.split()[1] for line in ended.stdout.splitlines()[3:]] == ["coverage", "why"]
    found = process("coverage", tmp_path / "spack.lock", "--json", db=tmp_path / "catalogue-1000.sqlite").json
    assert found["total"] + len(found["external"]) == int(told[1])
    assert len(found["missing"]) == int(told[2])
