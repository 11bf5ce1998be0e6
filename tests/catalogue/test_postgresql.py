"""A PostgreSQL server that cannot be used, or goes away: exit code 6, what and what to do, no password, and nothing lost."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cachescope.catalogue.address import CatalogueAddress, ServerAddress
from cachescope.catalogue.engine import open_for_reading, open_for_writing, upgrade
from cachescope.catalogue.reader import Reader
from cachescope.catalogue.revisions import REVISIONS
from cachescope.catalogue.schema import metadata
from cachescope.jobs.progress import NoProgress
from cachescope.model.errors import CatalogueUnusable
from tests import mirrors
from tests.catalogues import TO_FIRST_SCHEMA, V3, OpenCatalogue, content, rows
from tests.commands import CommandLine, process, start
from tests.postgresql import PostgresqlServer, database_of, programs, unprivileged

UNUSABLE = 6
INTERRUPTED = 130
LOCK = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = %s)"


@pytest.fixture
def catalogue_address(catalogue_database: ServerAddress) -> CatalogueAddress:
    """What is tried here is tried with a server."""
    return catalogue_database


@pytest.fixture
def synced(catalogue_database: ServerAddress) -> ServerAddress:
    """A catalogue that has something to lose."""
    with OpenCatalogue(catalogue_database) as opened:
        opened.sync("crafted/signed", V3)
    return catalogue_database


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A mirror that takes a while to write."""
    nodes = [mirrors.node(f"many-{number}", comment="x" * 200) for number in range(4000)]
    mirrors.write_v3(tmp_path / "many", mirrors.index(mirrors.installs(nodes)))
    return tmp_path / "many"


# -- the tables -----------------------------------------------------------------------------------------------------


def _migrated(address: ServerAddress) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(address.url)
    with engine.begin() as connection:
        upgrade(connection)
    return engine


