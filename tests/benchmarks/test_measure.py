"""The measuring of whole processes."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.measure import ProcessFailed, measure

MIB = 1024 * 1024
ENVIRONMENT = dict(os.environ)


def python(text: str) -> list[str]:
    """The command that runs a text."""
    return [sys.executable, "-c", text]


def test_peak_is_that_of_the_process_and_not_of_the_one_that_measures() -> None:
    held = bytearray(os.urandom(1) * (200 * MIB))
    small = measure(python("pass"), ENVIRONMENT)
    large = measure(python("b'x' * (300 << 20)"), ENVIRONMENT)
    assert len(held) == 200 * MIB
    assert small.peak_bytes < 100 * MIB
    assert 300 * MIB < large.peak_bytes < 400 * MIB


def test_times_are_those_of_the_process() -> None:
    slept = measure(python("import time; time.sleep(0.3)"), ENVIRONMENT)
    worked = measure(python("sum(range(30_000_000))"), ENVIRONMENT)
    assert slept.seconds > 0.3
    assert worked.cpu_seconds > measure(python("pass"), ENVIRONMENT).cpu_seconds


def test_what_is_given_is_read_and_what_is_printed_is_kept() -> None:
    said = measure(python("import sys; print(sys.stdin.read().upper())"), ENVIRONMENT, "abc")
    assert said.output == "ABC\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import sys; print('why'); sys.exit(3)", "exit code 3\nwhy"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code -9"),
    ],
    ids=["an error", "killed"],
)
def test_a_process_that_fails_is_told_with_what_it_printed(text: str, problem: str) -> None:
    with pytest.raises(ProcessFailed) as caught:
        measure(python(text), ENVIRONMENT)
    assert problem in str(caught.value)


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="No such file"):
        measure([str(tmp_path / "nothing")], ENVIRONMENT)
