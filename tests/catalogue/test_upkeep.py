"""Upkeep of a catalogue: what is in it, whether it is whole, copies in each direction, and how far back it remembers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import text

from cachescope.catalogue import schema as t
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.checking import REFERENCES, check
from cachescope.catalogue.copying import copy_catalogue
from cachescope.catalogue.engine import open_for_reading, open_for_writing
from cachescope.catalogue.upkeep import status, vacuum
from cachescope.model.errors import NotInCatalogue, UserInputError
from tests import mirrors
from tests.catalogues import BEFORE_PRESENCE, START, V3, OpenCatalogue, content, rows, table_sizes

GCC = mirrors.node("gcc", "12.2.0")
ZLIB = mirrors.node("zlib", "1.3.1", needs=[(GCC, "build", "c")])
CURL = mirrors.node("curl", "8.11.1", needs=[(ZLIB, "link", "")])
OLD = mirrors.node("old", "0.1", needs=[(ZLIB, "link", "")])

NewCatalogue = Callable[[], CatalogueAddress]


def _sync(opened: OpenCatalogue, folder: Path, *present: mirrors.Node) -> None:
    mirrors.write_v3(folder, mirrors.index(mirrors.installs(present, [GCC])))
    (outcome,) = opened.sync("site", folder)
    assert outcome.error is None


# -- status ---------------------------------------------------------------------------------------------------------


def test_status_of_an_empty_catalogue_has_no_times(opened: OpenCatalogue) -> None:
    found = status(opened.catalogue)
    assert (found.mirrors, found.specs, found.last_sync, found.oldest_snapshot) == (0, 0, None, None)


def test_status_counts_what_is_there_and_what_was(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path / "m", ZLIB, OLD)
    opened.pass_time(days=1)
    _sync(opened, tmp_path / "m", ZLIB, CURL)
    found = status(opened.catalogue)
    assert (found.mirrors, found.sources, found.snapshots) == (1, 1, 2)
    assert (found.specs, found.records, found.edges) == (4, 4, 3)
    assert (found.standing, found.closed) == (3, 1)
    assert (found.oldest_snapshot, found.last_sync) == (START, START + timedelta(days=1))
    assert found.size > 10_000
    assert found.where == str(opened.address)
    assert found.database.startswith("SQLite 3." if isinstance(opened.address, Path) else "PostgreSQL 1")


# -- check ----------------------------------------------------------------------------------------------------------


def test_a_catalogue_of_the_sample_is_whole(each_sample: CatalogueAddress) -> None:
    with open_for_reading(each_sample, busy_timeout=1) as catalogue:
        report = check(catalogue)
    assert report.findings == ()
    assert {"keys", "presence", "counts", "summaries", "originals"} <= set(report.checks)


def test_after_changes_a_catalogue_is_whole(opened: OpenCatalogue, tmp_path: Path) -> None:
    for present in ((ZLIB, OLD), (ZLIB, CURL), (OLD,), (OLD, CURL)):
        _sync(opened, tmp_path / "m", *present)
        opened.pass_time(days=1)
    opened.sync("other", V3)
    opened.remove("site")
    assert check(opened.catalogue).findings == ()


def test_a_catalogue_from_before_specs_had_a_presence_is_brought_up_to_date(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    for present in ((ZLIB, OLD), (ZLIB, CURL)):
        _sync(opened, tmp_path / "m", *present)
    with opened.catalogue.writing() as connection:
        for statement in BEFORE_PRESENCE:
            connection.execute(text(statement))
        # This migration alone: of later ones the catalogue has all.
        with Operations.context(MigrationContext.configure(connection)):
            import_module("cachescope.catalogue.migrations.versions.0003_presence_of_specs").upgrade()
    assert check(opened.catalogue).findings == ()
    standing = rows(opened.address, "SELECT hash, presence FROM spec")
    assert dict(standing) == {ZLIB["hash"]: 2, CURL["hash"]: 2, GCC["hash"]: 0, OLD["hash"]: None}


SPOILT = {
    "keys": "DELETE FROM version WHERE text = '1.3.1'",
    "presence ends early": "UPDATE presence SET until = since",
    "presence overlaps": "UPDATE presence SET until = NULL",
    "presence of a spec is higher": "UPDATE spec SET presence = 2 WHERE presence = 0",
    "presence of a spec is lower": "UPDATE spec SET presence = 0 WHERE presence = 2",
    "presence of a spec is lost": "UPDATE spec SET presence = NULL",
    "presence of another source": "UPDATE snapshot SET source_id = 99",
    "counts": "UPDATE source SET present = present + 1",
    "summaries": "UPDATE package_summary SET versions = versions + 1 WHERE stack = ''",
    "summaries lack a package": "DELETE FROM package_summary WHERE ref = ''",
    "summaries of no mirror": "INSERT INTO package_summary VALUES ('x', 'y', 1, 1, 0, 0, 1, 1, 1, 1, NULL)",
    "originals are damaged": "UPDATE spec_record SET data = (SELECT key FROM version LIMIT 1)",
    "originals are lacking": "DELETE FROM spec_record",
    "originals have no dictionary": "UPDATE spec_record SET dictionary_id = 7",
    "versions": "UPDATE version SET key = (SELECT digest FROM variant_set LIMIT 1)",
    "variants": "UPDATE variant_set SET content = key",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_wrong_is_found(kind: str, opened: OpenCatalogue, tmp_path: Path) -> None:
    for present in ((ZLIB, OLD), (ZLIB,), (ZLIB, OLD)):
        _sync(opened, tmp_path / "m", *present)
    with opened.catalogue.writing() as connection:
        connection.execute(text(SPOILT[kind]))
    findings = check(opened.catalogue).findings
    assert kind.split(maxsplit=1)[0] in {one.check for one in findings}
    assert all(one.count >= len(one.examples) > 0 for one in findings)


def test_every_column_that_holds_a_key_is_checked() -> None:
    named = {
        (table.name, column.name)
        for table in t.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_id") or column.name in {"since", "until"}
    }
    assert {(column.table.name, column.name) for column, _ in REFERENCES} == named


def test_a_damaged_file_is_found(catalogue_file: Path) -> None:
    with OpenCatalogue(catalogue_file) as opened:
        opened.sync("crafted/signed", V3)
    with closing(sqlite3.connect(catalogue_file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_presence_spec'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with catalogue_file.open("r+b") as file:
        file.seek((page - 1) * size + size - 200)
        file.write(bytes(100))
    with open_for_reading(catalogue_file, busy_timeout=1) as catalogue:
        findings = check(catalogue).findings
    assert "storage" in {one.check for one in findings}


# -- copy -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def targets(catalogue_file: Path, catalogue_database: CatalogueAddress) -> dict[str, CatalogueAddress]:
    return {"sqlite": catalogue_file, "postgresql": catalogue_database}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_copy_says_the_same_and_can_be_synced_further(
    kind: str, each_sample: CatalogueAddress, targets: dict[str, CatalogueAddress], tmp_path: Path
) -> None:
    target = targets[kind]
    told: list[tuple[str, int]] = []
    with (
        open_for_reading(each_sample, busy_timeout=1) as source,
        open_for_writing(target, busy_timeout=1) as copy,
    ):
        copied = copy_catalogue(source, copy, progress=lambda table, done: told.append((table, done)))
    assert table_sizes(target) == table_sizes(each_sample) == copied
    assert ("spec", copied["spec"]) in told
    assert list(content(target)) == list(content(each_sample))
    for table in t.metadata.tables.values():
        ordered = f'SELECT * FROM "{table.name}" ORDER BY {", ".join(one.name for one in table.primary_key)}'  # noqa: S608 - our tables
        assert _plain(rows(target, ordered)) == _plain(rows(each_sample, ordered)), table.name
    with OpenCatalogue(target) as opened:
        _sync(opened, tmp_path / "m", ZLIB)
        assert check(opened.catalogue).findings == ()


def _plain(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in found]


def test_a_copy_into_a_catalogue_with_something_in_it_is_refused_and_changes_nothing(
    each_sample: CatalogueAddress, opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path / "m", ZLIB)
    before = list(content(opened.address))
    with open_for_reading(each_sample, busy_timeout=1) as source, pytest.raises(UserInputError) as refused:
        copy_catalogue(source, opened.catalogue)
    assert "not empty" in str(refused.value)
    assert list(content(opened.address)) == before


def test_a_copy_that_fails_leaves_an_empty_catalogue(
    each_sample: CatalogueAddress, opened: OpenCatalogue
) -> None:
    def fail(table: str, _: int) -> None:
        if table == "spec":
            raise KeyboardInterrupt

    with open_for_reading(each_sample, busy_timeout=1) as source, pytest.raises(KeyboardInterrupt):
        copy_catalogue(source, opened.catalogue, progress=fail)
    assert set(table_sizes(opened.address).values()) == {0}


def test_a_copy_of_no_catalogue_is_refused(opened: OpenCatalogue, tmp_path: Path) -> None:
    with (
        open_for_reading(tmp_path / "none.sqlite", busy_timeout=1) as source,
        pytest.raises(NotInCatalogue, match="there is no catalogue"),
    ):
        copy_catalogue(source, opened.catalogue)


# -- history --------------------------------------------------------------------------------------------------------


def test_history_that_ended_long_ago_is_removed_and_what_stands_is_not(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    for present in ((ZLIB, OLD), (ZLIB, CURL), (ZLIB, CURL), (ZLIB,)):
        _sync(opened, tmp_path / "m", *present)
        opened.pass_time(days=10)
    found = opened.found("*", mentioned=True)
    # Day 40: OLD went at day 10, CURL at day 30; the index of day 20 was that of day 10 and made no snapshot.
    report = vacuum(opened.catalogue, now=opened.clock, keep=timedelta(days=25))
    assert (report.intervals, report.specs) == (1, 1)
    assert OLD["hash"] not in [one for (one,) in opened.rows("SELECT hash FROM spec")]
    assert CURL["hash"] in [one for (one,) in opened.rows("SELECT hash FROM spec")]
    assert opened.found("*", mentioned=True) == found
    assert [one.since for one in opened.reader.spec(ZLIB["hash"]).places] == [START]
    assert check(opened.catalogue).findings == ()
    _sync(opened, tmp_path / "m", ZLIB, OLD)
    assert OLD["hash"] in opened.found("old")


def test_snapshots_that_nothing_needs_go_with_history_and_the_newest_stays(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    for present in ((ZLIB, OLD), (ZLIB, CURL), (ZLIB, OLD), (ZLIB,)):
        _sync(opened, tmp_path / "m", *present)
        opened.pass_time(days=10)
    report = vacuum(opened.catalogue, now=opened.clock + timedelta(days=1000), keep=timedelta(days=25))
    assert (report.intervals, report.snapshots) == (3, 2)
    # The first brought what stands, the last is the newest.
    assert opened.rows("SELECT id FROM snapshot ORDER BY id") == [(1,), (4,)]
    assert check(opened.catalogue).findings == ()


def test_without_the_setting_all_history_is_kept(opened: OpenCatalogue, tmp_path: Path) -> None:
    for present in ((ZLIB, OLD), (ZLIB,)):
        _sync(opened, tmp_path / "m", *present)
    before = list(content(opened.address))
    report = vacuum(opened.catalogue, now=opened.clock + timedelta(days=9999), keep=None)
    assert (report.before, report.intervals, report.snapshots, report.specs) == (None, 0, 0, 0)
    assert list(content(opened.address)) == before


def test_a_file_gets_smaller_when_much_was_removed(catalogue_file: Path, tmp_path: Path) -> None:
    many = [mirrors.node(f"many-{number}", comment=f"{number}" * 100) for number in range(1000)]
    with OpenCatalogue(catalogue_file) as opened:
        _sync(opened, tmp_path / "m", *many)
        opened.remove("site")
        report = vacuum(opened.catalogue, now=opened.clock, keep=None)
    assert report.size_after < report.size_before / 2


def test_vacuum_beside_a_reader_waits_for_nobody_in_postgresql(catalogue_database: CatalogueAddress) -> None:
    with OpenCatalogue(catalogue_database) as opened:
        opened.sync("crafted/signed", V3)
        with opened.catalogue.reading() as connection:
            connection.execute(sqlalchemy.select(t.spec)).all()
            vacuum(opened.catalogue, now=opened.clock, keep=timedelta(days=1))
            assert (
                connection.execute(
                    sqlalchemy.select(sqlalchemy.func.count()).select_from(t.spec)
                ).scalar_one()
                > 0
            )
