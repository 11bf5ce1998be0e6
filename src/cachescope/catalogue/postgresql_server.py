"""A catalogue in a database of a PostgreSQL server: its transactions, its write lock, and the errors that a server can make.

Writers take turns by an advisory lock that ends with their transaction, also if their process is killed: keys can be
counted up, and no two writers ever wait for each other in a circle. Readers never wait and see one state.
"""

import importlib
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text

from cachescope.catalogue.address import ServerAddress
from cachescope.catalogue.patience import Patience, too_slow
from cachescope.catalogue.schema import metadata
from cachescope.model.errors import CatalogueUnusable

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresqlDatabase"]

_WRITERS = 0x63616368  # any number that others hardly choose for an advisory lock in this database: 'cach'
_CONNECT_TIMEOUT = 10  # s
_CANCEL_TIMEOUT = 2  # s
_POOL_SIZE = 8
_TABLES = ", ".join(f'"{name}"' for name in metadata.tables)

_AWAY = ("the database server went away", "try again when it is back; the former snapshots are untouched")
_LOCKED = (
    "the catalogue is locked by another process",
    "wait until the other 'cachescope sync' ends, or raise busy_timeout",
)
_FULL = (
    "the disk of the database server is full",
    "free some space there; the former snapshots are untouched",
)
_DENIED = (
    "this user may not do that in the database",
    "give it rights over the tables (and CREATE on the schema, to make them), or name another user with --db",
)

_CANCELLED = "57014"

