"""Measures whole processes: wall time, processor time and peak memory, as the kernel counts them."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

LAUNCH = str(Path(__file__).resolve().with_name("launch.py"))

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


def measure(command: Sequence[str], environment: Mapping[str, str], text: str = "") -> Measure:
    """Run a process to its end; ``text`` is what it reads. Raises ``ProcessFailed`` if it ends with anything but 0."""
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as told,
    ):
        asked.write(text.encode())
        asked.seek(0)
        launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCH, str(told.fileno()), *command],
            stdin=asked,
            stdout=output,
            stderr=output,
            env=environment,
            pass_fds=[told.fileno()],
            start_new_session=True,
        )
        try:
            launcher.wait()
        except BaseException:
            os.killpg(launcher.pid, signal.SIGKILL)
            launcher.wait()
            raise
        for file in (output, told):
            file.seek(0)
        printed = output.read().decode(errors="replace")
        usage = told.read().split()
    code = os.waitstatus_to_exitcode(int(usage[1])) if usage else launcher.returncode
    if code:
        raise ProcessFailed(f"{' '.join(command)}: exit code {code}\n{printed[-_SHOWN:]}")
    return Measure(float(usage[0]), float(usage[2]), int(usage[3]) * _KIB, printed)
