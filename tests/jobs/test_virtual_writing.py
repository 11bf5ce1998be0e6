"""What is in a virtual mirror, and the index that is written of it."""

import errno
import json
import random
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from cachescope.catalogue.run_closures import Dependencies
from cachescope.jobs.virtual_definition import lock_shape, make_definition
from cachescope.jobs.virtual_serving import report_of, sizes_of
from cachescope.jobs.virtual_writing import Current, VirtualWriter
from cachescope.model.errors import CatalogueUnusable, NotInCatalogue, UserInputError
from cachescope.model.mirror import Layout
from tests import mirrors
from tests.binaries import ABOVE, APP, GLIBC, GONE, LIB, MENTIONED, PRESENT, TOOL, write_binaries
from tests.catalogues import V2, V3, OpenCatalogue


def _writer(opened: OpenCatalogue, folder: Path) -> VirtualWriter:
    return VirtualWriter(opened.catalogue, folder / "virtual", now=lambda: opened.clock)


def _current(opened: OpenCatalogue, folder: Path, *sources: str, **parts: Any) -> Current:
    return _writer(opened, folder).current(make_definition("test", sources, **parts))


def _records(current: Current, layout: Layout = Layout.V3) -> dict[str, dict[str, Any]]:
    document = json.loads(current.written.index_file(layout).read_bytes())
    installs: dict[str, dict[str, Any]] = document["database"]["installs"]
    return installs


def _present(current: Current, layout: Layout = Layout.V3) -> set[str]:
    return {
        record["spec"]["name"] for record in _records(current, layout).values() if record["in_buildcache"]
    }


def _sync(
    opened: OpenCatalogue, folder: Path, name: str, present: Sequence[mirrors.Node], *mentioned: mirrors.Node
) -> None:
    """Read a mirror of these specs."""
    mirrors.write_v3(folder / name, mirrors.index(mirrors.installs(present, mentioned)))
    (outcome,) = opened.sync(name, folder / name)
    assert outcome.error is None


def test_specs_with_their_whole_run_closure_are_present(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "site", PRESENT, *MENTIONED)
    current = _current(opened, tmp_path, "site")
    assert _present(current) == {"app", "lib"}
    mentioned = {one["spec"]["name"] for one in _records(current).values() if not one["in_buildcache"]}
    assert mentioned == {"glibc", "tool"}, "externals and what only building needs"


def test_what_is_left_out_is_told_with_what_it_lacks(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "site", PRESENT, *MENTIONED)
    current = _current(opened, tmp_path, "site")
    (lacking,) = report_of(opened.catalogue, current).lacking
    assert (lacking.name, lacking.hash, lacking.left_out) == ("gone", GONE["hash"], 2)
    assert lacking.reason == "has no binary in any source"
    assert current.written.lacks(ABOVE["hash"]) == GONE["hash"]
    assert current.written.lacks(APP["hash"]) is None


def test_incomplete_closures_are_present_where_that_is_asked(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "site", PRESENT, *MENTIONED)
    current = _current(opened, tmp_path, "site", incomplete=True)
    assert _present(current) == {"app", "lib", "broken", "above"}
    assert current.written.facts.left_out == 0


def test_a_closure_may_be_whole_in_the_union_alone(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "apps", [APP], LIB, GLIBC, TOOL)
    _sync(opened, tmp_path, "libs", [LIB], GLIBC)
    assert _present(_current(opened, tmp_path, "apps")) == set()
    assert _present(_current(opened, tmp_path, "apps", "libs")) == {"app", "lib"}


def test_the_first_source_that_has_a_hash_gives_it(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "a", [LIB], GLIBC)
    _sync(opened, tmp_path, "b", [LIB, APP], GLIBC, TOOL)
    for order, gives in ((("a", "b"), [1, 1]), (("b", "a"), [2, 0])):
        current = _current(opened, tmp_path, *order)
        assert [one.gives for one in report_of(opened.catalogue, current).sources] == gives
        assert current.written.source_of(LIB["hash"], Layout.V3) == current.sources[0].id


