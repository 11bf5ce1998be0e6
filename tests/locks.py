"""Lock files made of real nodes: one node or several changed, and everything above hashed again."""

import copy
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cachescope.formats.dag_hash import node_hash
from tests.mirrors import Node, as_json

Change = Callable[[Node], None]


def read_nodes(file: Path) -> dict[str, Node]:
    """Read concrete nodes by their hashes."""
    with gzip.open(file) as stream:
        return {node["hash"]: node for node in json.load(stream)}


def closure(roots: Iterable[str], nodes: Mapping[str, Node]) -> list[str]:
    """Return the hashes of all that the roots need, dependencies first."""
    ordered: dict[str, None] = {}

    def visit(dag_hash: str) -> None:
        if dag_hash not in ordered:
            for dependency in nodes[dag_hash].get("dependencies", ()):
                visit(dependency["hash"])
            ordered[dag_hash] = None

    for root in roots:
        visit(root)
    return list(ordered)


def changed(
    roots: Sequence[str], nodes: Mapping[str, Node], changes: Mapping[str, Change]
) -> tuple[dict[str, Node], dict[str, str]]:
    """Change nodes and hash again what is above them; returns the new nodes, and new hashes by old ones."""
    made: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for old in closure(roots, nodes):
        node = copy.deepcopy(nodes[old])
        for dependency in node.get("dependencies", ()):
            dependency["hash"] = renamed.get(dependency["hash"], dependency["hash"])
        if old in changes:
            changes[old](node)
        node.pop("hash")
        node["hash"] = node_hash(node)
        renamed[old] = node["hash"]
        made[node["hash"]] = node
    return made, renamed


def lock_document(
    roots: Iterable[str], nodes: Mapping[str, Node], *, version: int = 6, **extra: Any
) -> bytes:
    """Write a lock file as Spack does."""
    return as_json(
        {
            "_meta": {"file-type": "spack-lockfile", "lockfile-version": version, "specfile-version": 5},
            "spack": {"version": "1.2.0.dev0", "type": "release"},
            "roots": [{"hash": one, "spec": nodes[one]["name"]} for one in roots],
            "concrete_specs": dict(nodes),
            **extra,
        }
    )