_BY_STATE = {
    "25006": ("the catalogue cannot be written", "this server only reads: name the primary one with --db"),
    "40001": _LOCKED,
    "40P01": _LOCKED,
    "42501": _DENIED,
    "53100": _FULL,
    "53300": ("the database server has no connection left", "try again later, or raise its max_connections"),
    "55P03": _LOCKED,
    "57014": (
        "the database server cancelled the question",
        "its statement_timeout may be too short for this",
    ),
    "57P01": _AWAY,
    "57P02": _AWAY,
    "57P03": _AWAY,
    "XX001": ("the database is damaged", "restore a backup of the server, or sync into another database"),
    "XX002": ("the database is damaged", "restore a backup of the server, or sync into another database"),
}
"""By SQLSTATE: what, and what to do. https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_BY_TEXT = (
    (
        "password",
        "the database server refused user or password",
        "check the user in --db; the password may stand in ~/.pgpass, PGPASSWORD or the address",
    ),
    (
        "does not exist",
        "the database server knows no such database or user",
        "make it: createdb --owner USER NAME",
    ),
    (
        "pg_hba.conf",
        "the database server lets nobody in from here",
        "its pg_hba.conf decides who may connect",
    ),
    ("too many clients", *_BY_STATE["53300"]),
    ("starting up", *_AWAY),
    ("shutting down", *_AWAY),
    (
        "connection refused",
        "the database server cannot be reached",
        "is it running, and are host and port right?",
    ),
    (
        "timeout expired",
        "the database server cannot be reached",
        "are host and port right, and no firewall between?",
    ),
    ("failed to resolve host", "the database server cannot be reached", "is the name of the host right?"),
    (
        "no such file or directory",
        "the database server cannot be reached",
        "is it running, and are host and port right?",
    ),
)
"""Where the driver has no SQLSTATE, which is while it connects: a part of its text."""


_SORTS_OTHERWISE = text(
    """
    SELECT pg_attribute.attrelid::regclass::text, attname
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
      AND atttypid = 'text'::regtype AND attcollation <> 'pg_catalog."C"'::regcollation
    ORDER BY 1, attnum
    """
)


class PostgresqlDatabase:
    """A database that is, or may become, a catalogue; ``busy_timeout`` in seconds is how long to wait for a lock."""

    def __init__(
        self, address: ServerAddress, *, busy_timeout: float, patience: Patience | None = None
    ) -> None:
        self._address = address
        self._busy_timeout = busy_timeout
        self._patience = patience

    @property
    def shown(self) -> str:
        """The address without its password."""
        return self._address.shown

    def marker(self) -> object | None:
        """Return the second: the server is elsewhere, and what it has may change from one to the next."""
        return int(time.monotonic())

    def writing_engine(self) -> Engine:
        """Return an engine that may write."""
        return self._engine()

    def reading_engine(self) -> Engine:
        """Return an engine that never writes, because none of its transactions asks for it."""
        return self._engine()

    def wait(self, connection: Connection) -> None:
        """Take the limit of its statements away."""
        connection.execute(text("SET LOCAL statement_timeout = 0"))

    def cut_off(self, connection: Connection) -> None:
        """Have the server cancel it, which takes a short connection of its own."""
        import psycopg

        driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment] # psycopg's
        # A server that cannot be reached now ends the statement itself.
        with suppress(psycopg.Error):
            driver.cancel_safe(timeout=_CANCEL_TIMEOUT)

    def prepare(self, engine: Engine) -> None:
        """Do nothing: readers go on while somebody writes in any case."""

    def arrange(self, connection: Connection) -> None:
        """Let all text sort by its bytes, as in SQLite and in Python, whatever the language of the server."""
        columns: dict[str, list[str]] = {}
        for table, column in connection.execute(_SORTS_OTHERWISE):
            columns.setdefault(table, []).append(column)
        for table, names in columns.items():
            changes = ", ".join(f'ALTER COLUMN "{one}" TYPE text COLLATE "C"' for one in names)
            connection.execute(text(f"ALTER TABLE {table} {changes}"))

    def product(self, connection: Connection) -> str:
        """Return the version of the server."""
        return f"PostgreSQL {connection.execute(text('SHOW server_version')).scalar_one()}"

    def size(self, connection: Connection) -> int:
        """Return the size of the database."""
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

    def damage(self, connection: Connection) -> Sequence[str]:
        """Return nothing: pages are checked by the server's own tools (pg_amcheck, data checksums)."""
        del connection
        return ()

    def compact(self, engine: Engine) -> None:
        """Let the server use again what was removed, and take statistics. Readers and writers go on."""
        with closing(engine.raw_connection()) as connection:
            driver: psycopg.Connection[Any] = connection.driver_connection  # type: ignore[assignment] # psycopg's
            driver.autocommit = True
            try:
                driver.execute(f"VACUUM (ANALYZE) {_TABLES}".encode())
            finally:
                driver.autocommit = False

    def explained(self, error: BaseException) -> CatalogueUnusable | None:
        """Return what an error of the driver means."""
        import psycopg

        if not isinstance(error, psycopg.Error):
            return None
        if self._patience is not None and error.sqlstate == _CANCELLED:
            return too_slow()
        message, hint = _meaning(error)
        return CatalogueUnusable(message, where=self.shown, hint=hint)

    def _engine(self) -> Engine:
        try:
            importlib.import_module("psycopg")
        except ImportError as error:
            raise CatalogueUnusable(
                "the driver for PostgreSQL is not installed",
                where=self.shown,
                hint="pip install 'cachescope[postgresql]'",
            ) from error
        given: dict[str, Any] = {"application_name": "cachescope"}
        if "connect_timeout=" not in self._address.url:
            given["connect_timeout"] = _CONNECT_TIMEOUT
        engine = create_engine(
            self._address.url,
            connect_args=given,
            pool_size=_POOL_SIZE,
            pool_pre_ping=True,  # a server that was restarted is no reason to fail once for each connection
            use_native_hstore=False,  # would ask the server for a type that no table has
        )
        patience = max(1, int(self._busy_timeout * 1000))
        # Of one statement, where SQLite counts all of an answer: what a server offers in every version.
        longest = int(self._patience.seconds * 1000) if self._patience is not None else 0
        time_limit = f"; SET LOCAL statement_timeout = {longest}" if longest else ""

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment] # psycopg's
            if connection.get_execution_options().get("cachescope_write", False):
                # Not repeatable read: what the writer before this one wrote must be seen once the lock is had.
                driver.execute(
                    f"SET LOCAL lock_timeout = {patience}; SET LOCAL jit = off; SELECT pg_advisory_xact_lock({_WRITERS})"
                )
            else:
                driver.execute(
                    f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL jit = off{time_limit}"
                )

        return engine


def _meaning(error: "psycopg.Error") -> tuple[str, str]:
    """Return what an error means and what to do: by its state, or by its text where it has none."""
    said = str(error).strip()
    if error.sqlstate is None:
        return _meaning_of_text(said)
    if error.sqlstate.startswith("08"):  # the class of failed connections
        return _AWAY
    unknown = f"the database refused: {error.diag.message_primary or said}", "please report this"
    return _BY_STATE.get(error.sqlstate, unknown)


def _meaning_of_text(said: str) -> tuple[str, str]:
    lowered = said.lower()
    for sign, message, hint in _BY_TEXT:
        if sign in lowered:
            return message, hint
    if "connection failed" in lowered or "connection to server" in lowered:
        # Servers may speak another language.
        return f"the database server cannot be used: {said.splitlines()[-1]}", "check the address in --db"
    if "connection" in lowered or "server" in lowered:
        return _AWAY
    return f"the database refused: {said}", "please report this"
