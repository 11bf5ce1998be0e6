"""The benchmark of ``sync --sizes``: one manifest for each binary of a mirror, over HTTP from loopback.

    python benchmarks/sizes.py --records 100000

The server is a process of its own on the same machine (``manifest_server.py``), so its work is in the wall time. Beside
cachescope runs the floor: a loop with Python's ``http.client`` over one connection that reads the same manifests and
throws them away. Prints requests a second, medians of the runs.
"""

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from generator import make_records
from measure import Measure, ProcessFailed, measure
from mirror_files import write_mirror
from nodes import NODES_VARIABLE, read_nodes

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "src"
BUDGET = 300.0
"""Seconds for 100,000 manifests."""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Measure, and print one line for each kind of run."""
    parser = argparse.ArgumentParser(description="Measure how fast sizes of binaries are read.")
    parser.add_argument(
        "--records",
        type=int,
        default=5000,
        help="records of the mirror; externals among them are no binaries (default 5000)",
    )
    parser.add_argument("--runs", type=int, default=3, help="how often all is measured (default 3)")
    parser.add_argument("--connections", type=int, default=8, help="questions at a time (default 8)")
    parser.add_argument("--data", type=Path, default=HERE / "data" / "sizes", help="folder for data")
    options = parser.parse_args(arguments)
    shutil.rmtree(options.data, ignore_errors=True)
    mirror, nodes = options.data / "mirror", environment.get(NODES_VARIABLE)
    records = list(
        make_records(read_nodes(Path(nodes) if nodes else None), count=options.records, share_present=1.0)
    )
    write_mirror(mirror, records)
    paths = [_path(one.text) for one in records if one.is_present]
    binaries = len(paths)
    grown: list[float] = []
    floor: list[float] = []
    first: list[Measure] = []
    second: list[Measure] = []
    with _served(mirror) as port:
        for number in range(options.runs):
            floor.append(_floor(port, paths))
            database = options.data / f"catalogue-{number}.sqlite"
            command = [sys.executable, "-m", "cachescope"]
            chosen = {
                **environment,
                "PYTHONPATH": str(SOURCES),
                "CACHESCOPE_DB": str(database),
                "CACHESCOPE_CONNECTIONS_PER_HOST": str(options.connections),
                "XDG_CONFIG_HOME": str(options.data),
            }
            measure([*command, "sync", f"http://127.0.0.1:{port}", "--as", "bench"], chosen)
            before = database.stat().st_size
            first.append(measure([*command, "sync", "--sizes", "--json"], chosen))
            _expect_all(first[-1], binaries)
            second.append(measure([*command, "sync", "--sizes"], chosen))
            grown.append((database.stat().st_size - before) / binaries)
            print(f"  {number + 1}/{options.runs}: {first[-1].seconds:.1f} s", flush=True)
    _report(binaries, floor, first, second)
    print(f"the catalogue grew by {median(grown):.0f} bytes a binary")
    return 0


def _path(record: str) -> str:
    spec = json.loads(record)["spec"]
    name, version = spec["name"], spec["version"]
    return f"/v3/manifests/spec/{name}/{name}-{version}-{spec['hash']}.spec.manifest.json".replace("=", "_")


@contextmanager
def _served(mirror: Path) -> Iterator[int]:
    command = [sys.executable, str(HERE / "manifest_server.py"), str(mirror)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it was asked for
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def _floor(port: int, paths: Sequence[str]) -> float:
    """Read all manifests over one connection; returns seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for path in paths:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != http.client.OK or not answer.read():
            raise ProcessFailed(f"{path}: {answer.status}")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _expect_all(one: Measure, binaries: int) -> None:
    (found,) = json.loads(one.output)["sizes"]
    if (found["binaries"], found["known"]) != (binaries, binaries):
        raise ProcessFailed(
            f"sizes of {found['known']} of {found['binaries']} known, of {binaries} in the index"
        )


def _report(
    binaries: int, floor: Sequence[float], first: Sequence[Measure], second: Sequence[Measure]
) -> None:
    seconds = median(one.seconds for one in first)
    print(f"\n{binaries:,} manifests, median of {len(first)}:")
    print(
        f"  http.client, one connection   {median(floor):8.1f} s  {binaries / median(floor):8,.0f} a second"
    )
    print(f"  sync --sizes                  {seconds:8.1f} s  {binaries / seconds:8,.0f} a second")
    print(f"    processor time              {median(one.cpu_seconds for one in first):8.1f} s")
    print(f"    peak memory                 {max(one.peak_bytes for one in first) / 2**20:8.0f} MiB")
    print(f"  sync --sizes, nothing new     {median(one.seconds for one in second):8.1f} s")
    print(f"  of the floor: {seconds / median(floor):.2f}")
    print(f"  100,000 at this rate: {seconds * 100_000 / binaries:.0f} s (budget {BUDGET:.0f} s)")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], os.environ))
    except ProcessFailed as error:
        sys.exit(f"failed: {error}")
