"""The command line: in this process where that is enough, as a process of its own where it must be."""

import gc
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cachescope.catalogue.address import CatalogueAddress
from cachescope.cli.main import run as run_here


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """Runs commands in this process."""

    def __call__(self, *arguments: str | Path) -> Ended:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        collects = gc.isenabled()
        try:
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
                run_here([str(one) for one in arguments])
        finally:
            # A process that ends soon does without the collector; this one goes on.
            gc.enable() if collects else gc.disable()
        for stream in (out, err):
            stream.flush()
        code = stop.value.code
        assert isinstance(code, int)
        return Ended(code, _written(out), _written(err).decode())

    def well(self, *arguments: str | Path) -> Ended:
        """Run a command that is expected to end well."""
        ended = self(*arguments)
        assert ended.code == 0, (arguments, ended)
        return ended


def _written(stream: io.TextIOWrapper) -> bytes:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def start(
    *arguments: str | Path,
    db: CatalogueAddress,
    environment: Mapping[str, str] | None = None,
    through: Sequence[str] = (),
    **options: Any,
) -> "subprocess.Popen[bytes]":
    """Start a command as a process of its own, ``through`` another program if need be."""
    return subprocess.Popen(
        [*through, sys.executable, "-m", "cachescope", *map(str, arguments)],
        env={
            **os.environ,
            "CACHESCOPE_DB": str(db) if isinstance(db, Path) else db.url,
            **(environment or {}),
        },
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def process(*arguments: str | Path, db: CatalogueAddress, **options: Any) -> Ended:
    """Run a command as a process of its own, to its end; options are those of ``start``."""
    with start(*arguments, db=db, **options) as running:
        out, err = running.communicate(timeout=180)
    return Ended(running.returncode, out, err.decode())
