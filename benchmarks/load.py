"""The benchmark of load: mixed pages by wrk from ``cachescope serve`` and from datasette, in one run on one machine."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from listening import Server, serving
from measure import measure
from pages import datasette, datasette_tables, kinds_of
from peers import NO_PYTHON, cachescope, not_measured, settings
from sync import Plan
from wrk import Load, read_wrk

CONNECTIONS = 8
THREADS = 1
WORKERS = (1, 2)
NO_WRK = "wrk is not installed (Debian: apt-get install wrk)"

SCRIPT = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local at = 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at], {["Accept"] = "text/html", ["Accept-Encoding"] = "gzip"})
end
"""
"""Asks for all pages in turn, the kinds mixed."""


def benchmark(plan: Plan, catalogue: Path, mirror: Path, seconds: int) -> tuple[Load, ...]:
    """Put both under load for so many seconds each. Raises ``ProcessFailed``."""
    if shutil.which("wrk") is None:
        return ()
    tables = datasette_tables(plan, catalogue, mirror)
    kinds = kinds_of(tables, plan.seed)
    environment = settings(plan.environment, catalogue)
    loads = []
    for workers in WORKERS:
        command = cachescope("serve", "--port", "0", "--workers", str(workers))
        name = f"cachescope, {workers} worker{'s' if workers > 1 else ''}"
        with serving(command, environment) as server:
            loads.append(_load(name, server, _mixed([kind.own for kind in kinds]), seconds, plan.environment))
    if plan.python is not None:
        with serving(datasette(plan.python, tables), plan.environment) as server:
            mixed = _mixed([kind.datasette for kind in kinds])
            loads.append(_load("datasette", server, mixed, seconds, plan.environment))
    return tuple(loads)


def _mixed(kinds: Sequence[Sequence[str]]) -> list[str]:
    """Take a page of each kind in turn, as often as the longest list has any."""
    longest = max(map(len, kinds))
    return [paths[index % len(paths)] for index in range(longest) for paths in kinds]


def _load(
    name: str, server: Server, paths: Sequence[str], seconds: int, environment: Mapping[str, str]
) -> Load:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=120)) as connection:
        for path in paths:
            connection.request("GET", path, headers={"Accept": "text/html"})
            connection.getresponse().read()
    before = server.resident_bytes()
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder, "paths"), Path(folder, "mixed.lua")
        listed.write_text("\n".join(paths), encoding="ascii")
        script.write_text(SCRIPT % listed, encoding="ascii")
        command = [
            "wrk",
            f"-t{THREADS}",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
            "--latency",
        ]
        said = measure([*command, "-s", str(script), f"http://127.0.0.1:{server.port}"], environment).output
    found = read_wrk(name, said, before, server.resident_bytes())
    print(f"  {name}: {found.per_second:.0f} a second, {found.errors} errors", flush=True)
    return found


def block(plan: Plan, loads: Sequence[Load], seconds: int) -> Iterator[str]:
    """Yield the lines of the table."""
    yield (
        f"{plan.records:,} records; packages, binaries, searches and lists mixed, {CONNECTIONS} connections, "
        f"{seconds} s for each server, wrk on the same machine. Memory after one round of all pages, and after the load."
    )
    yield ""
    yield "| server | requests a second | median ms | 99 of 100 within ms | requests | errors | MB before | MB after |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for one in loads:
        times = f"{one.median * 1000:.0f} | {one.slowest * 1000:.0f}"
        memory = f"{one.before / 1e6:.0f} | {one.after / 1e6:.0f}"
        yield f"| {one.server} | {one.per_second:.1f} | {times} | {one.requests:,} | {one.errors} | {memory} |"
    yield from not_measured(
        {"wrk": None if loads else NO_WRK, "datasette": None if plan.python else NO_PYTHON}
    )
