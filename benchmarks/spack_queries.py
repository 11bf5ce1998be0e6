"""Times Spack's ``satisfies`` over an index: ``$SPACK_ROOT/bin/spack python benchmarks/spack_queries.py INDEX QUERIES``.

``QUERIES`` is a JSON list of texts. Each is put to every present spec of the index, up to three times within two seconds;
the fastest counts. Prints a JSON list of ``{"query", "seconds", "matches", "error"}``. Source: ``spack.spec.Spec.satisfies``,
with the index read as ``spack.binary_distribution.BinaryCacheIndex`` reads it.
"""

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROUNDS = 3
ENOUGH = 2.0
"""Seconds after which a query is not asked again."""


def present_specs(index: Path) -> list[Any]:
    """Read the specs of an index that are in the build cache."""
    # By name: Spack is no dependency of ours and is there only when Spack itself runs this file.
    binary_distribution = importlib.import_module("spack.binary_distribution")
    with tempfile.TemporaryDirectory() as root:
        database = binary_distribution.BuildCacheDatabase(root)
        database._read_from_file(index)  # noqa: SLF001 - as Spack's own index cache calls it
        records = database._data.values()  # noqa: SLF001 - no public list
        return [record.spec for record in records if record.in_buildcache]


def answer(query: str, specs: Sequence[Any]) -> dict[str, object]:
    """Put one query to all specs."""
    spec_type = importlib.import_module("spack.spec").Spec
    matches = 0
    rounds: list[float] = []
    try:
        asked = spec_type(query)
        while len(rounds) < ROUNDS and sum(rounds) < ENOUGH:
            start = time.perf_counter()
            matches = sum(1 for spec in specs if spec.satisfies(asked))
            rounds.append(time.perf_counter() - start)
    except Exception as error:  # noqa: BLE001 - whatever Spack raises is its answer
        return {"query": query, "seconds": 0, "matches": 0, "error": f"{type(error).__name__}: {error}"}
    return {"query": query, "seconds": min(rounds), "matches": matches, "error": None}


def main(index: Path, queries: Sequence[str]) -> None:
    specs = present_specs(index)
    print(json.dumps([answer(query, specs) for query in queries]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
