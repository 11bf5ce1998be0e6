"""A generated bucket, made as its users make it and held to what it promises, record by record."""

import base64
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.commands import CommandLine

ROOT = Path(__file__).resolve().parent.parent.parent
GENERATOR = ROOT / "benchmarks" / "generator.py"
SMALL = ("--refs", "3", "--stacks", "3", "--specs", "3000", "--manifests", "40")
REFS = ("develop", "develop-2025-07-13", "v0.21.0")
STACKS = ("e4s", "radiuss", "data-vis-sdk")

Installs = dict[str, dict[str, Any]]


def generate(out: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run the generator on the bundled sample."""
    environment = {key: value for key, value in os.environ.items() if key != "CACHESCOPE_BENCH_NODES"}
    return subprocess.run(
        [sys.executable, str(GENERATOR), "--out", str(out), *options],
        check=False,
        capture_output=True,
        env=environment,
    )


def place(ref: str, stack: str) -> str:
    """Where a mirror stands in the bucket."""
    return ref if stack == "root" else f"{ref}/{stack}"


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON; a name that stands in it twice is an error."""
    made = dict(pairs)
    assert len(made) == len(pairs)
    return made


def installs(mirror: Path) -> Installs:
    """Read the index that the manifest of a mirror names, and hold it to its size and checksum."""
    [blob] = json.loads((mirror / "v3/manifests/index/index.manifest.json").read_bytes())["data"]
    data = (mirror / "blobs" / "sha256" / blob["checksum"][:2] / blob["checksum"]).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (blob["contentLength"], blob["checksum"])
    records: Installs = json.loads(data, object_pairs_hook=once)["database"]["installs"]
    return records


def dag_hash(node: Mapping[str, Any]) -> str:
    """Compute the DAG hash of a node from its text without its hash."""
    text = json.dumps({key: value for key, value in node.items() if key != "hash"}, separators=(",", ":"))
    return base64.b32encode(hashlib.sha1(text.encode()).digest()).decode().lower()  # noqa: S324 - the field's hash


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket of 3 refs with 3 stacks and root."""
    folder = tmp_path_factory.mktemp("bucket")
    made = generate(folder, *SMALL)
    assert made.returncode == 0, made.stderr.decode()
    return folder


@pytest.fixture(scope="module")
def mirrors(bucket: Path) -> dict[tuple[str, str], Installs]:
    """All its mirrors, by ref and stack."""
    return {(ref, stack): installs(bucket / place(ref, stack)) for ref in REFS for stack in ("root", *STACKS)}


def records(mirrors: Mapping[tuple[str, str], Installs]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All records of all mirrors."""
    for of_mirror in mirrors.values():
        yield from of_mirror.items()


def test_directory_names_the_index_of_every_mirror(bucket: Path) -> None:
    directory = json.loads((bucket / "cache_spack_io_index.json").read_bytes())
    assert {ref: [one["label"] for one in entries] for ref, entries in directory.items()} == {
        ref: ["root", *STACKS] for ref in REFS
    }
    for ref, entries in directory.items():
        for entry in entries:
            file = bucket / entry["url"].removeprefix("s3://cachescope-bench/")
            assert file.is_file()
            assert file.is_relative_to(bucket / place(ref, entry["label"]) / "blobs")


def test_bucket_has_exactly_the_distinct_specs_asked_for(
    bucket: Path, mirrors: dict[tuple[str, str], Installs]
) -> None:
    told = json.loads((bucket / "contents.json").read_bytes())
    assert len({digest for digest, _ in records(mirrors)}) == told["distinct"] == 3000
    assert sum(map(len, mirrors.values())) == told["records"]
    assert {(one["ref"], one["stack"]): (one["records"], one["present"]) for one in told["mirrors"]} == {
        name: (len(of_mirror), sum(record["in_buildcache"] for record in of_mirror.values()))
        for name, of_mirror in mirrors.items()
    }


def test_every_hash_of_the_bucket_recomputes(mirrors: dict[tuple[str, str], Installs]) -> None:
    nodes = {digest: record["spec"] for digest, record in records(mirrors)}
    assert all(digest == node["hash"] == dag_hash(node) for digest, node in nodes.items())
    assert all(record["spec"] == nodes[digest] for digest, record in records(mirrors))


def test_every_edge_resolves_in_its_mirror_and_counts(mirrors: dict[tuple[str, str], Installs]) -> None:
    for of_mirror in mirrors.values():
        seen: dict[str, str] = {}
        dependents: Counter[str] = Counter()
        for digest, record in of_mirror.items():
            for edge in record["spec"].get("dependencies", []):
                assert seen[edge["hash"]] == edge["name"]
                dependents[edge["hash"]] += 1
            seen[digest] = record["spec"]["name"]
        assert {digest: record["ref_count"] for digest, record in of_mirror.items()} == {
            digest: dependents[digest] for digest in of_mirror
        }


@pytest.mark.parametrize("ref", REFS)
def test_root_is_the_union_of_the_stacks(mirrors: dict[tuple[str, str], Installs], ref: str) -> None:
    root = mirrors[ref, "root"]
    stacks = [mirrors[ref, stack] for stack in STACKS]
    assert root.keys() == set().union(*stacks)
    assert {digest for digest, record in root.items() if record["in_buildcache"]} == {
        digest for stack in stacks for digest, record in stack.items() if record["in_buildcache"]
    }


@pytest.mark.parametrize("ref", REFS)
def test_stacks_share_some_of_their_specs(mirrors: dict[tuple[str, str], Installs], ref: str) -> None:
    together = sum(len(mirrors[ref, stack]) for stack in STACKS)
    assert 1.05 < together / len(mirrors[ref, "root"]) < 1.15


def test_a_spec_is_present_in_one_stack_and_mentioned_in_another(
    mirrors: dict[tuple[str, str], Installs],
) -> None:
    stated: dict[str, set[bool]] = {}
    for stack in STACKS:
        for digest, record in mirrors["develop", stack].items():
            stated.setdefault(digest, set()).add(record["in_buildcache"])
    assert {True, False} in stated.values()


def test_externals_are_absent_and_most_others_present(mirrors: dict[tuple[str, str], Installs]) -> None:
    assert not any(
        record["in_buildcache"] for _, record in records(mirrors) if record["spec"].get("external")
    )
    for of_mirror in mirrors.values():
        assert 0.6 < sum(record["in_buildcache"] for record in of_mirror.values()) / len(of_mirror) < 0.95


def test_most_specs_stay_from_week_to_week_and_develop_keeps_what_was_built_between(tmp_path: Path) -> None:
    assert generate(tmp_path, "--refs", "7", "--stacks", "2", "--specs", "4000").returncode == 0
    weeks = ["2025-06-22", "2025-06-29", "2025-07-06", "2025-07-13"]
    roots = [set(installs(tmp_path / f"develop-{week}")) for week in weeks]
    for before, after in itertools.pairwise(roots):
        assert len(after) == len(before)
        assert 0.5 < len(before & after) / len(before) < 0.85
    assert set(installs(tmp_path / "develop")) > roots[-1]
    patched, released = (set(installs(tmp_path / ref)) for ref in ("v0.21.1", "v0.21.0"))
    assert 0.5 < len(patched & released) / len(released) < 0.85
    assert released.isdisjoint(roots[-1])


def test_same_seed_gives_the_same_bucket(bucket: Path, tmp_path: Path) -> None:
    def contents(folder: Path) -> dict[str, str]:
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in folder.rglob("*")
            if file.is_file()
        }

    assert generate(tmp_path / "again", *SMALL).returncode == 0
    assert contents(tmp_path / "again") == contents(bucket)
    assert generate(tmp_path / "other", *SMALL, "--seed", "2").returncode == 0
    assert installs(tmp_path / "other" / "develop").keys().isdisjoint(installs(bucket / "develop"))


