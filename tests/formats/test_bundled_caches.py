"""Every record of the bundled caches is read as Spack itself reads it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from cachescope.formats.index_json import IndexDocument
from cachescope.model.identity import DagHash
from cachescope.model.record import Presence, Verdict
from cachescope.model.spec import ConcreteSpec, DependencyEdge, deptype_names, variant_text
from tests.formats.samples import V2, V3, expected, opened, v2_index, v3_index


@dataclass(frozen=True)
class Cache:
    """A bundled cache as it is read, and as Spack reads it."""

    document: IndexDocument
    specs: dict[DagHash, ConcreteSpec]
    expected: dict[str, dict[str, Any]]


@cache
def bundled(name: str) -> Cache:
    document = opened(v3_index(V3) if name == "v3" else v2_index(V2))
    specs = {dag_hash: document.spec(dag_hash) for dag_hash in document}
    return Cache(document, specs, expected(f"expected-{name}.json"))


def _edge(edge: DependencyEdge) -> dict[str, Any]:
    return {
        "child_hash": edge.hash,
        "name": edge.name,
        "deptypes": list(deptype_names(edge.kind.deptypes)),
        "virtuals": list(edge.kind.virtuals),
    }


FACTS: dict[str, Callable[[ConcreteSpec], object]] = {
    "hash": lambda spec: spec.hash,
    "name": lambda spec: spec.name,
    "version": lambda spec: spec.version,
    "namespace": lambda spec: spec.namespace,
    "external": lambda spec: spec.external,
    "spliced": lambda spec: spec.build_spec is not None,
    "compiler": lambda spec: None if spec.compiler is None else str(spec.compiler),
    "platform": lambda spec: spec.architecture.platform,
    "os": lambda spec: spec.architecture.os,
    "target": lambda spec: spec.architecture.target,
    "variants": lambda spec: [
        variant_text(one, spec_format=spec.spec_format) for one in spec.variants.variants
    ],
    "flags": lambda spec: {name: list(items) for name, items in spec.variants.flags},
    "edges": lambda spec: [_edge(edge) for edge in spec.edges],
}
CACHES = pytest.mark.parametrize("name", ["v3", "v2"])


@CACHES
@pytest.mark.parametrize("fact", FACTS)
def test_every_record_says_what_spack_says_of(fact: str, name: str) -> None:
    read = bundled(name)
    ours = {dag_hash: FACTS[fact](spec) for dag_hash, spec in read.specs.items()}
    assert ours == {dag_hash: row[fact] for dag_hash, row in read.expected.items()}


@pytest.mark.parametrize(
    ("name", "version", "records", "present", "spec_format"), [("v3", 8, 107, 90, 5), ("v2", 7, 102, 77, 4)]
)
def test_index_holds_the_counted_records(
    name: str, version: int, records: int, present: int, spec_format: int
) -> None:
    read = bundled(name)
    assert read.document.header.version == version
    assert read.document.header.warnings == ()
    assert not read.document.rejected
    assert len(read.document) == records
    assert Counter(read.document.presence.values())[Presence.PRESENT] == present
    assert {spec.spec_format for spec in read.specs.values()} == {spec_format}


@CACHES
def test_exactly_the_records_in_the_buildcache_are_present(name: str) -> None:
    read = bundled(name)
    ours = {dag_hash: one is Presence.PRESENT for dag_hash, one in read.document.presence.items()}
    assert ours == {dag_hash: row["in_buildcache"] for dag_hash, row in read.expected.items()}


@pytest.mark.parametrize(("name", "verified"), [("v3", 102), ("v2", 102)])
def test_exactly_the_hashes_that_recompute_are_verified(name: str, verified: int) -> None:
    read = bundled(name)
    verdicts = {
        dag_hash: read.document.verification(spec).verdict is Verdict.VERIFIED
        for dag_hash, spec in read.specs.items()
    }
    assert verdicts == {dag_hash: row["recomputes"] for dag_hash, row in read.expected.items()}
    assert sum(verdicts.values()) == verified


def test_splices_without_their_build_spec_are_mismatches_that_say_so() -> None:
    read = bundled("v3")
    spliced = [read.specs[DagHash(key)] for key, row in read.expected.items() if not row["recomputes"]]
    assert len(spliced) == 5
    for spec in spliced:
        found = read.document.verification(spec)
        assert found.verdict is Verdict.MISMATCH
        assert "spliced and lost its build spec" in found.reason
        assert found.shared_suffix == spec.hash[-7:]


def test_records_keep_their_original_text() -> None:
    data = v3_index(V3)
    document = opened(data)
    assert all(document.original(dag_hash) in data for dag_hash in document)


@pytest.mark.parametrize(("view", "records", "present"), [("science", 18, 13), ("pystack", 14, 5)])
def test_views_are_smaller_indexes_of_the_same_records(view: str, records: int, present: int) -> None:
    document = opened(v3_index(V3, view))
    whole = bundled("v3")
    assert len(document) == records
    assert Counter(document.presence.values())[Presence.PRESENT] == present
    assert {one: document.spec(one) for one in document} == {one: whole.specs[one] for one in document}


def test_records_with_equal_parameters_share_one_variant_set() -> None:
    sets = [spec.variants for spec in bundled("v3").specs.values()]
    assert len({id(one) for one in sets}) == len({one.key for one in sets}) < len(sets)
