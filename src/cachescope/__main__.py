"""The process of the command line: ``cachescope`` and ``python -m cachescope`` begin and end here."""

import signal
import sys

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> None:
    """Run the command line in a process of its own.

    Ctrl-C has the same exit code at every moment: also while modules are loaded, before a command can say what it means.
    """
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