def test_migrations_make_the_schema_that_the_code_describes(postgresql: PostgresqlServer) -> None:
    engine = _migrated(postgresql.new_database())
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_a_new_catalogue_is_at_the_newest_revision(catalogue_database: ServerAddress) -> None:
    assert rows(catalogue_database, "SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]


def test_all_text_sorts_by_its_bytes(catalogue_database: ServerAddress) -> None:
    """The server of these tests speaks a language in which it would not."""
    others = rows(
        catalogue_database,
        """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'
        """,
    )
    assert others == []


def test_a_catalogue_of_the_first_schema_is_brought_up_to_date_and_keeps_what_it_has(
    synced: ServerAddress, postgresql: PostgresqlServer
) -> None:
    before = list(content(synced))
    with closing(postgresql.connect(database_of(synced))) as connection:
        for statement in TO_FIRST_SCHEMA:
            connection.execute(statement)
    with open_for_reading(synced, busy_timeout=5) as catalogue:
        assert len(Reader(catalogue).sources()) == 1
    assert rows(synced, "SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]
    assert list(content(synced)) == before
    test_all_text_sorts_by_its_bytes(synced)


def test_opening_an_empty_database_for_reading_shows_an_empty_catalogue_and_makes_nothing(
    postgresql: PostgresqlServer,
) -> None:
    address = postgresql.new_database()
    with open_for_reading(address, busy_timeout=1) as catalogue:
        assert Reader(catalogue).sources() == []
    assert rows(address, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


# -- servers and databases that cannot be used ----------------------------------------------------------------------


def _nobody(server: PostgresqlServer) -> ServerAddress:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return server.address("db", port=bound.getsockname()[1])


def _wrong_password(server: PostgresqlServer) -> ServerAddress:
    return server.address("postgres", password="wrong-secret")  # noqa: S106 - the wrong one


def _no_such_database(server: PostgresqlServer) -> ServerAddress:
    return server.address("nowhere")


def _of_another_program(server: PostgresqlServer) -> ServerAddress:
    address = server.new_database()
    with closing(server.connect(database_of(address))) as connection:
        connection.execute("CREATE TABLE places (url TEXT)")
    return address


def _newer(server: PostgresqlServer) -> ServerAddress:
    address = server.new_database()
    open_for_writing(address, busy_timeout=1).close()
    with closing(server.connect(database_of(address))) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    return address


SPOILT: dict[str, tuple[Callable[[PostgresqlServer], ServerAddress], str, str]] = {
    "unreachable": (_nobody, "cannot be reached", "is it running"),
    "wrong password": (_wrong_password, "refused user or password", "~/.pgpass"),
    "no database": (_no_such_database, "knows no such database", "createdb"),
    "another program": (_of_another_program, "belongs to another program", "--db"),
    "newer schema": (_newer, "has schema 0999; this cachescope knows up to", "update this one"),
}


@pytest.mark.parametrize("command", [["caches", "--json"], ["sync"]], ids=lambda it: it[0])
@pytest.mark.parametrize("kind", SPOILT)
def test_a_database_that_cannot_be_used_is_told_with_its_remedy_and_without_its_password(
    kind: str, command: list[str], postgresql: PostgresqlServer, run: CommandLine
) -> None:
    spoil, message, hint = SPOILT[kind]
    address = spoil(postgresql)
    ended = run("--db", address.url, *command)
    assert ended.code == UNUSABLE, ended
    assert message in ended.err
    assert hint in ended.err
    assert str(address) in " ".join(ended.err.split())
    assert postgresql.password not in ended.err + ended.text
    assert "wrong-secret" not in ended.err + ended.text


def _as_reader(server: PostgresqlServer, address: ServerAddress) -> str:
    """Return the address for a user who may only read."""
    with closing(server.connect(database_of(address))) as connection:
        connection.execute("DROP ROLE IF EXISTS visitor")
        connection.execute("CREATE ROLE visitor LOGIN PASSWORD 'visit'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor")
    return address.url.replace(f"cachescope:{server.password}", "visitor:visit")


def test_a_user_who_may_only_read_is_answered_and_refused_to_write(
    postgresql: PostgresqlServer, synced: ServerAddress, run: CommandLine
) -> None:
    url = _as_reader(postgresql, synced)
    try:
        assert len(run.well("--db", url, "search", "cr-zlib", "--json").json["specs"]) > 0
        refused = run("--db", url, "add", "other", "/mnt")
    finally:
        with closing(postgresql.connect(database_of(synced))) as connection:
            connection.execute("DROP OWNED BY visitor")
            connection.execute("DROP ROLE visitor")
    assert refused.code == UNUSABLE
    assert "may not do that" in refused.err
    assert "rights over the tables" in refused.err


# -- other writers --------------------------------------------------------------------------------------------------


@contextmanager
def _write_lock(address: ServerAddress) -> Iterator[None]:
    with open_for_writing(address, busy_timeout=1) as other, other.writing():
        yield


def test_a_locked_catalogue_refuses_writers_after_their_patience_and_answers_readers(
    synced: ServerAddress, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHESCOPE_DB", synced.url)
    monkeypatch.setenv("CACHESCOPE_BUSY_TIMEOUT", "0.1")
    with _write_lock(synced):
        refused = run("sync", "crafted/signed")
        assert len(run.well("search", "cr-zlib", "--json").json["specs"]) > 0
    assert refused.code == UNUSABLE
    assert "locked by another process" in refused.err
    assert "busy_timeout" in refused.err
    run.well("sync", "crafted/signed")


def _wait_for(server: PostgresqlServer, statement: str, *values: object, count: int = 1) -> None:
    with closing(server.connect("postgres")) as connection:
        for _ in range(6000):
            row = connection.execute(statement.encode(), values).fetchone()
            if row is not None and row[0] == count:
                return
            time.sleep(0.01)
    raise AssertionError(statement)


def test_ctrl_c_while_a_sync_waits_for_another_one_ends_it_with_130(
    postgresql: PostgresqlServer, synced: ServerAddress
) -> None:
    waiting = LOCK.replace("AND granted", "AND NOT granted")
    with _write_lock(synced), start("sync", "crafted/signed", db=synced) as interrupted:
        _wait_for(postgresql, waiting, database_of(synced))
        interrupted.send_signal(signal.SIGINT)
        _, err = interrupted.communicate(timeout=120)
    assert interrupted.returncode == INTERRUPTED, err
    assert b"interrupted" in err


def test_a_sync_that_is_killed_leaves_the_former_snapshot_and_no_lock(
    postgresql: PostgresqlServer, synced: ServerAddress, many: Path
) -> None:
    before = list(content(synced))
    with start("sync", many, "--as", "many/root", db=synced) as killed:
        _wait_for(postgresql, LOCK, database_of(synced))
        killed.kill()
    _wait_for(postgresql, LOCK, database_of(synced), count=0)
    assert list(content(synced)) == before
    with OpenCatalogue(synced) as opened:
        (outcome,) = opened.sync("many/root", many)
    assert (outcome.error, outcome.added) == (None, 4000)


# -- a server that goes away ----------------------------------------------------------------------------------------


class _Restarting(NoProgress):
    """Restarts the server while records are written."""

    def __init__(self, server: PostgresqlServer, how: signal.Signals) -> None:
        self._server = server
        self._how = how
        self.happened = False

    def writing(self, name: str, done: int, total: int) -> None:
        assert (name, done <= total) == ("many/root", True)
        if not self.happened:
            self.happened = True
            self._server.restart(self._how)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["shut down", "crashed"])
def test_a_server_that_is_restarted_in_the_middle_of_a_sync_keeps_the_former_snapshot_and_the_next_one_succeeds(
    how: signal.Signals, postgresql: PostgresqlServer, synced: ServerAddress, many: Path
) -> None:
    before = list(content(synced))
    restarting = _Restarting(postgresql, how)
    with OpenCatalogue(synced) as opened:
        with pytest.raises(CatalogueUnusable) as failed:
            opened.sync("many/root", many, progress=restarting)
        assert restarting.happened
        assert "went away" in str(failed.value)
        assert "former snapshots are untouched" in failed.value.hint
        assert list(content(synced)) == before
        # The connections that are held were cut, too: they are made anew.
        assert opened.found("cr-zlib") != []
        (outcome,) = opened.sync("many/root", many)
    assert (outcome.error, outcome.added) == (None, 4000)


def test_a_sync_whose_server_stops_ends_with_6(
    postgresql: PostgresqlServer, synced: ServerAddress, many: Path
) -> None:
    with start("sync", many, "--as", "many/root", db=synced) as running:
        _wait_for(postgresql, LOCK, database_of(synced))
        postgresql.restart()
        _, err = running.communicate(timeout=120)
    assert running.returncode == UNUSABLE, err
    assert b"Traceback" not in err
    assert postgresql.password.encode() not in err


def test_a_reader_that_stays_goes_on_after_a_restart(
    postgresql: PostgresqlServer, synced: ServerAddress
) -> None:
    with open_for_reading(synced, busy_timeout=1) as catalogue:
        reader = Reader(catalogue)
        before = reader.sources()
        postgresql.stop()
        with pytest.raises(CatalogueUnusable) as away:
            reader.sources()
        postgresql.start()
        assert reader.sources() == before
    assert "database server" in str(away.value)


# -- a full disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(postgresql: PostgresqlServer) -> Iterator[Path]:
    """A disk of 16 MiB that the server may write to."""
    folder = postgresql.folder / "disk"
    folder.mkdir(exist_ok=True)
    options = "size=16m,mode=777"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_of_the_server_loses_nothing(
    postgresql: PostgresqlServer,
    small_disk: Path,
    many: Path,
    run: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = small_disk / "space"
    place.mkdir()
    if (user := unprivileged()) is not None:
        subprocess.run(["chown", user, str(place)], check=True)
    with closing(postgresql.connect("postgres")) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
        connection.execute("CREATE DATABASE small TEMPLATE template0 TABLESPACE small")
    address = postgresql.address("small")
    try:
        monkeypatch.setenv("CACHESCOPE_DB", address.url)
        run.well("sync", V3, "--as", "crafted/signed")
        before = list(content(address))
        free = os.statvfs(small_disk)
        (small_disk / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize - 256 * 1024))
        refused = run("sync", many, "--as", "many/root")
        assert refused.code == UNUSABLE, refused
        assert "disk of the database server is full" in refused.err
        assert "free some space" in refused.err
        assert len(run.well("search", "cr-zlib", "--json").json["specs"]) > 0
        assert [one for one in content(address) if "many/root" not in one] == before
        (small_disk / "ballast").unlink()
        run.well("search", "cr-zlib")
    finally:
        with closing(postgresql.connect("postgres")) as connection:
            connection.execute("DROP DATABASE IF EXISTS small WITH (FORCE)")
            connection.execute("DROP TABLESPACE small")


def test_the_server_of_the_tests_can_run_here_as_whoever_runs_them() -> None:
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server is installed: scripts/ensure-postgresql says how")
    with PostgresqlServer(folder) as server:
        data = server.folder
        assert process("caches", "--json", db=server.new_database()).json == []
    assert not data.exists()
