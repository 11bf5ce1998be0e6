"""The generator of benchmark mirrors, run as its users run it."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
GENERATOR = ROOT / "benchmarks" / "generator.py"
MANIFEST = Path("v3", "manifests", "index", "index.manifest.json")
EDGES = "dependencies"

Installs = dict[str, dict[str, Any]]


def generate(out: Path, *options: str) -> bytes:
    """Make a mirror from the bundled sample; return its index manifest."""
    environment = {key: value for key, value in os.environ.items() if key != "CACHESCOPE_BENCH_NODES"}
    subprocess.run(
        [sys.executable, str(GENERATOR), "--out", str(out), *options],
        check=True,
        capture_output=True,
        env=environment,
    )
    return (out / MANIFEST).read_bytes()


def blob(mirror: Path, manifest: bytes) -> bytes:
    """Read the index blob that a manifest names."""
    checksum: str = json.loads(manifest)["data"][0]["checksum"]
    return (mirror / "blobs" / "sha256" / checksum[:2] / checksum).read_bytes()


def installs(mirror: Path, manifest: bytes) -> Installs:
    """Read the records of the index that a manifest names."""
    records: Installs = json.loads(blob(mirror, manifest))["database"]["installs"]
    return records


def dag_hash(node: dict[str, Any]) -> str:
    """Compute the DAG hash of a node from its text without its hash."""
    text = json.dumps(
        {key: value for key, value in node.items() if key != "hash"}, separators=(",", ":")
    ).encode()
    return base64.b32encode(hashlib.sha1(text).digest()).decode().lower()  # noqa: S324 - the field's hash


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror of 700 records: several rebuilds, the last one cut short."""
    folder = tmp_path_factory.mktemp("mirror")
    generate(folder, "--records", "700")
    return folder


@pytest.fixture(scope="module")
def records(mirror: Path) -> Installs:
    """Records of that mirror."""
    return installs(mirror, (mirror / MANIFEST).read_bytes())


def test_manifest_describes_the_index_blob(mirror: Path) -> None:
    manifest = (mirror / MANIFEST).read_bytes()
    data = blob(mirror, manifest)
    assert json.loads(manifest) == {
        "version": 3,
        "data": [
            {
                "contentLength": len(data),
                "mediaType": "application/vnd.spack.db.v8+json",
                "compression": "none",
                "checksumAlgorithm": "sha256",
                "checksum": hashlib.sha256(data).hexdigest(),
            }
        ],
    }
    assert json.loads((mirror / "v3" / "layout.json").read_bytes()) == {"signing": "gpg"}


@pytest.mark.parametrize("count", [0, 1, 107, 108])
def test_mirror_has_exactly_the_records_asked_for(tmp_path: Path, count: int) -> None:
    manifest = generate(tmp_path, "--records", str(count))
    assert len(installs(tmp_path, manifest)) == count


def test_every_hash_recomputes(records: Installs) -> None:
    assert {digest: dag_hash(record["spec"]) for digest, record in records.items()} == {
        digest: record["spec"]["hash"] for digest, record in records.items()
    }
    assert all(digest == record["spec"]["hash"] for digest, record in records.items())


def test_every_edge_leads_to_an_earlier_record_of_its_name(records: Installs) -> None:
    seen: dict[str, str] = {}
    for digest, record in records.items():
        for edge in record["spec"].get(EDGES, []):
            assert seen[edge["hash"]] == edge["name"]
        seen[digest] = record["spec"]["name"]


def test_ref_count_is_the_number_of_dependents(records: Installs) -> None:
    dependents = Counter(
        edge["hash"] for record in records.values() for edge in record["spec"].get(EDGES, [])
    )
    assert {digest: record["ref_count"] for digest, record in records.items()} == {
        digest: dependents[digest] for digest in records
    }


def test_only_externals_and_what_is_needed_for_building_are_absent(records: Installs) -> None:
    at_run = {
        edge["hash"]
        for record in records.values()
        for edge in record["spec"].get(EDGES, [])
        if {"link", "run"} & set(edge["parameters"]["deptypes"])
    }
    absent = {digest for digest, record in records.items() if not record["in_buildcache"]}
    external = {digest for digest, record in records.items() if record["spec"].get("external")}
    assert external <= absent
    assert (absent - external).isdisjoint(at_run)
    assert 0.80 < 1 - len(absent) / len(records) < 0.95


