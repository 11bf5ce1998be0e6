"""The floor of any sync into SQLite: ``python benchmarks/floor.py SPECS EDGES DATABASE``.

Inserts as many specs and edges as an index has, and does nothing else: nothing is read, decoded or verified, all values are
made up from integers, keys come in order, there is one table for each and no index beside, and the database is not even
safe against a crash.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE specs (
    id INTEGER PRIMARY KEY, hash BLOB, name INTEGER, version INTEGER, compiler INTEGER, os INTEGER, target INTEGER,
    variants INTEGER, package_hash BLOB, present INTEGER
);
CREATE TABLE edges (parent INTEGER, child INTEGER, kind INTEGER, PRIMARY KEY (parent, child)) WITHOUT ROWID;
"""
HASH, PACKAGE_HASH = 20, 32
"""Bytes of a DAG hash and of the hash of a recipe."""


def main(specs: int, edges: int, database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.executescript(SCHEMA)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO specs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *(one, one.to_bytes(HASH), one % 800, one % 2000, one % 11, one % 20, one % 30),
                    *(one % 3000, one.to_bytes(PACKAGE_HASH), 1),
                )
                for one in range(specs)
            ),
        )
        connection.executemany(
            "INSERT INTO edges VALUES (?, ?, ?)",
            ((one * specs // edges, one, one % 7) for one in range(edges)),
        )
        connection.execute("COMMIT")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
