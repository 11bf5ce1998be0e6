"""The sync of a mirror that did not change: asked and noted without the catalogue being opened, and with the same result."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from cachescope.catalogue.freshness_file import FreshnessFile
from cachescope.jobs.fetching import RefreshOptions
from cachescope.jobs.freshness import Asked, FreshnessCheck
from cachescope.jobs.progress import NoProgress
from cachescope.model.identity import parse_source_name
from cachescope.model.mirror import parse_mirror_url
from cachescope.model.sources import AttemptOutcome
from cachescope.transport.opening import HttpClient, TransportOptions, open_source
from tests import mirrors
from tests.catalogues import SEED_PAGE, START, V2, V3, OpenCatalogue, content, rows
from tests.commands import CommandLine
from tests.servers import Answer, MirrorServer

MANIFEST = f"/{mirrors.manifest_place()}"
V2_INDEX = "/build_cache/index.json"
ZLIB = mirrors.node("zlib", "1.3.1")
CURL = mirrors.node("curl", "8.11.1", needs=[(ZLIB, "link", "")])
OLD = mirrors.index(mirrors.installs([ZLIB], [CURL]))
NEW = mirrors.index(mirrors.installs([ZLIB, CURL]))
LATER = datetime.fromisoformat("2026-11-02T10:00:00+00:00")


def serve(server: MirrorServer, document: bytes, etag: str = "") -> None:
    """Serve one index in both layouts."""
    server.routes[f"/{mirrors.blob_place(document)}"] = Answer(document)
    server.routes[MANIFEST] = Answer(mirrors.manifest(document), etag=etag)
    server.routes[V2_INDEX] = Answer(document, etag=etag)
    server.routes[f"{V2_INDEX}.hash"] = Answer(hashlib.sha256(document).hexdigest().encode())


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer() as running:
        yield running


@pytest.fixture
def plain(catalogue_file: Path) -> Iterator[OpenCatalogue]:
    """A catalogue in a file, whatever other database the tests run on."""
    with OpenCatalogue(catalogue_file) as opened:
        yield opened


def ask(file: Path, name: str | None = None, *, at: datetime = LATER, url: str | None = None) -> Asked | None:
    transport = TransportOptions(connect_timeout=5, read_timeout=5, retries=0)
    with HttpClient(transport) as client:
        check = FreshnessCheck(
            FreshnessFile(file),
            open_source=lambda address: open_source(address, transport, client),
            now=lambda: at,
            options=RefreshOptions(),
            progress=NoProgress(),
        )
        address = parse_mirror_url(url, cwd=Path.cwd()) if url is not None else None
        asked = check.ask(parse_source_name(name) if name is not None else None, url=address)
        if asked is not None and asked.fetched is not None:
            asked.fetched.close()
        return asked


def backup(file: Path, other: Path) -> None:
    with closing(sqlite3.connect(other)) as target, closing(sqlite3.connect(file)) as source:
        source.backup(target)


@pytest.mark.parametrize("etag", ["", '"a1"'])
def test_an_unchanged_mirror_is_noted_as_the_usual_sync_notes_it(
    etag: str, plain: OpenCatalogue, server: MirrorServer, tmp_path: Path
) -> None:
    serve(server, OLD, etag)
    plain.sync("site", server.url)
    other = tmp_path / "other.sqlite"
    backup(plain.file, other)
    server.requests.clear()
    asked = ask(other, "site")
    quick = [one.path for one in server.requests]
    server.requests.clear()
    plain.clock = LATER
    usual = plain.sync_again("site")
    assert asked is not None
    assert asked.outcomes == usual
    assert quick == [one.path for one in server.requests]
    assert [one.attempt.outcome for one in usual] == [AttemptOutcome.UNCHANGED] * 2
    assert list(content(other)) == list(content(plain.file))
    for table in ("mirror", "source", "document"):
        assert rows(other, f"SELECT * FROM {table}") == rows(plain.file, f"SELECT * FROM {table}")  # noqa: S608 - names above


def test_a_mirror_may_be_named_by_its_address_or_be_the_only_one(plain: OpenCatalogue) -> None:
    plain.sync("old", V2)
    for asked in (ask(plain.file), ask(plain.file, url=str(V2)), ask(plain.file, "old", url=str(V2))):
        assert asked is not None
        assert asked.outcomes is not None
    assert ask(plain.file, "other") is None
    assert ask(plain.file, "old", url=str(V3)) is None, "it has moved"
    plain.sync("site", V3)
    assert ask(plain.file) is None, "all of them are meant"
    assert ask(plain.file, "site") is not None
    assert ask(plain.file, url=str(V3)) is None, "its views are to be told of"


def test_what_was_fetched_of_a_changed_mirror_is_written_without_asking_again(
    run: CommandLine, plain: OpenCatalogue, server: MirrorServer
) -> None:
    serve(server, OLD)
    plain.sync("site", server.url)
    serve(server, NEW)
    server.requests.clear()
    told = run.well("--db", plain.file, "sync", "site").text
    assert "site/root: updated: 2 specs present" in told
    paths = [one.path for one in server.requests]
    assert len(paths) == len(set(paths)), paths
    assert len(plain.found()) == 2


def test_a_failure_is_told_by_the_sync_that_asked(
    run: CommandLine, plain: OpenCatalogue, server: MirrorServer
) -> None:
    serve(server, OLD)
    plain.sync("site", server.url)
    server.routes[MANIFEST] = Answer(b"{", etag="")
    server.requests.clear()
    failed = run("--db", plain.file, "sync", "site")
    assert failed.code == 5
    assert "site/root: failed: " in failed.text
    assert [one.path for one in server.requests].count(MANIFEST) == 1
    assert len(plain.found(mentioned=True)) == 2


def test_what_is_not_plain_is_left_to_the_usual_sync(plain: OpenCatalogue, tmp_path: Path) -> None:
    plain.sync("site", V3)
    assert ask(plain.file, "site", at=START.replace(year=2027)) is None, "layouts are to be probed again"
    assert ask(tmp_path / "none.sqlite", "site") is None
    (tmp_path / "text.sqlite").write_text("no database")
    assert ask(tmp_path / "text.sqlite", "site") is None
    older = tmp_path / "older.sqlite"
    backup(plain.file, older)
    with closing(sqlite3.connect(older)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert ask(older, "site") is None
    plain.sync_page(SEED_PAGE)
    assert ask(plain.file, "site") is None, "published pages are read by another job"


def test_a_note_that_cannot_be_written_now_is_left_to_the_usual_sync_which_waits(
    plain: OpenCatalogue,
) -> None:
    plain.sync("site", V3)
    with closing(sqlite3.connect(plain.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = ask(plain.file, "site")
    assert asked is not None
    assert asked.outcomes is None
    assert asked.fetched is not None


def test_a_sync_that_finds_nothing_changed_loads_no_database_library(
    run: CommandLine, plain: OpenCatalogue
) -> None:
    run.well("--db", plain.file, "sync", V3, "--as", "site")
    program = (
        "import sys; from cachescope.cli.main import run\n"
        "try: run(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "--db", plain.file, "sync", "site"],
        env={**os.environ, "CACHESCOPE_DB": ""},
        capture_output=True,
        check=True,
        text=True,
    )
    assert ran.stdout.startswith("site/root: unchanged: ")
    loaded = set(ran.stderr.split())
    assert not {"sqlalchemy", "rich.console", "urllib3", "archspec"} & loaded