def test_all_but_externals_are_present_when_asked(tmp_path: Path) -> None:
    records = installs(tmp_path, generate(tmp_path, "--records", "300", "--present", "100%"))
    assert all(
        record["in_buildcache"] is not bool(record["spec"].get("external")) for record in records.values()
    )


def test_rebuilds_differ_in_system_target_and_compiler(records: Installs) -> None:
    arches = [record["spec"]["arch"] for record in records.values()]
    assert len({arch["platform_os"] for arch in arches}) >= 5
    assert len({json.dumps(arch["target"]) for arch in arches}) >= 5
    assert (
        len({record["spec"]["version"] for record in records.values() if record["spec"]["name"] == "gcc"}) > 2
    )


def test_same_seed_gives_the_same_bytes(mirror: Path, tmp_path: Path) -> None:
    assert generate(tmp_path / "again", "--records", "700") == (mirror / MANIFEST).read_bytes()
    other = generate(tmp_path / "other", "--records", "700", "--seed", "2")
    assert other != (mirror / MANIFEST).read_bytes()


@pytest.mark.parametrize(("share", "count"), [("1%", 7), ("0.1", 70), ("50%", 350), ("100%", 700)])
def test_changed_state_replaces_exactly_that_share(
    records: Installs, tmp_path: Path, share: str, count: int
) -> None:
    changed = installs(tmp_path, generate(tmp_path, "--records", "700", "--changed", share))
    gone, came = records.keys() - changed.keys(), changed.keys() - records.keys()
    assert (len(gone), len(came)) == (count, count)
    assert all(dag_hash(record["spec"]) == digest for digest, record in changed.items())
    assert all(
        edge["hash"] in changed for record in changed.values() for edge in record["spec"].get(EDGES, [])
    )


def test_both_states_of_a_mirror_fit_in_one_folder(tmp_path: Path) -> None:
    first = generate(tmp_path, "--records", "200")
    second = generate(tmp_path, "--records", "200", "--changed", "5%")
    assert len(installs(tmp_path, first).keys() & installs(tmp_path, second).keys()) == 190


def test_given_nodes_come_first_and_unaltered(records: Installs, tmp_path: Path) -> None:
    given = [record["spec"] for record in records.values()][:50]
    nodes = tmp_path / "nodes.json"
    nodes.write_text(json.dumps(given), encoding="utf-8")
    made = installs(tmp_path, generate(tmp_path, "--records", "120", "--nodes", str(nodes)))
    assert {node["hash"] for node in given} == set(list(made)[:50])


def test_no_hash_stands_in_a_mirror_twice(tmp_path: Path) -> None:
    # More than one round through all pairs of system and target of the bundled sample, which is of two systems itself.
    manifest = generate(tmp_path, "--records", "30000")
    assert len(installs(tmp_path, manifest)) == 30000


@pytest.mark.parametrize(("asked", "written"), [("25", 25), ("1000", None)])
def test_manifests_are_written_for_present_records_alone(
    tmp_path: Path, asked: str, written: int | None
) -> None:
    made = installs(tmp_path, generate(tmp_path, "--records", "200", "--manifests", asked))
    present = {digest: record["spec"] for digest, record in made.items() if record["in_buildcache"]}
    files = list(tmp_path.glob("v3/manifests/spec/*/*.spec.manifest.json"))
    assert len(files) == (written or len(present))
    for file in files:
        node = present[file.name.removesuffix(".spec.manifest.json")[-32:]]
        assert file.parent.name == node["name"]
        assert json.loads(file.read_bytes())["version"] == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "holds no nodes"),
        ("[{", "Expecting"),
        ('[{"name": "zlib", "hash": "a", "package_hash": "b", "build_spec": {}}]', "has a build_spec"),
        ('[{"name": "a", "hash": "a", "package_hash": "b", "dependencies": [{"hash": "c"}]}]', "missing"),
    ],
    ids=["no nodes", "no JSON", "spliced", "open edge"],
)
def test_unusable_nodes_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    nodes = tmp_path / "nodes.json"
    nodes.write_text(text, encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        generate(tmp_path / "mirror", "--records", "10", "--nodes", str(nodes))
    assert caught.value.returncode == 2
    assert problem in caught.value.stderr.decode()
    assert not (tmp_path / "mirror").exists()
