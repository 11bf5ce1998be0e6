"""What was found out for an address is given again without a question to the catalogue, and by the same rules."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from cachescope import compose
from cachescope.catalogue.virtual_definitions import remove_virtual
from tests import binaries, mirrors
from tests.binaries import APP, LIB, write_binaries
from tests.catalogues import OpenCatalogue
from tests.web.conftest import served
from tests.web.test_virtual_mirrors import INDEX, MISSING, Client, define

LARGE = os.urandom(3_000_000)
BLOB = f"/mirror/lab/{mirrors.blob_place(LARGE)}"
ORIGIN = "https://docs.example.org"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def site(
    opened: OpenCatalogue, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """A site with the virtual mirrors 'lab' and 'other', whose blobs are kept; those of 'lab' were asked for before."""
    # Else nothing is remembered for a second after the catalogue was written.
    monkeypatch.setattr("cachescope.catalogue.sqlite_file._INDISTINCT", 0)
    small = binaries.archive_of
    monkeypatch.setattr(binaries, "archive_of", lambda one: LARGE if one is APP else small(one))
    for name, present in (("lab", (LIB, APP)), ("other", (LIB,))):
        opened.sync(f"of-{name}", write_binaries(tmp_path / name, present))
        define(opened, name, f"of-{name}")
    chosen = compose.settings(
        {"db": str(opened.file), "virtual_folder": str(tmp_path / "virtual"), "blob_store": str(store)}
    )
    with (
        compose.virtual_mirrors(opened.catalogue, chosen) as virtual,
        served(opened.reader, virtual=virtual, readers=[ORIGIN]) as address,
    ):
        client = Client(address)
        for mirror, one in (("lab", LIB), ("lab", APP), ("other", LIB)):
            assert client.manifest_of(one, mirror).status == 200
        for _ in range(2):  # fetched, then found out
            assert client(BLOB).body == LARGE
            assert client.manifest_of(APP).status == 200
        yield client


@contextmanager
def _questions(opened: OpenCatalogue) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    event.listen(opened.catalogue.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(opened.catalogue.engine, "before_cursor_execute", note)


@contextmanager
def _no_question(opened: OpenCatalogue) -> Iterator[None]:
    with _questions(opened) as asked:
        yield
    assert asked == []


def test_what_nobody_named_costs_two_questions(site: Client, opened: OpenCatalogue) -> None:
    with _questions(opened) as asked:
        assert site("/mirror/lab/blobs/sha256/ab/" + "ab" * 32).status == 404
    assert len(asked) == 2, "where it would be, by archives and by manifests"
    with _questions(opened) as asked:
        assert site("/mirror/lab/v3/manifests/spec/../../x").status == 404
    assert asked == []


def test_what_was_given_before_is_given_again_without_a_question(site: Client, opened: OpenCatalogue) -> None:
    manifest = site.manifest_of(APP).body
    with _no_question(opened):
        assert site(BLOB).body == LARGE
        assert site.manifest_of(APP).body == manifest


def test_parts_and_conditions_are_answered_alike(site: Client, opened: OpenCatalogue) -> None:
    whole = site(BLOB)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert whole.headers["x-content-type-options"] == "nosniff"
    tag = whole.headers["etag"]
    with _no_question(opened):
        head = site(BLOB, "HEAD")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(LARGE)))
        assert site(BLOB, If_None_Match=tag).status == 304
        part = site(BLOB, Range="bytes=10-19")
        assert (part.status, part.body) == (206, LARGE[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(LARGE)}"
        rest = site(BLOB, Range="bytes=1000000-")
        assert (rest.status, rest.body) == (206, LARGE[1_000_000:])
        assert site(BLOB, Range="bytes=3000000-").status == 416
        assert site(BLOB, Range="bytes=10-19", If_Range=tag).body == LARGE
        assert site(BLOB, Range="bytes=10-19", If_None_Match=tag).status == 304
        read = site(BLOB, "HEAD", Origin=ORIGIN)
    assert read.headers["access-control-allow-origin"] == ORIGIN


def test_a_blob_of_the_store_is_given_by_mirrors_alone_that_name_it(
    site: Client, opened: OpenCatalogue, tmp_path: Path
) -> None:
    shared, own = (mirrors.blob_place(binaries.archive_of(one)) for one in (LIB, APP))
    for mirror in ("lab", "other", "lab", "other"):
        assert site(f"/mirror/{mirror}/{shared}").status == 200
    for mirror in ("other", "of-other/root", "no-such-mirror", ""):
        assert site(f"/mirror/{mirror}/{own}").status == 404
    assert site(f"/mirror/lab/{own}").status == 200
    opened.sync("new", tmp_path / "other")
    assert site(f"/mirror/new/root/{own}").status == 404


def test_a_mirror_that_is_removed_or_is_another_gives_nothing_that_it_gave_before(
    site: Client, opened: OpenCatalogue
) -> None:
    define(opened, "lab", "of-other")
    assert site(BLOB).status == 404
    assert site.manifest_of(APP).status == 404
    define(opened, "lab", "of-lab")
    assert site(BLOB).status == 200
    with opened.catalogue.writing() as connection:
        remove_virtual(connection, "lab")
    assert site(BLOB).status == 404
    assert site.manifest_of(APP).status == 404
    assert site(f"/mirror/lab/{INDEX}").status == 404


def test_a_source_that_is_removed_takes_its_blobs_with_it(site: Client, opened: OpenCatalogue) -> None:
    opened.remove("of-lab")
    assert site(BLOB).status == 404


def test_a_blob_that_somebody_changed_in_the_store_is_not_given(site: Client, store: Path) -> None:
    (file,) = store.rglob(BLOB.rpartition("/")[2])
    file.write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    assert site(BLOB).body == LARGE, "fetched anew"
    assert file.read_bytes() == LARGE
    file.unlink()
    assert site(BLOB).body == LARGE


def test_every_other_path_is_refused_still(site: Client) -> None:
    assert {path: site(f"/mirror/lab/{path}").status for path in MISSING} == dict.fromkeys(MISSING, 404)
