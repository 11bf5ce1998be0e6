"""A package narrowed by queries: facets with live counts, pages of look-alikes, history; over the bundled sample."""

from collections.abc import Iterator

import pytest

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.package_groups import cut_groups
from cachescope.catalogue.package_rows import SpecRow
from cachescope.model.errors import NotInCatalogue, QuerySyntaxError, UserInputError
from cachescope.model.facets import Facet
from cachescope.model.identity import PackageName, Ref, Stack
from cachescope.model.results import PackageReport
from tests.catalogues import SEED_PAGE, V2, V3, OpenCatalogue

PDM = PackageName("py-pdm-backend")
ZLIB = PackageName("cr-zlib")


@pytest.fixture(scope="module")
def opened(each_module_catalogue: CatalogueAddress) -> Iterator[OpenCatalogue]:
    with OpenCatalogue(each_module_catalogue) as made:
        made.sync("crafted/v3-signed", V3)
        made.pass_time(3)
        made.sync("crafted/v2-signed", V2)
        made.sync_page(SEED_PAGE)
        yield made


def _ask(opened: OpenCatalogue, name: PackageName, query: str = "", **scope: str) -> PackageReport:
    ref, stack = scope.get("ref"), scope.get("stack")
    return opened.reader.package(
        name, ref=Ref(ref) if ref else None, stack=Stack(stack) if stack else None, query=query, page=1
    )


def _facet(report: PackageReport, field: str, name: str = "") -> Facet:
    return next(one for one in report.facets if one.field == field and name in {"", one.name})


def _counts(report: PackageReport, field: str, name: str = "") -> dict[str, int]:
    return {one.text: one.specs for one in _facet(report, field, name).values}


def _find(opened: OpenCatalogue, query: str) -> set[str]:
    result = opened.reader.search(query, ref=None, stack=None, limit=0)
    return {spec.hash for spec in result.specs}


def test_facets_count_all_binaries_without_a_query(opened: OpenCatalogue) -> None:
    report = _ask(opened, PDM)
    assert report.matching == report.counts.present == 77
    assert _counts(report, "os") == {"ubuntu22.04": 28, "ubuntu24.04": 28, "sequoia": 14, "ubuntu20.04": 7}
    assert _counts(report, "target") == {"x86_64_v3": 42, "aarch64": 28, "neoverse_v2": 7}


def test_facet_counts_its_own_values_as_if_the_query_said_nothing_of_it(opened: OpenCatalogue) -> None:
    report = _ask(opened, PDM, "py-pdm-backend os=ubuntu24.04")
    assert report.matching == 28
    assert _counts(report, "os") == {"ubuntu22.04": 28, "ubuntu24.04": 28, "sequoia": 14, "ubuntu20.04": 7}
    assert _counts(report, "target") == {"x86_64_v3": 14, "aarch64": 14, "neoverse_v2": 0}
    assert [one.text for one in _facet(report, "os").values if one.chosen] == ["ubuntu24.04"]


@pytest.mark.parametrize("name", [PDM, ZLIB])
@pytest.mark.parametrize("start", ["", "target=x86_64_v3", "%gcc"])
def test_choosing_a_value_gives_what_it_counts(opened: OpenCatalogue, name: PackageName, start: str) -> None:
    """The law of the page: follow a link of a facet, and that many match."""
    report = _ask(opened, name, start)
    for facet in report.facets:
        alone = not any(one.chosen for one in facet.values)
        for one in facet.values:
            if one.mirror is not None or not one.query or not alone:
                continue
            assert _ask(opened, name, one.query).matching == one.specs, one.query


@pytest.mark.parametrize(
    "query",
    [
        "",
        "+shared",
        "target=x86_64_v3:",
        "@1.3:",
        "%gcc",
        "%gcc target=zen4,x86_64_v3",
        "^cr-zlib",
        "platform=linux",
    ],
)
def test_package_matches_what_search_finds(opened: OpenCatalogue, query: str) -> None:
    for name in ("cr-zlib", "cr-hdf"):
        report = opened.reader.package(PackageName(name), ref=None, stack=None, query=query)
        listed = {spec.hash for group in report.groups for spec in group.specs}
        assert listed == _find(opened, f"{name} {query}")
        assert report.matching == len(listed) == sum(one.specs for one in report.cells)


