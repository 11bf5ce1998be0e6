"""Files that are there whole or not at all: what exports and local mirrors are written with."""

import errno
import os
import secrets
import stat
from pathlib import Path

from cachescope.model.errors import UserInputError

__all__ = ["unwritable", "write_atomically"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST})


def write_atomically(path: Path, data: bytes, *, durable: bool = True, temporary: Path | None = None) -> bool:
    """Write ``data`` to ``path`` and say whether that changed anything; folders above are made.

    A file that holds these bytes already is not touched and keeps its time. Others are replaced in one step, after
    their bytes are on the disk: readers, and a machine that loses power, see the old file or the new one. An existing
    file keeps its mode, a link stays a link, and what is no file (a pipe, ``/dev/null``) is written to as it is. Raises
    ``UserInputError`` where the place cannot be written; then nothing is left there.

    What is not ``durable`` is replaced in one step too, but left to the system to bring to the disk. ``temporary`` is
    where the bytes stand until they are whole, for who writes alone; without it, under a name of its own.
    """
    try:
        if _holds(path, data):
            return False
        if _is_device_or_pipe(path):
            path.write_bytes(data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            target = path.resolve() if path.is_symlink() else path
            _replace(target, data, temporary, durable=durable)
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def _holds(path: Path, data: bytes) -> bool:
    try:
        status = path.stat()
        return stat.S_ISREG(status.st_mode) and status.st_size == len(data) and path.read_bytes() == data
    except OSError:  # not there, or not readable: the attempt to write says what is wrong, if anything is
        return False


def _is_device_or_pipe(path: Path) -> bool:
    """Say whether something stands there that must not give way to a file."""
    try:
        mode = path.stat().st_mode
    except OSError:  # not there
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _replace(path: Path, data: bytes, temporary: Path | None, *, durable: bool) -> None:
    # A short name of its own: that of the file may be as long as names can be.
    new = os.O_EXCL if temporary is None else os.O_TRUNC | os.O_NOFOLLOW
    temporary = temporary or path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        # Mode 0666 less the umask, as any new file: what is exported is often served by another user.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | new | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if path.is_file():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # also for Ctrl-C
        temporary.unlink(missing_ok=True)
        raise


def unwritable(path: Path, error: OSError) -> UserInputError:
    """Say why a place of this machine's disk cannot be written."""
    if error.errno in _FULL:
        message, hint = "there is no room to write the file", "free space or quota, or choose another folder"
    elif error.errno in _DENIED:
        message, hint = (
            "you are not allowed to write here",
            "choose another folder, or change its permissions",
        )
    elif error.errno in _NO_FOLDER:
        message, hint = (
            "a part of the path is a file, not a folder",
            "choose another folder, or move that file away",
        )
    elif error.errno == errno.EISDIR:
        message, hint = (
            "a folder stands where the file should be",
            "choose another name, or move that folder away",
        )
    else:
        message, hint = f"the file cannot be written ({error.strerror})", "choose another folder"
    return UserInputError(message, where=str(path), hint=hint)
