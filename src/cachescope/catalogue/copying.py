"""A catalogue elsewhere: a copy in another database, or a backup of a file while it is in use."""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Table, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import bulk_insert, take_statistics
from cachescope.catalogue.engine import Catalogue, usable
from cachescope.catalogue.sqlite_file import SqliteFile
from cachescope.model.errors import CatalogueUnusable, UserInputError

__all__ = ["back_up", "copy_catalogue"]

_ROWS = 5000
"""Rows that are held at once: some MB."""

_PAGES = 2000
"""Pages that are copied between two looks at Ctrl-C: 8 MB."""


def copy_catalogue(
    source: Catalogue, target: Catalogue, *, progress: Callable[[str, int], None] | None = None
) -> dict[str, int]:
    """Copy all tables into an empty catalogue, in one transaction of each; returns the rows by table.

    ``progress`` is told the table and how many of its rows are copied. Raises ``UserInputError`` if the target holds
    something, ``NotInCatalogue`` if there is no source, and ``CatalogueUnusable``.
    """
    source.require_made()
    copied: dict[str, int] = {}
    with target.writing() as write:
        for table in t.metadata.sorted_tables:
            if write.execute(select(*table.columns).limit(1)).first() is not None:
                raise UserInputError(
                    f"the catalogue is not empty: its table {table.name} has rows",
                    where=target.database.shown,
                    hint="copy into a new file or an empty database; nothing was changed",
                )
        with source.reading() as read:
            for table in t.metadata.sorted_tables:
                copied[table.name] = _copy_table(read, write, table, progress)
        take_statistics(write)
    return copied


def _copy_table(
    read: Connection, write: Connection, table: Table, progress: Callable[[str, int], None] | None
) -> int:
    # In the order of the key, in which a table is written fastest.
    statement = select(*table.columns).order_by(*table.primary_key.columns)
    done = 0
    with closing(read.execution_options(stream_results=True, yield_per=_ROWS).execute(statement)) as rows:
        for some in rows.partitions():
            bulk_insert(write, table, (tuple(row) for row in some))
            done += len(some)
            if progress is not None:
                progress(table.name, done)
    return done


def back_up(catalogue: Catalogue, target: Path) -> int:
    """Write one state of a catalogue to a file of its own, while others read and write it; returns its size in bytes.

    The file takes its name at the end, so a backup is whole or not there; a former backup of that name gives way, and nothing else. Raises
    ``UserInputError`` if the catalogue is no file or is the target, and ``CatalogueUnusable`` if the target holds something else.
    """
    catalogue.require_made()
    database = catalogue.database
    if not isinstance(database, SqliteFile):
        raise UserInputError(
            "a PostgreSQL database is backed up by its own tools",
            where=database.shown,
            hint=f"pg_dump {database.shown}, or into a SQLite file: cachescope db copy {database.shown} {target}",
        )
    if target.resolve() == database.path.resolve():
        raise UserInputError("this is the catalogue itself", where=str(target), hint="give another file")
    _refuse_what_is_no_backup(target)
    backup = SqliteFile(target, busy_timeout=0)
    try:
        # Beside the target, so that it can take its name at once.
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise CatalogueUnusable(
            f"the backup cannot be written: {error.strerror}", where=str(target), hint="give another file"
        ) from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        with catalogue.reading() as connection, usable(backup):
            _copy_pages(connection, temporary)
        _give_name(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target.stat().st_size


def _refuse_what_is_no_backup(target: Path) -> None:
    """Refuse a target that holds something else than a catalogue that is at rest. Raises ``CatalogueUnusable``."""
    reason = _what_stands_there(target)
    if reason is not None:
        raise CatalogueUnusable(
            reason,
            where=str(target),
            hint="only an earlier backup gives way: give another file, or remove this one; nothing was changed",
        )


def _what_stands_there(target: Path) -> str | None:
    """Say what keeps a backup from taking this name; None if it is free, empty or a catalogue."""
    try:
        if not target.exists():
            return None
        if not target.is_file():
            # A root who backs up to /dev/null would take that from the system.
            return "this is a folder" if target.is_dir() else "this is no file"
        # SQLite would apply them to the file that takes the name.
        logs = (target.with_name(target.name + end) for end in ("-wal", "-journal"))
        if any(log.exists() and log.stat().st_size for log in logs):
            return "this is a database in use, or one whose program was killed"
        return _whose_database(target) if target.stat().st_size else None
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"


def _whose_database(file: Path) -> str | None:
    """Say what a file is if it is no catalogue. It is read as it is: nothing is locked, or made beside it."""
    try:
        address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        return f"the file is not a SQLite database that can be read ({error})"
    known = {"alembic_version", t.mirror.name, t.source.name, t.spec.name}
    return None if known <= tables else "the database belongs to another program"


def _copy_pages(connection: Connection, temporary: Path) -> None:
    # A transaction takes its state with its first statement, and keeps it while pages are copied.
    connection.execute(select(t.mirror.c.id).limit(1)).all()
    source = cast("sqlite3.Connection", connection.connection.driver_connection)
    with closing(sqlite3.connect(temporary)) as copy:
        source.backup(copy, pages=_PAGES)


def _give_name(temporary: Path, target: Path) -> None:
    """Let a whole file take the name of the backup, with the rights that a new file has here."""
    mask = os.umask(0)
    os.umask(mask)
    try:
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        raise CatalogueUnusable(
            f"the backup cannot be written: {error.strerror}", where=str(target), hint="give another file"
        ) from error
