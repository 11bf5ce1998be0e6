"""Each kind of cause, on mirrors made by hand."""

import shlex
from pathlib import Path

import pytest

from cachescope.model.identity import parse_source_name
from cachescope.model.sightings import Against
from cachescope.model.why import Cause, CauseKind, WhyReport
from tests.catalogues import OpenCatalogue
from tests.explaining import assert_complete, cover, explain, only_cause
from tests.locks import lock_document
from tests.mirrors import Node, index, installs, node, write_v3

ZLIB = node("zlib", "1.3")
PYTHON_12 = node("python", "3.12")
PYTHON_13 = node("python", "3.13")


def on(name: str, *children: Node, version: str = "1.0", **options: object) -> Node:
    """Make a node that links to others."""
    return node(name, version, needs=[(child, "build,link", "") for child in children], **options)  # type: ignore[arg-type]  # options of the node


def lock(root: Node, *others: Node) -> bytes:
    return lock_document([root["hash"]], {one["hash"]: one for one in (root, *others)})


def mirror(
    opened: OpenCatalogue, folder: Path, name: str, present: list[Node], mentioned: list[Node] | None = None
) -> None:
    write_v3(folder / name, index(installs(present, mentioned or [])))
    (outcome,) = opened.sync(name, folder / name)
    assert outcome.error is None


def ask(opened: OpenCatalogue, document: bytes, *against: Against) -> WhyReport:
    report = explain(opened.file, document, against=against)
    assert_complete(report)
    return report


def names(cause: Cause, *nodes: Node) -> list[str]:
    """Return the names of what follows from a cause."""
    known = {one["hash"]: one["name"] for one in nodes}
    return [known[one] for one in cause.consequences]


def test_nothing_missing_has_no_cause(opened: OpenCatalogue, tmp_path: Path) -> None:
    mirror(opened, tmp_path, "site", [ZLIB])
    report = ask(opened, lock(ZLIB))
    assert (report.present, report.missing, report.causes) == (1, (), ())


