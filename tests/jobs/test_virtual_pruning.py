"""What stays of what was written for virtual mirrors, and what goes."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from cachescope.jobs.virtual_definition import make_definition
from cachescope.jobs.virtual_pruning import locked, note_use, prune_homes, remove_home
from cachescope.jobs.virtual_writing import Current, VirtualWriter
from cachescope.model.mirror import Layout
from tests import mirrors
from tests.binaries import GLIBC, LIB
from tests.catalogues import OpenCatalogue

HOUR, DAY = 3600.0, 86400.0


def _home(folder: Path, name: str, *, used: float, size: int = 1000) -> Path:
    """Make a home of one state, asked for so many seconds ago."""
    home = folder / name
    (home / "state").mkdir(parents=True)
    (home / "state" / "v3.json").write_bytes(bytes(size))
    note_use(home)
    then = time.time() - used
    for one in (home / "used", home):
        os.utime(one, (then, then))
    return home


def _left(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_homes_go_that_nobody_asked_for_in_weeks(tmp_path: Path) -> None:
    for name, used in (("now", 0), ("lately", 10 * DAY), ("long-ago", 15 * DAY), ("kept", 15 * DAY)):
        _home(tmp_path, name, used=used)
    prune_homes(tmp_path, keep=tmp_path / "kept")
    assert _left(tmp_path) == {"now", "lately", "kept"}


def test_where_all_is_large_those_go_that_were_not_asked_for_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cachescope.jobs.virtual_pruning._MOST_BYTES", 60_000)
    for name, used in (("now", 0.0), ("minutes", 300.0), ("hours", 2 * HOUR), ("day", DAY)):
        _home(tmp_path, name, used=used, size=20_000)
    prune_homes(tmp_path, keep=tmp_path / "now")
    assert _left(tmp_path) == {"now", "minutes"}, (
        "folders count too; what was just asked for stays in any case"
    )


def test_a_home_that_somebody_writes_to_stays(tmp_path: Path) -> None:
    home = _home(tmp_path, "home", used=15 * DAY)
    with locked(home):
        prune_homes(tmp_path, keep=tmp_path)
        assert home.is_dir()
    os.utime(home, (0, 0))
    prune_homes(tmp_path, keep=tmp_path)
    assert _left(tmp_path) == set()


def test_who_waited_for_a_home_that_was_removed_makes_it_anew(tmp_path: Path) -> None:
    home = _home(tmp_path, "home", used=0)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not remove_home(home), "somebody writes"
    os.close(descriptor)
    assert remove_home(home)
    with locked(home):
        assert (home / "lock").is_file()


def test_a_use_is_noted_once_a_minute_and_needs_no_right_to_write(tmp_path: Path) -> None:
    note_use(tmp_path / "nowhere")
    home = _home(tmp_path, "home", used=0)
    first = (home / "used").stat().st_mtime_ns
    note_use(home)
    assert (home / "used").stat().st_mtime_ns == first


def test_a_former_state_goes_when_no_client_asks_for_it_any_more(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    first = _current(opened, tmp_path, "1")
    second = _current(opened, tmp_path, "2")
    assert list(second.older) == [first.written.folder]
    for one in (first, second):
        os.utime(one.written.folder, (time.time() - 2 * DAY, time.time() - 2 * DAY))
    third = _current(opened, tmp_path, "3")
    assert list(third.older) == [second.written.folder], "it was the newest a moment ago"


def test_what_is_written_for_a_mirror_goes_with_its_definition(opened: OpenCatalogue, tmp_path: Path) -> None:
    current = _current(opened, tmp_path, "1")
    with current.written.index_file(Layout.V3).open("rb") as read_by_somebody:
        _writer(opened, tmp_path).forget("test")
        assert not current.home.exists()
        assert read_by_somebody.read().startswith(b'{"database"')
    _writer(opened, tmp_path).forget("test")
    assert _current(opened, tmp_path, "2").written.facts.present == 2


def _writer(opened: OpenCatalogue, folder: Path) -> VirtualWriter:
    return VirtualWriter(opened.catalogue, folder / "virtual", now=lambda: opened.clock)


def _current(opened: OpenCatalogue, folder: Path, version: str) -> Current:
    """Return the virtual mirror after a sync that brought another version."""
    specs = [LIB, mirrors.node("more", version)]
    mirrors.write_v3(folder / "site", mirrors.index(mirrors.installs(specs, [GLIBC])))
    opened.sync("site", folder / "site")
    return _writer(opened, folder).current(make_definition("test", ["site"]))
