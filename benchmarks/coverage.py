"""The benchmark of ``coverage`` and ``why``: a lock file of 5,000 nodes against five mirrors, as whole processes.

``python benchmarks/coverage.py --records 400000`` makes five mirrors of different systems, reads them into one catalogue,
makes a lock file out of a thousand nodes of each, and changes nodes (version, recipe, target) and all above them until 500 are
missing. The budgets are 1 s for ``coverage``, 3 s for ``why`` and 500 MiB. The anchor is ``guix weather``: 6,128 items in
183 s over the network (Guix manual).
"""

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cachescope.formats.dag_hash import node_hash
from generator import NODES_VARIABLE, Node, make_records, read_nodes, rebuild_nodes, rebuilds, write_mirror
from measure import Row, measure

MIRRORS = 5
NODES_OF_EACH = 1000
MISSING = 500
LARGEST_CONE = 60
RUNS = 5
MIB = 1024 * 1024
BUDGETS = {"coverage": 1.0, "why": 3.0}

Nodes = dict[str, Node]


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Make the data, measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--records", type=int, default=20_000, help="records of all mirrors together")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--folder", type=Path, help="where data is kept for the next time")
    chosen = parser.parse_args(arguments)
    given = environment.get(NODES_VARIABLE)
    nodes = read_nodes(Path(given) if given else None)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        catalogue = _catalogue(folder, nodes, chosen.records, environment)
        lock, wanted, missing = _lock_file(nodes)
        file = folder / "spack.lock"
        file.write_bytes(lock)
        print(
            f"{wanted} nodes, {missing} changed or above a changed one; {chosen.records} records in {MIRRORS} mirrors"
        )
        print("| command | median s | fastest to slowest | processor s | peak MiB | budget s |")
        print("|---|--:|--:|--:|--:|--:|")
        for command, budget in BUDGETS.items():
            row = Row(
                command,
                tuple(
                    _run([command, str(file), "--json"], catalogue, environment) for _ in range(chosen.runs)
                ),
            )
            low, high = row.range
            print(
                f"| {command} | {row.seconds:.2f} | {low:.2f} to {high:.2f} | {row.cpu_seconds:.2f} | "
                f"{row.peak_bytes / MIB:.0f} | {budget:.0f} |"
            )
    return 0


def _run(arguments: Sequence[str], catalogue: Path, environment: Mapping[str, str]) -> Any:
    command = [sys.executable, "-m", "cachescope", *arguments]
    return measure(command, {**environment, "CACHESCOPE_DB": str(catalogue)})


def _catalogue(folder: Path, nodes: Sequence[Node], records: int, environment: Mapping[str, str]) -> Path:
    """Make five mirrors and read them; what stands already is taken."""
    catalogue = folder / f"catalogue-{records}.sqlite"
    if not catalogue.exists():
        for number in range(1, MIRRORS + 1):
            place = folder / f"mirror-{number}"
            write_mirror(place, make_records(nodes, count=records // MIRRORS, seed=number, share_present=1.0))
            _run(["sync", str(place), "--as", f"made/m{number}"], catalogue, environment)
    return catalogue


def _lock_file(nodes: Sequence[Node]) -> tuple[bytes, int, int]:
    """Return a lock file over nodes of all mirrors, how many nodes it has, and how many of them are missing."""
    dice = random.Random("coverage")
    wanted: Nodes = {}
    for number in range(1, MIRRORS + 1):
        rebuild = next(itertools.islice(rebuilds(number), 1, None))
        for digest, built in itertools.islice(rebuild_nodes(nodes, rebuild).items(), NODES_OF_EACH):
            wanted[digest] = {**built.node, "hash": digest}
            wanted[digest]["dependencies"] = json.loads(built.text).get("dependencies", [])
    changes = _changes(wanted, dice)
    made, missing = _changed(wanted, changes)
    below = {edge["hash"] for node in made.values() for edge in node["dependencies"]}
    document = {
        "_meta": {"file-type": "spack-lockfile", "lockfile-version": 6, "specfile-version": 5},
        "roots": [
            {"hash": digest, "spec": node["name"]} for digest, node in made.items() if digest not in below
        ],
        "concrete_specs": made,
    }
    return json.dumps(document, separators=(",", ":")).encode(), len(made), missing


def _changes(wanted: Nodes, dice: random.Random) -> set[str]:
    """Choose nodes to change, so that about 500 are missing."""
    parents: dict[str, list[str]] = {}
    for digest, node in wanted.items():
        for edge in node["dependencies"]:
            parents.setdefault(edge["hash"], []).append(digest)
    chosen: set[str] = set()
    missing: set[str] = set()
    candidates = [digest for digest, node in wanted.items() if not node.get("external")]
    dice.shuffle(candidates)
    for digest in candidates:
        cone = {digest}
        pending = [digest]
        while pending:
            for above in parents.get(pending.pop(), ()):
                if above not in cone:
                    cone.add(above)
                    pending.append(above)
        if len(cone) <= LARGEST_CONE and len(missing | cone) <= MISSING:
            missing |= cone
            chosen.add(digest)
    return chosen


def _changed(wanted: Nodes, changes: set[str]) -> tuple[Nodes, int]:
    """Change nodes and hash again all above them; ``wanted`` has dependencies first."""
    renamed: dict[str, str] = {}
    made: Nodes = {}
    for place, (digest, node) in enumerate(wanted.items()):
        edges = [{**edge, "hash": renamed.get(edge["hash"], edge["hash"])} for edge in node["dependencies"]]
        known = {key: value for key, value in node.items() if key != "hash"}
        if "dependencies" in known and (edges or known["dependencies"]):
            known["dependencies"] = edges
        if digest in changes:
            changed: Sequence[dict[str, Any]] = (
                {"version": f"{node['version']}.9"},
                {"package_hash": "b" * 52 + "===="},
                {"arch": {**node["arch"], "target": "zen5"}},
            )
            known.update(changed[place % len(changed)])
        is_other = digest in changes or edges != node["dependencies"]
        renamed[digest] = node_hash(known) if is_other else digest
        made[renamed[digest]] = {**known, "dependencies": edges, "hash": renamed[digest]}
    return made, sum(old != new for old, new in renamed.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
