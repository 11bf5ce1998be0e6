"""The benchmark of the site of files: a first export, one that finds all done, and pages in the form of the public site."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import queries
import sync
from measure import Measure, measure
from peers import cachescope, settings
from sync import MIB, Plan

BINARIES = 500
"""Records of the mirror whose binaries have pages too: each takes as long as any other, so more would say no more."""

PAGES, FIRST, AGAIN = "`export pages`", "`export site`", "`export site` again"


@dataclass(frozen=True, slots=True)
class Export:
    """One export, and what it left in its folder."""

    name: str
    records: int
    run: Measure
    pages: int
    files: int
    bytes: int


def benchmark(plan: Plan) -> tuple[Export, ...]:
    """Export each catalogue once with an empty folder and once more. Raises ``ProcessFailed``."""
    small = replace(plan, records=min(plan.records, BINARIES))
    return (*_export(plan, "--without-binaries"), *_export(small))


def _export(plan: Plan, *options: str) -> Iterator[Export]:
    catalogue = queries.synced_catalogue(sync.generate(plan), plan.environment)
    environment = settings(plan.environment, catalogue)
    with tempfile.TemporaryDirectory(dir=catalogue.parent) as name:
        site, pages = Path(name, "site"), Path(name, "pages")
        if options:
            run = measure(cachescope("export", "pages", str(pages), "--ref", "bench"), environment)
            sizes = [one.stat().st_size for one in pages.rglob("*") if one.is_file()]
            yield Export(PAGES, plan.records, run, len(list(pages.rglob("specs.md"))), len(sizes), sum(sizes))
            shutil.rmtree(pages)
        for told in (FIRST, AGAIN):
            run = measure(cachescope("export", "site", str(site), "--json", *options), environment)
            done = json.loads(run.output)
            print(f"  {told}, {plan.records:,} records: {run.seconds:.1f} s", flush=True)
            shown = ", ".join((told, *(one.removeprefix("--").replace("-", " ") for one in options)))
            yield Export(shown, plan.records, run, done["pages"], done["files"], done["bytes"])


def block(_: Plan, exports: Sequence[Export]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| records | process | s | user+sys s | ms a page | peak MiB | pages | files | MB | kB a page |"
    yield "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for one in exports:
        run = one.run
        cells = [f"{one.records:,}", one.name, f"{run.seconds:.1f}", f"{run.cpu_seconds:.1f}"]
        cells += [f"{run.cpu_seconds / one.pages * 1000:.0f}", f"{run.peak_bytes / MIB:.0f}"]
        cells += [f"{one.pages:,}", f"{one.files:,}", f"{one.bytes / 1e6:.1f}"]
        yield f"| {' | '.join([*cells, f'{one.bytes / one.pages / 1000:.1f}'])} |"
