"""Counts the binaries of each package with DuckDB, for comparison: ``python benchmarks/duckdb_packages.py INDEX``.

One statement over the JSON document as it is: an index is one object, whose records are read as a map of structs that
have only the two fields that are needed. Prints a JSON object of counts.
"""

import importlib
import json
import sys
from pathlib import Path

STATEMENT = """
WITH installs AS (
    SELECT unnest(map_values(database.installs)) AS record
    FROM read_json(?, format = 'unstructured', records = true, maximum_object_size = ?, columns = {
        database: 'STRUCT(installs MAP(VARCHAR, STRUCT(spec STRUCT(name VARCHAR), in_buildcache BOOLEAN)))'
    })
)
SELECT record.spec.name, count(*) FILTER (record.in_buildcache) FROM installs GROUP BY ALL
"""
ROOM = 1024
"""Bytes that DuckDB wants beyond the largest object."""


def main(index: Path) -> None:
    # By name: DuckDB stands in the environment of the peers alone.
    duckdb = importlib.import_module("duckdb")
    rows = duckdb.execute(STATEMENT, [str(index), index.stat().st_size + ROOM]).fetchall()
    print(json.dumps(dict(rows)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
