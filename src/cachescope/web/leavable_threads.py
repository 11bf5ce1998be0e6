"""Threads that the end of the process does not wait for: what they wait for may be silent for minutes."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import ParamSpec, TypeVar

__all__ = ["LeavableThreads"]

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class LeavableThreads(Executor):
    """As ``ThreadPoolExecutor``, whose threads Python joins before it ends, whatever was asked of it.

    For work that may be broken off anywhere, as when a process is killed.
    """

    def __init__(self, most: int, *, name: str) -> None:
        self._most = most
        self._name = name
        self._made = 0
        self._lock = Lock()
        self._idle = Semaphore(0)
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def submit(
        self, fn: Callable[_Given, _Result], /, *args: _Given.args, **kwargs: _Given.kwargs
    ) -> Future[_Result]:
        """Have it done by a thread that has nothing to do, or a new one, or the first that gets to it."""
        future: Future[_Result] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - goes to who waits for it
                future.set_exception(error)
            else:
                future.set_result(result)

        self._waiting.put(work)
        if not self._idle.acquire(blocking=False):
            with self._lock:
                if self._made < self._most:
                    Thread(target=self._run, name=f"{self._name}-{self._made}", daemon=True).start()
                    self._made += 1
        return future

    def _run(self) -> None:
        while True:
            self._waiting.get()()
            self._idle.release()
