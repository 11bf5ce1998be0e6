"""Page models: cuts of long lists, what separates look-alikes, freshness, and the weight of full pages."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cachescope.model.facets import BuiltCell
from cachescope.model.identity import PackageName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.results import (
    Counts,
    Dependency,
    DependencyDifference,
    Dependent,
    LookAlikes,
    PackageList,
    PackageReport,
    PackageSummary,
    Place,
    RefStacks,
)
from cachescope.present.home_page import featured_ref, home_page
from cachescope.present.package_page import PackagePage, package_page, separation
from cachescope.present.pages import PageRequest, caches_page, packages_page
from cachescope.present.spec_page import SpecPage, headline, spec_page
from cachescope.present.surfaces import Page
from cachescope.present.to_html import HtmlWriter, static_files
from cachescope.present.urls import Scope
from tests.fakes import DEMO, E4S, GMAKE, LINK, NOW, PAGED, ROOT, ZLIB, filled_catalogue, report, source, spec

CATALOGUE = filled_catalogue()
REFS = CATALOGUE.refs()
SCOPE = Scope(Ref("develop"), Stack("ml-linux-x86_64-cuda"))
REQUEST = PageRequest(now=NOW, scope=SCOPE)
LIMIT = 100_000


def _group(version: str, size: int, *, target: str = "x86_64_v3", **fields: object) -> LookAlikes:
    members = []
    for number in range(size):
        one = spec("big", version, label=f"{target}{number}", mirrors=(E4S, ROOT) if number % 2 else (E4S,))
        members.append(replace(one, architecture=replace(one.architecture, target=target)))
    found = LookAlikes(specs=tuple(members), dependencies_known=True)
    return replace(found, **fields)  # type: ignore[arg-type]  # fields of the same class, by name


def _package(groups: list[LookAlikes], request: PageRequest = REQUEST) -> PackagePage:
    versions = tuple(dict.fromkeys(group.specs[0].version for group in groups))
    total = sum(len(group.specs) for group in groups)
    result = PackageReport(
        name=PackageName("big"),
        ref=SCOPE.ref,
        stack=SCOPE.stack,
        counts=Counts(total),
        versions=versions,
        compilers=(("gcc@13.2.0", total),),
        systems=(("ubuntu24.04", total),),
        targets=(("x86_64_v3", total),),
        stacks=((E4S, total, 0),),
        groups=tuple(groups),
        shown=total,
        matching=total,
        groups_total=len(groups),
        cells=tuple(
            BuiltCell(
                version=group.specs[0].version,
                os=group.specs[0].architecture.os,
                target=group.specs[0].architecture.target,
                specs=len(group.specs),
                compilers=(group.specs[0].compiler_name,),
            )
            for group in groups
        ),
    )
    return package_page(result, REFS, request)


def _weight(page: Page) -> int:
    return len(HtmlWriter(static_files(), version="0").write(page))


DIFFERENCE = DependencyDifference(path=("python",), field="version", values=("3.11.9", "3.12.5", "3.12.5"))


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (LookAlikes(specs=DEMO[:1], dependencies_known=True), ""),
        (LookAlikes(specs=DEMO, dependencies_known=True), "no recorded difference"),
        (LookAlikes(specs=DEMO, dependencies_known=True, explained=False), "too many to compare on a page"),
        (
            LookAlikes(specs=PAGED, dependencies_known=False),
            "dependencies are not recorded (known from a published page only)",
        ),
        (
            LookAlikes(specs=DEMO, dependencies_known=True, differences=(DIFFERENCE,)),
            "differ in python 3.11.9 / 3.12.5",
        ),
        (
            LookAlikes(specs=DEMO, dependencies_known=True, differences=(DIFFERENCE,) * 8),
            "differ in " + "; ".join(["python 3.11.9 / 3.12.5"] * 6) + "; and in 2 more",
        ),
    ],
)
def test_line_beneath_a_group_says_what_separates_it(group: LookAlikes, words: str) -> None:
    assert separation(group) == words


def test_matrix_shows_the_newest_three_of_more_than_six_versions() -> None:
    groups = [_group(f"{number}.0", 1) for number in range(9, 0, -1)]
    assert [row.version for row in _package(groups).matrix.rows] == ["9.0", "8.0", "7.0"]
    assert _package(groups).matrix.versions_left_out == 6
    every = _package(groups, replace(REQUEST, all_versions=True)).matrix
    assert len(every.rows) == 9
    assert every.versions_left_out == 0


def test_matrix_counts_specs_and_leads_to_the_query_that_finds_them() -> None:
    matrix = _package([_group("2.0", 3), _group("2.0", 5, target="zen4"), _group("1.0", 2)]).matrix
    assert matrix.targets == ("x86_64_v3", "zen4")
    cells = {(row.version, cell.target): (cell.specs, cell.href) for row in matrix.rows for cell in row.cells}
    narrowed = (
        "/package/big?ref=develop&stack=ml-linux-x86_64-cuda&q=big%40%3D{}+os%3Dubuntu24.04+target%3D{}"
    )
    assert cells == {
        ("2.0", "x86_64_v3"): (3, narrowed.format("2.0", "x86_64_v3")),
        ("2.0", "zen4"): (5, narrowed.format("2.0", "zen4")),
        ("1.0", "x86_64_v3"): (2, narrowed.format("1.0", "x86_64_v3")),
        ("1.0", "zen4"): (0, ""),
    }


def test_matrix_leaves_out_versions_that_a_page_cannot_bear_and_says_so() -> None:
    groups = [
        _group(f"{version}.0", 1, target=f"target{number}")
        for version in range(4, 0, -1)
        for number in range(90)
    ]
    assert _package(groups).matrix.versions_left_out == 2
    every = _package(groups, replace(REQUEST, all_versions=True)).matrix
    assert (every.versions, every.versions_left_out) == (4, 2)


def test_matrix_of_one_version_with_more_systems_than_fit_says_so() -> None:
    groups = []
    for number in range(60):
        one = _group("1.0", 1, target=f"target{number % 10}")
        first = one.specs[0]
        system = replace(first.architecture, os=f"system{number}")
        groups.append(replace(one, specs=(replace(first, architecture=system),)))
    matrix = _package(groups).matrix
    assert (len(matrix.rows), matrix.systems_left_out) == (20, 40)
    assert _weight(_package(groups[:25])) < LIMIT


def test_value_that_no_query_can_say_has_no_link() -> None:
    matrix = _package([_group("<script>", 1)]).matrix
    assert [(cell.specs, cell.href) for row in matrix.rows for cell in row.cells] == [(1, "")]


def test_variants_on_which_all_agree_are_written_once() -> None:
    page = package_page(CATALOGUE.package(PackageName("py-demo"), ref=None, stack=None), REFS, REQUEST)
    assert page.common_variants == ("build_system=generic",)
    assert all(group.variants == () for group in page.groups)


def test_unstated_members_are_counted_apart() -> None:
    page = package_page(CATALOGUE.package(PackageName("py-paged"), ref=None, stack=None), REFS, REQUEST)
    assert [(group.unstated, group.mirrors) for group in page.groups] == [(1, (ROOT,))]


def test_ref_is_as_fresh_as_its_newest_copy() -> None:
    old = replace(source(E4S), snapshot_at=NOW - timedelta(days=2))
    assert home_page(REFS, [old, source(ROOT)], REQUEST).rows[0].stale is False
    row = home_page(REFS, [old], REQUEST).rows[0]
    assert row.stale is True
    assert row.snapshot_at == old.snapshot_at


@pytest.mark.parametrize(
    ("held", "featured"),
    [
        ([("v3-unsigned", 4, 0), ("lab", 17_604, 0), ("abc", 30, 0)], "lab"),
        ([("develop", 4, 0), ("lab", 17_604, 0)], "develop"),
        ([("v1.0", 7, 0), ("v0.23", 7, 0)], "v1.0"),
        ([("pages", 0, 9), ("abc", 0, 0)], "pages"),
        ([("b", 0, 0), ("a", 0, 0)], "b"),
        ([], None),
    ],
)
def test_home_features_the_main_ref_or_that_of_most_binaries(
    held: list[tuple[str, int, int]], featured: str | None
) -> None:
    refs = [
        RefStacks(ref=Ref(ref), stacks=(Stack("root"),), counts=Counts(present, 0, unstated), packages=1)
        for ref, present, unstated in held
    ]
    assert featured_ref(refs, PageRequest(now=NOW)) == featured
    chosen = PageRequest(now=NOW, scope=Scope(Ref("abc")))
    expected = "abc" if "abc" in [ref for ref, _, _ in held] else featured
    assert featured_ref(refs, chosen) == expected


def test_home_features_the_chosen_ref_or_develop() -> None:
    chosen = replace(REQUEST, scope=Scope(Ref("site")))
    for request, ref in ((REQUEST, "develop"), (chosen, "site"), (PageRequest(now=NOW), "develop")):
        page = home_page(REFS, CATALOGUE.sources(), request)
        assert page.featured is not None
        assert page.featured.ref.ref == ref
        assert {one.name.ref for one in page.listed} == {ref}


@pytest.mark.parametrize(
    ("presence", "gone", "words"),
    [
        (Presence.PRESENT, False, "Present in 1 mirror"),
        (Presence.UNSTATED, False, "The source does not say whether there is a binary"),
        (Presence.MENTIONED, False, "No binary: only mentioned as a dependency of others"),
        (Presence.MENTIONED, True, "No binary any more: it was present and is gone"),
    ],
)
def test_headline_says_where_the_binary_is(presence: Presence, gone: bool, words: str) -> None:  # noqa: FBT001 - a column of the table
    found = report(ZLIB)
    place: Place = found.places[0]
    if gone:
        found = replace(found, places=(replace(place, until=NOW),))
    assert headline(replace(found, spec=replace(ZLIB, presence=presence))) == words


# -- weight ---------------------------------------------------------------------------------------------------------


def test_full_list_of_packages_is_light() -> None:
    rows = tuple(
        PackageSummary(
            name=PackageName(f"py-backports-entry-{number:04}"),
            counts=Counts(1200),
            versions=12,
            compilers=10,
            systems=10,
            targets=10,
            newest_version="2024.10.15",
        )
        for number in range(500)
    )
    result = PackageList(ref=SCOPE.ref, stack=SCOPE.stack, prefix="", total=8000, packages=rows)
    assert _weight(packages_page(result, REFS, REQUEST)) < LIMIT


def test_full_page_of_groups_is_light() -> None:
    values = tuple(f"3.{number}.12" for number in range(14))
    differences = tuple(
        DependencyDifference(path=(name,), field="version", values=values)
        for name in ("python", "openssl", "zlib-ng", "sqlite", "ncurses", "readline")
    )
    groups = [_group(f"1.{number}", 14, differences=differences) for number in range(9)]
    assert _weight(_package(groups)) < LIMIT
    assert _weight(_package([_group(f"1.{number}", 1) for number in range(25)])) < LIMIT


def test_full_list_of_sources_is_light() -> None:
    rows = [
        replace(
            source(E4S, present=99_999),
            last_attempt=replace(
                source(E4S).last_attempt, outcome="failed", reason="timed out after 10 s " * 3
            ),
        )
        for _ in range(3000)
    ]
    page = caches_page(rows, PageRequest(now=NOW))
    assert page.pager.pages == 30
    assert _weight(page) < LIMIT
    refs = [RefStacks(ref=Ref(f"develop-{n}"), stacks=(), counts=Counts(9), packages=9) for n in range(300)]
    assert _weight(home_page(refs, [replace(one, name=E4S) for one in rows], PageRequest(now=NOW))) < LIMIT


def test_binary_with_a_large_graph_is_light() -> None:
    nodes = [spec(f"py-dependency-{number}", "2024.10.15") for number in range(400)]
    found = report(
        ZLIB,
        dependencies=[
            Dependency(spec=one, kind=LINK, depth=1 + number % 7, repeated=False, needed_at_run=True)
            for number, one in enumerate(nodes)
        ],
        dependents=[Dependent(spec=one, kind=LINK) for one in nodes],
    )
    page = spec_page(replace(found, record='{"x": "y"}\n' * 1400), replace(REQUEST, subject=ZLIB.hash))
    assert isinstance(page, SpecPage)
    assert page.trees_cut
    assert page.trees.to_run_total == 400
    assert _weight(page) < LIMIT


def test_mentioned_spec_has_no_verdict_but_a_reason() -> None:
    page = spec_page(CATALOGUE.spec(GMAKE.hash), replace(REQUEST, subject=GMAKE.hash))
    assert isinstance(page, SpecPage)
    assert (page.verdict, page.verdict_reason) == ("", "there is no record to recompute")
