"""Lets Spack answer spec queries over an index: ``$SPACK_ROOT/bin/spack python benchmarks/spack_satisfies.py ASKED ANSWERS``.

``ASKED`` is JSON: ``{"index", "queries", "strangers"}``. A query that names a package is put to every record of that name;
any other (anonymous, or a virtual) to the records in ``strangers``, since one such answer takes Spack milliseconds.
``ANSWERS`` gets one JSON line for each query: ``{"query", "asked", "hashes", "error"}``. Source: ``spack.spec.Spec.satisfies``,
with the index read as ``spack.binary_distribution.BinaryCacheIndex`` reads it.
"""

import importlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def read_index(index: Path) -> dict[str, Any]:
    """Read an index into concrete specs, by hash."""
    # By name: Spack is no dependency of ours and is there only when Spack itself runs this file.
    binary_distribution = importlib.import_module("spack.binary_distribution")
    with tempfile.TemporaryDirectory() as root:
        database = binary_distribution.BuildCacheDatabase(root)
        database._read_from_file(index)  # noqa: SLF001 - as Spack's own index cache calls it
        return {key: record.spec for key, record in database._data.items()}  # noqa: SLF001 - no public list


def answer(query: str, by_name: Mapping[str, Sequence[Any]], strangers: Sequence[Any]) -> dict[str, object]:
    """Put one query to the specs that it may mean."""
    spec_type = importlib.import_module("spack.spec").Spec
    try:
        asked = spec_type(query)
        specs = by_name.get(asked.name, strangers)
        hashes = sorted(spec.dag_hash() for spec in specs if spec.satisfies(asked))
    except Exception as error:  # noqa: BLE001 - whatever Spack raises is its answer
        return {"query": query, "asked": 0, "hashes": [], "error": f"{type(error).__name__}: {error}"}
    return {"query": query, "asked": len(specs), "hashes": hashes, "error": None}


def answers(asked: Mapping[str, Any]) -> Iterator[str]:
    specs = read_index(Path(asked["index"]))
    by_name: dict[str, list[Any]] = {}
    for spec in specs.values():
        by_name.setdefault(spec.name, []).append(spec)
    strangers = [specs[one] for one in asked["strangers"] if one in specs]
    for query in asked["queries"]:
        yield json.dumps(answer(query, by_name, strangers)) + "\n"


def main(asked: Path, target: Path) -> None:
    with target.open("w", encoding="utf-8") as file:
        file.writelines(answers(json.loads(asked.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
