"""``db status``, ``check``, ``vacuum``, ``backup`` and ``copy``: what is printed, exit codes, and backups of a busy file."""

import os
import resource
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cachescope.catalogue.address import ServerAddress
from tests import mirrors
from tests.catalogues import V3, content, rows, standing
from tests.commands import CommandLine, process, start

FINDINGS = 1
BAD_INPUT = 2
NOT_THERE = 3
UNUSABLE = 6


@pytest.fixture
def synced(run: CommandLine, catalogue_file: Path) -> Path:
    run.well("sync", V3, "--as", "crafted/signed")
    return catalogue_file


def test_status_prints_what_is_there(synced: Path, run: CommandLine) -> None:
    printed = run.well("db", "status").text
    for words in (str(synced), "SQLite 3.", "107", "107 now, 0 formerly", "snapshots", "last sync"):
        assert words in printed
    found = run.well("db", "status", "--json").json
    assert (found["mirrors"], found["specs"], found["standing"], found["closed"]) == (1, 107, 107, 0)
    assert found["last_sync"].endswith("Z")
    assert found["size"] == synced.stat().st_size + _log(synced)


def _log(file: Path) -> int:
    log = file.with_name(file.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def test_status_of_a_file_that_is_not_there_is_empty_and_makes_none(run: CommandLine, tmp_path: Path) -> None:
    found = run.well("--db", tmp_path / "none.sqlite", "db", "status", "--json").json
    assert (found["size"], found["specs"], found["last_sync"]) == (0, 0, None)
    assert not (tmp_path / "none.sqlite").exists()
    printed = run.well("--db", tmp_path / "none.sqlite", "db", "status").text
    assert "0 bytes" in printed
    assert "oldest" not in printed


def test_check_ends_with_0_where_all_is_well_and_with_1_where_something_is_wrong(
    synced: Path, run: CommandLine
) -> None:
    assert "is whole" in run.well("db", "check").text
    with closing(sqlite3.connect(synced)) as connection:
        connection.execute("UPDATE source SET present = 7")
        connection.commit()
    ended = run("db", "check")
    assert ended.code == FINDINGS
    assert "other counts than records" in ended.text
    assert "restore a backup" in ended.text
    said = run("db", "check", "--json")
    assert said.code == FINDINGS
    (finding,) = said.json["findings"]
    assert (finding["check"], finding["count"]) == ("counts", 1)
    assert "7 present, counted 90" in finding["examples"][0]


def test_check_of_a_file_that_is_not_there_does_not_pass(run: CommandLine, tmp_path: Path) -> None:
    ended = run("--db", tmp_path / "none.sqlite", "db", "check")
    assert ended.code == NOT_THERE
    assert "there is no catalogue" in ended.err
    assert not (tmp_path / "none.sqlite").exists()


def test_vacuum_says_what_it_removed(synced: Path, run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "kept for ever" in run.well("db", "vacuum").text
    monkeypatch.setenv("CACHESCOPE_HISTORY_DAYS", "30")
    printed = run.well("db", "vacuum").text
    assert "removed history that ended before" in printed
    assert "0 intervals" in printed
    assert f"{synced}" in printed


# -- backups --------------------------------------------------------------------------------------------------------


def test_a_backup_is_the_whole_catalogue_in_one_file(synced: Path, run: CommandLine, tmp_path: Path) -> None:
    backup = tmp_path / "backup.sqlite"
    assert str(backup) in run.well("db", "backup", backup).text
    assert list(content(backup)) == list(content(synced))
    assert rows(backup, "PRAGMA integrity_check") == [("ok",)]
    run.well("--db", backup, "db", "check")
    run.well("db", "backup", backup)  # in the place of the former one
    assert list(tmp_path.glob(".*")) == []


def test_backups_beside_a_sync_are_whole_states(
    run: CommandLine, catalogue_file: Path, tmp_path: Path
) -> None:
    for number in ("0", "1"):
        nodes = [mirrors.node(f"many-{one}", f"1.{number}" if one % 5 == 0 else "1.0") for one in range(2000)]
        mirrors.write_v3(tmp_path / number, mirrors.index(mirrors.installs(nodes)))
    run.well("sync", tmp_path / "0", "--as", "site")
    former = standing(catalogue_file)
    states = set()
    with start("sync", tmp_path / "1", "--as", "site", db=catalogue_file) as running:
        while running.poll() is None:
            run.well("db", "backup", tmp_path / "backup.sqlite")
            states.add(standing(tmp_path / "backup.sqlite"))
        running.communicate()
    assert running.returncode == 0
    assert states <= {former, standing(catalogue_file)}
    assert former in states


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


REFUSED: dict[str, tuple[Callable[[Path, Path], Path], int, str]] = {
    "itself": (lambda synced, _: synced, BAD_INPUT, "the catalogue itself"),
    "a folder": (lambda _, folder: folder, UNUSABLE, "is a folder"),
    "another file": (lambda _, folder: folder / "notes.txt", UNUSABLE, "not a SQLite database"),
    "a pipe": (lambda _, folder: _pipe(folder.with_name("pipe")), UNUSABLE, "is no file"),
    "no folder": (lambda _, folder: folder / "no" / "backup.sqlite", UNUSABLE, "cannot be written"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_backup_never_takes_the_place_of_something_else(
    kind: str, synced: Path, run: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "notes.txt").write_text("a shopping list\n" * 100)
    target, code, message = REFUSED[kind]
    ended = run("db", "backup", target(synced, folder))
    assert (ended.code, message in ended.err) == (code, True), ended
    assert [one.name for one in folder.iterdir()] == ["notes.txt"]
    assert (folder / "notes.txt").read_text().startswith("a shopping list")
    run.well("db", "check")


def test_a_backup_never_takes_the_place_of_a_database_of_another_program(
    synced: Path, run: CommandLine, tmp_path: Path
) -> None:
    other = tmp_path / "photos.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE photo (name TEXT)")
    before = other.read_bytes()
    ended = run("--db", synced, "db", "backup", other)
    assert (ended.code, "belongs to another program" in ended.err) == (UNUSABLE, True), ended
    assert "only an earlier backup gives way" in ended.err
    assert other.read_bytes() == before


def test_a_backup_never_takes_the_place_of_a_catalogue_in_use(
    synced: Path, run: CommandLine, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite"
    run.well("db", "backup", other)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE source SET present = 7")
        connection.commit()
        ended = run("--db", synced, "db", "backup", other)
        assert (ended.code, "a database in use" in ended.err) == (UNUSABLE, True), ended
    assert rows(other, "SELECT present FROM source") == [(7,)]
    run.well("db", "backup", other)


def test_a_backup_takes_the_place_of_an_empty_file(synced: Path, run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "backup.sqlite").touch()  # as mktemp makes it
    run.well("--db", synced, "db", "backup", tmp_path / "backup.sqlite")
    run.well("--db", tmp_path / "backup.sqlite", "db", "check")


def test_a_backup_of_no_catalogue_is_refused(run: CommandLine, tmp_path: Path) -> None:
    ended = run("--db", tmp_path / "none.sqlite", "db", "backup", tmp_path / "backup.sqlite")
    assert ended.code == NOT_THERE
    assert not (tmp_path / "backup.sqlite").exists()


def _small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))


def test_a_backup_that_the_disk_refuses_keeps_the_former_one(
    synced: Path, run: CommandLine, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.sqlite"
    run.well("db", "backup", backup)
    before = backup.read_bytes()
    refused = process("db", "backup", backup, db=synced, preexec_fn=_small_files)
    assert refused.code == UNUSABLE, refused
    assert str(backup) in refused.err.replace("\n", "")
    assert backup.read_bytes() == before
    assert list(tmp_path.glob(".*")) == []


# -- copies ---------------------------------------------------------------------------------------------------------


def test_a_catalogue_moves_to_postgresql_and_back(
    synced: Path, run: CommandLine, catalogue_database: ServerAddress, tmp_path: Path
) -> None:
    moved = run.well("db", "copy", synced, catalogue_database.url).text
    assert "107 specs, 1 mirrors" in moved
    assert str(catalogue_database) in moved
    back = tmp_path / "back.sqlite"
    run.well("db", "copy", catalogue_database.url, back)
    assert list(content(back)) == list(content(catalogue_database)) == list(content(synced))
    run.well("--db", catalogue_database.url, "db", "check")
    again = run("db", "copy", synced, catalogue_database.url)
    assert again.code == BAD_INPUT
    assert "not empty" in again.err


def test_a_database_of_a_server_is_backed_up_by_its_own_tools(
    catalogue_database: ServerAddress, run: CommandLine, tmp_path: Path
) -> None:
    ended = run("--db", catalogue_database.url, "db", "backup", tmp_path / "backup.sqlite")
    assert ended.code == BAD_INPUT
    assert "pg_dump" in ended.err
    assert "db copy" in ended.err
    assert not (tmp_path / "backup.sqlite").exists()
