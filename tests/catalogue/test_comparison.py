"""Two specs side by side: own fields, dependencies, and the deepest causes, told apart from their consequences."""

import base64
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.comparison import compare_specs
from cachescope.catalogue.engine import open_for_reading
from cachescope.catalogue.look_alikes import distinguish
from cachescope.catalogue.reader import Reader
from cachescope.model.comparison import Cause, Comparison, Consequence, DependencyChange, FieldDifference
from cachescope.model.identity import DagHash
from cachescope.model.results import DependencyDifference
from tests import mirrors
from tests.catalogues import OpenCatalogue

Differences = dict[tuple[str, ...], list[tuple[str, str | None, str | None]]]
NO_FLAGS: Mapping[str, list[str]] = {
    name: [] for name in ("cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs")
}
GCC = mirrors.node("gcc", "12.2.0")
NEW_GCC = mirrors.node("gcc", "13.1.0")
LLVM = mirrors.node("llvm", "18.1.8")
ZLIB = mirrors.node("zlib", "1.3.1", needs=[(GCC, "build", "c")])
NEW_ZLIB = mirrors.node("zlib", "1.3.2", needs=[(GCC, "build", "c")])


def altered(node: mirrors.Node, **fields: Any) -> mirrors.Node:
    """Make a node that differs from another in these fields, with a hash of its own."""
    made = {**node, **fields}
    text = json.dumps({**made, "hash": None})
    made["hash"] = base64.b32encode(hashlib.sha1(text.encode()).digest()).decode().lower()  # noqa: S324 - the field's hash
    return made


def parameters(**values: object) -> Mapping[str, object]:
    return {**values, **NO_FLAGS}


def _read(opened: OpenCatalogue, folder: Path, nodes: tuple[mirrors.Node, ...]) -> None:
    mirrors.write_v3(folder, mirrors.index(mirrors.installs(nodes)))
    (outcome,) = opened.sync("site", folder)
    assert outcome.error is None


def compared(
    opened: OpenCatalogue, tmp_path: Path, one: mirrors.Node, other: mirrors.Node, *more: mirrors.Node
) -> Comparison:
    """Compare two specs of a mirror that holds them and more."""
    _read(opened, tmp_path / "m", (one, other, *more))
    return compared_again(opened, one, other)


def compared_again(opened: OpenCatalogue, one: mirrors.Node, other: mirrors.Node) -> Comparison:
    with opened.catalogue.reading() as connection:
        ids = {row.hash: row.id for row in connection.execute(select(t.spec.c.hash, t.spec.c.id))}
        return compare_specs(connection, ids[one["hash"]], ids[other["hash"]])


def triples(differences: tuple[FieldDifference, ...]) -> list[tuple[str, str | None, str | None]]:
    return [(one.field, one.first, one.second) for one in differences]


def causes(found: Comparison) -> Differences:
    return {one.path: triples(one.differences) for one in found.causes}


# -- own fields -------------------------------------------------------------------------------------------------------


OWN = {
    "version": (
        mirrors.node("x", "1.0"),
        mirrors.node("x", "1.1"),
        [("version", "1.0", "1.1")],
    ),
    "name": (
        altered(ZLIB, dependencies=[]),
        altered(ZLIB, dependencies=[], name="zlib-ng"),
        [("name", "zlib", "zlib-ng")],
    ),
    "architecture": (
        mirrors.node("x", system="debian12", target="zen3"),
        altered(mirrors.node("x"), arch={"platform": "darwin", "platform_os": "sequoia", "target": "m1"}),
        [("platform", "linux", "darwin"), ("os", "debian12", "sequoia"), ("target", "zen3", "m1")],
    ),
    "target alone": (
        mirrors.node("x", target="zen3"),
        mirrors.node("x", target="zen4"),
        [("target", "zen3", "zen4")],
    ),
    "namespace": (
        mirrors.node("x"),
        altered(mirrors.node("x"), namespace="builtin"),
        [("namespace", "made", "builtin")],
    ),
    "recipe": (
        altered(mirrors.node("x"), package_hash="a" * 52 + "===="),
        altered(mirrors.node("x"), package_hash="b" * 52 + "===="),
        [("recipe", "a" * 52 + "====", "b" * 52 + "====")],
    ),
    "external": (
        mirrors.node("x"),
        mirrors.node("x", external={"path": "/usr", "module": None, "extra_attributes": {}}),
        [("external", "false", "true")],
    ),
    "build spec": (
        mirrors.node("x"),
        altered(mirrors.node("x"), build_spec={"name": "x", "hash": "b" * 32}),
        [("build_spec", None, "b" * 32)],
    ),
    "format": (
        mirrors.node("x"),
        altered(mirrors.node("x"), annotations={"original_specfile_version": 4, "compiler": "gcc@=12.2.0"}),
        [("compiler", None, "gcc@12.2.0"), ("format", "5", "4")],
    ),
    "variants": (
        mirrors.node("x", variants={"mpi": True, "api": "v18", "libs": ["shared", "static"], "old": True}),
        mirrors.node("x", variants={"mpi": False, "api": "v20", "libs": ["shared"], "new": False}),
        [
            ("variant:api", "v18", "v20"),
            ("variant:libs", "shared,static", "shared"),
            ("variant:mpi", "true", "false"),
            ("variant:new", None, "false"),
            ("variant:old", "true", None),
        ],
    ),
    "flags": (
        altered(mirrors.node("x"), parameters={**parameters(), "cflags": ["-O2", "-g"], "ldflags": ["-s"]}),
        altered(mirrors.node("x"), parameters={**parameters(), "cflags": ["-O3"]}),
        [("flags:cflags", "-O2 -g", "-O3"), ("flags:ldflags", "-s", None)],
    ),
}


