"""What Spack itself answered on the crafted caches and a generated mirror: one row for each query."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_DATA = Path(__file__).resolve().parents[1] / "data"
ON_V3, ON_V2 = _DATA / "queries-v3-crafted.jsonl", _DATA / "queries-v2.jsonl"
BUNDLED = (ON_V3, ON_V2)


class OracleRow(NamedTuple):
    """A query with all records that satisfy it, or with Spack's refusal."""

    query: str
    hashes: frozenset[str]
    error: str | None


def rows_of(file: Path) -> Sequence[OracleRow]:
    """Read a file of answers."""
    with file.open(encoding="utf-8") as lines:
        found = map(json.loads, lines)
        return [OracleRow(row["query"], frozenset(row["hashes"]), row.get("error")) for row in found]
