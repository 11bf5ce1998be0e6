"""Opening the catalogue: one SQLite file, its pragmas, its migrations, and the errors that a file can make.

Writers take the write lock at the beginning of their transaction (``BEGIN IMMEDIATE``), readers never wait: the file is
in WAL mode. A file on read-only media is opened as immutable.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from cachescope.catalogue.schema import metadata
from cachescope.model.errors import CatalogueUnusable

__all__ = ["REVISIONS", "Catalogue", "open_for_reading", "open_for_writing", "upgrade", "usable"]

REVISIONS = ("0001", "0002")
"""All migrations, oldest first. A database at any other revision was written by a newer cachescope."""

_SQLITE_HEADER = b"SQLite format 3\x00"
_UNNOTICED = 0.1
"""Seconds for which Ctrl-C may go unnoticed."""


class Catalogue:
    """An open catalogue; closes its connections at the end of the ``with`` block."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._place = place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @property
    def engine(self) -> Engine:
        """The engine, for tests that look at the tables or count statements."""
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the catalogue until the end of the block."""
        with usable(self._place), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in one write transaction: all of the block is kept, or nothing."""
        with usable(self._place), self._engine.execution_options(cachescope_write=True).begin() as connection:
            yield connection


@contextmanager
def usable(place: str) -> Iterator[None]:
    """Turn what the database driver raises into ``CatalogueUnusable`` with its remedy."""
    try:
        yield
    except DBAPIError as error:
        raise _unusable(error.orig or error, place) from error
    except sqlite3.Error as error:
        raise _unusable(error, place) from error


_REMEDIES = (
    (
        "locked",
        "the catalogue is locked by another process",
        "wait until the other 'cachescope sync' ends, or raise busy_timeout",
    ),
    (
        "readonly",
        "the catalogue cannot be written",
        "choose another file with --db, or get write permission for it and its folder",
    ),
    ("full", "the disk is full", "free some space; the former snapshots are untouched"),
    (
        "not a database",
        "the file is not a SQLite database",
        "choose another file with --db; nothing was changed",
    ),
    ("malformed", "the database file is damaged", "restore a backup, or remove it and sync again"),
    (
        "unable to open",
        "the catalogue cannot be opened",
        "choose another file with --db; its folder must exist and be accessible",
    ),
    ("disk i/o", "the disk failed while the catalogue was used", "check the disk and its quota"),
)


def _unusable(error: BaseException, place: str) -> CatalogueUnusable:
    text = str(error)
    for sign, message, hint in _REMEDIES:
        if sign in text.lower():
            return CatalogueUnusable(message, where=place, hint=hint)
    return CatalogueUnusable(f"the database refused: {text}", where=place, hint="please report this")


