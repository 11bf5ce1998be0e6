"""Measures whole processes: wall time, processor time and peak memory, as the kernel counts them."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

_KIB = 1024  # ru_maxrss is in KiB on Linux
_SHOWN = 2000


class ProcessFailed(Exception):
    """A measured process ended with an error: what it printed."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One run of one process."""

    seconds: float
    """Wall time from start to end."""

    cpu_seconds: float
    """User and system time together."""

    peak_bytes: int
    """Largest resident set."""

    output: str


@dataclass(frozen=True, slots=True)
class Row:
    """All runs of one process, under the name that the table gives it."""

    name: str
    runs: tuple[Measure, ...]

    @property
    def seconds(self) -> float:
        """Median wall time."""
        return median(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """Median of user and system time."""
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        """Largest resident set of all runs."""
        return max(run.peak_bytes for run in self.runs)

    @property
    def range(self) -> tuple[float, float]:
        """Fastest and slowest wall time."""
        return min(run.seconds for run in self.runs), max(run.seconds for run in self.runs)


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measure:
    """Run a process to its end. Raises ``ProcessFailed`` if it ends with anything but 0."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if process.returncode:
        raise ProcessFailed(f"{' '.join(command)}: exit code {process.returncode}\n{printed[-_SHOWN:]}")
    return Measure(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _KIB, printed)