def test_a_package_of_no_mirror_is_absent_and_what_needs_it_lacks_a_dependency(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    app, cached = on("app", ZLIB, node("new")), on("app", ZLIB)
    mirror(opened, tmp_path, "site", [ZLIB, cached])
    report = ask(opened, lock(app, ZLIB, node("new")))
    kinds = {one.name: one.kind for one in report.causes}
    assert kinds == {"new": CauseKind.ABSENT, "app": CauseKind.OWN_FIELD}
    (own,) = [one for one in report.causes if one.name == "app"]
    assert [(one.field, one.wanted, one.cached) for one in own.differences] == [
        ("dependency:new", "1.0", None)
    ]


def test_an_own_field_is_the_cause_of_what_is_above(opened: OpenCatalogue, tmp_path: Path) -> None:
    other = node("zlib", "1.3", variants={"build_system": "generic", "shared": False})
    cached = node("zlib", "1.3", variants={"build_system": "generic", "shared": True})
    middle = on("middle", other)
    app = on("app", middle)
    mirror(opened, tmp_path, "site", [cached, on("middle", cached), on("app", on("middle", cached))])
    cause = only_cause(ask(opened, lock(app, middle, other)))
    assert (cause.kind, cause.name, cause.hashes) == (CauseKind.OWN_FIELD, "zlib", (other["hash"],))
    assert [(one.field, one.wanted, one.cached) for one in cause.differences] == [
        ("variant:shared", "false", "true")
    ]
    assert names(cause, middle, app) == ["middle", "app"]
    assert cause.remedy == "packages:\n  zlib:\n    require: '+shared'"
    assert cause.gains == 3


def test_what_is_in_a_mirror_that_was_not_asked_is_elsewhere(opened: OpenCatalogue, tmp_path: Path) -> None:
    newer = node("zlib", "1.4")
    mirror(opened, tmp_path, "a", [ZLIB, on("app", ZLIB)])
    mirror(opened, tmp_path, "b", [newer, on("app", newer)])
    document = lock(on("app", newer), newer)
    assert not ask(opened, document).missing
    cause = only_cause(ask(opened, document, parse_source_name("a")))
    assert (cause.kind, cause.name, cause.hashes) == (CauseKind.ELSEWHERE, "zlib", (newer["hash"],))
    assert [str(one) for one in cause.places] == ["b/root"]
    assert len(cause.consequences) == 1
    assert cause.remedy.startswith(f"spack mirror add b file://{tmp_path}")


def test_the_address_in_a_remedy_is_one_word_of_a_shell(opened: OpenCatalogue, tmp_path: Path) -> None:
    odd = tmp_path / "b;touch $HOME"
    odd.mkdir()
    mirror(opened, tmp_path, "a", [node("app")])
    mirror(opened, odd, "b", [ZLIB])
    cause = only_cause(ask(opened, lock(ZLIB), parse_source_name("a")))
    assert cause.kind is CauseKind.ELSEWHERE
    word = shlex.split(cause.remedy)[4]
    assert word.startswith(f"file://{tmp_path}/b;touch%20$HOME")


def test_what_was_there_vanished_with_its_date(opened: OpenCatalogue, tmp_path: Path) -> None:
    newer = node("zlib", "1.4")
    mirror(opened, tmp_path, "site", [ZLIB, newer])
    opened.pass_time(3)
    mirror(opened, tmp_path, "site", [ZLIB])
    cause = only_cause(ask(opened, lock(newer)))
    assert (cause.kind, cause.name) == (CauseKind.VANISHED, "zlib")
    assert cause.until == opened.clock


def test_what_is_only_mentioned_is_said_so(opened: OpenCatalogue, tmp_path: Path) -> None:
    app = on("app", ZLIB)
    mirror(opened, tmp_path, "site", [app], [ZLIB])
    cause = only_cause(ask(opened, lock(app, ZLIB)))
    assert (cause.kind, cause.name, cause.consequences) == (CauseKind.MENTIONED, "zlib", ())


def test_a_dependency_that_nothing_wanted_is_built_on_is_unused(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    cached = on("venv", PYTHON_13)
    venv = on("venv", PYTHON_12)
    pip = on("pip", venv, PYTHON_12)
    mirror(opened, tmp_path, "site", [PYTHON_12, PYTHON_13, cached, on("pip", cached, PYTHON_13)])
    cause = only_cause(ask(opened, lock(pip, venv, PYTHON_12)))
    assert (cause.kind, cause.name, cause.version) == (CauseKind.DEPENDENCY_UNUSED, "python", "3.12")
    assert cause.hashes == (PYTHON_12["hash"],)
    assert names(cause, venv, pip) == ["venv", "pip"]
    assert [(one.field, one.wanted, one.cached) for one in cause.differences] == [
        ("dependency:python", "3.12", "3.13")
    ]


def test_parts_that_are_cached_but_not_together_are_a_combination(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    mpi, other_mpi = node("mpi", "5"), node("mpi", "4")
    wanted = on("app", PYTHON_12, mpi)
    cached = [on("app", PYTHON_12, other_mpi), on("app", PYTHON_13, mpi)]
    mirror(opened, tmp_path, "site", [PYTHON_12, PYTHON_13, mpi, other_mpi, *cached])
    cause = only_cause(ask(opened, lock(wanted, PYTHON_12, mpi)))
    assert (cause.kind, cause.name, cause.hashes) == (CauseKind.COMBINATION, "app", (wanted["hash"],))


def test_the_way_down_goes_through_dependencies_that_are_there(opened: OpenCatalogue, tmp_path: Path) -> None:
    """What differs is two levels below, and all between is cached in both ways."""
    lower = [on("lower", one) for one in (PYTHON_12, PYTHON_13)]
    upper = on("upper", lower[0])
    mirror(opened, tmp_path, "site", [PYTHON_12, PYTHON_13, *lower, on("upper", lower[1])])
    cause = only_cause(ask(opened, lock(upper, lower[0], PYTHON_12)))
    assert (cause.kind, cause.name) == (CauseKind.COMBINATION, "upper")
    assert [(one.field, one.wanted, one.cached) for one in cause.differences] == [
        ("dependency:python", "3.12", "3.13")
    ]


def test_the_same_difference_in_many_specs_is_one_cause(opened: OpenCatalogue, tmp_path: Path) -> None:
    targets = ["x86_64_v2", "x86_64_v3"]
    wanted, cached = ([node(name, target=target) for name in ("a", "b", "c")] for target in targets)
    root = on("root", *wanted, target="x86_64_v2")
    mirror(opened, tmp_path, "site", [*cached, on("root", *cached, target="x86_64_v3")])
    cause = only_cause(ask(opened, lock(root, *wanted)))
    assert (cause.kind, cause.name) == (CauseKind.SHARED_DIFFERENCE, None)
    assert len(cause.hashes) == 4
    assert [(one.field, one.wanted, one.cached) for one in cause.differences] == [("target", *targets)]


def test_of_equally_near_binaries_those_are_taken_that_make_one_cause(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    """``a`` is cached for two other targets, ``b`` for one of them alone."""
    wanted = [node(name, target="x86_64_v2") for name in "ab"]
    cached = [node("a", target="x86_64_v3"), node("a", target="x86_64_v4"), node("b", target="x86_64_v4")]
    mirror(opened, tmp_path, "site", cached)
    root = on("root", *wanted)
    report = ask(opened, lock(root, *wanted))
    (shared,) = [one for one in report.causes if one.kind is CauseKind.SHARED_DIFFERENCE]
    assert set(shared.hashes) == {one["hash"] for one in wanted}


def test_two_changes_on_one_way_are_two_causes(opened: OpenCatalogue, tmp_path: Path) -> None:
    newer = node("zlib", "1.4")
    wanted = on("app", newer, version="2.0")
    mirror(opened, tmp_path, "site", [ZLIB, on("app", ZLIB)])
    report = ask(opened, lock(wanted, newer))
    assert {one.name: one.hashes for one in report.causes} == {
        "zlib": (newer["hash"],),
        "app": (wanted["hash"],),
    }
    (lower,) = [one for one in report.causes if one.name == "zlib"]
    assert lower.consequences == (wanted["hash"],)
    assert lower.gains == 1


def test_another_provider_stands_in_the_place_of_a_virtual(opened: OpenCatalogue, tmp_path: Path) -> None:
    one, other = node("mpich", "4"), node("openmpi", "5")
    wanted = node("app", needs=[(one, "build,link", "mpi")])
    mirror(opened, tmp_path, "site", [one, other, node("app", needs=[(other, "build,link", "mpi")])])
    cause = only_cause(ask(opened, lock(wanted, one)))
    assert (cause.kind, cause.name) == (CauseKind.DEPENDENCY_UNUSED, "mpich")


def test_a_hash_that_nobody_knows_is_absent_without_a_name(opened: OpenCatalogue, tmp_path: Path) -> None:
    mirror(opened, tmp_path, "site", [ZLIB])
    cause = only_cause(ask(opened, b"a" * 32))
    assert (cause.kind, cause.name, cause.hashes) == (CauseKind.ABSENT, None, ("a" * 32,))


def test_a_list_of_hashes_is_described_by_the_catalogue(opened: OpenCatalogue, tmp_path: Path) -> None:
    app = on("app", ZLIB)
    mirror(opened, tmp_path, "site", [app], [ZLIB])
    found = cover(opened.file, app["hash"].encode())
    assert [one.name for one in found.present] == ["app"]
    # The list names app alone, but installing it needs zlib.
    assert not found.installable
    mirror(opened, tmp_path, "site", [app, ZLIB])
    assert cover(opened.file, app["hash"].encode()).installable


@pytest.mark.parametrize("place", ["", "ref:"])
def test_coverage_is_judged_by_the_named_mirrors_alone(
    opened: OpenCatalogue, tmp_path: Path, place: str
) -> None:
    mirror(opened, tmp_path, "a", [ZLIB])
    mirror(opened, tmp_path, "b", [PYTHON_12])
    root = on("root", ZLIB, PYTHON_12)
    against = parse_source_name("a") if not place else parse_source_name("a").mirror.ref
    found = cover(opened.file, lock(root, ZLIB, PYTHON_12), against=[against])
    assert [one.name for one in found.present] == ["zlib"]
    assert [str(one.name) for one in found.mirrors] == ["a/root"]
    everywhere = cover(opened.file, lock(root, ZLIB, PYTHON_12))
    assert everywhere.tally.present == 2
    assert [len(one.mirrors) for one in everywhere.sets] == [1, 2]
    assert [one.spec.name for one in everywhere.missing] == ["root"]


def test_run_closure_and_build_only_are_counted_apart(opened: OpenCatalogue, tmp_path: Path) -> None:
    tool = node("tool")
    root = node("root", needs=[(ZLIB, "link", ""), (tool, "build", "")])
    mirror(opened, tmp_path, "site", [root, ZLIB], [tool])
    document = lock(root, ZLIB, tool)
    found = cover(opened.file, document)
    assert (found.run.present, found.run.total) == (2, 2)
    assert (found.build.present, found.build.total) == (0, 1)
    assert found.installable
    assert [one.spec.name for one in cover(opened.file, document, deptypes="build").missing] == ["tool"]
    assert not cover(opened.file, document, deptypes="run").missing
