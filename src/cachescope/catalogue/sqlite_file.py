"""A catalogue in one SQLite file: its pragmas, its write lock, and the errors that a file can make.

Writers take the write lock at the beginning of their transaction (``BEGIN IMMEDIATE``), readers never wait: the file is
in WAL mode. A file on read-only media is opened as immutable.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from cachescope.catalogue.patience import Patience, too_slow
from cachescope.catalogue.schema import metadata
from cachescope.model.errors import CatalogueUnusable

__all__ = ["SqliteFile", "empty_engine"]

_SQLITE_HEADER = b"SQLite format 3\x00"
_MOST_DAMAGES = 20
_UNNOTICED = 0.1
"""Seconds for which Ctrl-C may go unnoticed."""

_LEFT_HALF_WRITTEN = (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY)
"""What a reader is told who may not undo what a killed writer left."""

_INDISTINCT = 1_000_000_000
"""Nanoseconds after a change in which another one may not show: clocks of file systems have steps, and what a writer has
written counts only when its disk has it."""

_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""

_INTERRUPTED = "interrupted"

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


_opened_here: set[tuple[int, int]] = set()
"""Files that SQLite opened in this process. Nothing else may open and close them from then on: the system would drop all
locks that the process has on them, and another process would remove the log that connections here still read."""


def _note_open(path: Path) -> None:
    with suppress(OSError):
        status = path.stat()
        _opened_here.add((status.st_dev, status.st_ino))


def _is_open_here(path: Path) -> bool:
    status = path.stat()
    return (status.st_dev, status.st_ino) in _opened_here


class SqliteFile:
    """A file that is, or may become, a catalogue; ``busy_timeout`` in seconds is how long to wait for a lock."""

    def __init__(self, path: Path, *, busy_timeout: float, patience: Patience | None = None) -> None:
        self.path = path
        self._name = str(path)
        self._log_name = f"{path}-wal"
        self._busy_timeout = busy_timeout
        self._patience = patience

    @property
    def shown(self) -> str:
        """The path."""
        return str(self.path)

    def marker(self) -> object | None:
        """Return length and time of the file and its log; None shortly after a change: another one could look the same."""
        try:
            file = os.stat(self._name)  # noqa: PTH116 - for each blob that is served: a Path takes twice as long
        except OSError:
            return None
        try:
            log = os.stat(self._log_name)  # noqa: PTH116 - as above
        except OSError:
            log = file
        if time.time_ns() - max(file.st_mtime_ns, log.st_mtime_ns) < _INDISTINCT:
            return None
        return file.st_ino, file.st_mtime_ns, file.st_size, log.st_ino, log.st_mtime_ns, log.st_size

    def exists(self) -> bool:
        """Say whether something is there."""
        try:
            return self.path.exists()
        except OSError:
            return True  # let SQLite say what is wrong with it

    def make_folder(self) -> None:
        """Make the folder that the file is to stand in. Raises ``CatalogueUnusable``."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogueUnusable(
                f"the folder of the catalogue cannot be made: {error.strerror}",
                where=self.shown,
                hint="choose another file with --db",
            ) from error

    def refuse_other_files(self) -> None:
        """Look at the first bytes before SQLite does, which would take an empty file for a new database."""
        path = self.path
        try:
            if path.is_dir():
                raise CatalogueUnusable(
                    "the catalogue is a folder", where=str(path), hint="give a file with --db"
                )
            if not path.exists() or path.stat().st_size == 0 or _is_open_here(path):
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

    def writing_engine(self) -> Engine:
        """Return an engine that makes the file if need be."""
        return self._engine(lambda: f"{self.path.resolve().as_uri()}?mode=rwc", writes=True)

    def reading_engine(self) -> Engine:
        """Return an engine that never writes.

        SQLite needs to make two files beside a database in WAL mode. Who may not, reads it as immutable: for good where
        the whole disk is read-only, else anew for each question, because somebody with more rights may write in between.
        """
        path = self.path
        uri = path.resolve().as_uri()
        writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        log = path.with_name(path.name + "-wal")

        def address() -> str:
            return f"{uri}?mode=ro" if writable or log.exists() else f"{uri}?mode=ro&immutable=1"

        fixed = writable or bool(os.statvfs(path).f_flag & os.ST_RDONLY)
        return self._engine(address, writes=False, kept=fixed)

    def wait(self, connection: Connection) -> None:
        """Watch the clock no more, only whether anybody waits."""
        if self._patience is not None:
            driver = cast("sqlite3.Connection", connection.connection.driver_connection)
            driver.set_progress_handler(self._patience.is_over, _STEPS)

    def cut_off(self, connection: Connection) -> None:
        """Interrupt what SQLite does."""
        cast("sqlite3.Connection", connection.connection.driver_connection).interrupt()

    def prepare(self, engine: Engine) -> None:
        """Let readers go on while somebody writes; the mode stays with the file."""
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA journal_mode = WAL").close()

    def arrange(self, connection: Connection) -> None:
        """Do nothing: the tables say all."""

    def product(self, connection: Connection) -> str:
        """Return the version of the library."""
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar_one()}"

    def size(self, connection: Connection) -> int:
        """Return the size of the file, and of its log."""
        del connection
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(one.stat().st_size for one in files if one.exists())

    def damage(self, connection: Connection) -> Sequence[str]:
        """Return what ``PRAGMA integrity_check`` finds."""
        found = connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_DAMAGES})").scalars().all()
        return [] if found == ["ok"] else found

    def compact(self, engine: Engine) -> None:
        """Write the file anew without its gaps. Needs as much room again while it does so."""
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM").close()
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()

    def explained(self, error: BaseException) -> CatalogueUnusable | None:
        """Return what an error of SQLite means."""
        if not isinstance(error, sqlite3.Error):
            return None
        text = str(error)
        if text == _INTERRUPTED:
            return too_slow()
        if "unable to open" in text and self._is_read_only():
            text = "readonly"
        for sign, message, hint in _REMEDIES:
            if sign in text.lower():
                return CatalogueUnusable(message, where=self.shown, hint=hint)
        return CatalogueUnusable(f"the database refused: {text}", where=self.shown, hint="please report this")

    def _is_read_only(self) -> bool:
        """Say whether the file is there, and what SQLite writes beside it cannot be, as on read-only media."""
        return self.path.is_file() and not (
            os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        )

    def _connected(self, address: str) -> sqlite3.Connection:
        return sqlite3.connect(
            address,
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )

    def _opened(self, address: str) -> sqlite3.Connection:
        """Open the file; if a killed process left it in the middle of a write, undo that first, which takes a writer."""
        connection = self._connected(address)
        try:
            connection.execute("PRAGMA schema_version").close()
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode not in _LEFT_HALF_WRITTEN:
                raise
            with closing(self._connected(f"{self.path.resolve().as_uri()}?mode=rw")) as writer:
                writer.execute("PRAGMA schema_version").close()
            return self._connected(address)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _engine(self, address: Callable[[], str], *, writes: bool, kept: bool = True) -> Engine:
        def connect() -> sqlite3.Connection:
            connection = self._opened(address())
            _note_open(self.path)
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
        return _with_explicit_begin(engine, self._busy_timeout, None if writes else self._patience)


def _with_explicit_begin(engine: Engine, busy_timeout: float, patience: Patience | None = None) -> Engine:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        if patience is not None:
            driver.set_progress_handler(patience.begin(), _STEPS)
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


def empty_engine() -> Engine:
    """Return an engine over a catalogue without anything in it, in memory."""

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
    return engine
