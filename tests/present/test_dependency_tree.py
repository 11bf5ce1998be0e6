"""One depth-first list sorted into what runs and what only builds."""

from collections.abc import Sequence

from cachescope.model.results import Dependency, SpecReport
from cachescope.model.spec import Deptype, EdgeKind
from cachescope.present.dependency_tree import TreeRow, dependency_trees
from tests.fakes import report, spec

ROOT = spec("root")
_TYPES = {"b": Deptype.BUILD, "l": Deptype.LINK, "r": Deptype.RUN, "t": Deptype.TEST}


def _report(*lines: str) -> SpecReport:
    """Write a tree as ``name types``, two blanks a level; a name met again is repeated."""
    met: set[str] = set()
    found: list[Dependency] = []
    for line in lines:
        name, letters = line.split()
        types = Deptype(0)
        for letter in letters:
            types |= _TYPES[letter]
        depth = (len(line) - len(line.lstrip())) // 2 + 1
        found.append(
            Dependency(
                spec=spec(name),
                kind=EdgeKind(types, ()),
                depth=depth,
                repeated=name in met,
                needed_at_run=bool(types & (Deptype.LINK | Deptype.RUN)),
            )
        )
        met.add(name)
    return report(ROOT, dependencies=found)


def _lines(rows: Sequence[TreeRow]) -> list[str]:
    return [
        "  " * (row.depth - 1)
        + row.spec.name
        + (" again" if row.repeated else "")
        + (f" for {row.needed_by.name}" if row.needed_by is not None else "")
        for row in rows
    ]


def test_link_and_run_edges_lead_to_what_is_needed() -> None:
    trees = dependency_trees(_report("python br", "  zlib l", "  gmake b", "cmake b", "  curl l"))
    assert _lines(trees.to_run) == ["python", "  zlib"]
    assert trees.to_run_total == 2
    assert _lines(trees.only_to_build) == ["cmake", "  curl", "gmake for python"]
    assert trees.only_to_build_total == 3


def test_need_is_found_though_the_first_place_is_below_a_build_tool() -> None:
    """The walk met ncurses first below a build tool, so its own dependencies stand there."""
    trees = dependency_trees(_report("cmake b", "  ncurses l", "    terminfo r", "readline l", "  ncurses l"))
    assert _lines(trees.to_run) == ["readline", "  ncurses", "    terminfo"]
    assert _lines(trees.only_to_build) == ["cmake"]


def test_build_tool_of_a_shared_dependency_is_named_once_with_its_reason() -> None:
    trees = dependency_trees(_report("a l", "  perl b", "    gmake b", "b l", "  perl b", "  gmake b"))
    assert _lines(trees.to_run) == ["a", "b"]
    assert _lines(trees.only_to_build) == ["perl for a", "  gmake"]
    assert trees.only_to_build_total == 2


def test_own_build_tool_stands_outermost_though_met_deeper_before() -> None:
    trees = dependency_trees(_report("zlib l", "  gmake b", "cmake b", "  curl l", "    gmake b", "gmake b"))
    assert _lines(trees.only_to_build) == ["cmake", "  curl", "gmake"]


def test_spec_met_again_is_marked_and_not_unfolded() -> None:
    trees = dependency_trees(_report("a l", "  c l", "    d l", "b l", "  c l"))
    assert _lines(trees.to_run) == ["a", "  c", "    d", "b", "  c again"]
    assert trees.to_run_total == 4


def test_test_dependency_is_not_needed_on_the_host() -> None:
    trees = dependency_trees(_report("py-pytest t"))
    assert trees.to_run == ()
    assert _lines(trees.only_to_build) == ["py-pytest"]


def test_spec_without_dependencies_has_empty_trees() -> None:
    trees = dependency_trees(_report())
    assert (trees.to_run, trees.only_to_build) == ((), ())
