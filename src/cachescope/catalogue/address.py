"""Where a catalogue is kept: a file of SQLite, or a database of a PostgreSQL server."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from cachescope.model.errors import UserInputError

__all__ = ["CatalogueAddress", "ServerAddress", "parse_catalogue_address"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SERVER_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg"}
_SECRETS = {"password", "sslpassword"}
_EXAMPLE = "postgresql+psycopg://USER@HOST:5432/DATABASE"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A database of a PostgreSQL server. As text it holds no password, so that it may be printed."""

    url: str = field(repr=False)
    """For SQLAlchemy, the password included."""

    shown: str

    def __str__(self) -> str:
        return self.shown


CatalogueAddress = Path | ServerAddress


def parse_catalogue_address(text: str) -> CatalogueAddress:
    """Read the address of a catalogue: ``postgresql+psycopg://user@host:port/name``, anything without a scheme is a file.

    Raises ``UserInputError``, never with a password in it.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(text).expanduser()
    if scheme[1] not in _SERVER_SCHEMES:
        raise UserInputError(
            f"a catalogue cannot be kept at {scheme[1]}://",
            hint=f"give a file, or a PostgreSQL database as {_EXAMPLE}",
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _unreadable() from error
    user, _, host = parts.netloc.rpartition("@")
    name = parts.path.removeprefix("/")
    if "@" in parts.path or "@" in parts.fragment or parts.fragment or "/" in name or port == 0:
        raise _unreadable()
    if not name:
        raise UserInputError("the address of the catalogue names no database", hint=f"write {_EXAMPLE}")
    url = f"postgresql+psycopg://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")
    query = urlencode([one for one in parse_qsl(parts.query) if one[0] not in _SECRETS])
    user = user.partition(":")[0]
    shown = f"postgresql://{user}{'@' if user else ''}{host}/{name}" + (f"?{query}" if query else "")
    return ServerAddress(url, shown)


def _unreadable() -> UserInputError:
    return UserInputError(
        "the address of the catalogue cannot be read",
        hint=f"write {_EXAMPLE}; in a user or password, '@', '/', ':' and '#' are written as %40, %2F, %3A and %23",
    )
