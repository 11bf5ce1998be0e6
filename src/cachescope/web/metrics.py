"""What the server counts, in the text that Prometheus reads.

Counts stand in one shared page of memory, a part for each worker, made before the workers are: whichever of them is
asked sums all. A worker that is started anew goes on with the counts of the one before it.
"""

import mmap
import os
import struct
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from cachescope.web.exchange import UNKNOWN, Exchange

__all__ = ["CONTENT_TYPE", "Counts", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; the last class has no bound."""

_STATUSES = (200, 204, 206, 302, 304, 308, 400, 404, 405, 413, 414, 416, 431, 499, 500, 502, 503)
"""What the server answers with; any other counts as ``other``."""

_OWN = 3  # process id, start, running requests
_PAGE = len(_STATUSES) + 1 + len(_BOUNDS) + 1 + 2  # by status, by class of seconds, seconds, bytes
_ENTRY = struct.Struct("d")
_MOST_PAGES = 256
"""Rows that are counted apart; memory is made before the rows are known."""


class Counts:
    """The shared memory: for each worker some figures of its own, then some for each page."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._width = _OWN + _MOST_PAGES * _PAGE
        self._memory = mmap.mmap(-1, self._width * workers * _ENTRY.size)

    def add(self, worker: int, place: int, value: float) -> None:
        """Add to a figure; only the worker itself does, one thread at a time."""
        at = (worker * self._width + place) * _ENTRY.size
        _ENTRY.pack_into(self._memory, at, _ENTRY.unpack_from(self._memory, at)[0] + value)

    def put(self, worker: int, place: int, value: float) -> None:
        """Set a figure."""
        _ENTRY.pack_into(self._memory, (worker * self._width + place) * _ENTRY.size, value)

    def of(self, worker: int, place: int) -> float:
        """Return a figure of one worker."""
        found: float = _ENTRY.unpack_from(self._memory, (worker * self._width + place) * _ENTRY.size)[0]
        return found

    def sum(self, place: int) -> float:
        """Return a figure of all workers together."""
        return sum(self.of(worker, place) for worker in range(self.workers))


class Metrics:
    """Counts what one worker answers, and writes what all did."""

    def __init__(self, pages: Sequence[str], counts: Counts, worker: int, *, started: float) -> None:
        """``started`` in seconds since 1970. ``pages`` are the rows of the application, the same in each worker."""
        names = (UNKNOWN, *sorted(set(pages) - {UNKNOWN}))[:_MOST_PAGES]
        self._pages = {page: _OWN + index * _PAGE for index, page in enumerate(names)}
        self._counts = counts
        self._worker = worker
        self._lock = threading.Lock()
        for place, value in enumerate((os.getpid(), started, 0)):
            counts.put(worker, place, value)

    def began(self) -> None:
        """Count a request that came."""
        with self._lock:
            self._counts.add(self._worker, 2, 1)

    def ended(self, exchange: Exchange) -> None:
        """Count an answer."""
        base = self._pages.get(exchange.page, self._pages[UNKNOWN])
        status = _STATUSES.index(exchange.status) if exchange.status in _STATUSES else len(_STATUSES)
        seconds = base + len(_STATUSES) + 1
        after = seconds + len(_BOUNDS) + 1
        with self._lock:
            self._counts.add(self._worker, 2, -1)
            self._counts.add(self._worker, base + status, 1)
            self._counts.add(self._worker, seconds + bisect_left(_BOUNDS, exchange.seconds), 1)
            self._counts.add(self._worker, after, exchange.seconds)
            self._counts.add(self._worker, after + 1, exchange.sent)

    def lines(self) -> Iterator[str]:
        """Yield what was counted, with types and explanations. Pages that nobody asked for are left out."""
        asked = [(page, base) for page, base in self._pages.items() if self._total(base)]
        yield from _head("cachescope_requests_total", "counter", "Answers, by page and status.")
        for page, base in asked:
            for index, status in enumerate((*_STATUSES, "other")):
                count = self._counts.sum(base + index)
                if count:
                    yield f'cachescope_requests_total{{page="{page}",status="{status}"}} {count:.0f}'
        yield from _head(
            "cachescope_request_duration_seconds",
            "histogram",
            "Time until the answer was handed on, by page.",
        )
        for page, base in asked:
            yield from self._histogram(page, base + len(_STATUSES) + 1)
        yield from _head("cachescope_response_bytes_total", "counter", "Bytes of answers, by page.")
        for page, base in asked:
            yield f'cachescope_response_bytes_total{{page="{page}"}} {self._counts.sum(base + _PAGE - 1):.0f}'
        yield from self._of_workers()

    def _total(self, base: int) -> float:
        return sum(self._counts.sum(base + index) for index in range(len(_STATUSES) + 1))

    def _histogram(self, page: str, first: int) -> Iterator[str]:
        name, met = "cachescope_request_duration_seconds", 0.0
        for index, bound in enumerate((*_BOUNDS, "+Inf")):
            met += self._counts.sum(first + index)
            yield f'{name}_bucket{{page="{page}",le="{bound}"}} {met:.0f}'
        yield f'{name}_sum{{page="{page}"}} {self._counts.sum(first + len(_BOUNDS) + 1):.6f}'
        yield f'{name}_count{{page="{page}"}} {met:.0f}'

    def _of_workers(self) -> Iterator[str]:
        yield from _head("cachescope_requests_running", "gauge", "Requests that wait for their answer.")
        yield f"cachescope_requests_running {self._counts.sum(2):.0f}"
        yield from _head("cachescope_workers", "gauge", "Processes that answer.")
        yield f"cachescope_workers {self._counts.workers}"
        rows = [
            (worker, self._counts.of(worker, 0), self._counts.of(worker, 1))
            for worker in range(self._counts.workers)
        ]
        yield from _head("cachescope_worker_start_time_seconds", "gauge", "When a worker began, since 1970.")
        for worker, _, started in rows:
            yield f'cachescope_worker_start_time_seconds{{worker="{worker}"}} {started:.3f}'
        yield from _head("cachescope_worker_memory_bytes", "gauge", "Memory that a worker has resident.")
        for worker, process, _ in rows:
            resident = _resident(int(process))
            if resident is not None:
                yield f'cachescope_worker_memory_bytes{{worker="{worker}"}} {resident}'


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _resident(process: int) -> int | None:
    """Return the resident bytes of a process; None where the system does not tell, or it has ended."""
    try:
        with open(f"/proc/{process}/statm", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError, ValueError):
        return None
