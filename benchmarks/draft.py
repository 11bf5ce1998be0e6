"""The straightforward draft of a sync, for comparison: ``python benchmarks/draft.py MIRROR DATABASE [no-collector]``.

Decodes the whole index into dictionaries, then fills three tables in one transaction. It does the least that can be
called reading a mirror into a database: no DAG hash is verified, nothing is interned or kept, there is no history, no
index for searching, and a second sync costs as much as the first. ``no-collector`` turns the cyclic garbage collector off,
which more than halves the time: a peer that knows the trick.
"""

import gc
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

Record = dict[str, Any]

SCHEMA = """
CREATE TABLE specs (
    hash TEXT PRIMARY KEY, name TEXT, version TEXT, namespace TEXT, platform TEXT, os TEXT, target TEXT,
    compiler TEXT, parameters TEXT, package_hash TEXT, external INTEGER
);
CREATE TABLE edges (parent TEXT, child TEXT, name TEXT, deptypes TEXT, virtuals TEXT);
CREATE TABLE presence (mirror TEXT, hash TEXT, present INTEGER);
"""
LANGUAGES = ("c", "cxx", "fortran")


def main(mirror: Path, database: Path) -> None:
    """Read the index of a v3 mirror into a fresh database."""
    installs = read_index(mirror)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO specs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", spec_rows(installs)
        )
        connection.executemany("INSERT INTO edges VALUES (?, ?, ?, ?, ?)", edge_rows(installs))
        connection.executemany(
            "INSERT INTO presence VALUES (?, ?, ?)",
            (("bench", digest, record["in_buildcache"]) for digest, record in installs.items()),
        )


def read_index(mirror: Path) -> dict[str, Record]:
    """Read the records of the index that the mirror's manifest names; the blob's checksum is verified."""
    manifest = msgspec.json.decode((mirror / "v3/manifests/index/index.manifest.json").read_bytes())
    checksum = manifest["data"][0]["checksum"]
    data = (mirror / "blobs" / "sha256" / checksum[:2] / checksum).read_bytes()
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ValueError(f"{mirror}: wrong checksum of the index")
    installs: dict[str, Record] = msgspec.json.decode(data)["database"]["installs"]
    return installs


def spec_rows(installs: dict[str, Record]) -> Iterator[tuple[object, ...]]:
    """Yield a row for each spec."""
    for digest, record in installs.items():
        node = record["spec"]
        arch = node["arch"]
        target = arch["target"]
        yield (
            digest,
            node["name"],
            node["version"],
            node["namespace"],
            arch["platform"],
            arch["platform_os"],
            target if isinstance(target, str) else target["name"],
            compiler(node, installs),
            json.dumps(node["parameters"]),
            node["package_hash"],
            bool(node.get("external")),
        )


def compiler(node: Record, installs: dict[str, Record]) -> str | None:
    """Return the compiler as ``name@version``: the first dependency for c, else cxx, else fortran."""
    for language in LANGUAGES:
        for edge in node.get("dependencies", ()):
            if language in edge["parameters"]["virtuals"]:
                return f"{edge['name']}@{installs[edge['hash']]['spec']['version']}"
    return None


def edge_rows(installs: dict[str, Record]) -> Iterator[tuple[object, ...]]:
    """Yield a row for each dependency."""
    for digest, record in installs.items():
        for edge in record["spec"].get("dependencies", ()):
            parameters = edge["parameters"]
            yield (
                digest,
                edge["hash"],
                edge["name"],
                ",".join(parameters["deptypes"]),
                ",".join(parameters["virtuals"]),
            )


if __name__ == "__main__":
    if sys.argv[3:] == ["no-collector"]:
        gc.disable()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
