"""What every command needs: the settings, and where to print."""

import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.settings import Settings

__all__ = ["Context", "console", "error_console", "write_bytes"]


@dataclass(frozen=True, slots=True)
class Context:
    """Global options of the command line."""

    db: str | None

    def settings(self, **given: Any) -> "Settings":
        """Read the settings; ``given`` are further options of the command."""
        from cachescope import compose

        return compose.settings({"db": self.db, **given})


@cache
def console() -> "Console":
    """Return the console of standard output; colour is off when it is no terminal."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to ``main``: the exit code 1, which rich would take, means "no match" here."""
            raise BrokenPipeError

    return Output(highlight=False)


@cache
def error_console() -> "Console":
    """Return the console of standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def write_bytes(data: bytes) -> None:
    """Write to standard output as it is."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
