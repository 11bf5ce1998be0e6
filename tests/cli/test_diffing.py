"""``diff`` of mirrors, refs, points in time and lock files."""

import io
from datetime import timedelta
from pathlib import Path

import pytest

from tests.catalogues import OpenCatalogue
from tests.commands import CommandLine
from tests.locks import lock_document
from tests.mirrors import Node, index, installs, node, write_v3

OLD_ZLIB, NEW_ZLIB = node("zlib", "1.2.9"), node("zlib", "1.2.13")
HDF5, OTHER_HDF5 = node("hdf5", "1.14", target="x86_64_v3"), node("hdf5", "1.14", target="zen4")
CURL, GMAKE, KEPT = node("curl"), node("gmake"), node("kept")
HOST = node("host", external={"path": "/usr", "module": None, "extra_attributes": {}})
BEFORE = [OLD_ZLIB, HDF5, CURL, KEPT]
AFTER = [NEW_ZLIB, HDF5, OTHER_HDF5, GMAKE, KEPT]


@pytest.fixture
def mirrors(opened: OpenCatalogue, tmp_path: Path, run: CommandLine) -> CommandLine:
    """Two states of develop/e4s on the 1st and the 3rd, and both as mirrors of their own under other refs."""
    for folder, nodes in (("before", BEFORE), ("after", AFTER)):
        write_v3(tmp_path / folder, index(installs(nodes, mentioned=[HOST])))
        opened.sync(f"{folder}/stack", tmp_path / folder)
    opened.sync("develop/e4s", tmp_path / "before")
    opened.pass_time(days=2)
    write_v3(tmp_path / "before", index(installs(AFTER)))
    opened.sync_again("develop/e4s")
    return run


def _lock(folder: Path, name: str, nodes: list[Node]) -> Path:
    file = folder / name
    file.write_bytes(lock_document([one["hash"] for one in nodes], {one["hash"]: one for one in nodes}))
    return file


SIDES = [
    ("before/stack", "after/stack"),
    ("ref:before", "ref:after"),
    ("develop/e4s@{2026-11-01}", "develop/e4s"),
    ("develop/e4s@{2026-11-02T23:00}", "develop/e4s@{2026-11-03T09:00:00Z}"),
    ("ref:develop@{2026-11-02}", "after/stack@{2030-01-01}"),
    ("before.lock", "after.lock"),
    ("before/stack", "after.lock"),
    ("before.txt", "ref:after"),
]


