"""The C library that a binary needs: the one of its runtime closure, the newest if there are several."""

import random
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import event, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import Catalogue, open_for_reading
from cachescope.catalogue.host_facts import LibcNode, libc_of
from tests import mirrors
from tests.catalogues import OpenCatalogue

GLIBC = mirrors.node("glibc", "2.36", external={"path": "/usr"})
OLD_GLIBC = mirrors.node("glibc", "2.28", external={"path": "/usr"})
MUSL = mirrors.node("musl", "1.2.4", external={"path": "/usr"})
GCC = mirrors.node("gcc", "12.2.0", needs=[(OLD_GLIBC, "link", "libc")])


def _libcs(opened: OpenCatalogue, tmp_path: Path, nodes: Sequence[mirrors.Node]) -> list[LibcNode | None]:
    mirrors.write_v3(tmp_path / "m", mirrors.index(mirrors.installs(nodes)))
    (outcome,) = opened.sync("site", tmp_path / "m")
    assert outcome.error is None
    with opened.catalogue.reading() as connection:
        ids = {row.hash: row.id for row in connection.execute(select(t.spec.c.hash, t.spec.c.id))}
        found = libc_of(connection, [ids[node["hash"]] for node in nodes])
        return [found[ids[node["hash"]]] for node in nodes]


def test_libc_is_the_end_of_the_edge_that_carries_it(opened: OpenCatalogue, tmp_path: Path) -> None:
    zlib = mirrors.node("zlib", needs=[(GLIBC, "link", "libc"), (GCC, "build", "c")])
    alpine = mirrors.node("zlib", system="alpine3", needs=[(MUSL, "link", "libc")])
    assert _libcs(opened, tmp_path, [zlib, alpine, GLIBC, MUSL, OLD_GLIBC, GCC])[:2] == [
        ("glibc", "2.36"),
        ("musl", "1.2.4"),
    ]


def test_libc_is_found_below_link_and_run_dependencies_but_not_below_build_dependencies(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    python = mirrors.node("python", needs=[(GLIBC, "link", "libc")])
    script = mirrors.node("py-script", needs=[(python, "build,run", "")])
    above = mirrors.node("py-above", needs=[(script, "run", "")])
    data = mirrors.node("data", needs=[(python, "build", ""), (GCC, "build,test", "c")])
    found = _libcs(opened, tmp_path, [above, script, data, python, GLIBC, GCC, OLD_GLIBC])
    assert found[:3] == [("glibc", "2.36"), ("glibc", "2.36"), None]


def test_newest_libc_of_a_closure_counts(opened: OpenCatalogue, tmp_path: Path) -> None:
    newest = mirrors.node("glibc", "2.100", external={"path": "/usr"})
    reused = mirrors.node("zlib", needs=[(OLD_GLIBC, "link", "libc")])
    middle = mirrors.node("curl", needs=[(reused, "link", ""), (GLIBC, "link", "libc")])
    app = mirrors.node("app", needs=[(OLD_GLIBC, "link", "libc"), (middle, "link", "")])
    newer = mirrors.node("app", "2.0", needs=[(app, "run", ""), (newest, "link", "libc")])
    found = _libcs(opened, tmp_path, [reused, middle, app, newer, GLIBC, OLD_GLIBC, newest])
    assert found[:4] == [("glibc", "2.28"), ("glibc", "2.36"), ("glibc", "2.36"), ("glibc", "2.100")]


def test_node_named_as_a_c_library_counts_where_no_edge_carries_one(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    before = mirrors.node("zlib", needs=[(OLD_GLIBC, "link", "")])
    other = mirrors.node("newlib", "4.1")
    names = mirrors.node("zlib", "2.0", needs=[(GLIBC, "link", ""), (other, "link", "libc")])
    named_otherwise = mirrors.node("zlib", "3.0", needs=[(other, "link", "")])
    found = _libcs(opened, tmp_path, [before, names, named_otherwise, other, GLIBC, OLD_GLIBC])
    assert found[:3] == [("glibc", "2.28"), ("newlib", "4.1"), None]


def test_c_library_itself_and_specs_without_one_need_none(opened: OpenCatalogue, tmp_path: Path) -> None:
    data = mirrors.node("data")
    assert _libcs(opened, tmp_path, [GLIBC, data]) == [None, None]


def test_c_library_that_no_record_describes_has_no_version_and_is_not_known(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    zlib = mirrors.node("zlib", needs=[(GLIBC, "link", "libc")])
    assert _libcs(opened, tmp_path, [zlib]) == [None]


def test_circle_of_dependencies_ends(opened: OpenCatalogue, tmp_path: Path) -> None:
    one = mirrors.node("one", needs=[(mirrors.node("x"), "link", ""), (GLIBC, "link", "libc")])
    other = mirrors.node("other", needs=[(one, "link", "")])
    one["dependencies"][0].update(name="other", hash=other["hash"])
    assert _libcs(opened, tmp_path, [one, other, GLIBC])[:2] == [("glibc", "2.36")] * 2


def test_libcs_of_random_dags_are_those_of_a_plain_walk(opened: OpenCatalogue, tmp_path: Path) -> None:
    chance = random.Random(8)  # noqa: S311 - a fixed seed, so that a failure comes again
    libcs = [mirrors.node("glibc", f"2.{number}") for number in (5, 28, 31, 36)]
    nodes: list[mirrors.Node] = list(libcs)
    for number in range(300):
        chosen = (
            {one["hash"]: one for one in chance.choices(nodes[4:], k=chance.randrange(4))} if number else {}
        )
        needs = [
            (one, chance.choice(("build", "link", "run", "build,link", "test")), "")
            for one in chosen.values()
        ]
        if chance.random() < 0.2:
            needs.append((chance.choice(libcs), chance.choice(("link", "build", "build,link")), "libc"))
        nodes.append(mirrors.node(f"package-{number}", needs=needs))
    by_hash = {one["hash"]: one for one in nodes}

    def newest(node: mirrors.Node) -> LibcNode | None:
        pending, seen = [node], set()
        while pending:
            for edge in pending.pop()["dependencies"]:
                if {"link", "run"} & set(edge["parameters"]["deptypes"]) and edge["hash"] not in seen:
                    seen.add(edge["hash"])
                    pending.append(by_hash[edge["hash"]])
        versions = [by_hash[one]["version"] for one in seen if by_hash[one]["name"] == "glibc"]
        return ("glibc", max(versions, key=lambda text: int(text[2:]))) if versions else None

    expected = [newest(node) for node in nodes]
    assert len({*expected}) == 5
    assert _libcs(opened, tmp_path, nodes) == expected


def test_libcs_of_all_specs_take_few_statements(each_sample: CatalogueAddress) -> None:
    asked: list[str] = []
    catalogue: Catalogue = open_for_reading(each_sample, busy_timeout=1)
    try:
        event.listen(catalogue.engine, "before_cursor_execute", lambda *values: asked.append(values[2]))
        with catalogue.reading() as connection:
            ids = list(connection.execute(select(t.spec.c.id)).scalars())
            asked.clear()
            found = libc_of(connection, ids)
    finally:
        catalogue.close()
    assert len(found) == len(ids) > 200
    assert {libc for libc in found.values() if libc} == {("glibc", "2.36")}
    assert len(asked) <= 8
