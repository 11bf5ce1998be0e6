"""Makes a v3 mirror of any size out of real concrete nodes: index manifest, index blob and ``layout.json``.

The nodes (a list of concrete nodes as JSON, plain or gzip; without one, those of ``examples/v3-crafted-signed``) are
taken once as they are, then *rebuilt* again and again for another operating system, target and compiler version, with
all DAG hashes recomputed bottom-up, so that every record verifies and every edge resolves. The same arguments give the
same bytes. Records are written as they are made: memory holds one rebuild, whatever the size of the mirror.

    python benchmarks/generator.py --records 20000 --out DIR
    python benchmarks/generator.py --records 20000 --out DIR --changed 1%

The second state of a mirror may be written over the first: blobs are content-addressed, only the index manifest is
replaced.
"""

import argparse
import base64
import gzip
import hashlib
import itertools
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

Node = dict[str, Any]

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "v3-crafted-signed"
NODES_VARIABLE = "CACHESCOPE_BENCH_NODES"
INDEX_MANIFEST = Path("v3", "manifests", "index", "index.manifest.json")
INDEX_MEDIA_TYPE = "application/vnd.spack.db.v8+json"

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


class Record(NamedTuple):
    """One entry of an index: the DAG hash, and the JSON text of the record."""

    hash: str
    text: str


class Built(NamedTuple):
    """One node of a rebuild, without its hash, and the canonical text that the hash is of."""

    node: Node
    text: str


class IndexBlob(NamedTuple):
    """The index as it was written, and its size in bytes."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What the nodes are built for; ``system`` None leaves them as they are."""

    number: int
    system: str | None = None
    target: str | Node = ""
    first_compiler: int = 0
    revision: int = 0
    """Counts the rounds through all pairs of system and target; recipes of later rounds differ."""


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


def rebuilds(seed: int) -> Iterator[Rebuild]:
    """Yield without end what to rebuild for: first nothing new, then every pair of system and target in rounds."""
    yield Rebuild(0)
    dice = random.Random(f"{seed}/rebuilds")
    targets: list[str | Node] = [*GENERIC_TARGETS, *_vendor_targets()]
    pairs = list(itertools.product(SYSTEMS, targets))
    dice.shuffle(pairs)
    numbers = itertools.count(1)
    for revision in itertools.count():
        for system, target in pairs:
            compiler = dice.randrange(len(COMPILER_VERSIONS))
            yield Rebuild(next(numbers), system, target, compiler, revision)


def rebuild_nodes(nodes: Sequence[Node], rebuild: Rebuild) -> dict[str, Built]:
    """Build all nodes anew, keyed by the new hash; two that differed only in what is now equal become one."""
    versions = _compiler_versions(nodes, rebuild)
    renamed: dict[str, str] = {}
    built: dict[str, Built] = {}
    for old in nodes:
        node = {key: value for key, value in old.items() if key != "hash"}
        if rebuild.system is not None:
            node["arch"] = {**old["arch"], "platform_os": rebuild.system, "target": rebuild.target}
            if old["name"] in COMPILER_PACKAGES:
                node["version"] = versions[old["version"]]
        if rebuild.revision:
            node["package_hash"] = _other_recipe(old["package_hash"], f"revision {rebuild.revision}")
        digest, text = _with_children(node, renamed)
        renamed[old["hash"]] = digest
        built.setdefault(digest, Built(node, text))
    return built


def _compiler_versions(nodes: Iterable[Node], rebuild: Rebuild) -> dict[str, str]:
    # One to one, so that two compilers stay two.
    known = sorted({node["version"] for node in nodes if node["name"] in COMPILER_PACKAGES})
    return {
        version: COMPILER_VERSIONS[(rebuild.first_compiler + place) % len(COMPILER_VERSIONS)]
        for place, version in enumerate(known)
    }


def _with_children(node: Node, renamed: Mapping[str, str]) -> tuple[str, str]:
    """Point the edges of ``node`` at the renamed children; return its DAG hash and canonical text."""
    if "dependencies" in node:
        node["dependencies"] = [
            {**edge, "hash": renamed.get(edge["hash"], edge["hash"])} for edge in node["dependencies"]
        ]
    text = json.dumps(node, separators=(",", ":"))
    return base64.b32encode(hashlib.sha1(text.encode()).digest()).decode().lower(), text  # noqa: S324 - the field's hash


def _other_recipe(package_hash: str, why: str) -> str:
    return base64.b32encode(hashlib.sha256(f"{package_hash} {why}".encode()).digest()).decode().lower()


def change(built: dict[str, Built], count: int, dice: random.Random) -> dict[str, Built]:
    """Give ``count`` nodes another recipe, and so another hash; no other node depends on any of them."""
    chosen = _from_the_top(built, count, dice)
    renamed: dict[str, str] = {}
    result: dict[str, Built] = {}
    for digest, old in built.items():
        if digest not in chosen:
            result[digest] = old
            continue
        node = {**old.node, "package_hash": _other_recipe(old.node["package_hash"], f"changed {digest}")}
        renamed[digest], text = _with_children(node, renamed)
        result[renamed[digest]] = Built(node, text)
    return result


def _from_the_top(built: Mapping[str, Built], count: int, dice: random.Random) -> set[str]:
    """Choose nodes that nothing depends on, then ones that only the chosen depend on, until there are enough."""
    dependents = _ref_counts(built)
    free = [digest for digest in built if not dependents[digest]]
    chosen: set[str] = set()
    while len(chosen) < count:
        digest = free.pop(dice.randrange(len(free)))
        chosen.add(digest)
        for edge in built[digest].node.get("dependencies", ()):
            dependents[edge["hash"]] -= 1
            if not dependents[edge["hash"]]:
                free.append(edge["hash"])
    return chosen


