"""The command line as a whole: help, exit codes, ``--db`` anywhere, pipes, internal errors, ``serve``."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGINT

import click
import pytest

from cachescope import __version__
from cachescope.cli.main import app
from tests.catalogues import V3
from tests.commands import CommandLine, process, start

BAD, INTERNAL, BROKEN_PIPE = 2, 70, 141


def commands(group: click.Group = app, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield all commands, and groups of commands, as they are typed."""
    here = click.Context(group)
    for name in group.list_commands(here):
        yield (*above, name)
        command = group.get_command(here, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))


@pytest.mark.parametrize("command", [(), *commands()], ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help(command: tuple[str, ...], option: str, run: CommandLine) -> None:
    told = run.well(*command, option)
    assert told.text.startswith(f"Usage: {' '.join(('cachescope', *command))}")
    assert told.err == ""


@pytest.mark.parametrize("command", [one for one in commands() if one != ("export",)], ids=" ".join)
def test_every_option_and_command_is_explained(command: tuple[str, ...]) -> None:
    found: click.Command = app
    for name in command:
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), name)
        assert below is not None
        found = below
    assert found.help
    unexplained = [one.name for one in found.params if isinstance(one, click.Option) and not one.help]
    assert unexplained == []


def test_a_command_loads_what_it_needs_alone(catalogue_file: Path) -> None:
    listing = "import sys; from cachescope.cli.main import run\ntry: run(sys.argv[1:])\nfinally: print(*sys.modules)"

    def loaded(*arguments: str) -> set[str]:
        ran = subprocess.run(
            [sys.executable, "-c", listing, *arguments],
            env={**os.environ, "CACHESCOPE_DB": str(catalogue_file)},
            capture_output=True,
            check=False,
            text=True,
        )
        return set(ran.stdout.split())

    heavy = {"sqlalchemy", "numpy", "litestar", "jinja2", "urllib3", "rich.console", "alembic", "archspec"}
    assert "click" in loaded("--version")
    assert not heavy & loaded("--version")
    assert not (heavy - {"sqlalchemy", "rich.console"}) & loaded("packages")
    assert not (heavy - {"sqlalchemy"}) & loaded("search", "^a", "--json")


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["search"], ["search", "a", "b"], ["search", "a", "--no-such-option"]],
    ids=" ".join,
)
def test_an_unknown_command_or_option_ends_with_2(arguments: list[str], run: CommandLine) -> None:
    refused = run(*arguments)
    assert refused.code == BAD
    assert "Error: " in refused.err
    assert "Traceback" not in refused.err


def test_without_a_command_the_help_is_shown(run: CommandLine) -> None:
    told = run()
    assert told.code == BAD
    assert "Usage: cachescope" in told.text + told.err


def test_version_is_told(run: CommandLine) -> None:
    assert run.well("--version").text == f"cachescope {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--db", "{db}", "search", "cr-zlib"],
        ["search", "--db", "{db}", "cr-zlib"],
        ["search", "cr-zlib", "--db", "{db}"],
        ["search", "cr-zlib", "--db={db}"],
    ],
)
def test_db_may_stand_before_and_after_the_command(
    arguments: list[str], sample_file: Path, run: CommandLine
) -> None:
    assert "cr-zlib@" in run.well(*(one.format(db=sample_file) for one in arguments)).text


def test_db_counts_more_than_the_environment(sample_file: Path, run: CommandLine) -> None:
    assert run("search", "cr-zlib").code == 1
    run.well("search", "cr-zlib", "--db", sample_file)


