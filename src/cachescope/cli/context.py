"""What every command needs: the settings, and where to print."""

import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.settings import Settings

__all__ = ["Context", "ReaderGone", "console", "error_console", "say", "write_bytes"]


class ReaderGone(Exception):
    """Whoever reads our output has seen enough (``| head``).

    Not a ``BrokenPipeError``, for which rich and click would end with 1: that means "no match" here.
    """


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
            raise ReaderGone

    return Output(highlight=False)


@cache
def error_console() -> "Console":
    """Return the console of standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a line to standard output: what is piped on is not wrapped."""
    from cachescope.present import terminal

    if sys.stdout.isatty():
        terminal.say(console(), text)
    else:
        # Nobody sees colours, and what makes them takes longer to load than many a command to run.
        sys.stdout.write(f"{terminal.printable(text)}\n")
        sys.stdout.flush()


def write_bytes(data: bytes) -> None:
    """Write to standard output as it is."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error