def _ref_counts(built: Mapping[str, Built]) -> Counter[str]:
    return Counter(edge["hash"] for one in built.values() for edge in one.node.get("dependencies", ()))


def _absent(built: Mapping[str, Built], share_present: float, dice: random.Random) -> set[str]:
    """Choose the nodes that are mentioned only: externals, then what is needed for building alone."""
    absent = {digest for digest, one in built.items() if one.node.get("external")}
    needed: dict[str, bool] = {}
    for one in built.values():
        for edge in one.node.get("dependencies", ()):
            at_run = not {"link", "run"}.isdisjoint(edge["parameters"]["deptypes"])
            needed[edge["hash"]] = needed.get(edge["hash"], False) or at_run
    build_only = sorted(digest for digest, at_run in needed.items() if not at_run and digest not in absent)
    more = round(len(built) * (1 - share_present)) - len(absent)
    return absent | set(dice.sample(build_only, min(max(more, 0), len(build_only))))


def make_records(
    nodes: Sequence[Node],
    *,
    count: int,
    seed: int = 1,
    share_present: float = 0.85,
    share_changed: float = 0.0,
) -> Iterator[Record]:
    """Yield exactly ``count`` records, dependencies before dependents.

    ``share_present`` is what to aim for: externals are never present, and no more than the nodes that are needed for
    building alone can be absent beside them. With ``share_changed`` above 0 the records are those of the second state
    of the same mirror: that share of records has gone, and as many have come.
    """
    done = 0
    for rebuild in rebuilds(seed):
        if done == count:
            return
        built = dict(itertools.islice(rebuild_nodes(nodes, rebuild).items(), count - done))
        absent = _absent(built, share_present, random.Random(f"{seed}/absent/{rebuild.number}"))
        present = [digest not in absent for digest in built]
        # Rounded over the whole mirror, so that many small rebuilds do not each round to nothing.
        changes = int((done + len(built)) * share_changed) - int(done * share_changed)
        done += len(built)
        if changes:
            built = change(built, changes, random.Random(f"{seed}/changed/{rebuild.number}"))
        ref_counts = _ref_counts(built)
        for (digest, one), is_present in zip(built.items(), present, strict=True):
            yield Record(
                digest,
                f'{{"spec":{one.text[:-1]},"hash":"{digest}"}},"ref_count":{ref_counts[digest]},'
                f'"in_buildcache":{"true" if is_present else "false"}}}',
            )


def write_mirror(folder: Path, records: Iterable[Record]) -> IndexBlob:
    """Write the index of a v3 mirror; the blob first, so that the manifest never names one that is not there."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with NamedTemporaryFile(dir=blobs, prefix="index-", delete=False) as stream:
        unnamed = Path(stream.name)
        try:
            for piece in _index_text(records):
                data = piece.encode()
                size += stream.write(data)
                digest.update(data)
        except BaseException:
            unnamed.unlink()
            raise
    checksum = digest.hexdigest()
    blob = blobs / checksum[:2] / checksum
    blob.parent.mkdir(exist_ok=True)
    unnamed.chmod(0o644)
    unnamed.replace(blob)
    (folder / INDEX_MANIFEST).parent.mkdir(parents=True, exist_ok=True)
    (folder / "v3" / "layout.json").write_text('{"signing": "gpg"}', encoding="ascii")
    (folder / INDEX_MANIFEST).write_text(_manifest(checksum, size), encoding="ascii")
    return IndexBlob(blob, size)


def _index_text(records: Iterable[Record]) -> Iterator[str]:
    yield '{"database":{"version":"8","installs":{'
    comma = ""
    for record in records:
        yield f'{comma}"{record.hash}":{record.text}'
        comma = ","
    yield "}}}"


def _manifest(checksum: str, size: int) -> str:
    blob = {
        "contentLength": size,
        "mediaType": INDEX_MEDIA_TYPE,
        "compression": "none",
        "checksumAlgorithm": "sha256",
        "checksum": checksum,
    }
    return json.dumps({"version": 3, "data": [blob]}, indent=0, separators=(",", ":"))


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share; give for example 1% or 0.01")
    return share


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("a number of records is 0 or more")
    return count


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Write the mirror that the arguments describe, and say what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=_count, required=True, metavar="N", help="records of the index")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the mirror")
    parser.add_argument(
        "--nodes",
        type=Path,
        default=environment.get(NODES_VARIABLE),
        help=f"concrete nodes (JSON list, plain or gzip); else {NODES_VARIABLE}, else the bundled sample",
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another mirror (default 1)")
    parser.add_argument("--present", type=_share, default=0.85, help="share in the cache (default 85%%)")
    parser.add_argument("--changed", type=_share, default=0.0, help="second state: share that changed (0%%)")
    options = parser.parse_args(arguments)
    try:
        nodes = read_nodes(options.nodes and Path(options.nodes))
    except (OSError, ValueError) as error:
        print(f"generator: {options.nodes}: {error}", file=sys.stderr)
        return 2
    records = make_records(
        nodes,
        count=options.records,
        seed=options.seed,
        share_present=options.present,
        share_changed=options.changed,
    )
    index = write_mirror(options.out, records)
    print(f"{options.out}: {options.records} records, {index.size} bytes, {index.path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
