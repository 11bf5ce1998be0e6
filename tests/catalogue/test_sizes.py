"""Sizes of binaries and of what they need to run, against sums over the documents themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from cachescope.catalogue.engine import open_for_writing, upgrade
from cachescope.model.archive import ArchiveState, SizeSum
from cachescope.model.identity import PackageName, Ref, Stack
from tests.catalogues import TO_FIRST_SCHEMA, V3, OpenCatalogue, rows
from tests.mirrors import (
    Node,
    index,
    installs,
    node,
    read_installs,
    spec_manifest,
    spec_manifest_place,
    write,
    write_v3,
)


def _sizes_of_documents() -> dict[str, int]:
    found = {}
    for file in (V3 / "v3/manifests/spec").rglob("*.json"):
        text = file.read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
        found[file.name.removesuffix(".spec.manifest.json")[-32:]] = json.loads(text)["data"][0][
            "contentLength"
        ]
    return found


def _records() -> dict[str, dict[str, Any]]:
    manifest = json.loads((V3 / "v3/manifests/index/index.manifest.json").read_bytes())["data"][0]["checksum"]
    return read_installs((V3 / "blobs/sha256" / manifest[:2] / manifest).read_bytes())


def _closure(root: str, records: dict[str, dict[str, Any]]) -> set[str]:
    met, pending = {root}, [root]
    while pending:
        for one in records[pending.pop()]["spec"].get("dependencies", ()):
            if {"link", "run"} & set(one["parameters"]["deptypes"]) and one["hash"] not in met:
                met.add(one["hash"])
                pending.append(one["hash"])
    return met


@pytest.fixture
def sized(opened: OpenCatalogue) -> OpenCatalogue:
    """The bundled mirror of layout v3, with the sizes that its manifests state."""
    opened.sync("crafted/v3-signed", V3)
    opened.sizes()
    return opened


def test_every_binary_of_the_sample_has_the_closure_that_its_records_say(sized: OpenCatalogue) -> None:
    sizes, records = _sizes_of_documents(), _records()
    external = {key for key, record in records.items() if record["spec"].get("external")}
    for key in sizes:
        closure = _closure(key, records) - external
        known = [sizes[one] for one in closure if one in sizes]
        expected = SizeSum(
            bytes=sum(known),
            known=len(known),
            total=len(closure),
            without_binary=sum(not records[one]["in_buildcache"] for one in closure),
        )
        found = sized.reader.spec(key).spec
        assert (found.size, found.closure) == (sizes[key], expected), key


def test_package_says_of_each_binary_what_its_own_page_says(sized: OpenCatalogue) -> None:
    for name in ("cr-petsc", "cr-hdf", "cr-zlib"):
        report = sized.reader.package(PackageName(name), ref=None, stack=None)
        specs = [spec for group in report.groups for spec in group.specs]
        own = [sized.reader.spec(spec.hash).spec for spec in specs]
        assert [(one.size, one.closure) for one in specs] == [(one.size, one.closure) for one in own]
        known = [one.size for one in specs if one.size is not None]
        assert report.sizes == SizeSum(bytes=sum(known), known=len(known), total=len(specs))


def test_dependencies_have_their_sizes(sized: OpenCatalogue) -> None:
    sizes = _sizes_of_documents()
    for key in list(sizes)[:10]:
        for one in sized.reader.spec(key).dependencies:
            assert one.spec.size == sizes.get(one.spec.hash)


def test_without_sizes_nothing_is_said_of_them(sample_file: Path) -> None:
    with OpenCatalogue(sample_file) as opened:
        report = opened.reader.package(PackageName("cr-petsc"), ref=None, stack=None)
        assert report.sizes is None
        spec = opened.reader.spec(report.groups[0].specs[0].hash)
    assert (spec.spec.size, spec.spec.closure) == (None, None)
    assert [place.archive for place in spec.places] == [None] * len(spec.places)


def _chain(folder: Path, *, sizes: dict[str, int], mentioned: tuple[str, ...] = ()) -> dict[str, Node]:
    """Write app -> lib (link) -> base (run), with a build tool beside, in a mirror."""
    tool = node("tool")
    base = node("base", needs=[(tool, "build", "")])
    host = node("host", external={"path": "/usr", "module": None, "extra_attributes": {}})
    lib = node("lib", needs=[(base, "run", ""), (tool, "build", ""), (host, "link", "")])
    app = node("app", needs=[(lib, "link", ""), (base, "link", "")])
    nodes = {one["name"]: one for one in (tool, base, host, lib, app)}
    present = [one for name, one in nodes.items() if name not in (*mentioned, "host")]
    absent = [nodes[name] for name in (*mentioned, "host")]
    write_v3(folder, index(installs(present, mentioned=absent)))
    for name, size in sizes.items():
        write(folder, spec_manifest_place(nodes[name]), spec_manifest(size))
    return nodes


def test_closure_counts_each_spec_once_and_leaves_out_build_tools_and_externals(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    nodes = _chain(tmp_path, sizes={"app": 1, "lib": 10, "base": 100, "tool": 1000})
    opened.sync("site", tmp_path)
    opened.sizes()
    found = opened.reader.spec(nodes["app"]["hash"]).spec.closure
    assert found == SizeSum(bytes=111, known=3, total=3)


def test_closure_says_what_of_it_is_not_known(opened: OpenCatalogue, tmp_path: Path) -> None:
    nodes = _chain(tmp_path, sizes={"app": 1, "tool": 1000}, mentioned=("base",))
    opened.sync("site", tmp_path)
    opened.sizes()
    found = opened.reader.spec(nodes["app"]["hash"]).spec.closure
    assert found == SizeSum(bytes=1, known=1, total=3, without_binary=1)


def test_a_binary_that_is_gone_has_no_size(opened: OpenCatalogue, tmp_path: Path) -> None:
    nodes = _chain(tmp_path, sizes={"app": 1, "lib": 10, "base": 100, "tool": 1000})
    opened.sync("site", tmp_path)
    opened.sizes()
    write_v3(tmp_path, index(installs([nodes["tool"]], mentioned=[nodes["lib"]])))
    opened.sync_again("site")
    report = opened.reader.spec(nodes["lib"]["hash"])
    assert report.spec.size is None
    assert all(place.archive is None for place in report.places if place.until is not None)


def test_of_several_places_the_size_is_that_of_the_one_to_download_from(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    one = node("made")
    for name, size in (("root", 1), ("b", 2), ("a", 3)):
        write_v3(tmp_path / name, index(installs([one])))
        write(tmp_path / name, spec_manifest_place(one), spec_manifest(size))
        opened.sync(f"site/{name}", tmp_path / name)
    opened.sizes()
    report = opened.reader.spec(one["hash"])
    assert report.spec.size == 3
    assert "site-a" in report.commands[0]
    narrowed = opened.reader.package(PackageName("made"), ref=Ref("site"), stack=Stack("root"))
    assert narrowed.groups[0].specs[0].size == 1
    narrowed_closure = narrowed.groups[0].specs[0].closure
    assert narrowed_closure is not None
    assert narrowed_closure.bytes == 1


@pytest.mark.parametrize(
    ("mirrors", "proposed", "size"),
    [
        # None: not asked for sizes; 0: asked, and there is no manifest.
        ({"a": None, "b": None}, "a", None),
        ({"a": None, "b": (2, False)}, "b", 2),
        ({"a": 0, "b": None}, "b", None),
        ({"a": (1, False), "b": (2, True)}, "b", 2),
        ({"a": (1, True), "b": (2, True)}, "a", 1),
        ({"a": (1, False), "root": (2, True)}, "root", 2),
        ({"a": (1, True), "root": (2, True)}, "a", 1),
    ],
)
def test_commands_name_a_mirror_that_was_read_and_is_signed(
    opened: OpenCatalogue,
    tmp_path: Path,
    mirrors: dict[str, tuple[int, bool] | int | None],
    proposed: str,
    size: int | None,
) -> None:
    one = node("made")
    for name, stated in mirrors.items():
        write_v3(tmp_path / name, index(installs([one])))
        if isinstance(stated, tuple):
            document = spec_manifest(stated[0], signed=stated[1])
            write(tmp_path / name, spec_manifest_place(one), document)
        opened.sync(f"site/{name}", tmp_path / name)
    asked = [f"site/{name}" for name, stated in mirrors.items() if stated is not None]
    if asked:
        opened.sizes(*asked)
    report = opened.reader.spec(one["hash"])
    assert report.commands[0].endswith(f"/{proposed}")
    assert report.spec.size == size


def test_a_circle_of_dependencies_has_an_end(opened: OpenCatalogue, tmp_path: Path) -> None:
    nodes = _chain(tmp_path, sizes={"app": 1, "lib": 10, "base": 100, "tool": 1000})
    opened.sync("site", tmp_path)
    opened.sizes()
    with opened.catalogue.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO edge SELECT (SELECT id FROM spec WHERE hash = :parent), 7,"
                " (SELECT id FROM spec WHERE hash = :child), min(kind_id)"
                " FROM edge JOIN edge_kind ON edge_kind.id = kind_id WHERE deptypes = 2"
            ),
            {"parent": nodes["base"]["hash"], "child": nodes["app"]["hash"]},
        )
    found = opened.reader.spec(nodes["base"]["hash"]).spec.closure
    assert found == SizeSum(bytes=111, known=3, total=3)


def test_package_takes_a_bounded_number_of_statements(sized: OpenCatalogue) -> None:
    asked: list[str] = []
    event.listen(sized.catalogue.engine, "before_cursor_execute", lambda *values: asked.append(values[2]))
    sized.reader.package(PackageName("cr-petsc"), ref=None, stack=None)
    with_sizes = len([one for one in asked if "archive" in one or "below" in one])
    assert with_sizes <= 5


def test_a_catalogue_of_the_first_schema_gets_the_tables_and_keeps_what_it_has(
    catalogue_file: Path,
) -> None:
    with OpenCatalogue(catalogue_file) as opened:
        opened.sync("crafted/v3-signed", V3)
        with opened.catalogue.writing() as connection:
            described = _tables(catalogue_file)
            for statement in TO_FIRST_SCHEMA:
                connection.exec_driver_sql(statement)
    with open_for_writing(catalogue_file, busy_timeout=1) as catalogue, catalogue.writing() as connection:
        upgrade(connection)
    assert _tables(catalogue_file) == described
    with OpenCatalogue(catalogue_file) as again:
        (outcome,) = again.sizes()
        assert outcome.stated == 90
        states = again.rows("SELECT DISTINCT state FROM archive")
    assert states == [(int(ArchiveState.STATED),)]


def _tables(file: Path) -> list[tuple[Any, ...]]:
    columns = (
        'SELECT m.name, p.name, p.type, p."notnull", p.pk FROM sqlite_master m, pragma_table_info(m.name) p'
        " WHERE m.name LIKE 'archive%' ORDER BY 1, p.cid"
    )
    options = "SELECT name, tbl_name, sql LIKE '%WITHOUT ROWID%' FROM sqlite_master WHERE tbl_name LIKE 'archive%' ORDER BY 1"
    return [*rows(file, columns), *rows(file, options)]