@pytest.mark.parametrize("sides", SIDES, ids=" ".join)
def test_diff_groups_what_came_went_and_changed(
    mirrors: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sides: tuple[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _lock(tmp_path, "before.lock", [*BEFORE, HOST])
    _lock(tmp_path, "after.lock", [*AFTER, HOST])
    (tmp_path / "before.txt").write_text("\n".join(one["hash"] for one in [*BEFORE, HOST]))
    found = mirrors.well("diff", *sides, "--json").json
    assert [found["first"]["name"], found["second"]["name"]] == list(sides)
    assert (found["first"]["specs"], found["second"]["specs"]) == (4, 5)
    assert found["specs"] == {"came": 3, "went": 2, "stay": 2}
    assert found["changes"] == {"came": 1, "went": 1, "versions": 1, "builds": 1}
    told = {
        one["name"]: (
            one["change"],
            [each["hash"] for each in one["came"]],
            [each["hash"] for each in one["went"]],
        )
        for one in found["packages"]
    }
    assert told == {
        "curl": ("went", [], [CURL["hash"]]),
        "gmake": ("came", [GMAKE["hash"]], []),
        "hdf5": ("builds", [OTHER_HDF5["hash"]], []),
        "zlib": ("versions", [NEW_ZLIB["hash"]], [OLD_ZLIB["hash"]]),
    }
    assert found["packages"][2]["came"][0]["target"] == "zen4"


def test_diff_is_told_and_written_as_markdown(mirrors: CommandLine) -> None:
    text = mirrors.well("diff", "before/stack", "after/stack").text
    assert "before/stack: 4 specs of 4 packages\n" in text
    assert "3 specs came, 2 went, 2 stay\n" in text
    (row,) = (line.split() for line in text.splitlines() if line.startswith("zlib"))
    assert row == ["zlib", "1.2.9", "1.2.13", "1", "1", "0"]
    assert text.index("Other versions (1)") < text.index("Packages that came (1)") < text.index("gmake")
    markdown = mirrors.well("diff", "before/stack", "after/stack", "--markdown").text
    assert markdown.startswith("### From before/stack to after/stack\n")
    assert "| zlib | 1.2.9 | 1.2.13 | 1 | 1 | 0 |" in markdown


def test_diff_of_one_place_with_itself_is_empty(mirrors: CommandLine) -> None:
    assert "Both have the same specs." in mirrors.well("diff", "develop/e4s", "ref:after").text
    assert mirrors.well("diff", "ref:after", "ref:after", "--json").json["packages"] == []


def test_versions_are_told_in_their_own_order(
    opened: OpenCatalogue, tmp_path: Path, run: CommandLine
) -> None:
    nodes = [node("many", version) for version in ("1.10", "1.9", "1.2", "2.0", "1.100", "develop")]
    for name, some in (("few", nodes[:1]), ("all", nodes)):
        write_v3(tmp_path / name, index(installs(some)))
        opened.sync(f"{name}/stack", tmp_path / name)
    (found,) = run.well("diff", "few/stack", "all/stack", "--json").json["packages"]
    assert found["versions_after"] == ["1.2", "1.9", "1.10", "1.100", "2.0", "develop"]
    assert "1.9, 1.100, 2.0, develop and 1 older" in run.well("diff", "few/stack", "all/stack").text


def test_a_lone_name_is_a_mirror_where_there_is_one_and_else_a_hash(
    opened: OpenCatalogue, tmp_path: Path, run: CommandLine
) -> None:
    write_v3(tmp_path / "m", index(installs([HDF5, OTHER_HDF5])))
    opened.sync("site", tmp_path / "m")
    opened.pass_time(days=1)
    assert run.well("diff", "site", "site@{2026-11-01}", "--json").json["specs"]["stay"] == 2
    hashes = [HDF5["hash"][:9], f"/{OTHER_HDF5['hash']}"]
    assert "zen4" in run.well("diff", *hashes).text
    assert run("diff", "nowhere", hashes[0]).code in {2, 3}


def test_lock_file_is_read_from_standard_input(
    mirrors: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _lock(tmp_path, "spack.lock", BEFORE).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert mirrors.well("diff", "before/stack", "-", "--json").json["specs"] == {
        "came": 0,
        "went": 0,
        "stay": 4,
    }


@pytest.mark.parametrize(
    ("sides", "code", "told"),
    [
        (("nowhere/stack", "after/stack"), 3, "nowhere/stack is not in the catalogue"),
        (("ref:nowhere", "after/stack"), 3, "the ref nowhere is not in the catalogue"),
        (("develop/e4s@{2020-01-01}", "develop/e4s"), 3, "its first sync was 2026-11-01 09:00 UTC"),
        (("develop/e4s@{yesterday}", "develop/e4s"), 2, "'yesterday' is not a point in time"),
        (("develop/e4s@{0001-01-01T00:00+23:00}", "develop/e4s"), 2, "is not a point in time"),
        (("develop/e4s@{9999-12-31}", "after/stack@{}"), 2, "'' is not a point in time"),
        (("develop/e4s", CURL["hash"]), 2, "is a binary, and the other side is not"),
        (("a" * 300, "develop/e4s"), 2, "is a binary, and the other side is not"),
        (("develop/e4s", "nosuch"), 2, "no mirror has the name nosuch"),
        (("gone.lock", "develop/e4s"), 2, "the file cannot be read"),
        ((CURL["hash"], KEPT["hash"], "--markdown"), 2, "not compared as Markdown"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    mirrors: CommandLine, sides: tuple[str, ...], code: int, told: str
) -> None:
    ended = mirrors("diff", *sides)
    assert ended.code == code
    assert told in " ".join(ended.err.split())


def test_what_came_and_went_again_in_between_is_no_difference(
    opened: OpenCatalogue, tmp_path: Path, run: CommandLine
) -> None:
    folder = tmp_path / "m"
    for nodes in ([KEPT], [KEPT, CURL], [KEPT]):
        write_v3(folder, index(installs(nodes)))
        opened.sync("site", folder)
        opened.pass_time(days=1)
    days = [f"site@{{{(opened.clock - timedelta(days=3 - one)).date()}}}" for one in range(3)]
    assert run.well("diff", days[0], days[2], "--json").json["packages"] == []
    assert run.well("diff", days[0], days[1], "--json").json["specs"]["came"] == 1
    assert run.well("diff", days[1], days[2], "--json").json["specs"]["went"] == 1