def test_manifests_stand_where_spack_looks_for_them_and_name_present_specs(bucket: Path) -> None:
    files = sorted(bucket.glob("**/*.spec.manifest.json"))
    root = installs(bucket / "develop")
    assert len(files) == 40
    unsafe = re.compile(r"[^A-Za-z0-9_+.-]")  # Spack's: formats.md 1
    for file in files:
        digest = file.name.removesuffix(".spec.manifest.json").rpartition("-")[2]
        node = root[digest]["spec"]
        assert root[digest]["in_buildcache"]
        name = f"{node['name']}-{unsafe.sub('_', node['version'])}-{digest}.spec.manifest.json"
        assert file == bucket / "develop" / "v3" / "manifests" / "spec" / node["name"] / name
        document = json.loads(file.read_bytes())
        assert document["version"] == 3
        assert [blob["mediaType"] for blob in document["data"]] == [
            "application/vnd.spack.install.v2.tar+gzip",
            "application/vnd.spack.spec.v5+json",
        ]
        assert all(blob["contentLength"] > 0 and len(blob["checksum"]) == 64 for blob in document["data"])


def test_cachescope_discovers_and_reads_the_bucket(
    bucket: Path, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHESCOPE_PUBLIC_ADDRESSES", f"s3://cachescope-bench/={bucket.as_uri()}/")
    found = run.well("add", "--discover", str(bucket), "--ref", "v*")
    assert "4 mirrors added" in found.text
    run.well("sync")
    told = json.loads((bucket / "contents.json").read_bytes())
    assert {one["name"]: (one["present"], one["mentioned"]) for one in run.well("caches", "--json").json} == {
        f"{one['ref']}/{one['stack']}": (one["present"], one["records"] - one["present"])
        for one in told["mirrors"]
        if one["ref"].startswith("v")
    }


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--specs", "100", "--refs", "30", "--stacks", "10"), "too few for 30 refs with 10 stacks"),
        (("--specs", "3000", "--stacks", "99"), "a bucket has 1 to 16 stacks"),
        (("--specs", "3000", "--refs", "0"), "a bucket has 1 ref or more"),
        (("--specs", "3000", "--refs", "300"), "more than there are names for"),
        (("--specs", "3000", "--changed", "1%"), "--changed goes with --records"),
        (("--specs", "3000", "--records", "3000"), "not allowed with argument"),
    ],
    ids=["too few", "too many stacks", "no refs", "too many refs", "changed", "both"],
)
def test_a_bucket_that_makes_no_sense_is_refused(
    tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    refused = generate(tmp_path / "bucket", *options)
    assert refused.returncode == 2
    assert problem in refused.stderr.decode()
    assert not (tmp_path / "bucket").exists()


def test_a_bucket_is_not_written_over(bucket: Path) -> None:
    refused = generate(bucket, *SMALL)
    assert refused.returncode == 2
    assert "holds a bucket already" in refused.stderr.decode()
