"""The process of the command line: ``cachescope`` and ``python -m cachescope`` begin and end here."""

import _thread
import signal
import sys

__all__ = ["main"]

_INTERRUPTED = 130
_MOMENT = 0.01
"""Seconds until an interrupt that Python dropped is given again."""


def _given_again(dropped: "sys.UnraisableHookArgs") -> None:
    """Give a Ctrl-C again that came while Python ran a finalizer, where it would only be printed."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    from threading import Timer

    Timer(_MOMENT, _thread.interrupt_main).start()


def main() -> None:
    """Run the command line in a process of its own.

    Ctrl-C has the same exit code at every moment: also while modules are loaded, before a command can say what it means.
    """
    sys.unraisablehook = _given_again
    try:
        from cachescope.cli.main import run

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    finally:
        # What the process had to do is done: an interrupt while Python puts its things away is no news.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
