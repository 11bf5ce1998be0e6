"""Threads that nobody waits for at the end."""

import subprocess
import sys
import threading

import pytest

from cachescope.web.leavable_threads import LeavableThreads


def test_work_is_done_by_as_many_threads_as_it_takes_and_no_more() -> None:
    threads, go = LeavableThreads(3, name="test"), threading.Event()
    began = threading.Semaphore(0)

    def work(number: int) -> str:
        began.release()
        assert go.wait(60)
        return f"{number} {threading.current_thread().name}"

    found = [threads.submit(work, number) for number in range(5)]
    assert all(began.acquire(timeout=60) for _ in range(3))
    assert not began.acquire(timeout=0.1)
    go.set()
    answers = [one.result(60) for one in found]
    assert [one.split()[0] for one in answers] == list("01234")
    assert {one.split()[1] for one in answers} == {"test-0", "test-1", "test-2"}


def test_a_thread_that_has_nothing_to_do_is_taken_again() -> None:
    threads = LeavableThreads(9, name="test")
    for _ in range(20):
        threads.submit(int).result(60)
        while not threads._idle._value:
            pass
    assert threads.submit(lambda: threading.current_thread().name).result(60) == "test-0"


def test_what_was_raised_is_raised_where_it_is_waited_for() -> None:
    with pytest.raises(ZeroDivisionError):
        LeavableThreads(1, name="test").submit(lambda: 1 // 0).result(60)


def test_the_process_ends_before_them() -> None:
    program = (
        "import time; from cachescope.web.leavable_threads import LeavableThreads as T;"
        "T(1, name='x').submit(time.sleep, 600)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
