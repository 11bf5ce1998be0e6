"""Standard input, output and error as a process may find them: closed, full, or with nobody who reads on."""

import errno
import os
import sys
from typing import TextIO, cast

__all__ = ["discard_output", "is_output_failure", "open_closed_streams"]

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def open_closed_streams() -> None:
    """Put the null device where a stream is closed, as some starters of services leave them (``command >&-``)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Takes the lowest free descriptor: that of the stream itself.
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115, PTH123 - stays open as long as the process
            setattr(sys, name, cast("TextIO", stream))


def is_output_failure(error: OSError) -> bool:
    """Say whether an error is that of writing to a stream that is open: no room is left, or its disk fails."""
    return error.errno in _UNWRITABLE and error.filename is None


def discard_output() -> None:
    """Let nothing more be written to standard output, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
