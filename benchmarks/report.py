"""The report ``docs/benchmarks.md``: prose that stays, and a block between markers for each benchmark."""

import datetime as dt
import os
import platform
from pathlib import Path

BEGIN, END = "<!-- bench:{name} -->", "<!-- /bench -->"
HEAD = """\
# Benchmarks

What cachescope costs on real work. `make bench` generates the data, measures, and replaces the tables here; the prose
stays. It takes a few minutes; `make bench-full` does the same at full size, for hours (benchmarks/run.py says what each
profile is). Figures are medians of whole processes where nothing else is said, and each stands beside a named peer of the
same run: compare ratios, not seconds of different machines.

"""
SECTIONS = {
    "start": """\
## Starting

Whole processes that do next to nothing: what a user waits for before anything else. The peers are Python itself, and
Spack saying its version.

""",
    "sync": """\
## Reading a mirror

The mirror is generated out of real concrete nodes, rebuilt for other operating systems, targets and compiler versions
with all DAG hashes recomputed, so it is as irregular as a real one and every record verifies. Each round starts with a
fresh database. Beside cachescope run: Python's `json.loads` of the same bytes, as one would call it and with the cyclic
garbage collector off, which takes most of its time; `orjson.loads`; a straightforward draft of a sync
(`benchmarks/draft.py`: decode all with msgspec, fill three tables, verify no DAG hash, keep nothing else; as one would
write it, and with the collector off); the floor (`benchmarks/floor.py`: `sqlite3` inserting as many specs and edges of
made-up integers, reading nothing); and, where a checkout of Spack is at hand, Spack reading the index into its own
database: its seconds are those of the reading alone, without starting Spack; processor time and memory are of the whole
process. The columns "of ..." are the median divided by that process's median: below 1 is faster.

""",
    "growth": """\
## How cost grows

The same processes on mirrors of growing size. Bytes are of the JSON that is read and of the databases that are left.

""",
    "bucket": """\
## A whole bucket

A bucket as the public one: refs of ten stacks and `root`, their union (`benchmarks/generator.py --specs`). Most specs of
a weekly ref stay, some go, some come. It is served over HTTP from loopback; `cachescope sync` without arguments reads all
its mirrors. The peers decode the same documents one after another from disk and keep nothing.

""",
    "packages": """\
## One aggregate

How many binaries each package has: `cachescope packages --json` of a synced catalogue, beside programs that read the
JSON for it: DuckDB (one SQL statement over `read_json`), `orjson` and `json` with a `Counter`. All give the same numbers;
the run fails otherwise.

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
    "pages": """\
## Pages

`cachescope serve` beside datasette over the draft's tables (`benchmarks/draft.py`, with indexes on name and target): one
client, one connection, each page of a kind asked for in turn after one round to warm up. The pages are like in purpose,
not in content: datasette shows rows and facets, cachescope what it says in words, dependencies and look-alikes too.

""",
    "virtual": """\
## Virtual mirrors

What a large mirror costs Spack itself, and what it costs to be given only what fits: real Spack concretizes a package that
is in the mirror, with reuse. Needs a checkout of Spack (`SPACK_ROOT`) and recipes (`CACHESCOPE_BENCH_RECIPES`).

""",
    "blobs": """\
## Blobs

Stored blobs and signed manifests of a virtual mirror, as many clients ask for them, beside nginx (Debian's) over the folder of the
same mirror. nginx in front of the store (docs/user/serve.md) is what a large site does; these figures are without it.

""",
    "load": """\
## Load

The same pages, mixed, asked for by wrk over several connections at a time. An error is an answer other than 200 or a
connection that broke. Server and client share the machine.

""",
}
"""What stands before each block in a report that does not have it yet."""


def replace_block(report: str, name: str, block: str) -> str:
    """Put ``block`` between the markers of ``name``; with its section at the end of a report that has none."""
    begin = BEGIN.format(name=name)
    before, found, rest = report.partition(begin)
    if not found:
        return f"{report.rstrip()}\n\n{SECTIONS[name]}{begin}\n{block}\n{END}\n"
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{block}\n{END}{after}"


def signature(command: str) -> str:
    """Return the line below a table: when, where, and by which command it was made."""
    machine = f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine}: `{command}`"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
