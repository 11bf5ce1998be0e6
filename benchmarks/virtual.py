"""The benchmark of virtual mirrors: what Spack takes to concretize with reuse from a mirror, and from what fits of it."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from listening import serving
from measure import Measure, ProcessFailed, Row, measure
from nodes import INDEX_MANIFEST
from peers import NO_SPACK, Spack, cachescope, not_measured, settings
from sync import MIB, GeneratedMirror, Plan

RECIPES_VARIABLE = "CACHESCOPE_BENCH_RECIPES"
"""Names the package repository that Spack concretizes with (of ``spack-packages``: ``repos/spack_repo/builtin``)."""

NO_RECIPES = f"{RECIPES_VARIABLE} is not set: concretizing needs recipes"
ASKED = "zlib-ng"
HOST = "os=debian12,target=x86_64_v3"
NOTHING = "no mirror"
DIRECT = "the mirror itself"
VIRTUAL = f"what fits of it: `--for {HOST}`"

PACKAGES = """
packages:
  gcc:
    externals:
    - spec: gcc@12.2.0 languages:='c,c++'
      prefix: /usr
      extra_attributes:
        compilers: {c: /usr/bin/gcc, cxx: /usr/bin/g++}
"""
"""A compiler of the system, taken as given: the same for all, and found nowhere."""


@dataclass(frozen=True, slots=True)
class VirtualFigures:
    """All that the benchmark found with a mirror of one size."""

    records: int
    rows: tuple[Row, ...]
    index_bytes: Mapping[str, int]
    """Bytes of the index that Spack fetches."""


def benchmark(
    plan: Plan, spack: Spack, catalogue: Path, mirror: GeneratedMirror, recipes: str
) -> VirtualFigures:
    """Let Spack concretize beside each mirror in turn. Raises ``ProcessFailed``."""
    mirror.show(mirror.first)
    with tempfile.TemporaryDirectory() as name:
        # A definition is written: not into the catalogue that other benchmarks use, too.
        own = Path(name, "catalogue.sqlite")
        shutil.copyfile(catalogue, own)
        environment = {
            **settings(plan.environment, own),
            "CACHESCOPE_VIRTUAL_FOLDER": str(Path(name, "virtual")),
        }
        measure(cachescope("virtual", "define", "fits", "--from", "bench", "--for", HOST), environment)
        with serving(cachescope("serve", "--port", "0"), environment) as server:
            url = f"http://127.0.0.1:{server.port}/mirror/fits"
            with urlopen(f"{url}/{INDEX_MANIFEST}") as answer:  # noqa: S310 - the server above
                fits = _stored_bytes(answer.read())
            urls = {NOTHING: "", VIRTUAL: url, DIRECT: mirror.folder.resolve().as_uri()}
            known = plan.environment.get("SPACK_USER_CACHE_PATH")
            recipes_cache = Path(known) if known else Path(name, "spack-0", "cache")
            measures: dict[str, list[Measure]] = {}
            # One round more where there are several: the first fills the cache of indexes that Spack keeps.
            warming = plan.runs > 1
            for number in range(plan.runs + warming):
                for place, (title, one) in enumerate(urls.items()):
                    folder = Path(name, f"spack-{place}")
                    if not number:
                        _share(recipes_cache, folder / "cache")
                    taken = _taken(title, *_spec(spack, folder, recipes, one, plan.environment))
                    if taken is not None and number >= warming:
                        measures.setdefault(title, []).append(taken)
    rows = tuple(Row(title, tuple(runs)) for title, runs in measures.items())
    return VirtualFigures(
        plan.records, rows, {NOTHING: 0, DIRECT: _stored_bytes(mirror.first), VIRTUAL: fits}
    )


def _taken(title: str, command: list[str], environment: dict[str, str]) -> Measure | None:
    """Measure one run; None where it failed, as where a mirror is too large for the memory."""
    try:
        taken = measure(command, environment)
    except ProcessFailed as error:
        print(f"  {title}: {error}", flush=True)
        return None
    print(f"  {title}: {taken.seconds:.0f} s, {taken.cpu_seconds:.0f} s of processor time", flush=True)
    return taken


def _share(known: Path, cache: Path) -> None:
    """Copy what Spack has computed from recipes, which takes it minutes: never what it has read of mirrors or solved."""
    for name in ("providers", "patches", "tags"):
        if (known / "cache" / name).is_dir() and not (cache / "cache" / name).exists():
            shutil.copytree(known / "cache" / name, cache / "cache" / name)


def _stored_bytes(manifest: bytes) -> int:
    """Return the size of the index that a manifest names."""
    size: int = json.loads(manifest)["data"][0]["contentLength"]
    return size


def _spec(
    spack: Spack, folder: Path, recipes: str, url: str, environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of a Spack that knows this mirror alone."""
    command, own = spack.start(folder, environment, "spec", ASKED)
    mirrors = f"mirrors:\n  bench:\n    url: {url}\n    signed: false\n" if url else "mirrors:: {}\n"
    written = {
        "repos": f"repos::\n  builtin: {recipes}\n",
        "concretizer": "concretizer:\n  reuse: true\n  concretization_cache:\n    enable: false\n",
        "config": f"config:\n  install_tree:\n    root: {folder}/opt\n",
        "packages": PACKAGES,
        "mirrors": mirrors,
    }
    for name, text in written.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return command, own


def block(plan: Plan, figures: Sequence[VirtualFigures], recipes: str | None) -> Iterator[str]:
    """Yield the lines of the table."""
    if figures:
        yield (
            f"`spack spec {ASKED}` with reuse; rounds: {plan.runs}, what Spack computes of recipes at hand, its cache of "
            f"indexes {'filled by a round before' if plan.runs > 1 else 'empty'}. The index is what it fetches once for each "
            'state of a mirror. "Of the mirror itself" compares processor time.'
        )
        yield ""
        yield (
            "| records | Spack is given | median s | fastest to slowest | user+sys s | peak MiB | index MB "
            "| of the mirror itself |"
        )
        yield "|--:|---|--:|--:|--:|--:|--:|--:|"
    for one in figures:
        direct = next((row.cpu_seconds for row in one.rows if row.name == DIRECT), None)
        for row in one.rows:
            fastest, slowest = row.range
            cells = [
                f"{one.records:,}",
                row.name,
                f"{row.seconds:.1f}",
                f"{fastest:.1f} to {slowest:.1f}",
                f"{row.cpu_seconds:.1f}",
            ]
            cells += [f"{row.peak_bytes / MIB:.0f}", f"{one.index_bytes[row.name] / 1e6:.2f}"]
            yield f"| {' | '.join([*cells, f'{row.cpu_seconds / direct:.2f}' if direct else ''])} |"
        if direct is None:
            yield f"| {one.records:,} | {DIRECT} | did not end well | | | | {one.index_bytes[DIRECT] / 1e6:.2f} | |"
    yield from not_measured(
        {
            "Spack": None if plan.spack else NO_SPACK,
            "anything": None if recipes or not plan.spack else NO_RECIPES,
        }
    )
