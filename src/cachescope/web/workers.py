"""Several processes that serve the same: started, started anew where one dies, and ended together."""

import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachescope.model.errors import CachescopeError

__all__ = ["Worker", "run_workers"]

_LOG = logging.getLogger("cachescope")
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_LOOK = 0.5
"""Seconds between two looks at what no signal tells."""

_QUICK = 2.0
"""Seconds; who dies sooner is said to have failed to start."""

_MOST_FAILURES = 5
_REST = 0.5
"""Seconds before a worker is started anew."""

_BEYOND = 5.0
"""Seconds after the time for running requests, until a worker is killed."""

_FAILED = 70


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes, as it sees itself."""

    number: int
    _parent: int
    _told: int

    def ready(self) -> None:
        """Tell that it answers."""
        os.write(self._told, b".")

    def is_left(self) -> bool:
        """Say whether the process that minds the workers is gone."""
        return os.getppid() != self._parent


def run_workers(
    count: int, work: Callable[[Worker], None], *, ready: Callable[[], None], patience: float
) -> None:
    """Run ``work`` in that many processes until SIGINT or SIGTERM; ``ready`` is called once all of them answer.

    ``patience`` in seconds is what running requests are given at the end. Raises ``CachescopeError`` where workers
    die as soon as they are started. To be called by a process of one thread.
    """
    _Group(count, work, patience).run(ready)


class _Group:
    def __init__(self, count: int, work: Callable[[Worker], None], patience: float) -> None:
        self._count = count
        self._work = work
        self._patience = patience
        self._running: dict[int, tuple[int, float]] = {}
        self._failures = 0
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)

    def run(self, ready: Callable[[], None]) -> None:
        # What is not touched any more is not copied for each worker.
        gc.collect()
        gc.freeze()
        former = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for number in range(self._count):
                self._start(number)
            self._wait_until_ready(ready)
            while not self._is_asked_to_end():
                self._start_again(self._ended())
        finally:
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
            gc.unfreeze()
            os.close(self._read)
            os.close(self._write)

    def _wait_until_ready(self, ready: Callable[[], None]) -> None:
        told = 0
        while told < self._count:
            with contextlib.suppress(BlockingIOError):
                told += len(os.read(self._read, self._count))
            if told < self._count:
                found = signal.sigtimedwait(_SIGNALS, _LOOK / 10)
                if found is not None and found.si_signo != signal.SIGCHLD:
                    os.kill(os.getpid(), found.si_signo)  # seen again by the loop
                    return
                self._start_again(self._ended())
        ready()

    def _is_asked_to_end(self) -> bool:
        found = signal.sigtimedwait(_SIGNALS, _LOOK)
        return found is not None and found.si_signo != signal.SIGCHLD

    def _start(self, number: int) -> None:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            self._running[child] = (number, time.monotonic())
            return
        code = _FAILED
        try:
            # Ctrl-C goes to the process that minds them, which ends them in order.
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._work(Worker(number, parent, self._write))
            code = 0
        except BaseException:  # noqa: BLE001 - it ends here, and is told in full
            _LOG.exception("worker %d failed", number)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            # Not the end of the command that this was forked from.
            os._exit(code)

    def _ended(self) -> list[int]:
        """Return the numbers of workers that died."""
        numbers = []
        while self._running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            number, started = self._running.pop(process)
            code = os.waitstatus_to_exitcode(status)
            _LOG.error("worker %d (process %d) ended with %d; it is started again", number, process, code)
            quick = time.monotonic() - started < _QUICK
            self._failures = self._failures + 1 if quick else 0
            numbers.append(number)
        return numbers

    def _start_again(self, numbers: list[int]) -> None:
        if self._failures > _MOST_FAILURES:
            raise CachescopeError(
                "the workers of the server end as soon as they are started", hint="the lines above say why"
            )
        if numbers:
            time.sleep(_REST)
        for number in numbers:
            self._start(number)

    def _end(self) -> None:
        """End all, in order; kill who does not."""
        self._tell(signal.SIGTERM)
        until = time.monotonic() + self._patience + _BEYOND
        while self._running:
            process, _ = os.waitpid(-1, os.WNOHANG)
            if process:
                self._running.pop(process, None)
                continue
            if time.monotonic() > until:
                self._tell(signal.SIGKILL)
            found = signal.sigtimedwait(_SIGNALS, _LOOK)
            if found is not None and found.si_signo != signal.SIGCHLD:
                # Who asks twice does not want to wait: a second SIGINT makes a worker leave at once.
                self._tell(signal.SIGINT)

    def _tell(self, what: signal.Signals) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, what)