def test_chosen_value_is_let_go_by_its_own_link(opened: OpenCatalogue) -> None:
    report = _ask(opened, PDM, "target=aarch64,neoverse_v2")
    links = {one.text: one.query for one in _facet(report, "target").values}
    assert links == {
        "aarch64": "py-pdm-backend target=neoverse_v2",
        "neoverse_v2": "py-pdm-backend target=aarch64",
        "x86_64_v3": "py-pdm-backend target=aarch64,neoverse_v2,x86_64_v3",
    }
    again = _ask(opened, PDM, "os=sequoia")
    assert {one.text: one.query for one in _facet(again, "os").values}["sequoia"] == "py-pdm-backend"


def test_stacks_are_a_facet_that_a_scope_does_not_hide(opened: OpenCatalogue) -> None:
    whole = _ask(opened, ZLIB, ref="crafted")
    narrowed = _ask(opened, ZLIB, ref="crafted", stack="v2-signed")
    assert _counts(whole, "stack") == _counts(narrowed, "stack")
    assert [one.text for one in _facet(narrowed, "stack").values if one.chosen] == ["v2-signed"]
    assert narrowed.matching == _counts(whole, "stack")["v2-signed"]


def test_stacks_of_unstated_presence_are_told_too(opened: OpenCatalogue) -> None:
    counts = _counts(_ask(opened, PDM, ref="develop"), "stack")
    assert counts["root"] == 77
    assert counts["e4s"] == 7
    assert _ask(opened, PDM, ref="develop", stack="e4s").matching == 7


def test_history_counts_a_binary_from_its_first_sight(opened: OpenCatalogue) -> None:
    history = _ask(opened, ZLIB, ref="crafted").history
    assert [one.came for one in history] == [history[0].came, history[1].came]
    assert history[-1].present == _ask(opened, ZLIB, ref="crafted").counts.present
    assert (history[1].at - history[0].at).days == 3


def test_query_about_another_package_is_refused(opened: OpenCatalogue) -> None:
    with pytest.raises(UserInputError, match="asks for cr-hdf"):
        _ask(opened, ZLIB, "cr-hdf +mpi")
    with pytest.raises(QuerySyntaxError):
        _ask(opened, ZLIB, "@@")


def test_query_without_a_match_keeps_the_facets(opened: OpenCatalogue) -> None:
    report = _ask(opened, PDM, "os=sequoia target=neoverse_v2")
    assert (report.matching, report.groups, report.cells) == (0, (), ())
    assert _counts(report, "os") == {"ubuntu22.04": 7, "sequoia": 0, "ubuntu20.04": 0, "ubuntu24.04": 0}
    assert _counts(report, "target") == {"aarch64": 14, "neoverse_v2": 0, "x86_64_v3": 0}


def _rows(number: int) -> list[SpecRow]:
    return [SpecRow(key, None, None, None, None, 5, 2) for key in range(number)]


def test_every_group_stands_on_exactly_one_page() -> None:
    groups = [_rows(14) for _ in range(30)]
    first = cut_groups(groups, 1)
    taken = [group for page in range(1, first.pages + 1) for group in cut_groups(groups, page).groups]
    assert first.pages > 1
    assert list(map(id, taken)) == list(map(id, groups))
    assert cut_groups(groups, 2).before == len(first.groups)
    with pytest.raises(NotInCatalogue, match="no page 99"):
        cut_groups(groups, 99)


def test_large_group_does_not_fill_more_than_its_share_of_a_page() -> None:
    assert cut_groups([_rows(5000), _rows(1)], 1).pages == 1
    assert cut_groups([_rows(5000)], None).members < 5000
