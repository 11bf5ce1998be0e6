"""A folder that an export owns: what stands in it is listed, so that what no longer belongs there can be removed.

The listing is a file of the folder. It begins with a line that says whose it is; each further line is the path of a file
that an export wrote. A path is added before its file is written, so that whatever an interrupted export left is known to
the next one. At the end the listing is replaced by the paths of that export alone. Files that it does not name are
never removed.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cachescope.model.errors import UserInputError
from cachescope.transport.writer import unwritable, write_atomically

__all__ = ["LISTING", "FolderWriter", "OwnedFolder", "owned_folder"]

LISTING = ".cachescope-files"
_HEAD = b"files written by cachescope 1\n"


class FolderWriter:
    """Writes files of a folder that was taken; any process may have one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Lines this short are appended whole, also by several processes at once.
        self._listing = os.open(folder / LISTING, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the listing."""
        os.close(self._listing)

    def write(self, name: str, data: bytes) -> bool:
        """Write a file by its path inside of the folder; says whether that changed anything.

        Not forced to the disk one by one, which takes many times as long: a machine that loses power may lose what was
        written in the last seconds, and the next export compares every file again. Raises ``UserInputError``.
        """
        path = self._folder / name
        try:
            if not path.exists():
                os.write(self._listing, name.encode() + b"\n")
        except OSError as error:
            raise unwritable(path, error) from error
        return write_atomically(path, data, durable=False, temporary=_temporary(path))


class OwnedFolder:
    """The folder as one export sees it, from the first file to the end."""

    def __init__(self, folder: Path, listing: BinaryIO) -> None:
        self.folder = folder
        listing.seek(0)
        known = listing.read()
        # The end of a line that was cut off by a crash is no path: nothing was written under it.
        whole = known[: known.rfind(b"\n") + 1]
        listing.truncate(len(whole))
        self._former = set(whole.decode("utf-8", "surrogateescape").splitlines()[1:])
        self._draft = (folder / f"{LISTING}.part").open("wb")
        self._draft.write(_HEAD)

    def close(self) -> None:
        """Let go of the draft of the listing."""
        self._draft.close()
        Path(self._draft.name).unlink(missing_ok=True)

    def belongs(self, name: str) -> None:
        """Take note that this file is one of the export, written by whatever process."""
        self._former.discard(name)
        self._draft.write(name.encode() + b"\n")

    def finish(self) -> int:
        """Remove files of former exports that no longer belong, and folders that are empty then; returns how many files."""
        removed = 0
        try:
            for name in sorted(self._former):
                removed += self._remove(name)
            self._draft.close()
            Path(self._draft.name).replace(self.folder / LISTING)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        return removed

    def _remove(self, name: str) -> bool:
        path = self.folder / name
        # Whoever edits the listing cannot lead out of the folder.
        if not _is_inside(name) or not path.parent.resolve().is_relative_to(self.folder.resolve()):
            return False
        _temporary(path).unlink(missing_ok=True)
        if not path.is_file() and not path.is_symlink():
            return False
        path.unlink()
        for parent in PurePosixPath(name).parents:
            try:
                if parent.name:
                    (self.folder / parent).rmdir()
            except OSError:
                break  # something else is in it
        return True


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(name) and "\0" not in name and not name.startswith("/") and ".." not in parts


def _temporary(path: Path) -> Path:
    """Return where the bytes of a file stand until they are whole: the same place each time, so that none is left over."""
    return path.with_name(f".{hashlib.sha256(path.name.encode()).hexdigest()[:16]}.part")


@contextmanager
def owned_folder(folder: Path) -> Iterator[OwnedFolder]:
    """Take a folder for an export, alone; it is made if need be.

    Raises ``UserInputError`` for a folder that holds files and no listing, for one that another export is writing, and
    where nothing can be written.
    """
    with ExitStack() as stack:
        try:
            listing = stack.enter_context(_taken(folder))
            owned = OwnedFolder(folder, listing)
        except OSError as error:
            raise unwritable(folder, error) from error
        stack.callback(owned.close)
        yield owned


def _taken(folder: Path) -> BinaryIO:
    """Open the listing of a folder, and keep others from doing so."""
    listing = folder / LISTING
    folder.mkdir(parents=True, exist_ok=True)
    if not listing.exists() and any(folder.iterdir()):
        raise _foreign(folder)
    with ExitStack() as opened:
        file = opened.enter_context(listing.open("a+b"))
        _lock(file, folder)
        file.seek(0)
        head = file.readline()
        if head not in {b"", _HEAD}:
            raise _foreign(folder)
        if not head:
            file.write(_HEAD)
            file.flush()
        opened.pop_all()
    return file


def _lock(file: BinaryIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserInputError(
            "another export is writing into this folder",
            where=str(folder),
            hint="wait until it has ended, or choose another folder",
        ) from error


def _foreign(folder: Path) -> UserInputError:
    return UserInputError(
        "the folder holds files that no export of the site has written",
        where=str(folder),
        hint="choose a new or an empty folder; nothing was changed",
    )
