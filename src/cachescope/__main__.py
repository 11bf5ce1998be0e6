"""``python -m cachescope`` is the command line."""

from cachescope.cli.main import run

if __name__ == "__main__":
    run()
