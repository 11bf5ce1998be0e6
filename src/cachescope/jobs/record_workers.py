"""Processes that split and decode one large index beside this one, which writes.

They are started for one document and end with it: by the socket, so also when this process is killed. The writer stays
one, and reads what they made in the order of the document, so the catalogue is the same however many there are.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from cachescope.formats.index_splitting import RecordTable
from cachescope.formats.record_decoder import Places, Question, WorkersLost
from cachescope.jobs.record_process import DecodeOrder, PackedBatch, SplitOrder, main, unpacked
from cachescope.model.spec_records import Compress, SpecBatch

__all__ = ["RecordProcesses", "record_processes"]

_WORTH_PROCESSES = 64 * 1024 * 1024
"""Bytes of a document from which on processes gain more than the 0.2 s that they take to start."""

_MOST = 4
"""The one that writes is busy with what three or four decode."""


@contextmanager
def record_processes(
    document: int | None, size: int, *, count: int | None = None
) -> Iterator["RecordProcesses | None"]:
    """Start processes for a document that is open as this descriptor; None where they would not help.

    Without ``count`` they are as many as cores, for a document that is worth it.
    """
    if count is None:
        count = min(_cores(), _MOST) if size >= _WORTH_PROCESSES else 1
    if document is None or count == 1 or not sys.executable:
        yield None
        return
    with ExitStack() as stack:
        yield RecordProcesses([stack.enter_context(_process(document)) for _ in range(count)])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _process(document: int) -> Iterator[tuple["Connection[Any, Any]", int]]:
    ours, theirs = socket.socketpair()
    with Connection(ours.detach()) as connection:
        with theirs:
            # Not '-m': the messages are of classes of that module, which as '__main__' would be others.
            command = [sys.executable, "-P", "-c", f"from {main.__module__} import main; main()"]
            process = subprocess.Popen(  # noqa: S603 - this program itself
                [*command, str(theirs.fileno()), str(document)],
                pass_fds=(theirs.fileno(), document),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is for the sync, which then ends its processes
            )
        with process:
            try:
                yield connection, process.pid
            finally:
                connection.close()
                process.kill()


class RecordProcesses:
    """The processes of one document; fulfils ``RecordWorkers``."""

    def __init__(self, processes: Sequence[tuple["Connection[Any, Any]", int]]) -> None:
        self._connections = [connection for connection, _ in processes]
        self.ids = [process_id for _, process_id in processes]
        self.count = len(processes)

    def split(self, ranges: Sequence[tuple[int, int]]) -> list[RecordTable | None]:
        """Split ranges of the document, at most one for each process."""
        busy = self._connections[: len(ranges)]
        with _noticing_loss():
            for connection, (start, stop) in zip(busy, ranges, strict=True):
                connection.send(SplitOrder(start, stop))
            return [connection.recv() for connection in busy]

    def decode(
        self,
        places: Sequence[Places],
        *,
        document_format: int,
        compress: Compress,
        answer: Callable[[Question], str | None],
    ) -> Iterator[tuple[SpecBatch, int]]:
        """Decode batches, which the processes take in turn."""
        with _noticing_loss():
            for number, connection in enumerate(self._connections):
                # The whole order at once: a process that waits to hand on a batch reads no more orders.
                connection.send(DecodeOrder(places[number :: self.count], document_format, compress))
        parts: list[list[object]] = [[] for _ in self._connections]
        for number in range(len(places)):
            turn = number % self.count
            with _noticing_loss():
                packed = _received(self._connections[turn], answer)
            yield unpacked(packed, parts[turn], answer), packed.dropped_edges


@contextmanager
def _noticing_loss() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise WorkersLost from error


def _received(connection: "Connection[Any, Any]", answer: Callable[[Question], str | None]) -> PackedBatch:
    """Receive a batch, and answer what is asked before it comes."""
    while True:
        message: PackedBatch | Question = connection.recv()
        if isinstance(message, PackedBatch):
            return message
        connection.send(answer(message))
