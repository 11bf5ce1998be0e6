"""What an open catalogue asks of the database that keeps it: SQLite and PostgreSQL differ in this, and in ``bulk``."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection, Engine

from cachescope.model.errors import CatalogueUnusable

__all__ = ["Database"]


class Database(Protocol):
    """A database that keeps, or may keep, a catalogue."""

    @property
    def shown(self) -> str:
        """Where it is, as it may be printed."""

    def marker(self) -> object | None:
        """Return what is another one whenever the catalogue may have changed since, without asking the database.

        None where that cannot be told at this moment.
        """

    def writing_engine(self) -> Engine:
        """Make an engine whose transactions write if they have the option ``cachescope_write``, one writer at a time."""

    def reading_engine(self) -> Engine:
        """Make an engine that never writes; each of its transactions sees one state."""

    def wait(self, connection: Connection) -> None:
        """Let the rest of this transaction take longer than an answer may."""

    def cut_off(self, connection: Connection) -> None:
        """Let the statement that another thread runs over this connection fail; nothing happens where none runs."""

    def prepare(self, engine: Engine) -> None:
        """Bring it into the mode in which it is written; called once it is certain that it holds a catalogue or nothing."""

    def arrange(self, connection: Connection) -> None:
        """Complete tables that were just made or migrated, in the same transaction."""

    def product(self, connection: Connection) -> str:
        """Return name and version of the database."""

    def size(self, connection: Connection) -> int:
        """Return how many bytes the catalogue takes on the disk."""

    def damage(self, connection: Connection) -> Sequence[str]:
        """Return what the database itself finds wrong with its storage, as far as it can tell."""

    def compact(self, engine: Engine) -> None:
        """Give room that is no longer used back to the disk."""

    def explained(self, error: BaseException) -> CatalogueUnusable | None:
        """Return what an error means and what to do about it; None if it is not one of the database's driver."""
