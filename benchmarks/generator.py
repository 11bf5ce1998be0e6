"""Makes v3 mirrors out of real concrete nodes: one mirror of any size, or a whole bucket of refs and stacks.

The nodes (a list of concrete nodes as JSON, plain or gzip; without one, those of ``examples/v3-crafted-signed``) are
*rebuilt* again and again for another operating system, target and compiler version, with all DAG hashes recomputed
bottom-up, so that every record verifies and every edge resolves. The same arguments give the same bytes. Records are
written as they are made: memory holds one rebuild (a bucket: one for each core), whatever the size.

    python benchmarks/generator.py --records 20000 --out DIR
    python benchmarks/generator.py --records 20000 --out DIR --changed 1%
    python benchmarks/generator.py --refs 30 --stacks 10 --specs 1100000 --out DIR --manifests 100000

One mirror: index manifest, index blob and ``layout.json``; the given nodes come first, as they are. Its second state may
be written over the first: blobs are content-addressed, only the index manifest is replaced. A bucket: bucket_plan.py
says what is in it.
"""

import argparse
import itertools
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bucket import BASE_URL, DIRECTORY, Request, write_bucket
from mirror_files import Record, write_mirror, write_spec_manifest
from nodes import (
    NODES_VARIABLE,
    Built,
    Node,
    other_recipe,
    read_nodes,
    rebuild_nodes,
    rebuilds,
    with_children,
)


def change(built: dict[str, Built], count: int, dice: random.Random) -> dict[str, Built]:
    """Give ``count`` nodes another recipe, and so another hash; no other node depends on any of them."""
    chosen = _from_the_top(built, count, dice)
    renamed: dict[str, str] = {}
    result: dict[str, Built] = {}
    for digest, old in built.items():
        if digest not in chosen:
            result[digest] = old
            continue
        node = {**old.node, "package_hash": other_recipe(old.node["package_hash"], f"changed {digest}")}
        renamed[digest], text = with_children(node, renamed)
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
    for rebuild in rebuilds(seed, nodes):
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
                one.node["name"],
                one.node["version"],
                is_present,
            )


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share; give for example 1% or 0.01")
    return share


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("a number of records, refs, stacks, specs or manifests is 0 or more")
    return count


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Write the mirror or bucket that the arguments describe, and say what was written."""
    parser = _parser(environment)
    options = parser.parse_args(arguments)
    out: Path = options.out
    if options.records is None and (out / DIRECTORY).exists():
        parser.error(f"{out} holds a bucket already; give another folder, or remove it")
    if options.records is None and options.changed:
        parser.error("--changed goes with --records: the refs of a bucket differ already")
    nodes_file = options.nodes and Path(options.nodes)
    try:
        nodes = read_nodes(nodes_file)
    except (OSError, ValueError) as error:
        print(f"generator: {nodes_file}: {error}", file=sys.stderr)
        return 2
    try:
        print(_mirror(nodes, options) if options.records is not None else _bucket(nodes, options))
    except ValueError as error:
        parser.error(str(error))
    return 0


def _mirror(nodes: Sequence[Node], options: argparse.Namespace) -> str:
    records = make_records(
        nodes,
        count=options.records,
        seed=options.seed,
        share_present=options.present,
        share_changed=options.changed,
    )
    index = write_mirror(options.out, _with_manifests(options.out, records, options.manifests))
    return f"{options.out}: {options.records} records, {index.size} bytes, {index.path.name}"


def _with_manifests(out: Path, records: Iterator[Record], count: int) -> Iterator[Record]:
    """Hand records on; write the spec manifests of the first ``count`` that are present."""
    for record in records:
        if count and record.is_present:
            write_spec_manifest(out, record.name, record.version, record.hash)
            count -= 1
        yield record


def _bucket(nodes: Sequence[Node], options: argparse.Namespace) -> str:
    contents = write_bucket(
        Request(
            out=options.out,
            nodes=nodes,
            refs=options.refs,
            stacks=options.stacks,
            specs=options.specs,
            seed=options.seed,
            share_present=options.present,
            manifests=options.manifests,
            base_url=options.base_url,
        )
    )
    return (
        f"{options.out}: {len(contents.mirrors)} mirrors, {contents.distinct} distinct specs,"
        f" {contents.records} records, {contents.bytes} bytes, {contents.manifests} manifests"
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the mirror or bucket"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--records", type=_count, metavar="N", help="one mirror: records of its index")
    what.add_argument("--specs", type=_count, metavar="N", help="a bucket: its distinct specs")
    parser.add_argument(
        "--refs", type=_count, default=30, metavar="N", help="refs of the bucket (default 30)"
    )
    parser.add_argument(
        "--stacks", type=_count, default=10, metavar="N", help="stacks of each ref beside root (default 10)"
    )
    parser.add_argument(
        "--manifests",
        type=_count,
        default=0,
        metavar="N",
        help="spec manifests to write (default 0)",
    )
    parser.add_argument(
        "--base-url",
        default=BASE_URL,
        metavar="URL",
        help=f"where the bucket says it is (default {BASE_URL})",
    )
    parser.add_argument(
        "--nodes",
        type=Path,
        default=environment.get(NODES_VARIABLE) or None,
        help=f"concrete nodes (JSON list, plain or gzip); else {NODES_VARIABLE}, else the bundled sample",
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another mirror (default 1)")
    parser.add_argument("--present", type=_share, default=0.85, help="share in the cache (default 85%%)")
    parser.add_argument("--changed", type=_share, default=0.0, help="second state: share that changed (0%%)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
