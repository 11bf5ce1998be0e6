"""Compares with real Spack on fresh random queries: ``python -m benchmarks.oracle --seed 7``, or ``make oracle``.

Wants ``SPACK_ROOT``, a checkout of Spack (and ``SPACK_PYTHON``, if not ``python3``). Spack needs recipes to know what is
virtual: ``SPACK_RECIPES`` is a list of repositories as in ``PATH`` (folders with a ``repo.yaml``); without it, Spack has
those of its own configuration. Queries are drawn from the words of each mirror, once for all three judges: Spack, the
reference (``query.matching``) and the lowering to SQL (``catalogue.lowering``).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sqlalchemy import select

from cachescope.catalogue import schema as t
from cachescope.catalogue.engine import Catalogue, open_for_reading
from cachescope.catalogue.lowering import lower
from cachescope.formats.index_json import IndexDocument, open_index
from cachescope.model.errors import QuerySyntaxError
from cachescope.model.identity import DagHash
from cachescope.query.grammar import parse_query
from cachescope.query.matching import matches
from cachescope.query.spec_query import SpecQuery
from cachescope.query.targets import unknown_bounds
from cachescope.query.universe import Universe
from tests.query.generated_queries import QueryWriter

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
MIRRORS = (
    SHARED / "caches" / "v3-crafted-signed",
    SHARED / "caches" / "v2-signed",
    SHARED / "data" / "mirror-10k",
)
BUNDLED = (ROOT / "examples" / "v3-crafted-signed", ROOT / "examples" / "v2-signed")
STRANGERS = 300
"""How many records are asked where a query names no package."""


@dataclass
class Tally:
    """What was compared, and what differed."""

    pairs: int = 0
    queries: int = 0
    matched: int = 0
    refused: int = 0
    differences: list[str] = field(default_factory=list)
    deviations: Counter[str] = field(default_factory=Counter)
    """Differences that docs/user/query-language.md names, by reason."""


@dataclass(frozen=True)
class Mirror:
    """A mirror with its index decoded, and the catalogue that it was read into."""

    folder: Path
    index: Path
    document: IndexDocument
    universe: Universe
    catalogue: Catalogue


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Draw, ask all three, print every difference; 1 if there was one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the queries (default 1)")
    parser.add_argument("--queries", type=int, default=300, help="queries for each mirror (default 300)")
    parser.add_argument(
        "mirrors", nargs="*", type=Path, help="folders of mirrors (default: the reference data)"
    )
    options = parser.parse_args(arguments)
    spack = environment.get("SPACK_ROOT", "")
    if not Path(spack, "bin", "spack").is_file():
        parser.error(f"SPACK_ROOT={spack} holds no bin/spack; give a checkout of Spack")
    mirrors = options.mirrors or [one for one in MIRRORS if one.is_dir()] or BUNDLED
    differed = False
    for folder in mirrors:
        with tempfile.TemporaryDirectory() as name:
            tally = _compare(folder.resolve(), options, environment, Path(name))
        print("\n".join(tally.differences))
        print(
            f"{folder.name}: {tally.pairs:,} pairs of {tally.queries} queries compared"
            f" ({tally.matched} with a match, {tally.refused} refused by both), {len(tally.differences)} differ"
        )
        for reason, count in tally.deviations.items():
            print(f"  {count} more differ by a named deviation: {reason}")
        differed |= bool(tally.differences)
    return int(differed)


def _compare(folder: Path, options: argparse.Namespace, environment: Mapping[str, str], work: Path) -> Tally:
    index = _index_of(folder)
    document = open_index(memoryview(index.read_bytes()))
    specs = [document.spec(one) for one in document]
    random = Random(f"{options.seed}/{folder.name}")
    writer = QueryWriter(random, specs)
    queries = [writer.query() for _ in range(options.queries)]
    strangers = random.sample([one.hash for one in specs], min(STRANGERS, len(specs)))
    database = work / "catalogue.sqlite"
    subprocess.run(
        [sys.executable, "-m", "cachescope", "--db", str(database), "sync", str(folder), "--as", "judged"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={key: value for key, value in environment.items() if not key.startswith("CACHESCOPE_")},
    )
    told = _ask_spack({"index": str(index), "queries": queries, "strangers": strangers}, environment, work)
    with open_for_reading(database, busy_timeout=5) as catalogue:
        mirror = Mirror(folder, index, document, Universe.of(specs), catalogue)
        tally = Tally()
        for row in told:
            _judge(mirror, row, frozenset(strangers), tally)
    return tally


def _judge(mirror: Mirror, row: Mapping[str, object], strangers: frozenset[DagHash], tally: Tally) -> None:
    text, error = str(row["query"]), row["error"]
    tally.queries += 1
    try:
        query = parse_query(text)
    except QuerySyntaxError as refusal:
        if error is None:
            tally.differences.append(f"  {text!r}: refused here ({refusal}), answered by Spack")
        tally.refused += error is not None
        return
    deviation = _named_deviation(query, str(error or ""), mirror.universe)
    if error is not None:
        if deviation:
            tally.deviations[deviation] += 1
        else:
            tally.differences.append(f"  {text!r}: refused by Spack alone: {str(error).splitlines()[0]}")
        return
    spack = set(row["hashes"])  # type: ignore[call-overload]  # JSON
    named = {one.hash for one in mirror.universe.specs.values() if one.name == query.node.name}
    pool = named or strangers
    tally.pairs += len(pool)
    tally.matched += bool(spack)
    by_rules = {one for one in pool if matches(query, mirror.universe.specs[one], mirror.universe)}
    by_sql = _answer_by_sql(mirror, query) & pool
    if deviation and by_rules == by_sql != spack:
        tally.deviations[deviation] += 1
        return
    for judge, found in (("reference", by_rules), ("SQL", by_sql)):
        if found != spack:
            more, less = sorted(found - spack), sorted(spack - found)
            tally.differences.append(
                f"  {text!r}: {judge} has {len(found)}, Spack {len(spack)};"
                f" too many {[one[:7] for one in more[:3]]}, too few {[one[:7] for one in less[:3]]}"
            )


def _named_deviation(query: SpecQuery, error: str, universe: Universe) -> str:
    """Return why an answer may differ from Spack's; empty if there is no reason why it should."""
    nodes = [query.node, *(edge.node for edge in query.edges())]
    nodes += [edge.when.node for edge in query.edges() if edge.when is not None]
    if error:
        unknown = any(node.target and unknown_bounds(node.target) for node in nodes)
        return "a target range with an unknown bound matches nothing" if unknown and "target" in error else ""
    if any("*" in {node.platform, node.os} for node in nodes):
        return "a wildcard platform or os does not end the check of the architecture"
    if universe.is_virtual(query.node.name):
        return "edges, not recipes, tell who provides a virtual"
    if any(universe.is_virtual(node.name) and node.version is not None for node in nodes):
        return "the version of a virtual is ignored"
    return ""