def open_for_writing(path: Path, *, busy_timeout: float) -> Catalogue:
    """Open or make the catalogue and bring its tables up to date; ``busy_timeout`` in seconds is how long to wait for a lock.

    Raises ``CatalogueUnusable``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogueUnusable(
            f"the folder of the catalogue cannot be made: {error.strerror}",
            where=str(path),
            hint="choose another file with --db",
        ) from error
    _refuse_other_files(path)
    catalogue = Catalogue(
        _engine(lambda: f"{path.resolve().as_uri()}?mode=rwc", busy_timeout, writes=True), str(path)
    )
    try:
        _migrate(catalogue, path)
    except BaseException:
        catalogue.close()
        raise
    return catalogue


def open_for_reading(path: Path, *, busy_timeout: float) -> Catalogue:
    """Open the catalogue without changing it. A file that does not exist, or holds no table yet, reads as an empty catalogue.

    Raises ``CatalogueUnusable``.
    """
    try:
        exists = path.exists()
    except OSError:
        exists = True  # let SQLite say what is wrong with it
    if not exists:
        return _empty(path)
    _refuse_other_files(path)
    catalogue = Catalogue(_reading_engine(path, busy_timeout), str(path))
    try:
        with catalogue.reading() as connection:
            revision, tables = _revision(connection), _count_tables(connection)
        if not tables:
            # Somebody is making it at this moment, or was killed while making it.
            catalogue.close()
            return _empty(path)
        if revision != REVISIONS[-1]:
            _refuse_unknown(revision, path)
            catalogue.close()
            # An older schema: whoever may write it brings it up to date, and then it is read.
            open_for_writing(path, busy_timeout=busy_timeout).close()
    except BaseException:
        catalogue.close()
        raise
    return catalogue


def _reading_engine(path: Path, busy_timeout: float) -> Engine:
    """Return an engine that never writes.

    SQLite needs to make two files beside a database in WAL mode. Who may not, reads it as immutable: for good where the
    whole disk is read-only, else anew for each question, because somebody with more rights may write in between.
    """
    uri = path.resolve().as_uri()
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    log = path.with_name(path.name + "-wal")

    def address() -> str:
        return f"{uri}?mode=ro" if writable or log.exists() else f"{uri}?mode=ro&immutable=1"

    fixed = writable or bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return _engine(address, busy_timeout, writes=False, kept=fixed)


def _engine(address: Callable[[], str], busy_timeout: float, *, writes: bool, kept: bool = True) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            address(),
            uri=True,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.execute("PRAGMA case_sensitive_like = ON")
        connection.execute("PRAGMA cache_size = -65536")  # 64 MiB
        connection.execute("PRAGMA temp_store = MEMORY")
        if writes:
            # A killed process loses nothing that was committed; only a crash of the machine may lose the last sync.
            connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    if kept:
        engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=QueuePool, pool_size=8)
    else:
        engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)
    return _with_explicit_begin(engine, busy_timeout)


def _with_explicit_begin(engine: Engine, busy_timeout: float) -> Engine:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        if connection.get_execution_options().get("cachescope_write", False):
            _take_write_lock(driver, busy_timeout)
        else:
            driver.execute("BEGIN")

    return engine


def _take_write_lock(connection: sqlite3.Connection, patience: float) -> None:
    """Begin a write transaction; SQLite waits for another writer in short pieces, between which Ctrl-C is noticed."""
    deadline = time.monotonic() + patience
    connection.execute(f"PRAGMA busy_timeout = {int(min(_UNNOTICED, patience) * 1000)}")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")


def _empty(path: Path) -> Catalogue:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)

    # One connection, which is the database; threads take turns.
    engine = _with_explicit_begin(
        create_engine(
            "sqlite+pysqlite://", creator=connect, poolclass=QueuePool, pool_size=1, max_overflow=0
        ),
        busy_timeout=0,
    )
    metadata.create_all(engine)
    return Catalogue(engine, str(path))


def _refuse_other_files(path: Path) -> None:
    """Look at the first bytes before SQLite does, which would take an empty file for a new database."""
    try:
        if path.is_dir():
            raise CatalogueUnusable(
                "the catalogue is a folder", where=str(path), hint="give a file with --db"
            )
        if not path.exists() or path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise CatalogueUnusable(
            f"the catalogue cannot be opened: {error.strerror}",
            where=str(path),
            hint="choose another file with --db",
        ) from error
    if head != _SQLITE_HEADER:
        raise CatalogueUnusable(
            "the file is not a SQLite database",
            where=str(path),
            hint="choose another file with --db; nothing was changed",
        )


def _revision(connection: Connection) -> str | None:
    found = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).scalar()
    if found is None:
        return None
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return str(revision) if revision is not None else None


def _count_tables(connection: Connection) -> int:
    found = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE type = 'table'").scalar()
    return int(found or 0)


def _refuse_unknown(revision: str | None, path: Path) -> None:
    if revision is None:
        raise CatalogueUnusable(
            "the database belongs to another program",
            where=str(path),
            hint="choose another file with --db; nothing was changed",
        )
    if revision not in REVISIONS:
        raise CatalogueUnusable(
            f"the catalogue has schema {revision}; this cachescope knows up to {REVISIONS[-1]}",
            where=str(path),
            hint="a newer cachescope wrote it: update this one, or choose another file with --db",
        )


def _migrate(catalogue: Catalogue, path: Path) -> None:
    with catalogue.reading() as connection:
        revision, tables = _revision(connection), _count_tables(connection)
    if revision is not None or tables:
        _refuse_unknown(revision, path)
    # Only now: the database of another program is not to be touched at all.
    _use_write_ahead_log(catalogue, path)
    if revision == REVISIONS[-1]:
        return
    with catalogue.writing() as connection:
        # Somebody else may have migrated while this process waited for the lock.
        found = _revision(connection)
        if found is None:
            # A new catalogue: its tables are made as they are now, which a test holds equal to all migrations in turn.
            metadata.create_all(connection)
            connection.exec_driver_sql(
                "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
            )
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))
        elif found != REVISIONS[-1]:
            upgrade(connection)


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of the connection."""
    from alembic import command  # takes longer to import than most commands to run
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _use_write_ahead_log(catalogue: Catalogue, path: Path) -> None:
    """Let readers go on while somebody writes; the mode stays with the file."""
    with usable(str(path)), closing(catalogue.engine.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA journal_mode = WAL").close()
