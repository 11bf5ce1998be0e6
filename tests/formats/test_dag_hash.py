"""DAG hashes are recomputed from records as Spack computes them, or it is said why they cannot be."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachescope.formats.dag_hash import node_hash, verify_record
from cachescope.model.identity import DagHash
from cachescope.model.record import Verdict, Verification
from tests.formats.samples import (
    ARCH,
    GCC,
    V2,
    V3,
    ZLIB,
    changed,
    edge,
    index_of,
    node,
    opened,
    v2_index,
    v3_index,
)
from tests.strategies import json_values

WORKED_EXAMPLE = (
    '{"name":"python-venv","version":"1.0","arch":{"platform":"linux","platform_os":"debian12","target":"x86_64_v4"},'
    '"namespace":"builtin","parameters":{"build_system":"generic","cflags":[],"cppflags":[],"cxxflags":[],"fflags":[],'
    '"ldflags":[],"ldlibs":[]},"package_hash":"kdta7ilemit6mnm7boqnwnpvez3gb2nkgxostojzosh72kufwydq====",'
    '"dependencies":[{"name":"python","hash":"l7ygnxvoky7fkrmaleylw3eiv24av5n4",'
    '"parameters":{"deptypes":["build","run"],"virtuals":[]}}],"annotations":{"original_specfile_version":5}}'
)
ZEN = {
    "name": "zen4",
    "vendor": "AuthenticAMD",
    "features": ["avx", "sse"],
    "generation": 0,
    "parents": ["zen3"],
}


def spack_hash(text: str) -> DagHash:
    return DagHash(base64.b32encode(hashlib.sha1(text.encode("ascii")).digest()).decode().lower())  # noqa: S324 - Spack's choice


def compact(one: dict[str, Any]) -> str:
    return json.dumps(one, separators=(",", ":"))


def verified(one: dict[str, Any], dag_hash: DagHash, spec_format: int = 5) -> Verification:
    return verify_record(dag_hash, compact({**one, "hash": dag_hash}).encode(), spec_format=spec_format)


def test_worked_example_hashes_as_spack_hashed_it() -> None:
    recorded = DagHash("yffngxntyedk6ez7zmyci22npt6v754c")
    assert len(WORKED_EXAMPLE) == 504
    one = json.loads(WORKED_EXAMPLE)
    assert node_hash(one) == node_hash({"hash": "whatever", **one}) == recorded
    for record in (
        WORKED_EXAMPLE,
        WORKED_EXAMPLE.removesuffix("}") + f',"hash":"{recorded}"}}',
        f'{{"hash":"{recorded}",' + WORKED_EXAMPLE.removeprefix("{"),
        json.dumps({**one, "hash": recorded}, indent=3),
    ):
        assert verify_record(recorded, record.encode(), spec_format=5).verdict is Verdict.VERIFIED


def test_node_hash_leaves_the_node_as_it_is() -> None:
    one = {**json.loads(WORKED_EXAMPLE), "hash": "x", "build_spec": {"name": "a", "hash": ZLIB}}
    before = compact(one)
    node_hash(one)
    assert compact(one) == before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), "1.1"),
        (("parameters", "build_system"), "other"),
        (("parameters", "cflags"), ["-O2"]),
        (("dependencies", 0, "hash"), GCC),
        (("dependencies", 0, "parameters", "deptypes"), ["run", "build"]),
        (("annotations", "more"), 1),
        (("arch", "target"), "x86_64_v3"),
    ],
)
def test_altered_record_is_a_mismatch_that_names_what_it_hashes_to(
    path: tuple[str | int, ...], value: Any
) -> None:
    altered = changed(json.loads(WORKED_EXAMPLE), path, value)
    recorded = DagHash("yffngxntyedk6ez7zmyci22npt6v754c")
    found = verified(altered, recorded)
    assert found.verdict is Verdict.MISMATCH
    assert f"hashes to /{spack_hash(compact(altered))}" in found.reason
    assert "altered" in found.reason
    assert found.shared_suffix == "t6v754c"


def test_order_of_keys_counts() -> None:
    one = json.loads(WORKED_EXAMPLE)
    turned = dict(reversed(one.items()))
    assert verified(turned, node_hash(one)).verdict is Verdict.MISMATCH


def test_text_beyond_ascii_is_hashed_escaped_however_it_is_written() -> None:
    one = node(parameters={"label": "grüße \U0001f4e6 \x7f"}, annotations={"original_specfile_version": 5})
    dag_hash = spack_hash(compact(one))
    escaped = compact({**one, "hash": dag_hash}).encode()
    plain = json.dumps({**one, "hash": dag_hash}, ensure_ascii=False, separators=(",", ":")).encode()
    assert escaped != plain
    for record in (escaped, plain):
        assert verify_record(dag_hash, record, spec_format=5).verdict is Verdict.VERIFIED


@pytest.mark.parametrize("indent", [None, 2])
def test_format_4_is_hashed_compact_or_with_an_indent_of_two(indent: int | None) -> None:
    one = node(compiler={"name": "gcc", "version": "9"}, package_hash="x====", dependencies=[])
    text = compact(one) if indent is None else json.dumps(one, indent=indent)
    assert verified(one, spack_hash(text), 4).verdict is Verdict.VERIFIED
    assert verified(one, spack_hash(json.dumps(one, indent=1)), 4).verdict is Verdict.MISMATCH


def test_format_5_is_hashed_compact_alone() -> None:
    one = node()
    assert verified(one, spack_hash(json.dumps(one, indent=2)), 5).verdict is Verdict.MISMATCH


def test_format_4_in_an_index_of_version_8_gets_its_compiler_back() -> None:
    older = opened(v2_index(V2))
    nodes: dict[str, Any] = {}
    for dag_hash in older:
        one = json.loads(older.original(dag_hash))
        compiler = one.pop("compiler")
        one.pop("hash")
        annotations = {
            "original_specfile_version": 4,
            "compiler": f"{compiler['name']}@={compiler['version']}",
        }
        nodes[dag_hash] = {**one, "annotations": annotations, "hash": dag_hash}
    newer = index_of(nodes)
    specs = [newer.spec(dag_hash) for dag_hash in newer]
    assert [newer.verification(spec).verdict for spec in specs] == [Verdict.VERIFIED] * 102
    assert [spec.compiler for spec in specs] == [older.spec(spec.hash).compiler for spec in specs]


def test_format_4_without_a_known_compiler_was_hashed_without_one() -> None:
    one = node(package_hash="x====")
    annotated = {**one, "annotations": {"original_specfile_version": 4, "compiler": "None"}}
    assert verified(annotated, spack_hash(compact(one)), 4).verdict is Verdict.VERIFIED


def test_format_3_is_recomputed_from_its_own_index_alone() -> None:
    one = node(
        compiler={"name": "gcc", "version": "9"},
        package_hash="x====",
        dependencies=[{"name": "gcc", "hash": GCC, "type": ["build"]}],
    )
    dag_hash = spack_hash(json.dumps(one, indent=2))
    assert verified(one, dag_hash, 3).verdict is Verdict.VERIFIED
    assert verified({**one, "version": "2"}, dag_hash, 3).verdict is Verdict.MISMATCH
    del one["compiler"]
    rewritten = {
        **one,
        "dependencies": [edge("gcc", GCC, "build")],
        "annotations": {"original_specfile_version": 3, "compiler": "gcc@=9"},
    }
    found = verified(rewritten, dag_hash, 3)
    assert found.verdict is Verdict.NOT_VERIFIABLE
    assert "format 3" in found.reason


@pytest.mark.parametrize("spec_format", [1, 2, 3])
def test_nodes_older_than_spack_0_18_are_not_verifiable(spec_format: int) -> None:
    one = node(dependencies=[{"name": "gcc", "build_hash": GCC, "type": ["link"]}], build_hash=GCC)
    assert verified(one, ZLIB, spec_format).verdict is Verdict.NOT_VERIFIABLE


def test_node_below_its_name_is_not_verifiable() -> None:
    found = verify_record(ZLIB, json.dumps({"zlib": node()}).encode(), spec_format=1)
    assert found.verdict is Verdict.NOT_VERIFIABLE
    assert "format 1" in found.reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"[]", "no object"),
        (b"null", "no object"),
        (b"", "JSON"),
        (b'{"name":', "JSON"),
        (b'{"name":"\xff"}', "JSON"),
    ],
)
def test_what_is_no_node_is_not_verifiable(record: bytes, reason: str) -> None:
    found = verify_record(ZLIB, record, spec_format=5)
    assert found.verdict is Verdict.NOT_VERIFIABLE
    assert reason in found.reason


def test_object_target_that_was_renewed_is_not_verifiable() -> None:
    one = node(arch={**ARCH, "target": ZEN})
    dag_hash = spack_hash(compact(one))
    assert verified(one, dag_hash).verdict is Verdict.VERIFIED
    renewed = changed(one, ("arch", "target", "features"), ["abm", "avx", "sse"])
    found = verified(renewed, dag_hash)
    assert found.verdict is Verdict.NOT_VERIFIABLE
    assert "microarchitectures" in found.reason


def test_object_targets_of_the_bundled_cache_are_not_called_altered_when_renewed() -> None:
    document = opened(v3_index(V3))
    nodes = {one: json.loads(document.original(one)) for one in document}
    objects = {one: found for one, found in nodes.items() if isinstance(found["arch"]["target"], dict)}
    assert len(objects) > 2
    for dag_hash, one in objects.items():
        assert document.verification(document.spec(dag_hash)).verdict is Verdict.VERIFIED
        renewed = changed(one, ("arch", "target", "features"), [*one["arch"]["target"]["features"], "zz"])
        assert verified(renewed, dag_hash).verdict is Verdict.NOT_VERIFIABLE


def test_spliced_node_ends_in_the_hash_of_its_build_spec() -> None:
    one = node(build_spec={"name": "zlib", "hash": GCC})
    own = spack_hash(compact(one))
    spliced = DagHash(own[:25] + GCC[25:])
    assert node_hash(one) == spliced
    assert verified(one, spliced).verdict is Verdict.VERIFIED
    wrong_end = verified(one, DagHash(own[:25] + "7" * 7))
    assert wrong_end.verdict is Verdict.MISMATCH
    assert "lost its build spec" not in wrong_end.reason


def test_record_nested_at_any_depth_gets_a_verdict() -> None:
    for spec_format in (4, 5):
        for depth in (100, 500, *range(900, 1020, 4)):
            record = f'{{"name":"a","extra":{"[" * depth + "]" * depth}}}'.encode()
            assert verify_record(ZLIB, record, spec_format=spec_format).verdict is not Verdict.VERIFIED


@settings(max_examples=100, deadline=None)
@given(
    keys=st.dictionaries(
        st.sampled_from(("arch", "build_spec", "annotations", "package_hash", "x")), json_values
    ),
    spec_format=st.integers(1, 5),
)
def test_any_object_gets_a_verdict(keys: dict[str, Any], spec_format: int) -> None:
    assert verified({"name": "a", **keys}, ZLIB, spec_format).verdict is not Verdict.VERIFIED