def _answer_by_sql(mirror: Mirror, query: SpecQuery) -> set[DagHash]:
    with mirror.catalogue.reading() as connection:
        lowered = lower(connection, query)
        statement = (
            select(t.spec.c.hash)
            .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
            .where(lowered.condition)
        )
        found = set(connection.execute(statement).scalars())
    if lowered.exact:
        return found
    return {one for one in found if matches(query, mirror.universe.specs[one], mirror.universe)}


def _ask_spack(asked: object, environment: Mapping[str, str], work: Path) -> Iterator[dict[str, object]]:
    question, told, config = work / "asked.json", work / "told.jsonl", work / "config"
    question.write_text(json.dumps(asked), encoding="utf-8")
    config.mkdir()
    if recipes := [one for one in environment.get("SPACK_RECIPES", "").split(os.pathsep) if one]:
        lines = [f"  {Path(one).name}: {one}" for one in recipes]
        (config / "repos.yaml").write_text("\n".join(["repos::", *lines, ""]), encoding="utf-8")
    command = [
        environment.get("SPACK_PYTHON", sys.executable),
        str(Path(environment["SPACK_ROOT"], "bin", "spack")),
        "--config-scope",
        str(config),
        "python",
        str(ROOT / "benchmarks" / "spack_satisfies.py"),
        str(question),
        str(told),
    ]
    own = {"SPACK_DISABLE_LOCAL_CONFIG": "1", "SPACK_USER_CACHE_PATH": str(work / "cache")}
    subprocess.run(command, check=True, env={**environment, **own})
    with told.open(encoding="utf-8") as lines_read:
        yield from map(json.loads, lines_read)


def _index_of(folder: Path) -> Path:
    """Return the file that holds the index of a mirror: the blob that the manifest names, or that of layout v2."""
    manifest = folder / "v3" / "manifests" / "index" / "index.manifest.json"
    if not manifest.is_file():
        return folder / "build_cache" / "index.json"
    checksum: str = json.loads(manifest.read_text(encoding="utf-8"))["data"][0]["checksum"]
    return folder / "blobs" / "sha256" / checksum[:2] / checksum


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
