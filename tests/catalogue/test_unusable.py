"""Databases that cannot be used: exit code 6, what and what to do, and nothing lost."""

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import open_for_reading
from cachescope.catalogue.reader import Reader
from tests import mirrors
from tests.catalogues import V3, OpenCatalogue, rows
from tests.commands import CommandLine, Ended, process

FOUND = 3
UNUSABLE = 6


@pytest.fixture
def catalogue_address(catalogue_file: Path) -> CatalogueAddress:
    """What is tried here is tried with a file."""
    return catalogue_file


@pytest.fixture
def synced(catalogue_file: Path) -> Path:
    """A catalogue that has something to lose."""
    with OpenCatalogue(catalogue_file) as opened:
        opened.sync("crafted/signed", V3)
    return catalogue_file


def _text(file: Path) -> None:
    file.write_text("a shopping list, long enough to be taken for a header\n" * 20)


def _nearly_a_database(file: Path) -> None:
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def _of_another_program(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE places (url TEXT)")
        connection.commit()


def _newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.commit()


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


SPOILT: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "text": (_text, "not a SQLite database", "--db"),
    "broken header": (_nearly_a_database, "", "--db"),
    "another program": (_of_another_program, "belongs to another program", "--db"),
    "newer schema": (_newer, "has schema 0999; this cachescope knows up to", "update this one"),
    "folder": (_folder, "is a folder", "--db"),
}


@pytest.mark.parametrize("command", [["caches"], ["sync"], ["show", "2fmd43a"]], ids=lambda it: it[0])
@pytest.mark.parametrize("kind", SPOILT)
def test_a_file_that_is_no_catalogue_is_refused_and_left_as_it_is(
    kind: str, command: list[str], run: CommandLine, catalogue_file: Path
) -> None:
    spoil, message, hint = SPOILT[kind]
    spoil(catalogue_file)
    before = catalogue_file.read_bytes() if catalogue_file.is_file() else None
    ended = run(*command)
    assert ended.code == UNUSABLE
    assert str(catalogue_file) in ended.err
    assert message in ended.err
    assert hint in ended.err
    assert (catalogue_file.read_bytes() if catalogue_file.is_file() else None) == before


def _absent(file: Path) -> None:
    file.unlink()


def _zero_bytes(file: Path) -> None:
    file.write_bytes(b"")


def _without_tables(file: Path) -> None:
    """What a process leaves that is killed while it makes the catalogue."""
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("begin", [_absent, _zero_bytes, _without_tables])
def test_a_catalogue_that_is_not_made_yet_reads_as_an_empty_one_and_can_be_written(
    begin: Callable[[Path], None], run: CommandLine, catalogue_file: Path
) -> None:
    begin(catalogue_file)
    assert run.well("caches", "--json").json == []
    assert run("show", "2fmd43a").code == FOUND
    run.well("sync", V3, "--as", "crafted/signed")
    assert len(run.well("search", "cr-zlib", "--json").json["specs"]) > 0


def test_an_empty_catalogue_answers_several_threads(tmp_path: Path) -> None:
    with open_for_reading(tmp_path / "none.sqlite", busy_timeout=1) as empty, ThreadPoolExecutor(8) as pool:
        reader = Reader(empty)
        assert list(pool.map(lambda _: len(reader.sources()), range(64))) == [0] * 64
    assert not (tmp_path / "none.sqlite").exists()


