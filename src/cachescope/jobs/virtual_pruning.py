"""What was written for virtual mirrors and is needed no more: folders of mirrors that nobody asks for, and former states.

Each mirror has a folder, its *home*, with a folder for each state, a file that is locked by who writes, and one whose time says
when somebody asked last. Other processes may serve from all of them at the same time: a home goes only while nobody
writes to it, and long after it was asked for; open files stay readable to who has them.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["locked", "note_use", "prune_homes", "remove_home", "remove_old_states", "states"]

_LOCK = "lock"
_USED = "used"
_TEMPORARY = "new-"
_GONE = ".gone-"
_STATES = 3
"""Of one mirror that stay at the most, the one that is served included."""

_FETCHED_WITHIN = 3600.0
"""Seconds in which a client that read an index manifest has asked for its index."""

_UNUSED = 14 * 86400.0
"""Seconds after which a home goes for which nobody asked: it is written again when somebody does."""

_MOST_BYTES = 20 * 1024**3
"""Of all homes together; beyond it those go that were not asked for longest."""

_SURE = 600.0
"""Seconds in which a home stays in any case after it was asked for."""

_NOTED_AGAIN = 60.0


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Let one process at a time write to a home, which is made if it is not there; a lock ends with its process."""
    while True:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, home / _LOCK):
                yield
                return
            # Who held it before removed the home.
        finally:
            os.close(descriptor)


def note_use(home: Path) -> None:
    """Note that somebody asks for a mirror, at most once a minute."""
    file = home / _USED
    # A folder that may only be read is served from all the same.
    with suppress(OSError):
        try:
            if time.time() - file.stat().st_mtime < _NOTED_AGAIN:
                return
        except FileNotFoundError:
            pass
        file.touch()


def states(home: Path) -> list[Path]:
    """Return the folders of states, newest first."""
    found: list[tuple[float, Path]] = []
    with suppress(FileNotFoundError):
        for one in home.iterdir():
            with suppress(FileNotFoundError):
                if one.is_dir() and not one.name.startswith(_TEMPORARY):
                    found.append((one.stat().st_mtime, one))
    return [one for _, one in sorted(found, reverse=True)]


def remove_old_states(home: Path, *, keep: Path) -> None:
    """Remove states that no client asks for any more, and what a killed process left; only who holds the lock does."""
    superseded = time.time()
    for place, one in enumerate(state for state in states(home) if state != keep):
        with suppress(FileNotFoundError):
            came = one.stat().st_mtime
            if place >= _STATES - 1 or time.time() - superseded > _FETCHED_WITHIN:
                shutil.rmtree(one, ignore_errors=True)
            superseded = came
    for left in home.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(left, ignore_errors=True)


def prune_homes(folder: Path, *, keep: Path) -> None:
    """Remove homes that nobody asked for lately, all but ``keep``: those of long ago, and others until the rest is small."""
    now = time.time()
    homes = sorted(_homes(folder))
    total = sum(one.size for one in homes)
    for one in homes:
        idle = now - one.used
        if one.path == keep or idle < _SURE or (idle < _UNUSED and total <= _MOST_BYTES):
            continue
        if remove_home(one.path):
            total -= one.size
    for left in folder.glob(f"{_GONE}*"):
        shutil.rmtree(left, ignore_errors=True)


def remove_home(home: Path) -> bool:
    """Remove all that was written for a mirror, unless somebody writes to it now; returns whether it is gone."""
    try:
        descriptor = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = home.with_name(f"{_GONE}{home.name}")
        # In one step: nobody finds half of it.
        home.rename(gone)
    except OSError:  # in use, or another one removes it
        return False
    finally:
        os.close(descriptor)
    shutil.rmtree(gone, ignore_errors=True)
    return True


class _Home(NamedTuple):
    used: float
    path: Path
    size: int


def _homes(folder: Path) -> Iterator[_Home]:
    for path in folder.iterdir():
        if path.name.startswith(".") or not path.is_dir():
            continue
        with suppress(FileNotFoundError):
            used, size = path.stat().st_mtime, 0
            with suppress(FileNotFoundError):
                used = max(used, (path / _USED).stat().st_mtime)
            for file in path.rglob("*"):
                with suppress(FileNotFoundError):
                    size += file.stat().st_size
            yield _Home(used, path, size)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
