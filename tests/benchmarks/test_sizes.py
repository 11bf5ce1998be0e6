"""The benchmark of sizes runs on a small mirror, with its real server."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.manifest_server import manifest
from cachescope.formats.manifest_json import archive_blob, decode_manifest
from tests.catalogues import ROOT
from tests.mirrors import NOBODY


def test_manifests_of_the_server_are_such_as_spack_writes() -> None:
    found = [decode_manifest(manifest(f"{number:a>32}"), kind="spec manifest") for number in range(40)]
    assert {one.signed for one in found} == {True, False}
    assert len({archive_blob(one).size for one in found}) == 40
    assert manifest(NOBODY) == manifest(NOBODY)


def test_benchmark_reads_every_size_and_prints_requests_a_second(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "CACHESCOPE_BENCH_NODES"}
    command = [sys.executable, str(ROOT / "benchmarks" / "sizes.py"), "--records", "60", "--runs", "1"]
    ended = subprocess.run(
        [*command, "--data", str(tmp_path)], check=False, capture_output=True, text=True, env=kept
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "sync --sizes" in ended.stdout
    assert "a second" in ended.stdout