@pytest.mark.parametrize("arguments", [["packages"], ["search", "*", "--limit", "0", "--json"]], ids=" ".join)
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(
    arguments: list[str], sample_file: Path
) -> None:
    with start(*arguments, db=sample_file) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == BROKEN_PIPE


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "site", "/mirror"],
        ["sync", "{v3}"],
        ["--help"],
        ["search", "--batch", "{queries}"],
    ],
    ids=" ".join,
)
def test_a_reader_that_is_gone_is_no_missing_match(arguments: list[str], tmp_path: Path) -> None:
    queries = tmp_path / "queries"
    queries.write_text("zlib\n" * 2000)
    given = [one.format(v3=V3, queries=queries) for one in arguments]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = process(*given, db=tmp_path / "c.sqlite", stdout=writing)
    finally:
        os.close(writing)
    assert (ended.code, ended.err) == (BROKEN_PIPE, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "arguments", [["packages"], ["packages", "--json"], ["sync", "{v3}"], ["--help"]], ids=" ".join
)
def test_output_that_cannot_be_written_is_told(
    arguments: list[str], sample_file: Path, tmp_path: Path
) -> None:
    db = tmp_path / "c.sqlite" if "sync" in arguments else sample_file
    with Path("/dev/full").open("wb") as full:
        ended = process(*(one.format(v3=V3) for one in arguments), db=db, stdout=full)
    assert ended.code == BAD
    assert ended.err.startswith("Error: the output cannot be written: No space left on device\nHint: ")


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        (0, ["search", "--batch", "-"], 0),
        (0, ["coverage", "-"], 5),
        (1, ["caches"], 0),
        (1, ["packages", "--json"], 0),
        (1, ["sync", "{v3}"], 0),
        (2, ["sync", "{v3}"], 0),
        (2, ["package", "nosuch"], 3),
    ],
)
def test_a_closed_stream_is_an_empty_one(
    closed: int, arguments: list[str], code: int, sample_file: Path, tmp_path: Path
) -> None:
    db = tmp_path / "c.sqlite" if "sync" in arguments else sample_file
    given = [one.format(v3=V3) for one in arguments]
    close = ["sh", "-c", f'exec "$@" {closed}>&-', "sh"]
    assert process(*given, db=db, through=close).code == code


@pytest.mark.parametrize(
    "arguments", [["caches", "--db"], ["--db"], ["caches", "--json", "--db"]], ids=" ".join
)
def test_a_missing_db_is_named(arguments: list[str], run: CommandLine) -> None:
    refused = run(*arguments)
    assert refused.code == BAD
    assert "Option '--db' requires an argument." in refused.err


def test_what_is_piped_on_is_not_wrapped(sample_file: Path) -> None:
    listed = process("search", "cr-kokkos", db=sample_file).text.splitlines()
    assert len(listed) == 1 + len([one for one in listed if "cr-kokkos@" in one]) + 1
    assert max(map(len, listed)) > 80


def test_an_error_of_ours_is_reported_without_a_traceback_and_with_an_address(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is no known way to make the program fail so: a defect is put in.
    monkeypatch.setattr("cachescope.compose.settings", {}.__getitem__)
    failed = run("caches")
    assert failed.code == INTERNAL
    assert "internal error: TypeError: unhashable type" in failed.err
    assert "Please report it at https://" in failed.err
    assert "Traceback" not in failed.err


def test_the_module_is_the_command() -> None:
    told = subprocess.run([sys.executable, "-m", "cachescope", "--version"], capture_output=True, check=True)
    assert told.stdout.decode() == f"cachescope {__version__}\n"


# -- serve -----------------------------------------------------------------------------------------------------------


def test_serve_on_a_port_in_use_ends_with_2(run_on_sample: CommandLine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = run_on_sample("serve", "--port", str(port))
    assert refused.code == BAD
    assert f"port {port} on 127.0.0.1 is in use" in refused.err
    assert "choose another with --port" in refused.err


def test_serve_answers_until_ctrl_c_and_sees_what_others_sync_later(tmp_path: Path) -> None:
    db = tmp_path / "not-made-yet.sqlite"
    with start("serve", "--port", "0", db=db) as serving:
        assert serving.stdout is not None
        port = int(serving.stdout.readline().split(b":")[2].split(b"/")[0])
        assert _get(port, "/api/v1/caches") == b"[]\n"
        assert process("sync", V3, "--as", "site", db=db).code == 0
        assert b'"present": 90' in _get(port, "/api/v1/caches")
        serving.send_signal(SIGINT)
        _, err = serving.communicate(timeout=60)
    assert (serving.returncode, err) == (0, b"")


def _get(port: int, path: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()
