"""A search for a name without the database library: the same answers as with it, or none."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cachescope.catalogue.name_search_file import NameSearchFile
from tests import mirrors
from tests.catalogues import BEFORE_PRESENCE, OpenCatalogue
from tests.commands import CommandLine


@pytest.fixture
def plain(catalogue_file: Path) -> Iterator[OpenCatalogue]:
    """A catalogue in a file, whatever other database the tests run on."""
    with OpenCatalogue(catalogue_file) as opened:
        yield opened


@pytest.mark.parametrize("limit", [0, 1, 3, 50])
def test_name_has_the_answer_of_the_usual_search(sample_file: Path, limit: int) -> None:
    with OpenCatalogue(sample_file) as opened:
        names = [one.name for one in opened.reader.packages(ref=None, stack=None).packages]
        answers = [opened.reader.search(f" {one} ", ref=None, stack=None, limit=limit) for one in names]
    assert len(names) > 5
    for name, answer in zip(names, answers, strict=True):
        found = NameSearchFile(sample_file).search(f" {name} ", limit=limit)
        # A name that is only mentioned is explained by the usual search.
        assert found == (answer if answer.total else None)


def test_what_little_is_known_of_has_its_place(plain: OpenCatalogue, tmp_path: Path) -> None:
    nodes = [
        mirrors.node("a", version, system=system) for version in ("", "1.0", "2.0") for system in ("", "x")
    ]
    mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))
    plain.sync("site", tmp_path / "mirror")
    for limit in (0, 2, 5):
        expected = plain.reader.search("a", ref=None, stack=None, limit=limit)
        assert NameSearchFile(plain.file).search("a", limit=limit) == expected


@pytest.mark.parametrize(
    "query",
    [
        "",
        "*",
        "cr-*",
        "cr-zlib+shared",
        "cr-zlib@1.3",
        "%gcc",
        "/vwxwg7q",
        "no-such",
        "crmpi",
        "cr-zlib@",
        "a b",
    ],
)
def test_what_is_more_than_a_name_takes_the_usual_way(sample_file: Path, query: str) -> None:
    assert NameSearchFile(sample_file).search(query, limit=5) is None


def test_what_is_no_plain_catalogue_takes_the_usual_way(sample_file: Path, tmp_path: Path) -> None:
    missing, other, old = tmp_path / "missing", tmp_path / "other", tmp_path / "old.sqlite"
    other.write_text("no database")
    old.write_bytes(sample_file.read_bytes())
    with closing(sqlite3.connect(old)) as connection:
        for statement in (*BEFORE_PRESENCE, "UPDATE alembic_version SET version_num = '0002'"):
            connection.execute(statement)
        connection.commit()
    for file in (missing, other, old, tmp_path):
        assert NameSearchFile(file).search("cr-zlib", limit=5) is None
    assert not missing.exists()


def test_search_for_a_name_loads_no_database_library(sample_file: Path, run_on_sample: CommandLine) -> None:
    listing = "import sys; from cachescope.cli.main import run\ntry: run(sys.argv[1:])\nfinally: print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", listing, "search", "cr-zlib", "--json"],
        env={**os.environ, "CACHESCOPE_DB": str(sample_file)},
        capture_output=True,
        check=True,
        text=True,
    )
    printed, modules = ran.stdout.rstrip("\n").rsplit("\n", 1)
    assert not {"sqlalchemy", "numpy", "rich.console"} & set(modules.split())
    assert run_on_sample.well("search", "cr-zlib", "--json").out.decode().rstrip("\n") == printed
