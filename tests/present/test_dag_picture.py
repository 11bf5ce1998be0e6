"""Pictures of dependencies: what is drawn at which size, and that no graph breaks them."""

import itertools
import re

import pytest

from cachescope.model.results import Dependency, SpecReport
from cachescope.present.dag_picture import DagPicture, dag_picture
from tests.fakes import BUILD, LINK, ZLIB, report, spec


def _chain(levels: int, wide: int) -> SpecReport:
    """Return a spec whose dependencies stand in levels of so many, each below the one before it."""
    found: list[Dependency] = []
    for place in range(wide):
        for level in range(levels):
            one = spec(f"node-{level}-{place}")
            found.append(Dependency(spec=one, kind=LINK, depth=level + 1, repeated=False, needed_at_run=True))
    return report(ZLIB, dependencies=found)


def _drawn(found: SpecReport) -> DagPicture:
    picture = dag_picture(found)
    assert picture is not None
    return picture


def test_spec_without_dependencies_has_no_picture() -> None:
    assert dag_picture(report(ZLIB)) is None


def test_small_graph_shows_all_with_names_and_build_only_dashed() -> None:
    one, tool = spec("one"), spec("tool")
    picture = _drawn(
        report(
            ZLIB,
            dependencies=[
                Dependency(spec=one, kind=LINK, depth=1, repeated=False, needed_at_run=True),
                Dependency(spec=tool, kind=BUILD, depth=1, repeated=False, needed_at_run=False),
            ],
        )
    )
    assert next((dot.name, dot.label, dot.is_root) for dot in picture.dots) == ("zlib", "zlib", True)
    assert {dot.label for dot in picture.dots} == {"zlib", "one", "tool"}
    assert picture.lines.count("M") == picture.dashed.count("M") == 1


def test_line_that_a_longer_way_implies_is_left_out() -> None:
    near, far = spec("near"), spec("far")
    picture = _drawn(
        report(
            ZLIB,
            dependencies=[
                Dependency(spec=near, kind=LINK, depth=1, repeated=False, needed_at_run=True),
                Dependency(spec=far, kind=LINK, depth=2, repeated=False, needed_at_run=True),
                Dependency(spec=far, kind=LINK, depth=1, repeated=True, needed_at_run=True),
            ],
        )
    )
    assert picture.lines.count("M") == 2
    assert sorted(dot.x for dot in picture.dots) == [dot.x for dot in picture.dots]


@pytest.mark.parametrize(("levels", "wide"), [(5, 3), (10, 10), (10, 20), (25, 10)])
def test_nodes_stand_apart_and_within_the_picture(levels: int, wide: int) -> None:
    picture = _drawn(_chain(levels, wide))
    places = [(dot.x, dot.y) for dot in picture.dots]
    assert len(set(places)) == len(places) == levels * wide + 1
    assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in places)
    ends = [float(one) for one in re.findall(r"(?:^|[MC ])(-?[\d.]+)", picture.lines)]
    assert min(ends) >= 0
    rows = sorted({y for x, y in places if x == picture.dots[-1].x})
    assert all(lower - upper >= 15 for upper, lower in itertools.pairwise(rows))


def test_graph_too_large_to_draw_is_told_by_its_layers() -> None:
    picture = _drawn(_chain(10, 40))
    assert picture.dots == ()
    assert [one.nodes for one in picture.layers] == [1, *[40] * 10]
    assert len(picture.named) == 10


def test_circle_of_a_hostile_index_ends() -> None:
    one, other = spec("one"), spec("other")
    found = report(
        ZLIB,
        dependencies=[
            Dependency(spec=one, kind=LINK, depth=1, repeated=False, needed_at_run=True),
            Dependency(spec=other, kind=LINK, depth=2, repeated=False, needed_at_run=True),
            Dependency(spec=one, kind=LINK, depth=3, repeated=True, needed_at_run=True),
        ],
    )
    assert len(_drawn(found).dots) == 3
