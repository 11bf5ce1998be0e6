"""Every record of the two bundled caches, read back from the catalogue, against what Spack itself answered."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import Catalogue, open_for_reading
from cachescope.catalogue.originals import RecordReader
from cachescope.catalogue.reader import Reader
from cachescope.model.identity import PackageName, Ref, parse_mirror_name
from cachescope.model.results import PackageReport, SpecReport
from cachescope.model.spec import deptype_names
from tests.catalogues import V2, V3, rows

DATA = Path(__file__).resolve().parent.parent / "data"
CACHES = {"expected-v3.json": "crafted/v3-signed", "expected-v2.json": "crafted/v2-signed"}


def _expected(file: str) -> dict[str, dict[str, Any]]:
    return {one["hash"]: one for one in json.loads((DATA / file).read_bytes())["specs"]}


@pytest.fixture(scope="module")
def reader(each_sample: CatalogueAddress) -> Any:
    with open_for_reading(each_sample, busy_timeout=1) as catalogue:
        yield Reader(catalogue)


@pytest.fixture(scope="module", params=CACHES)
def expected(request: pytest.FixtureRequest) -> tuple[str, dict[str, dict[str, Any]]]:
    return CACHES[request.param], _expected(request.param)


@pytest.fixture(scope="module")
def reports(reader: Reader, expected: tuple[str, dict[str, dict[str, Any]]]) -> dict[str, SpecReport]:
    return {dag_hash: reader.spec(dag_hash) for dag_hash in expected[1]}


def _differences(
    reports: dict[str, SpecReport], expected: dict[str, dict[str, Any]], of_report: Any, of_spack: Any
) -> dict[str, tuple[object, object]]:
    """Return what differs, by hash, so that a failure names every record."""
    pairs = {one: (of_report(report), of_spack(expected[one])) for one, report in reports.items()}
    return {one: pair for one, pair in pairs.items() if pair[0] != pair[1]}


_COLUMNS = {
    "name": (lambda it: it.spec.name, lambda spack: spack["name"]),
    "version": (lambda it: it.spec.version, lambda spack: spack["version"]),
    "namespace": (lambda it: it.namespace, lambda spack: spack["namespace"]),
    "compiler": (lambda it: it.spec.compiler_name, lambda spack: spack["compiler"] or "none"),
    "platform": (lambda it: it.spec.architecture.platform, lambda spack: spack["platform"]),
    "os": (lambda it: it.spec.architecture.os, lambda spack: spack["os"]),
    "target": (lambda it: it.spec.architecture.target, lambda spack: spack["target"]),
    "variants": (lambda it: list(it.spec.variant_texts), lambda spack: spack["variants"]),
    "flags": (
        lambda it: {name: list(values) for name, values in it.spec.variants.flags},
        lambda spack: spack["flags"],
    ),
    "external": (lambda it: it.external, lambda spack: spack["external"]),
    "spliced": (lambda it: it.build_spec is not None, lambda spack: spack["spliced"]),
    "verdict": (
        lambda it: it.verification.verdict.word,
        lambda spack: "verified" if spack["recomputes"] else "mismatch",
    ),
    "edges": (
        lambda it: [
            (one.spec.hash, one.spec.name, list(deptype_names(one.kind.deptypes)), list(one.kind.virtuals))
            for one in _own(it)
        ],
        lambda spack: sorted(
            (edge["child_hash"], edge["name"], edge["deptypes"], edge["virtuals"]) for edge in spack["edges"]
        ),
    ),
}


def _own(report: SpecReport) -> list[Any]:
    own = [one for one in report.dependencies if one.depth == 1]
    return sorted(own, key=lambda one: one.spec.hash)


@pytest.mark.parametrize("column", _COLUMNS)
def test_every_record_has_what_spack_says(
    column: str, reports: dict[str, SpecReport], expected: tuple[str, dict[str, dict[str, Any]]]
) -> None:
    of_report, of_spack = _COLUMNS[column]
    assert not _differences(reports, expected[1], of_report, of_spack)


def test_every_record_is_present_or_mentioned_as_the_index_says(
    reports: dict[str, SpecReport], expected: tuple[str, dict[str, dict[str, Any]]]
) -> None:
    mirror, records = expected

    def said(report: SpecReport) -> list[str]:
        return [
            place.presence.word
            for place in report.places
            if str(place.source) == mirror and place.until is None
        ]

    words = {True: "present", False: "mentioned"}
    assert not _differences(reports, records, said, lambda spack: [words[spack["in_buildcache"]]])


def test_every_record_has_the_dependents_that_name_it(
    reports: dict[str, SpecReport], expected: tuple[str, dict[str, dict[str, Any]]]
) -> None:
    dependents: dict[str, set[str]] = {one: set() for one in reports}
    for one in expected[1].values():
        for edge in one["edges"]:
            dependents[edge["child_hash"]].add(one["hash"])
    found = {
        one: {str(two.spec.hash) for two in report.dependents if two.spec.hash in reports}
        for one, report in reports.items()
    }
    assert found == dependents


def test_edges_stand_in_the_order_of_the_record(each_sample: CatalogueAddress) -> None:
    expected = {
        (one["hash"], place): edge["child_hash"]
        for file in CACHES
        for one in _expected(file).values()
        for place, edge in enumerate(one["edges"])
    }
    found = rows(
        each_sample,
        "SELECT parent.hash, position, child.hash FROM edge "
        "JOIN spec AS parent ON parent.id = parent_id JOIN spec AS child ON child.id = child_id",
    )
    assert {(parent, place): child for parent, place, child in found} == expected


def test_the_original_record_is_kept_byte_for_byte(each_sample: CatalogueAddress) -> None:
    documents = [*(V3 / "blobs").rglob("*"), V2 / "build_cache" / "index.json"]
    indexes = b"".join(one.read_bytes() for one in documents if one.is_file() and one.stat().st_size > 50_000)
    wanted = {dag_hash for file in CACHES for dag_hash in _expected(file)}
    keys = {key: one for key, one in rows(each_sample, "SELECT id, hash FROM spec") if one in wanted}
    with (
        open_for_reading(each_sample, busy_timeout=1) as opened,
        opened.reading() as connection,
    ):
        originals = RecordReader(connection).read(list(keys))
    assert {keys[one] for one in originals} == wanted
    assert not [keys[one] for one, original in originals.items() if original not in indexes]


@pytest.mark.parametrize("file", CACHES)
def test_counts_of_a_source_are_those_of_its_records(file: str, reader: Reader) -> None:
    said = Counter(one["in_buildcache"] for one in _expected(file).values())
    (source,) = [one for one in reader.sources() if str(one.name) == CACHES[file] and one.view is None]
    assert (source.counts.present, source.counts.mentioned) == (said[True], said[False])
    assert source.counts.unstated == source.rejected == 0
    assert not source.warnings


def test_v3_has_102_verified_hashes_and_5_spliced_ones_that_lost_their_build_spec(reader: Reader) -> None:
    reports = [reader.spec(one) for one in _expected("expected-v3.json")]
    verdicts = Counter(one.verification.verdict.word for one in reports if one.verification)
    assert verdicts == {"verified": 102, "mismatch": 5}
    spliced = [one for one in reports if one.verification and one.verification.verdict.word == "mismatch"]
    assert {one.spec.hash[:7] for one in spliced} == {"qc2rpyv", "7snfewg", "o664ayo", "d632s4u", "rsnxnc6"}
    assert all("lost its build spec" in one.verification.reason for one in spliced if one.verification)


def test_sources_are_the_two_layouts_the_view_and_the_stacks_of_the_page(reader: Reader) -> None:
    sources = [(str(one.name), one.layout, one.view, one.index_version) for one in reader.sources()]
    assert sources[:3] == [
        ("crafted/v2-signed", "v2", None, 7),
        ("crafted/v3-signed", "v3", None, 8),
        ("crafted/v3-signed", "v3", "science", 8),
    ]
    assert {layout for _, layout, _, _ in sources[3:]} == {"pages"}
    (view,) = [one for one in reader.sources() if one.view == "science"]
    assert (view.counts.total, view.counts.present) == (18, 13)


def test_search_counts_present_specs_alone_unless_asked_for_mentioned_ones(reader: Reader) -> None:
    mirror = parse_mirror_name("crafted/v3-signed")
    present = reader.search("*", ref=mirror.ref, stack=mirror.stack, limit=0)
    every = reader.search("*", ref=mirror.ref, stack=mirror.stack, limit=0, mentioned=True)
    assert (present.total, every.total) == (90, 107)


def test_the_rows_of_the_seed_page_are_present_in_root_and_unstated_in_the_other_stacks(
    reader: Reader,
) -> None:
    report: PackageReport = reader.package(PackageName("py-pdm-backend"), ref=Ref("develop"), stack=None)
    assert report.counts.present == 77
    stacks = {str(name): (present, unstated) for name, present, unstated in report.stacks}
    assert stacks["develop/root"] == (77, 0)
    assert len(stacks) == 10
    assert all(present == 0 < unstated for name, (present, unstated) in stacks.items() if name[-4:] != "root")


def test_the_77_rows_of_the_seed_fall_into_7_groups_whose_dependencies_are_unknown(reader: Reader) -> None:
    report = reader.package(PackageName("py-pdm-backend"), ref=Ref("develop"), stack=None)
    assert len(report.groups) == 7
    assert sum(len(group.specs) for group in report.groups) == 77
    assert not any(group.dependencies_known for group in report.groups)


def test_reading_never_changes_the_file(sample_file: Path, catalogue_after_reading: bytes) -> None:
    assert sample_file.read_bytes() == catalogue_after_reading


@pytest.fixture
def catalogue_after_reading(sample_file: Path) -> bytes:
    before = sample_file.read_bytes()
    opened: Catalogue
    with open_for_reading(sample_file, busy_timeout=1) as opened:
        reader = Reader(opened)
        reader.sources()
        reader.search("*", ref=None, stack=None, limit=0)
    return before
