"""Servers that benchmarks measure: started as processes, known by the address that they print, ended with the block."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import ProcessFailed

PATIENCE = 120.0
"""Seconds that a server may take until it listens."""

_PAUSE = 0.02
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens."""

    port: int
    process: int

    def resident_bytes(self) -> int:
        """Memory that it and its children have resident."""
        return sum(map(_resident, self._processes()))

    def cpu_seconds(self) -> float:
        """Processor time that it and its children have taken so far."""
        return sum(map(_spent, self._processes()))

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text(encoding="ascii")
        return [self.process, *map(int, children.split())]


def _spent(process: int) -> float:
    # The name of the program comes before, in parentheses, and may hold anything.
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(process: int) -> int:
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def listening(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    """Start a server; give its port. Raises ``ProcessFailed`` if it ends or says no address."""
    with serving(command, environment) as server:
        yield server.port


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    """Start a server; give its port and process. Raises ``ProcessFailed`` if it ends or says no address."""
    # A file and no pipe: nobody reads what the server prints later, and a full pipe would stop it.
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        ) as server,
    ):
        try:
            yield Server(_port(server, output.fileno(), command), server.pid)
        finally:
            server.terminate()


def _port(server: subprocess.Popen[bytes], output: int, command: Sequence[str]) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        found = _ADDRESS.search(_printed(output))
        if found is not None:
            return int(found[1])
        time.sleep(_PAUSE)
    raise ProcessFailed(f"{' '.join(command)}: says no address\n{_printed(output).decode(errors='replace')}")


def _printed(output: int) -> bytes:
    return os.pread(output, 1 << 16, 0)
