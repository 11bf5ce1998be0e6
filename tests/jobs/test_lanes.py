"""Work side by side: bounds, what is taken ahead, failures, and leaving early."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from threading import Barrier, Event, Lock

import pytest

from cachescope.jobs import lanes as lanes_module
from cachescope.jobs.lanes import side_by_side


def test_every_task_of_every_lane_is_done_once() -> None:
    lanes = [iter(range(start, 300, 7)) for start in range(7)]
    done = side_by_side(lanes, lambda task: task * 2, width=3, lanes_at_once=2, ahead=5)
    assert sorted(done) == [task * 2 for task in range(300)]


@pytest.mark.parametrize("lanes", [[], [iter(())], [iter(()), iter((1,)), iter(())]])
def test_empty_lanes_are_passed_over(lanes: list[Iterator[int]]) -> None:
    assert sum(side_by_side(lanes, int, width=2, lanes_at_once=1, ahead=2)) in {0, 1}


class _Watch:
    """Counts how many tasks of a lane, and how many lanes, are at work at a time."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.now: Counter[str] = Counter()
        self.most_of_a_lane = self.most_lanes = 0

    def work(self, lane: str) -> str:
        with self.lock:
            self.now[lane] += 1
            self.most_of_a_lane = max(self.most_of_a_lane, self.now[lane])
            self.most_lanes = max(self.most_lanes, sum(count > 0 for count in self.now.values()))
        time.sleep(0.002)
        with self.lock:
            self.now[lane] -= 1
        return lane


def test_no_lane_and_not_all_lanes_are_worked_at_beyond_their_bounds() -> None:
    watch = _Watch()
    lanes = [itertools.repeat(name, 40) for name in "abcde"]
    done = Counter(side_by_side(lanes, watch.work, width=3, lanes_at_once=2, ahead=6))
    assert done == dict.fromkeys("abcde", 40)
    assert watch.most_of_a_lane == 3
    assert watch.most_lanes == 2


def test_tasks_of_a_lane_run_at_the_same_time() -> None:
    barrier = Barrier(4, timeout=60)
    done = side_by_side([iter(range(4))], lambda _: barrier.wait(), width=4, lanes_at_once=1, ahead=4)
    assert sorted(done) == [0, 1, 2, 3]


def test_no_more_is_taken_ahead_than_asked_for() -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with closing(side_by_side([tasks()], int, width=2, lanes_at_once=1, ahead=5)) as results:
        for done, _ in enumerate(results, 1):
            assert taken <= done + 5


def test_what_the_work_raises_is_raised_where_results_are_taken() -> None:
    def work(task: int) -> int:
        if task == 5:
            raise LookupError("five")
        return task

    with pytest.raises(LookupError, match="five"):
        list(side_by_side([iter(range(100))], work, width=2, lanes_at_once=1, ahead=4))


def test_what_tasks_raise_is_raised_where_results_are_taken() -> None:
    def tasks() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(side_by_side([tasks()], int, width=1, lanes_at_once=1, ahead=1))


def test_leaving_early_drops_tasks_gives_results_back_and_ends_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No task hangs: all threads end, on a busy machine later than they are waited for.
    monkeypatch.setattr(lanes_module, "_PARTING", 60.0)
    before = set(threading.enumerate())
    given_back: list[int] = []
    worked: list[int] = []

    def work(task: int) -> int:
        worked.append(task)
        return task

    results = side_by_side(
        [iter(range(1000))], work, width=2, lanes_at_once=1, ahead=8, unwanted=given_back.append
    )
    taken = [next(results), next(results)]
    results.close()
    assert sorted([*taken, *given_back]) == sorted(worked)
    assert len(worked) < 20
    assert not set(threading.enumerate()) - before


def test_leaving_does_not_wait_for_a_task_that_hangs() -> None:
    release = Event()
    results = side_by_side(
        [iter((0.0, 60.0))],
        release.wait,
        width=2,
        lanes_at_once=1,
        ahead=2,
    )
    started = time.monotonic()
    next(results)
    results.close()
    assert time.monotonic() - started < 15
    release.set()
