"""Work side by side: many tasks at a time with a bound for each lane, one place where results come together.

A lane is what a bound is about, for example a host. Tasks of a lane are taken in their order by a few threads; results
come to the caller's own thread in the order in which they are ready, so one thread writes the catalogue. Tasks are
taken from their iterators in the caller's thread too, a few ahead of the work: neither tasks nor results pile up.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Generic, Self, TypeVar

__all__ = ["Crew", "side_by_side"]

Task = TypeVar("Task")
Result = TypeVar("Result")

_PARTING = 0.5
"""Seconds that threads are given to end; one that waits for a silent host ends with the process."""


def side_by_side(
    lanes: Sequence[Iterator[Task]],
    work: Callable[[Task], Result],
    *,
    width: int,
    lanes_at_once: int,
    ahead: int,
    unwanted: Callable[[Result], None] | None = None,
) -> Generator[Result, None, None]:
    """Yield the results of ``work`` for all tasks of all lanes, as they become ready.

    ``width`` tasks of one lane run at a time, in ``lanes_at_once`` lanes; at most ``ahead`` tasks of a lane are taken
    before the caller has their results. What ``work`` raises is raised here. When the caller stops early, waiting tasks
    are dropped, and results that nobody took are given to ``unwanted``.
    """
    crew = Crew(
        lanes, work, width=width, lanes_at_once=lanes_at_once, ahead=ahead, unwanted=unwanted or _let_go
    )
    with crew:
        while (one := crew.result(wait=True)) is not None:
            yield one[0]


def _let_go(_: object) -> None:
    pass


@dataclass(slots=True, eq=False)
class _Lane(Generic[Task]):
    tasks: Iterator[Task]
    queue: "SimpleQueue[tuple[Task] | None]" = field(default_factory=SimpleQueue)
    """None ends one thread."""

    threads: list[Thread] = field(default_factory=list)
    in_flight: int = 0
    """Tasks that were taken and whose results the caller does not have yet."""

    def end(self) -> None:
        for _ in self.threads:
            self.queue.put(None)


@dataclass(frozen=True, slots=True)
class _Done(Generic[Task, Result]):
    lane: _Lane[Task]
    result: Result


@dataclass(frozen=True, slots=True)
class _Broke:
    error: BaseException


class Crew(Generic[Task, Result]):
    """The threads of all lanes that are open; see ``side_by_side``. To be left by the end of a ``with`` block."""

    def __init__(
        self,
        lanes: Sequence[Iterator[Task]],
        work: Callable[[Task], Result],
        *,
        width: int,
        lanes_at_once: int,
        ahead: int,
        unwanted: Callable[[Result], None],
    ) -> None:
        self._waiting = iter(lanes)
        self._work = work
        self._width = width
        self._lanes_at_once = lanes_at_once
        self._ahead = ahead
        self._unwanted = unwanted
        self._open: list[_Lane[Task]] = []
        self._ended: list[_Lane[Task]] = []
        self._results: SimpleQueue[_Done[Task, Result] | _Broke] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def result(self, *, wait: bool) -> tuple[Result] | None:
        """Return one result that is ready; None where none is, or with ``wait`` when all is done."""
        self._open_lanes()
        if not self._open:
            return None
        try:
            one = self._results.get(block=wait)
        except Empty:
            return None
        if isinstance(one, _Broke):
            raise one.error
        lane = one.lane
        lane.in_flight -= 1
        # First more work, then the result: the threads go on while the caller is busy with it.
        self._fill(lane)
        if not lane.in_flight:
            self._open.remove(lane)
            self._ended.append(lane)
            lane.end()
            self._open_lanes()
        return (one.result,)

    def _leave(self) -> None:
        """End the threads; what they are at now is not waited for."""
        for lane in self._open:
            for _ in _drained(lane.queue):
                pass
            lane.end()
        deadline = monotonic() + _PARTING
        for lane in (*self._open, *self._ended):
            for thread in lane.threads:
                thread.join(max(0.0, deadline - monotonic()))
        for one in _drained(self._results):
            if isinstance(one, _Done):
                self._unwanted(one.result)

    def _open_lanes(self) -> None:
        """Begin lanes until enough of them have something to do."""
        while len(self._open) < self._lanes_at_once:
            tasks = next(self._waiting, None)
            if tasks is None:
                return
            lane = _Lane(tasks)
            self._open.append(lane)
            self._fill(lane)
            if not lane.in_flight:
                self._open.remove(lane)

    def _fill(self, lane: _Lane[Task]) -> None:
        """Give a lane tasks, and threads to do them, up to its bounds."""
        while lane.in_flight < self._ahead:
            try:
                task = next(lane.tasks)
            except StopIteration:
                return
            lane.in_flight += 1
            lane.queue.put((task,))
            if len(lane.threads) < self._width:
                # A daemon: the end of the process must not wait for a host that stays silent.
                thread = Thread(target=self._run, args=(lane,), daemon=True)
                lane.threads.append(thread)
                thread.start()

    def _run(self, lane: _Lane[Task]) -> None:
        while (given := lane.queue.get()) is not None:
            try:
                self._results.put(_Done(lane, self._work(given[0])))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                self._results.put(_Broke(error))


Item = TypeVar("Item")


def _drained(queue: "SimpleQueue[Item]") -> Iterator[Item]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