def test_a_filter_chooses_roots_and_what_they_need_comes_along(opened: OpenCatalogue, tmp_path: Path) -> None:
    other = mirrors.node("other", needs=[(GLIBC, "link", "libc")])
    _sync(opened, tmp_path, "site", [APP, LIB, other], GLIBC, TOOL)
    assert _present(_current(opened, tmp_path, "site", query="app")) == {"app", "lib"}
    assert _present(_current(opened, tmp_path, "site", query="lib")) == {"lib"}
    assert _present(_current(opened, tmp_path, "site", query="app@9")) == set()


def test_a_host_leaves_out_what_does_not_run_there_and_what_needs_that(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    new = mirrors.node("new", target="icelake", needs=[(GLIBC, "link", "libc")])
    user = mirrors.node("user", target="x86_64", needs=[(GLIBC, "link", "libc"), (new, "link", "")])
    plain = mirrors.node("plain", target="x86_64", needs=[(GLIBC, "link", "libc")])
    _sync(opened, tmp_path, "site", [new, user, plain], GLIBC)
    current = _current(opened, tmp_path, "site", host="os=debian12,target=x86_64_v3,glibc=2.36")
    assert _present(current) == {"plain"}
    (lacking,) = current.written.facts.lacking
    assert lacking.reason == "does not run on the host: target too new: needs icelake, host is x86_64_v3"


def test_a_lock_file_gives_its_run_closure_and_what_of_it_is_nowhere(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path, "site", [LIB, APP], GLIBC, TOOL)
    nodes = {one["hash"]: one for one in (APP, LIB, GLIBC, TOOL, GONE)}
    roots = [{"hash": one["hash"], "spec": one["name"]} for one in (LIB, GONE)]
    document = {
        "_meta": {"file-type": "spack-lockfile", "lockfile-version": 6},
        "roots": roots,
        "concrete_specs": nodes,
    }
    shape = lock_shape(json.dumps(document).encode(), "spack.lock")
    assert set(shape.hashes) == {LIB["hash"], GONE["hash"]}, "externals are of the host"
    current = _current(opened, tmp_path, "site", lock=shape)
    assert _present(current) == {"lib"}
    assert current.written.facts.absent == [GONE["hash"]]


def test_an_index_of_all_is_the_index_of_the_source(opened: OpenCatalogue, tmp_path: Path) -> None:
    """Records as they stood, with presence and counts as Spack wrote them."""
    opened.sync("crafted", V3)
    (source,) = (
        file
        for file in V3.glob("blobs/*/*/*")
        if file.read_bytes().startswith(b'{"database"')
        and b"cr-zlib" in file.read_bytes()
        and len(file.read_bytes()) > 100_000
    )
    wanted = mirrors.read_installs(source.read_bytes())
    found = _records(_current(opened, tmp_path, "crafted", incomplete=True))
    assert found == wanted
    assert list(found) == sorted(found)


def test_a_source_of_layout_v2_gives_an_index_of_layout_v2(opened: OpenCatalogue, tmp_path: Path) -> None:
    opened.sync("old", V2)
    current = _current(opened, tmp_path, "old", incomplete=True)
    (index,) = current.written.facts.indexes
    assert (index.layout, index.version) == (Layout.V2, "7")
    wanted = mirrors.read_installs((V2 / "build_cache" / "index.json").read_bytes())
    assert _records(current, Layout.V2) == wanted


def test_each_layout_of_a_union_has_its_own_index(opened: OpenCatalogue, tmp_path: Path) -> None:
    opened.sync("old", V2)
    _sync(opened, tmp_path, "site", [LIB], GLIBC)
    current = _current(opened, tmp_path, "site", "old", incomplete=True)
    assert _present(current, Layout.V3) == {"lib"}
    assert "lib" not in _present(current, Layout.V2)
    assert "cr-data" in _present(current, Layout.V2)


def test_a_record_that_came_from_an_old_index_is_turned_for_a_new_one(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    """A mirror that was migrated from layout v2 has the same hashes; the catalogue keeps the record that it met first."""
    old = {**mirrors.node("moved"), "compiler": {"name": "gcc", "version": "12.2.0"}}
    del old["annotations"]
    mirrors.write_v2(tmp_path / "old", mirrors.index({old["hash"]: mirrors.record(old)}, version="7"))
    new = {key: value for key, value in old.items() if key != "compiler"}
    new["annotations"] = {"original_specfile_version": 4, "compiler": "gcc@=12.2.0"}
    opened.sync("old", tmp_path / "old")
    _sync(opened, tmp_path, "new", [new])
    for source, layout, wanted in (("new", Layout.V3, new), ("old", Layout.V2, old)):
        (record,) = _records(_current(opened, tmp_path, source), layout).values()
        assert record["spec"] == wanted


def test_the_same_definition_and_catalogue_give_the_same_bytes(opened: OpenCatalogue, tmp_path: Path) -> None:
    opened.sync("crafted", V3)
    first = _current(opened, tmp_path / "one", "crafted")
    second = _current(opened, tmp_path / "two", "crafted")
    assert first.written.folder != second.written.folder
    assert first.written.facts.indexes == second.written.facts.indexes
    assert (
        first.written.index_file(Layout.V3).read_bytes() == second.written.index_file(Layout.V3).read_bytes()
    )


def test_an_index_is_written_once_for_each_state_of_the_catalogue(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path, "site", [LIB], GLIBC)
    first = _current(opened, tmp_path, "site")
    opened.pass_time(1)
    # Another writer stands for another process, or the same one after a restart.
    assert _current(opened, tmp_path, "site").written.facts.written_at == first.written.facts.written_at
    _sync(opened, tmp_path, "site", [LIB, APP], GLIBC, TOOL)
    second = _current(opened, tmp_path, "site")
    assert second.written.facts.written_at > first.written.facts.written_at
    assert _present(second) == {"app", "lib"}
    assert list(second.older) == [first.written.folder], "a client may still ask for the index before"


def test_sizes_are_those_that_are_known_when_they_are_told(opened: OpenCatalogue, tmp_path: Path) -> None:
    """A sync of sizes makes no snapshot, so the index that is written stays as it is."""
    opened.sync("crafted", V3)
    before = _current(opened, tmp_path, "crafted")
    report = report_of(opened.catalogue, before)
    assert (report.bytes_known, report.sizes_known) == (0, 0)
    opened.sizes()
    after = _current(opened, tmp_path, "crafted")
    assert after.written.folder == before.written.folder
    told = report_of(opened.catalogue, after)
    assert 0 < told.sizes_known <= told.present
    here = "size IS NOT NULL AND state = 0 AND hash IN ({})".format(
        ", ".join(f"'{one}'" for one, record in _records(after).items() if record["in_buildcache"])
    )
    stated = opened.rows(
        f"SELECT sum(size), count(*) FROM archive JOIN spec ON spec.id = spec_id WHERE {here}"  # noqa: S608 - hashes
    )
    assert stated == [(told.bytes_known, told.sizes_known)]
    fresh = report_of(opened.catalogue, _current(opened, tmp_path / "fresh", "crafted"))
    assert (fresh.bytes_known, fresh.sizes_known) == (told.bytes_known, told.sizes_known)


def test_each_binary_counts_with_its_size_at_the_source_that_gives_it(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    one, other = (write_binaries(tmp_path / name, [LIB], [GLIBC]) for name in ("one", "other"))
    for name, folder in (("one", one), ("other", other)):
        opened.sync(name, folder)
    opened.sizes("other")
    for order, known in ((("one", "other"), 0), (("other", "one"), 1)):
        assert report_of(opened.catalogue, _current(opened, tmp_path, *order)).sizes_known == known


def test_sizes_need_a_statement_for_each_source(
    opened: OpenCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        more = mirrors.node(f"of-{name}")
        opened.sync(name, write_binaries(tmp_path / name, [LIB, more], [GLIBC]))
    opened.sizes()
    current = _current(opened, tmp_path, "one", "other")
    named = sizes_of(opened.catalogue, current)
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(opened.catalogue.engine, "before_cursor_execute", note)
    monkeypatch.setattr("cachescope.catalogue.virtual_facts.CHUNK", 0)
    looked_through = sizes_of(opened.catalogue, current)
    event.remove(opened.catalogue.engine, "before_cursor_execute", note)
    assert looked_through == named
    assert named.specs == 3
    assert len([one for one in statements if "archive" in one]) == len(statements) == 2


def test_where_the_disk_is_full_the_state_before_is_served(
    opened: OpenCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    _sync(opened, tmp_path, "site", [LIB], GLIBC)
    first = _current(opened, tmp_path, "site")
    _sync(opened, tmp_path, "site", [LIB, APP], GLIBC, TOOL)
    with monkeypatch.context() as patch:
        patch.setattr("cachescope.jobs.virtual_writing.write_facts", full)
        assert _current(opened, tmp_path, "site").written.folder == first.written.folder
        with pytest.raises(CatalogueUnusable, match="No space left"):
            _current(opened, tmp_path, "site", query="lib")
    assert _present(_current(opened, tmp_path, "site")) == {"app", "lib"}


def test_only_the_last_states_are_kept_and_what_a_killed_process_left_is_removed(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    homes = set()
    for number in range(5):
        _sync(opened, tmp_path, "site", [LIB, mirrors.node("more", str(number))], GLIBC)
        homes.add(_current(opened, tmp_path, "site").written.folder.parent)
    (home,) = homes
    (home / "new-left").mkdir()
    assert len([one for one in home.iterdir() if len(one.name) == 64]) == 3
    _sync(opened, tmp_path, "site", [LIB], GLIBC)
    _current(opened, tmp_path, "site")
    assert not (home / "new-left").exists()


def test_a_view_is_a_source_where_it_is_named(opened: OpenCatalogue, tmp_path: Path) -> None:
    folder = write_binaries(tmp_path / "m", [LIB, APP], [GLIBC, TOOL])
    mirrors.write_v3(folder, mirrors.index(mirrors.installs([LIB], [GLIBC])), view="small")
    opened.sync("site", folder)
    opened.sync("site@small", folder)
    assert _present(_current(opened, tmp_path, "site")) == {"app", "lib"}
    assert _present(_current(opened, tmp_path, "site@small")) == {"lib"}


def test_a_whole_ref_is_its_mirrors_by_name(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "develop/b", [APP], LIB, GLIBC, TOOL)
    _sync(opened, tmp_path, "develop/a", [LIB], GLIBC)
    current = _current(opened, tmp_path, "ref:develop")
    assert [str(one.name) for one in current.sources] == ["develop/a", "develop/b"]
    assert _present(current) == {"app", "lib"}


def _old(name: str) -> mirrors.Node:
    node = {**mirrors.node(name), "compiler": {"name": "gcc", "version": "9"}}
    del node["annotations"]
    return node


@pytest.mark.parametrize("order", [("older", "old"), ("old", "older")])
def test_sources_with_older_indexes_are_read_by_who_reads_the_newest(
    opened: OpenCatalogue, tmp_path: Path, order: tuple[str, str]
) -> None:
    for name, version in (("older", "6"), ("old", "7")):
        one = _old(name)
        mirrors.write_v2(tmp_path / name, mirrors.index({one["hash"]: mirrors.record(one)}, version=version))
        opened.sync(name, tmp_path / name)
    current = _current(opened, tmp_path, *order)
    assert [one.excluded for one in current.sources] == ["", ""]
    assert [one.version for one in current.written.facts.indexes] == ["7"]
    assert _present(current, Layout.V2) == {"older", "old"}


def test_a_source_whose_index_others_of_its_layout_cannot_read_is_excluded_and_told(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    for name, version in (("new", "8"), ("old", "7")):
        one = mirrors.node(name) if version == "8" else _old(name)
        mirrors.write_v2(tmp_path / name, mirrors.index({one["hash"]: mirrors.record(one)}, version=version))
        opened.sync(name, tmp_path / name)
    current = _current(opened, tmp_path, "new", "old")
    assert [one.excluded for one in current.sources] == [
        "its index has version 8, others of layout v2 have 7, and who reads that cannot read it",
        "",
    ]
    assert _present(current, Layout.V2) == {"old"}


def test_a_mirror_of_both_layouts_gives_each_all_that_it_has(opened: OpenCatalogue, tmp_path: Path) -> None:
    """A mirror that is being migrated: Spack before 1.0 reads its old layout alone."""
    needed, moved, whole, alone = (_old(name) for name in ("needed", "moved", "whole", "alone"))
    for one, needs in ((moved, needed), (whole, alone)):
        one["dependencies"] = [
            {
                "name": needs["name"],
                "hash": needs["hash"],
                "parameters": {"deptypes": ["link"], "virtuals": []},
            }
        ]
    folder = tmp_path / "both"
    mirrors.write_v2(folder, mirrors.index(mirrors.installs([moved, whole, alone], [needed]), version="7"))
    annotated = []
    for one in (needed, moved):
        copy = {key: value for key, value in one.items() if key not in {"compiler", "hash"}}
        note = {"original_specfile_version": 4, "compiler": "gcc@=9"}
        annotated.append({**copy, "annotations": note, "hash": one["hash"]})
    mirrors.write_v3(folder, mirrors.index(mirrors.installs(annotated)))
    opened.sync("both", folder)
    current = _current(opened, tmp_path, "both")
    assert _present(current, Layout.V3) == {"needed", "moved"}
    assert _present(current, Layout.V2) == {"whole", "alone"}, "of 'moved' the closure is not whole in v2"
    mirrors.write_v2(folder, mirrors.index(mirrors.installs([moved, whole, alone, needed]), version="7"))
    opened.sync("both", folder)
    current = _current(opened, tmp_path, "both")
    assert _present(current, Layout.V3) == {"needed", "moved"}
    assert _present(current, Layout.V2) == {"needed", "moved", "whole", "alone"}
    assert [one.gives for one in report_of(opened.catalogue, current).sources] == [2, 4]
    by_layout = {one.layout: one.id for one in current.sources}
    for layout in (Layout.V3, Layout.V2):
        assert current.written.source_of(moved["hash"], layout) == by_layout[layout]
    assert current.written.facts.present == 4


def test_a_name_that_the_catalogue_has_not_is_refused(opened: OpenCatalogue, tmp_path: Path) -> None:
    with pytest.raises(NotInCatalogue, match="nobody/root has no index"):
        _current(opened, tmp_path, "nobody")


def test_a_mirror_of_nothing_has_an_empty_index(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "site", [LIB], GLIBC)
    current = _current(opened, tmp_path, "site", query="app")
    assert _records(current) == {}
    assert current.written.source_of(LIB["hash"], Layout.V3) is None


def test_a_folder_that_cannot_be_written_is_told_with_its_setting(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path, "site", [LIB], GLIBC)
    (tmp_path / "virtual").write_text("a file")
    with pytest.raises(CatalogueUnusable) as caught:
        _current(opened, tmp_path, "site")
    assert "virtual_folder" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("a/b", {}, "is not a name of a virtual mirror"),
        ("..", {}, "is not a name of a virtual mirror"),
        ("v3", {}, "is not a name of a virtual mirror"),
        ("blobs", {}, "is not a name of a virtual mirror"),
        ("ok", {"query": "zlib@@"}, "is not expected here"),
        ("ok", {"host": "os="}, "is not the name of an operating system"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(name: str, parts: dict[str, str], message: str) -> None:
    with pytest.raises(UserInputError, match=message):
        make_definition(name, ["site"], **parts)  # type: ignore[arg-type] # texts alone


@pytest.mark.parametrize("seed", range(20))
def test_gaps_are_those_of_closures_walked_one_by_one(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a reproducible choice
    size = 40
    found = Dependencies()
    for key in range(size):
        below = chance.sample(range(key), min(key, chance.randrange(4)))
        found.edges[key] = array("q", [one << 1 | chance.randrange(2) for one in below])
    # As they are read: parents before what they depend on.
    found.edges = dict(reversed(found.edges.items()))
    given = set(chance.sample(range(size), 4))
    available = set(chance.sample(range(size), 30)) - given

    def is_whole(key: int) -> bool:
        for edge in found.edges[key]:
            child = edge >> 1
            if edge & 1 and child not in given and (child not in available or not is_whole(child)):
                return False
        return True

    lacks = found.gaps(available, given)
    assert {key for key in available if not is_whole(key)} == set(lacks)
    assert all(one not in available | given for one in lacks.values())
