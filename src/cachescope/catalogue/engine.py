"""Opening the catalogue: a SQLite file or a database of a PostgreSQL server, its tables brought up to date."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import Logger, LogRecord
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.database import Database
from cachescope.catalogue.patience import Patience
from cachescope.catalogue.revisions import REVISIONS
from cachescope.catalogue.schema import metadata
from cachescope.catalogue.sqlite_file import SqliteFile, empty_engine
from cachescope.model.errors import CatalogueUnusable, NotInCatalogue

__all__ = ["Catalogue", "open_for_reading", "open_for_writing", "upgrade", "usable"]


def _is_news(record: LogRecord) -> bool:
    """Keep SQLAlchemy from printing what ends a reading on purpose while it closes a connection or a cursor.

    A Ctrl-C it also raises, and that is told; what was cancelled on PostgreSQL was cancelled by us.
    """
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or (not issubclass(kind, KeyboardInterrupt) and kind.__name__ != "QueryCanceled")


class Catalogue:
    """An open catalogue; closes its connections at the end of the ``with`` block."""

    def __init__(self, engine: Engine, database: Database, *, is_made: bool = True) -> None:
        self._engine = engine
        if isinstance(engine.pool.logger, Logger):
            engine.pool.logger.addFilter(_is_news)
        self.database = database
        self.is_made = is_made
        """False where nothing was written yet, and an empty catalogue stands for it."""
        self._beside: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut off what is read beside, and close all connections."""
        self.end_beside()
        self._engine.dispose()

    def require_made(self) -> None:
        """Raise ``NotInCatalogue`` where nothing was written yet: there is nothing to check or to copy."""
        if not self.is_made:
            raise NotInCatalogue(
                "there is no catalogue", where=self.database.shown, hint="'cachescope sync' makes one"
            )

    def reads_beside(self, end: Callable[[], None]) -> None:
        """Note what ends a thread that reads for nobody who waits, to be called before the connections are closed."""
        self._beside.append(end)

    def end_beside(self) -> None:
        """Cut off what such threads read, for good; all else is answered as before."""
        for end in self._beside:
            end()

    @property
    def engine(self) -> Engine:
        """The engine, for upkeep, and for tests that look at the tables or count statements."""
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the catalogue until the end of the block."""
        with usable(self.database), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in one write transaction: all of the block is kept, or nothing."""
        with (
            usable(self.database),
            self._engine.execution_options(cachescope_write=True).begin() as connection,
        ):
            yield connection


@contextmanager
def usable(database: Database) -> Iterator[None]:
    """Turn what the database's driver raises into ``CatalogueUnusable`` with its remedy."""
    try:
        yield
    except Exception as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        explained = database.explained(cause)
        if explained is None:
            raise
        raise explained from error


def open_for_writing(address: CatalogueAddress, *, busy_timeout: float) -> Catalogue:
    """Open or make the catalogue and bring its tables up to date; ``busy_timeout`` in seconds is how long to wait for a lock.

    Raises ``CatalogueUnusable``.
    """
    database = _database(address, busy_timeout)
    if isinstance(database, SqliteFile):
        database.make_folder()
        database.refuse_other_files()
    catalogue = Catalogue(database.writing_engine(), database)
    try:
        _migrate(catalogue)
    except BaseException:
        catalogue.close()
        raise
    return catalogue


def open_for_reading(
    address: CatalogueAddress, *, busy_timeout: float, patience: Patience | None = None
) -> Catalogue:
    """Open the catalogue without changing it. A file that does not exist, or no table yet, reads as an empty catalogue.

    With ``patience`` an answer that takes too long is given up with ``AnswerTooSlow``. Raises ``CatalogueUnusable``.
    """
    database = _database(address, busy_timeout, patience)
    if isinstance(database, SqliteFile):
        if not database.exists():
            return Catalogue(empty_engine(), database, is_made=False)
        database.refuse_other_files()
    catalogue = Catalogue(database.reading_engine(), database)
    try:
        with catalogue.reading() as connection:
            revision, tables = _revision_and_tables(connection)
        if not tables:
            # Somebody is making it at this moment, or was killed while making it.
            catalogue.close()
            return Catalogue(empty_engine(), database, is_made=False)
        if revision != REVISIONS[-1]:
            _refuse_unknown(revision, database)
            catalogue.close()
            # An older schema: whoever may write it brings it up to date, and then it is read.
            open_for_writing(address, busy_timeout=busy_timeout).close()
    except BaseException:
        catalogue.close()
        raise
    return catalogue


def _database(address: CatalogueAddress, busy_timeout: float, patience: Patience | None = None) -> Database:
    if isinstance(address, Path):
        return SqliteFile(address, busy_timeout=busy_timeout, patience=patience)
    # Its driver is installed only where it is used.
    from cachescope.catalogue.postgresql_server import PostgresqlDatabase

    return PostgresqlDatabase(address, busy_timeout=busy_timeout, patience=patience)


def _revision_and_tables(connection: Connection) -> tuple[str | None, int]:
    """Return the revision of the tables (None where they are not ours), and how many tables there are."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        return None, len(tables)
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(revision) if revision is not None else None, len(tables)


def _refuse_unknown(revision: str | None, database: Database) -> None:
    if revision is None:
        raise CatalogueUnusable(
            "the database belongs to another program",
            where=database.shown,
            hint="choose another one with --db; nothing was changed",
        )
    if revision not in REVISIONS:
        raise CatalogueUnusable(
            f"the catalogue has schema {revision}; this cachescope knows up to {REVISIONS[-1]}",
            where=database.shown,
            hint="a newer cachescope wrote it: update this one, or choose another one with --db",
        )


def _migrate(catalogue: Catalogue) -> None:
    with catalogue.reading() as connection:
        revision, tables = _revision_and_tables(connection)
    if revision is not None or tables:
        _refuse_unknown(revision, catalogue.database)
    # Only now: the database of another program is not to be touched at all.
    with usable(catalogue.database):
        catalogue.database.prepare(catalogue.engine)
    if revision == REVISIONS[-1]:
        return
    with catalogue.writing() as connection:
        # Somebody else may have migrated while this process waited for the lock.
        found, _ = _revision_and_tables(connection)
        if found is None:
            # A new catalogue: its tables are made as they are now, which a test holds equal to all migrations in turn.
            metadata.create_all(connection)
            connection.execute(
                text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            )
            connection.execute(
                text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISIONS[-1]}
            )
        elif found != REVISIONS[-1]:
            upgrade(connection)
        catalogue.database.arrange(connection)


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of the connection."""
    from alembic import command  # takes longer to import than most commands to run
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
