"""The command ``cachescope``: global options, the tree of commands, and the one place where errors become exit codes."""

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from cachescope import __version__
from cachescope.cli.context import Context, ReaderGone, error_console
from cachescope.cli.standard_streams import discard_output, is_output_failure, open_closed_streams
from cachescope.model.errors import CachescopeError, UserInputError

__all__ = ["app", "run"]

_REPORT_TO = "https://github.com/cachescope/cachescope/issues"
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_INTERNAL = 70

_COMMANDS = {
    "add": "mirrors",
    "remove": "mirrors",
    "caches": "mirrors",
    "sync": "syncing",
    "search": "searching",
    "query": "searching",
    "packages": "reading",
    "package": "reading",
    "show": "reading",
    "diff": "diffing",
    "coverage": "covering",
    "why": "covering",
    "pull": "pulling",
    "page": "exporting",
    "export": "exporting",
    "virtual": "virtual_mirrors",
    "serve": "serving",
    "db": "upkeep",
}
"""Commands in the order of the help, and the module that each is in; it is loaded when the command is asked for."""


class _Commands(click.Group):
    """Commands whose modules are loaded when they are needed, so that each starts as fast as it can."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"cachescope.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    # Not left to click, which ends with 1 where nobody reads on: that means "no match" here.

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _telling_that_the_reader_is_gone():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _telling_that_the_reader_is_gone():
            return super().invoke(ctx)


@contextmanager
def _telling_that_the_reader_is_gone() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--db",
    metavar="DB",
    help="The catalogue: a file, or postgresql+psycopg://USER@HOST/NAME (CACHESCOPE_DB).",
)
@click.version_option(__version__, message="cachescope %(version)s")
@click.pass_context
def app(context: click.Context, *, db: str | None) -> None:
    """Tell what is in Spack binary build caches: which binaries exist, where, and how to use them."""
    context.obj = Context(db=db)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    # Commands are short and make few cycles: without the collector they start a tenth faster. 'serve' turns it on again.
    gc.disable()
    open_closed_streams()
    given = _options_first(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_guarded(given))


def _options_first(arguments: list[str]) -> list[str]:
    """Let ``--db`` stand anywhere: it belongs to the program, but people write it where they think of it."""
    first: list[str] = []
    rest: list[str] = []
    pending = iter(arguments)
    for one in pending:
        if one == "--":
            rest.extend((one, *pending))
        elif one == "--db":
            value = next(pending, None)
            if value is None:
                return [one]  # alone, so that what is missing is told and no other word is taken for it
            first.extend((one, value))
        elif one.startswith("--db="):
            first.append(one)
        else:
            rest.append(one)
    return [*first, *rest]


def _guarded(arguments: list[str]) -> int:  # noqa: PLR0911 - one row for each way to end
    try:
        result: Any = app.main(args=arguments, prog_name="cachescope", standalone_mode=False)
        sys.stdout.flush()
    except CachescopeError as error:
        return _failed(error, as_json="--json" in arguments)
    except (KeyboardInterrupt, click.Abort):
        # It may come behind the last commit: then a mirror is read, and this must be true as well.
        error_console().print("interrupted; what was not finished is in the catalogue as it was before")
        return _INTERRUPTED
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        if "--json" in arguments:
            _write_error(UserInputError(error.format_message(), hint="see cachescope --help"))
        error.show()
        return error.exit_code
    except (ReaderGone, BrokenPipeError):
        discard_output()
        return _BROKEN_PIPE
    except OSError as error:
        return _unwritten(error) if is_output_failure(error) else _reported(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence, which reports and does not hide
        return _reported(error)
    return result if isinstance(result, int) else 0


def _write_error(error: CachescopeError) -> None:
    from cachescope.present import to_json

    sys.stdout.buffer.write(to_json.render_error(error))
    sys.stdout.flush()


def _failed(error: CachescopeError, *, as_json: bool) -> int:
    from cachescope.present import to_text

    if as_json:
        _write_error(error)
    to_text.error(error_console(), error)
    return error.exit_code


def _unwritten(failure: OSError) -> int:
    """Say that standard output cannot be written, for example because its disk is full."""
    discard_output()
    reason = failure.strerror or str(failure)
    hint = "make room there, or send the output elsewhere"
    return _failed(UserInputError(f"the output cannot be written: {reason}", hint=hint), as_json=False)


def _reported(error: Exception) -> int:
    import traceback
    from pathlib import Path

    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    if os.environ.get("CACHESCOPE_DEBUG"):
        traceback.print_exception(error)
    error_console().print(
        f"internal error: {type(error).__name__}: {error} ({place})\n"
        f"Please report it at {_REPORT_TO}; CACHESCOPE_DEBUG=1 shows more.",
        markup=False,
        highlight=False,
    )
    return _INTERNAL
