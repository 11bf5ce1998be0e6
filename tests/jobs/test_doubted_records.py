"""A record that does not recompute may come from a mirror that lies: it gives way, and never takes the place of a good one."""

import copy
from pathlib import Path

import pytest

from tests import mirrors
from tests.catalogues import OpenCatalogue

ZLIB = mirrors.node("zlib", "1.3")
HDF5 = mirrors.node("hdf5", "1.14", needs=[(ZLIB, "build,link", "")])


def _altered() -> mirrors.Node:
    made = copy.deepcopy(HDF5)
    made["version"] = "9.9.evil"
    made["dependencies"] = []
    return made


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    mirrors.write_v3(tmp_path / "bad", mirrors.index(mirrors.installs([_altered()])))
    return tmp_path / "bad"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    mirrors.write_v3(tmp_path / "good", mirrors.index(mirrors.installs([HDF5, ZLIB])))
    return tmp_path / "good"


def _hdf5(opened: OpenCatalogue) -> list[tuple[object, ...]]:
    return opened.rows(
        "SELECT version.text, verdict, (SELECT count(*) FROM edge WHERE parent_id = spec.id) FROM spec"
        " JOIN version ON version.id = spec.version_id WHERE hash = ?",
        HDF5["hash"],
    )


def test_a_verified_record_replaces_one_that_does_not_recompute(
    opened: OpenCatalogue, bad: Path, good: Path
) -> None:
    opened.sync("bad", bad)
    assert _hdf5(opened) == [("9.9.evil", 1, 0)]
    opened.sync("good", good)
    assert _hdf5(opened) == [("1.14", 0, 1)]


def test_an_altered_record_does_not_replace_a_verified_one(
    opened: OpenCatalogue, bad: Path, good: Path
) -> None:
    opened.sync("good", good)
    opened.sync("bad", bad)
    assert _hdf5(opened) == [("1.14", 0, 1)]


def test_specs_that_no_source_names_any_more_go_with_their_mirror(
    opened: OpenCatalogue, bad: Path, good: Path
) -> None:
    opened.sync("bad", bad)
    opened.remove("bad")
    assert _hdf5(opened) == []
    opened.sync("good", good)
    opened.sync("again", good)
    opened.remove("good")
    assert _hdf5(opened) == [("1.14", 0, 1)]