@contextlib.contextmanager
def _write_lock(file: Path) -> Iterator[None]:
    """Hold the write lock in another process, as another sync does."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield


def test_a_locked_catalogue_refuses_writers_after_their_patience_and_answers_readers(
    run: CommandLine, synced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHESCOPE_BUSY_TIMEOUT", "0.1")
    with _write_lock(synced):
        refused = run("sync", "crafted/signed")
        assert len(run.well("search", "cr-zlib", "--json").json["specs"]) > 0
    assert refused.code == UNUSABLE
    assert "locked by another process" in refused.err
    assert "busy_timeout" in refused.err
    run.well("sync", "crafted/signed")


def test_a_writer_waits_for_the_one_before_it(run: CommandLine, synced: Path) -> None:
    with _write_lock(synced):
        # The lock goes when the block ends; the patience of 30 s is longer than that.
        waiting = subprocess.Popen(
            [sys.executable, "-m", "cachescope", "sync", "crafted/signed"],
            env={**os.environ, "CACHESCOPE_DB": str(synced)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.5)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (0, b"")
    assert b"unchanged" in out
    run.well("search", "cr-zlib")


def _without_rights(*arguments: str | Path, db: Path) -> Ended:
    """Run a command as a process for which permissions hold: that of root lays its rights over files down."""
    if os.geteuid() != 0:
        return process(*arguments, db=db)
    if shutil.which("setpriv") is None:
        pytest.skip("permissions hold nobody back who is root, and there is no setpriv to lay rights down")
    return process(
        *arguments, db=db, through=("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    )


def test_a_read_only_catalogue_answers_and_refuses_to_be_written(synced: Path, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    file = folder / "catalogue.sqlite"
    file.write_bytes(synced.read_bytes())
    file.chmod(0o444)
    folder.chmod(0o555)
    found = _without_rights("search", "cr-zlib", "--json", db=file)
    assert found.code == 0, found
    assert len(found.json["specs"]) > 0
    refused = _without_rights("sync", "crafted/signed", db=file)
    assert refused.code == UNUSABLE
    assert "cannot be written" in refused.err
    assert "--db" in refused.err
    assert file.read_bytes() == synced.read_bytes()
    assert [one.name for one in folder.iterdir()] == [file.name]
    folder.chmod(0o755)


_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def test_a_catalogue_on_read_only_media_refuses_to_be_written_as_that(synced: Path) -> None:
    through = ("unshare", "--map-root-user", "--mount", "sh", "-c", _READ_ONLY, str(synced.parent))
    if (
        shutil.which("unshare") is None
        or subprocess.run([*through, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("nothing can be mounted read-only here")
    assert process("search", "cr-zlib", db=synced, through=through).code == 0
    for command in (("sync", "crafted/signed"), ("db", "vacuum"), ("remove", "crafted/signed")):
        refused = process(*command, db=synced, through=through)
        assert refused.code == UNUSABLE
        assert "the catalogue cannot be written" in refused.err
        assert "write permission for it and its folder" in refused.err


def _unlimited_but(size: int) -> Callable[[], None]:
    def limit() -> None:
        # As on a full disk, a write beyond the limit fails instead of ending the process.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_write_that_the_disk_refuses_loses_nothing(run: CommandLine, synced: Path, tmp_path: Path) -> None:
    many = [mirrors.node(f"many-{number}", comment="x" * 200) for number in range(3000)]
    mirrors.write_v3(tmp_path / "many", mirrors.index(mirrors.installs(many)))
    limit = synced.stat().st_size + 64 * 1024
    refused = process(
        "sync", tmp_path / "many", "--as", "many/root", db=synced, preexec_fn=_unlimited_but(limit)
    )
    assert refused.code == UNUSABLE, refused
    assert "disk" in refused.err
    assert "Traceback" not in refused.err
    assert rows(synced, "PRAGMA integrity_check") == [("ok",)]
    assert len(run.well("search", "cr-zlib", "--json").json["specs"]) > 0
    assert run("search", "many-1").code == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing(
    small_disk: Path, synced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small_disk / "catalogue.sqlite"
    file.write_bytes(synced.read_bytes())
    many = [mirrors.node(f"many-{number}", comment="x" * 200) for number in range(3000)]
    mirrors.write_v3(tmp_path / "many", mirrors.index(mirrors.installs(many)))
    refused = process("sync", tmp_path / "many", "--as", "many/root", db=file)
    assert refused.code == UNUSABLE, refused
    assert "the disk is full" in refused.err
    assert "free some space" in refused.err
    monkeypatch.setenv("CACHESCOPE_DB", str(file))
    assert len(CommandLine().well("search", "cr-zlib", "--json").json["specs"]) > 0
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_a_killed_process_left_half_written_is_read_as_it_was_before(
    synced: Path, tmp_path: Path
) -> None:
    """A catalogue that is being made is not in WAL mode yet: a reader alone may not undo what its journal says."""
    left = tmp_path / "left.sqlite"
    with closing(sqlite3.connect(synced)) as source, closing(sqlite3.connect(left)) as target:
        source.backup(target)
    expected = list(rows(left, "SELECT hash FROM spec ORDER BY hash"))
    killed = tmp_path / "killed.sqlite"
    with closing(sqlite3.connect(left, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = DELETE").fetchone()
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE spec SET hash = 'x' || id")
        for suffix in ("", "-journal"):
            shutil.copy(f"{left}{suffix}", f"{killed}{suffix}")
        writer.execute("ROLLBACK")
    with open_for_reading(killed, busy_timeout=1) as catalogue, catalogue.reading() as connection:
        found = connection.exec_driver_sql("SELECT hash FROM spec ORDER BY hash").all()
    assert [tuple(row) for row in found] == expected


def test_a_folder_that_cannot_be_made_is_told(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ended = run("--db", tmp_path / "file" / "catalogue.sqlite", "sync", V3)
    assert ended.code == UNUSABLE
    assert "folder of the catalogue cannot be made" in ended.err
    assert "--db" in ended.err
