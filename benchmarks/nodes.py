"""The real concrete nodes that mirrors are made from, and the same nodes *rebuilt* for something else.

A rebuild gives every node another operating system, target and compiler version, and computes all DAG hashes anew,
bottom-up: every record verifies, every edge resolves.
"""

import base64
import gzip
import hashlib
import itertools
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

Node = dict[str, Any]

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "v3-crafted-signed"
NODES_VARIABLE = "CACHESCOPE_BENCH_NODES"
INDEX_MANIFEST = Path("v3", "manifests", "index", "index.manifest.json")

COMPILER_PACKAGES = ("gcc", "gcc-runtime")
COMPILER_VERSIONS = (
    *("8.5.0", "9.4.0", "10.2.1", "11.1.0", "11.4.0", "12.3.0", "13.1.0", "13.2.0", "13.3.0", "14.2.0"),
    "15.1.0",
)
SYSTEMS = (
    *("almalinux8", "almalinux9", "amzn2", "amzn2023", "centos8", "debian11", "debian13", "fedora42"),
    *("opensuse15", "rhel8", "rhel9", "rhel10", "rocky8", "rocky9", "sles15", "ubuntu20.04", "ubuntu22.04"),
    *("ubuntu24.04", "ubuntu24.10"),
)
# Spack writes generic targets as text, microarchitectures of a vendor as objects (formats: arch.target).
GENERIC_TARGETS = (
    *("aarch64", "armv8.2a", "armv8.4a", "armv9.0a", "ppc64le", "riscv64"),
    *("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4"),
)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What the nodes are built for; ``system`` None leaves them as they are."""

    number: int
    system: str | None = None
    target: str | Node = ""
    first_compiler: int = 0
    revision: int = 0
    """Counts the rounds through all pairs of system and target; recipes of later rounds differ."""


class Built(NamedTuple):
    """One node of a rebuild, without its hash, and the canonical text that the hash is of."""

    node: Node
    text: str


def read_nodes(path: Path | None) -> list[Node]:
    """Read the concrete nodes that mirrors are made from, dependencies before dependents.

    Raises ``ValueError`` for nodes that have no recipe hash or were spliced, for edges that do not resolve, and if
    there are no nodes at all.
    """
    nodes = _example_nodes() if path is None else json.loads(_unpacked(path))
    if not nodes:
        raise ValueError("holds no nodes")
    by_hash: dict[str, Node] = {node["hash"]: node for node in nodes}
    for node in nodes:
        if "package_hash" not in node or "build_spec" in node:
            raise ValueError(f"{node['name']} /{node['hash']} has no package_hash, or has a build_spec")
        for edge in node.get("dependencies", ()):
            if edge["hash"] not in by_hash:
                raise ValueError(
                    f"{node['name']} /{node['hash']} depends on /{edge['hash']}, which is missing"
                )
    graph = {
        digest: [edge["hash"] for edge in node.get("dependencies", ())] for digest, node in by_hash.items()
    }
    return [by_hash[digest] for digest in TopologicalSorter(graph).static_order()]


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def _example_nodes() -> list[Node]:
    checksum = json.loads((EXAMPLE / INDEX_MANIFEST).read_bytes())["data"][0]["checksum"]
    index = json.loads((EXAMPLE / "blobs" / "sha256" / checksum[:2] / checksum).read_bytes())
    return [record["spec"] for record in index["database"]["installs"].values()]


def _vendor_targets() -> list[Node]:
    """Return the target objects of the bundled sample: complete ones, as Spack wrote them."""
    targets = (node["arch"]["target"] for node in _example_nodes())
    return sorted((one for one in targets if not isinstance(one, str)), key=lambda one: str(one["name"]))


def rebuilds(seed: int, nodes: Iterable[Node]) -> Iterator[Rebuild]:
    """Yield without end what to rebuild for: first nothing new, then every pair of system and target in rounds.

    Systems that ``nodes`` are of are left out: a node rebuilt for what it was built for already would have its old hash.
    """
    yield Rebuild(0)
    dice = random.Random(f"{seed}/rebuilds")
    targets: list[str | Node] = [*GENERIC_TARGETS, *_vendor_targets()]
    own = {node["arch"]["platform_os"] for node in nodes}
    pairs = list(itertools.product((system for system in SYSTEMS if system not in own), targets))
    dice.shuffle(pairs)
    numbers = itertools.count(1)
    for revision in itertools.count():
        for system, target in pairs:
            compiler = dice.randrange(len(COMPILER_VERSIONS))
            yield Rebuild(next(numbers), system, target, compiler, revision)


def rebuild_nodes(nodes: Sequence[Node], rebuild: Rebuild) -> dict[str, Built]:
    """Build all nodes anew, keyed by the new hash; two that differed only in what is now equal become one."""
    versions = compiler_versions(nodes, rebuild)
    renamed: dict[str, str] = {}
    built: dict[str, Built] = {}
    for old in nodes:
        node = {key: value for key, value in old.items() if key != "hash"}
        if rebuild.system is not None:
            node["arch"] = {**old["arch"], "platform_os": rebuild.system, "target": rebuild.target}
            if old["name"] in COMPILER_PACKAGES:
                node["version"] = versions[old["version"]]
        if rebuild.revision:
            node["package_hash"] = other_recipe(old["package_hash"], f"revision {rebuild.revision}")
        digest, text = with_children(node, renamed)
        renamed[old["hash"]] = digest
        built.setdefault(digest, Built(node, text))
    return built


def compiler_versions(nodes: Iterable[Node], rebuild: Rebuild) -> dict[str, str]:
    """Map the versions of compilers among ``nodes`` to those that the rebuild is made with."""
    # One to one, so that two compilers stay two.
    known = sorted({node["version"] for node in nodes if node["name"] in COMPILER_PACKAGES})
    return {
        version: COMPILER_VERSIONS[(rebuild.first_compiler + place) % len(COMPILER_VERSIONS)]
        for place, version in enumerate(known)
    }


def with_children(node: Node, renamed: Mapping[str, str]) -> tuple[str, str]:
    """Point the edges of ``node`` at the renamed children; return its DAG hash and canonical text."""
    if "dependencies" in node:
        node["dependencies"] = [
            {**edge, "hash": renamed.get(edge["hash"], edge["hash"])} for edge in node["dependencies"]
        ]
    text = canonical_text(node)
    return dag_hash(text), text


def canonical_text(node: Node) -> str:
    """Return the text of a node without hash, as the DAG hash is computed of it."""
    return json.dumps(node, separators=(",", ":"))


def dag_hash(text: str) -> str:
    """Compute the DAG hash of a node from its canonical text."""
    return base64.b32encode(hashlib.sha1(text.encode()).digest()).decode().lower()  # noqa: S324 - the field's hash


def other_recipe(package_hash: str, why: str) -> str:
    """Return the recipe hash of a recipe that was changed; ``why`` makes it another one."""
    return base64.b32encode(hashlib.sha256(f"{package_hash} {why}".encode()).digest()).decode().lower()
