"""Addresses of catalogues: files and PostgreSQL databases, and no password that could be printed."""

from pathlib import Path

import pytest

from cachescope.catalogue.address import CatalogueAddress, ServerAddress, parse_catalogue_address
from cachescope.model.errors import UserInputError
from tests.commands import CommandLine

BAD_INPUT = 2
SECRET = "s3cret"  # noqa: S105 - of no server


@pytest.fixture
def catalogue_address(catalogue_file: Path) -> CatalogueAddress:
    """What is tried here is tried with a file."""
    return catalogue_file


@pytest.mark.parametrize("text", ["catalogue.sqlite", "/srv/catalogue.sqlite", "postgresql", "a:b/c", "C:/x"])
def test_what_has_no_scheme_is_a_file(text: str) -> None:
    assert parse_catalogue_address(text) == Path(text)


def test_a_file_may_be_in_the_home_folder() -> None:
    assert parse_catalogue_address("~/mine.sqlite") == Path.home() / "mine.sqlite"


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("postgresql+psycopg://me@db:5433/specs", "postgresql+psycopg://me@db:5433/specs", "me@db:5433/specs"),
        ("postgresql://me@db/specs", "postgresql+psycopg://me@db/specs", "me@db/specs"),
        ("postgres:///specs", "postgresql+psycopg:///specs", "/specs"),
        ("postgresql://db/specs?sslmode=require", "postgresql+psycopg://db/specs?sslmode=require", "db/specs?sslmode=require"),
        (f"postgresql://me:{SECRET}@db/specs", f"postgresql+psycopg://me:{SECRET}@db/specs", "me@db/specs"),
        (f"postgresql://me:{SECRET}@x@db/specs", f"postgresql+psycopg://me:{SECRET}@x@db/specs", "me@db/specs"),
        (
            f"postgresql://db/specs?user=me&password={SECRET}",
            f"postgresql+psycopg://db/specs?user=me&password={SECRET}",
            "db/specs?user=me",
        ),
        ("postgresql://me@[::1]:5432/specs", "postgresql+psycopg://me@[::1]:5432/specs", "me@[::1]:5432/specs"),
    ],
)  # fmt: skip
def test_the_address_of_a_server_is_shown_without_its_password(text: str, url: str, shown: str) -> None:
    address = parse_catalogue_address(text)
    assert isinstance(address, ServerAddress)
    assert address.url == url
    assert str(address) == f"postgresql://{shown}"
    assert SECRET not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "mysql://db/specs",
        "sqlite:///catalogue.sqlite",
        "postgresql+asyncpg://db/specs",
        f"postgresql://me:{SECRET}@db",
        f"postgresql://me:{SECRET}@db/",
        f"postgresql://me:{SECRET}/x@db/specs",
        f"postgresql://me:1{SECRET}@db:port/specs",
        f"postgresql://me:{SECRET}#x@db/specs",
        f"postgresql://me:{SECRET}@db/a/b",
    ],
)
def test_another_address_is_refused_without_a_word_of_its_password(text: str, run: CommandLine) -> None:
    with pytest.raises(UserInputError) as refused:
        parse_catalogue_address(text)
    assert refused.value.hint
    ended = run("--db", text, "caches", "--json")
    assert ended.code == BAD_INPUT
    assert SECRET not in ended.err + ended.text