@pytest.mark.parametrize(("one", "other", "expected"), OWN.values(), ids=OWN)
def test_each_field_of_its_own_is_told(
    opened: OpenCatalogue,
    tmp_path: Path,
    one: mirrors.Node,
    other: mirrors.Node,
    expected: list[tuple[str, str | None, str | None]],
) -> None:
    found = compared(opened, tmp_path, one, other)
    assert triples(found.own) == expected
    assert causes(found) == {(): expected}
    assert (found.first.hash, found.second.hash) == (one["hash"], other["hash"])
    assert (found.complete, found.dependencies_known, found.identical) == (True, True, False)


def test_spec_is_identical_with_itself(opened: OpenCatalogue, tmp_path: Path) -> None:
    found = compared(opened, tmp_path, ZLIB, ZLIB, GCC)
    assert found.identical
    assert (found.own, found.dependencies, found.causes, found.consequences) == ((), (), (), ())


def test_specs_that_nothing_recorded_tells_apart_are_told_by_their_hashes(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    here = mirrors.node("x", external={"path": "/usr", "module": None, "extra_attributes": {}})
    there = mirrors.node("x", external={"path": "/opt", "module": None, "extra_attributes": {}})
    found = compared(opened, tmp_path, here, there)
    assert found.own == ()
    assert causes(found) == {(): [("hash", here["hash"], there["hash"])]}


# -- dependencies -----------------------------------------------------------------------------------------------------


def test_dependencies_that_come_go_change_or_are_used_otherwise_are_told_by_name(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    mpich, curl = mirrors.node("mpich", "4.2"), mirrors.node("curl", "8.1")
    one = mirrors.node(
        "x", needs=[(ZLIB, "build,link", "zlib-api"), (mpich, "link", "mpi"), (GCC, "build", "c")]
    )
    other = mirrors.node("x", needs=[(NEW_ZLIB, "link", ""), (curl, "run", ""), (GCC, "build", "c,cxx")])
    found = compared(opened, tmp_path, one, other, ZLIB, NEW_ZLIB, mpich, curl, GCC)
    changes = {each.name: each for each in found.dependencies}
    assert {name: each.change for name, each in changes.items()} == {
        "curl": DependencyChange.ADDED,
        "gcc": DependencyChange.USED_OTHERWISE,
        "mpich": DependencyChange.REMOVED,
        "zlib": DependencyChange.OTHER_SPEC,
    }
    assert list(changes) == sorted(changes)
    gcc, zlib = changes["gcc"], changes["zlib"]
    assert gcc.first is not None
    assert gcc.second is not None
    assert (gcc.first.hash, gcc.first.kind.virtuals, gcc.second.kind.virtuals) == (
        GCC["hash"],
        ("c",),
        ("c", "cxx"),
    )
    assert zlib.first is not None
    assert zlib.second is not None
    assert (zlib.first.version, zlib.second.version) == ("1.3.1", "1.3.2")
    assert (changes["curl"].first, changes["mpich"].second) == (None, None)
    assert causes(found) == {
        ("zlib",): [("version", "1.3.1", "1.3.2")],
        (): [
            ("deptypes:zlib", "build link", "link"),
            ("virtuals:zlib", "zlib-api", None),
            ("dependency:mpich", f"4.2 /{mpich['hash'][:7]}", None),
            ("virtuals:gcc", "c", "c cxx"),
            ("dependency:curl", None, f"8.1 /{curl['hash'][:7]}"),
        ],
    }


def test_dependencies_of_one_name_are_matched_by_hash_then_by_use(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    old, new, newest = (mirrors.node("python", version) for version in ("3.11", "3.12", "3.13"))
    one = mirrors.node("x", needs=[(old, "build", ""), (new, "link,run", "")])
    other = mirrors.node("x", needs=[(newest, "link,run", ""), (old, "build", "")])
    found = compared(opened, tmp_path, one, other, old, new, newest)
    assert [
        (each.first and each.first.version, each.second and each.second.version)
        for each in found.dependencies
    ] == [("3.12", "3.13")]
    third = mirrors.node("x", needs=[(new, "build", ""), (newest, "link,run", "")])
    _read(opened, tmp_path / "m", (one, third, old, new, newest))
    found = compared_again(opened, one, third)
    # 3.12 is on both sides, used otherwise; what remains belongs together.
    assert {(each.change, each.first and each.first.version) for each in found.dependencies} == {
        (DependencyChange.USED_OTHERWISE, "3.12"),
        (DependencyChange.OTHER_SPEC, "3.11"),
    }


def test_dependencies_of_one_name_needed_at_run_time_are_compared_with_each_other(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    pythons = [mirrors.node("python", version) for version in ("3.10", "3.11", "3.12", "3.13")]
    one = mirrors.node("x", needs=[(pythons[0], "build", ""), (pythons[1], "link,run", "")])
    other = mirrors.node("x", needs=[(pythons[3], "link,run", ""), (pythons[2], "build", "")])
    found = compared(opened, tmp_path, one, other, *pythons)
    assert {
        (each.first and each.first.version, each.second and each.second.version)
        for each in found.dependencies
    } == {
        ("3.10", "3.12"),
        ("3.11", "3.13"),
    }


def test_dependency_that_only_its_hash_is_known_of_is_told_so(opened: OpenCatalogue, tmp_path: Path) -> None:
    one, other = (mirrors.node("x", needs=[(zlib, "link", "")]) for zlib in (ZLIB, NEW_ZLIB))
    found = compared(opened, tmp_path, one, other, ZLIB, GCC)
    assert causes(found) == {("zlib",): [("record", "recorded", "known by its hash alone")]}
    assert found.dependencies[0].second is not None
    assert found.dependencies[0].second.version == ""
    assert [each.path for each in found.consequences] == [()]


# -- causes -----------------------------------------------------------------------------------------------------------


def _stack(
    zlib: mirrors.Node, *, target: str = "x86_64_v3", gcc: mirrors.Node = GCC
) -> dict[str, mirrors.Node]:
    """Make app -> hdf5 -> openmpi -> hwloc -> zlib, with a short way from app to zlib."""
    compiler = (gcc, "build", "c")
    made = {"zlib": zlib}
    below = zlib
    for name in ("hwloc", "openmpi", "hdf5"):
        below = made[name] = mirrors.node(name, target=target, needs=[(below, "build,link", ""), compiler])
    made["app"] = mirrors.node(
        "app", target=target, needs=[(zlib, "link", ""), (below, "link", ""), compiler]
    )
    return made


def test_node_that_differs_by_itself_is_the_cause_and_all_above_it_are_consequences(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    old, new = _stack(ZLIB), _stack(NEW_ZLIB)
    found = compared(opened, tmp_path, old["app"], new["app"], GCC, *old.values(), *new.values())
    assert causes(found) == {("zlib",): [("version", "1.3.1", "1.3.2")]}
    assert [one.path for one in found.consequences] == [
        ("hdf5", "openmpi", "hwloc"),
        ("hdf5", "openmpi"),
        ("hdf5",),
        (),
    ]
    assert found.own == ()
    assert {(one.first, one.second) for one in found.consequences} == {
        (old[name]["hash"], new[name]["hash"]) for name in ("hwloc", "openmpi", "hdf5", "app")
    }


def test_causes_stand_deepest_first_however_short_the_way_to_them_is(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    old, new = _stack(ZLIB), _stack(NEW_ZLIB)
    lib = altered(new["openmpi"], version="5.0.5")
    hdf5 = mirrors.node("hdf5", needs=[(lib, "build,link", ""), (GCC, "build", "c")])
    app = mirrors.node("app", "2.0", needs=[(NEW_ZLIB, "link", ""), (hdf5, "link", ""), (GCC, "build", "c")])
    found = compared(opened, tmp_path, old["app"], app, GCC, hdf5, lib, *old.values(), *new.values())
    assert list(causes(found)) == [("zlib",), ("hdf5", "openmpi"), ()]


def test_compiler_is_told_once_where_it_differs_not_by_all_that_it_built(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    zlib = mirrors.node("zlib", "1.3.1", needs=[(NEW_GCC, "build", "c")])
    old, new = _stack(ZLIB), _stack(zlib, gcc=NEW_GCC)
    found = compared(opened, tmp_path, old["app"], new["app"], GCC, NEW_GCC, *old.values(), *new.values())
    assert triples(found.own) == [("compiler", "gcc@12.2.0", "gcc@13.1.0")]
    assert causes(found) == {("gcc",): [("version", "12.2.0", "13.1.0")]}


def test_difference_that_many_nodes_have_alike_is_told_as_shared(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    zlib = mirrors.node("zlib", "1.3.2", target="zen4", needs=[(GCC, "build", "c")])
    old, new = _stack(ZLIB), _stack(zlib, target="zen4")
    found = compared(opened, tmp_path, old["app"], new["app"], GCC, *old.values(), *new.values())
    (shared,) = found.shared
    assert shared.difference == FieldDifference("target", "x86_64_v3", "zen4")
    assert shared.paths == (("zlib",), ("hdf5", "openmpi", "hwloc"), ("hdf5", "openmpi"), ("hdf5",), ())
    assert causes(found)["zlib",] == [("version", "1.3.1", "1.3.2"), ("target", "x86_64_v3", "zen4")]
    assert found.consequences == ()


def test_circles_of_dependencies_end(opened: OpenCatalogue, tmp_path: Path) -> None:
    rings = []
    for version in ("1", "2"):
        one = mirrors.node("one", version, needs=[(GCC, "link", "")])
        other = mirrors.node("other", version, needs=[(one, "link", "")])
        one["dependencies"][0].update(name="other", hash=other["hash"])
        rings.append((one, other))
    found = compared(opened, tmp_path, rings[0][0], rings[1][0], rings[0][1], rings[1][1])
    assert {one.path for one in found.causes} == {(), ("other",)}
    assert found.complete


def test_deep_dag_is_compared_down_to_its_end(opened: OpenCatalogue, tmp_path: Path) -> None:
    tops, nodes = [], []
    for version in ("1", "2"):
        below = mirrors.node("p0", version)
        nodes.append(below)
        for number in range(1, 60):
            below = mirrors.node(f"p{number}", needs=[(below, "link", "")])
            nodes.append(below)
        tops.append(below)
    found = compared(opened, tmp_path, tops[0], tops[1], *nodes)
    assert [len(one.path) for one in found.causes] == [59]
    assert [len(one.path) for one in found.consequences] == list(range(58, -1, -1))
    assert found.complete


def test_endless_dag_is_left_incomplete(opened: OpenCatalogue, tmp_path: Path) -> None:
    tops, nodes = [], []
    for version in ("1", "2"):
        below = mirrors.node("p0", version)
        nodes.append(below)
        for number in range(1, 250):
            below = mirrors.node(f"p{number}", needs=[(below, "link", "")])
            nodes.append(below)
        tops.append(below)
    found = compared(opened, tmp_path, tops[0], tops[1], *nodes)
    assert not found.complete
    assert found.causes == ()


# -- published pages --------------------------------------------------------------------------------------------------


def test_spec_of_a_page_is_compared_in_what_pages_say(each_sample: CatalogueAddress) -> None:
    catalogue = open_for_reading(each_sample, busy_timeout=1)
    try:
        with catalogue.reading() as connection:
            pages = list(connection.execute(select(t.spec.c.id).where(t.spec.c.knowledge == 1)).scalars())
            record = connection.execute(select(t.spec.c.id).where(t.spec.c.knowledge == 2)).scalars().first()
            assert record is not None
            for other in (pages[1], record):
                found = compare_specs(connection, pages[0], other)
                assert not found.dependencies_known
                assert found.dependencies == ()
                told = {one.field.partition(":")[0] for one in found.own}
                assert told <= {"name", "version", "compiler", "platform", "os", "target", "variant"}
                assert ("name" in told) is (other == record)
            assert compare_specs(connection, pages[0], pages[0]).dependencies_known
    finally:
        catalogue.close()


# -- laws on real specs -----------------------------------------------------------------------------------------------


def _without_hashes(record: str) -> dict[str, Any]:
    node: dict[str, Any] = json.loads(record)
    node.pop("hash")
    for edge in node.get("dependencies", ()):
        edge.pop("hash")
    return node


def _pairs(nodes: Sequence[Cause] | Sequence[Consequence]) -> list[tuple[DagHash, DagHash]]:
    return [(node.first, node.second) for node in nodes]


def test_causes_of_real_specs_differ_without_their_dependencies_hashes_and_consequences_do_not(
    each_sample: CatalogueAddress,
) -> None:
    catalogue = open_for_reading(each_sample, busy_timeout=1)
    try:
        reader = Reader(catalogue)
        with catalogue.reading() as connection:
            rows = connection.execute(
                select(t.spec.c.id, t.spec.c.name_id).where(t.spec.c.knowledge == 2)
            ).all()
            pairs = [(one.id, two.id) for one, two in combinations(rows, 2) if one.name_id == two.name_id]
            chance = random.Random(3)  # noqa: S311 - a fixed seed, so that a failure comes again
            found = [compare_specs(connection, *pair) for pair in chance.sample(pairs, 25)]
            mirrored = compare_specs(connection, *reversed(pairs[0]))
            straight = compare_specs(connection, *pairs[0])
        hashes = {
            dag_hash
            for each in found
            for node in [*_pairs(each.causes), *_pairs(each.consequences)]
            for dag_hash in node
        }
        records = {dag_hash: _without_hashes(reader.spec(dag_hash).record) for dag_hash in hashes}
    finally:
        catalogue.close()
    for each in found:
        assert each.causes
        for cause in each.causes:
            assert records[cause.first] != records[cause.second]
        for consequence in each.consequences:
            assert records[consequence.first] == records[consequence.second]
    assert {one.path for one in mirrored.causes} == {one.path for one in straight.causes}
    assert [(one.second, one.first) for one in mirrored.own] == [
        (one.first, one.second) for one in straight.own
    ]


def test_comparison_takes_few_statements(each_sample: CatalogueAddress) -> None:
    asked: list[str] = []
    catalogue = open_for_reading(each_sample, busy_timeout=1)
    try:
        event.listen(catalogue.engine, "before_cursor_execute", lambda *values: asked.append(values[2]))
        with catalogue.reading() as connection:
            ids = list(
                connection.execute(
                    select(t.spec.c.id)
                    .join(t.name, t.name.c.id == t.spec.c.name_id)
                    .where(t.name.c.text == "cr-app", t.spec.c.knowledge == 2)
                ).scalars()
            )
            asked.clear()
            compare_specs(connection, ids[0], ids[1])
    finally:
        catalogue.close()
    assert len(asked) <= 14


# -- groups -----------------------------------------------------------------------------------------------------------


def _distinguished(opened: OpenCatalogue, *nodes: mirrors.Node) -> tuple[DependencyDifference, ...] | None:
    with opened.catalogue.reading() as connection:
        ids = {row.hash: row.id for row in connection.execute(select(t.spec.c.hash, t.spec.c.id))}
        return distinguish(connection, [ids[node["hash"]] for node in nodes])


def test_group_goes_down_the_same_way_as_a_pair(opened: OpenCatalogue, tmp_path: Path) -> None:
    third = mirrors.node("zlib", "1.3.1", target="zen4", needs=[(GCC, "build", "c")])
    stacks = [_stack(zlib) for zlib in (ZLIB, NEW_ZLIB, third)]
    _read(opened, tmp_path / "m", (GCC, *(node for stack in stacks for node in stack.values())))
    assert _distinguished(opened, *(stack["app"] for stack in stacks)) == (
        DependencyDifference(path=("zlib",), field="version", values=("1.3.1", "1.3.2", "1.3.1")),
        DependencyDifference(path=("zlib",), field="target", values=("x86_64_v3", "x86_64_v3", "zen4")),
    )


def test_group_that_only_uses_its_dependencies_otherwise_is_told_how(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    one = mirrors.node("x", needs=[(ZLIB, "build,link", "zlib-api")])
    other = mirrors.node("x", needs=[(ZLIB, "link", "")])
    _read(opened, tmp_path / "m", (one, other, ZLIB, GCC))
    assert _distinguished(opened, one, other) == (
        DependencyDifference(path=("zlib",), field="deptypes", values=("build link", "link")),
        DependencyDifference(path=("zlib",), field="virtuals", values=("zlib-api", "-")),
    )


def test_group_is_told_of_a_dependency_that_not_all_have(opened: OpenCatalogue, tmp_path: Path) -> None:
    one = mirrors.node("x", needs=[(ZLIB, "link", ""), (GCC, "build", "c")])
    other = mirrors.node("x", needs=[(GCC, "build", "c")])
    _read(opened, tmp_path / "m", (one, other, ZLIB, GCC))
    assert _distinguished(opened, one, other) == (
        DependencyDifference(path=("zlib",), field="dependency", values=("1.3.1", "-")),
    )
