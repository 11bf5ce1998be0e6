"""Reading mirrors from a web server: what is asked, and what is not asked again."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from cachescope.model.sources import SourceOutcome
from tests import mirrors
from tests.catalogues import V2, V3, OpenCatalogue
from tests.servers import Answer, MirrorServer, Seen

MANIFEST = f"/{mirrors.manifest_place()}"
V2_INDEX = "/build_cache/index.json"
DATE = "Sun, 01 Nov 2026 09:00:00 GMT"
ZLIB = mirrors.node("zlib", "1.3.1")
CURL = mirrors.node("curl", "8.11.1", needs=[(ZLIB, "link", "")])
OLD = mirrors.index(mirrors.installs([ZLIB], [CURL]))
NEW = mirrors.index(mirrors.installs([ZLIB, CURL]))


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer() as running:
        yield running


def _serve_v3(server: MirrorServer, document: bytes, etag: str = "", last_modified: str = "") -> None:
    server.routes[f"/{mirrors.blob_place(document)}"] = Answer(document)
    server.routes[MANIFEST] = Answer(mirrors.manifest(document), etag=etag, last_modified=last_modified)


def _serve_v2(server: MirrorServer, document: bytes, etag: str = "", last_modified: str = "") -> None:
    server.routes[V2_INDEX] = Answer(document, etag=etag, last_modified=last_modified)
    server.routes[f"{V2_INDEX}.hash"] = Answer(hashlib.sha256(document).hexdigest().encode())


def _asked(server: MirrorServer) -> list[str]:
    """Return the paths that were asked for since the last call."""
    paths = [one.path for one in server.requests]
    server.requests.clear()
    return paths


def _well(outcomes: Sequence[SourceOutcome]) -> list[str]:
    assert not [one.error for one in outcomes if one.error is not None]
    return [one.attempt.outcome for one in outcomes]


VALIDATORS = {"ETag": {"etag": '"a1"'}, "Last-Modified": {"last_modified": DATE}, "neither": {}}


def test_a_first_sync_asks_for_the_index_of_each_layout_and_the_blob(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v3(server, OLD)
    assert _well(opened.sync("site", server.url)) == ["updated"]
    assert _asked(server) == [MANIFEST, f"/{mirrors.blob_place(OLD)}", V2_INDEX]
    assert opened.found() == [ZLIB["hash"]]


@pytest.mark.parametrize("validators", VALIDATORS)
def test_an_unchanged_v3_mirror_costs_one_request(
    validators: str, opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v3(server, OLD, **VALIDATORS[validators])
    opened.sync("site", server.url)
    server.requests.clear()
    assert _well(opened.sync_again("site")) == ["unchanged"]
    assert _asked(server) == [MANIFEST]


@pytest.mark.parametrize(
    ("validators", "asked"),
    [("ETag", V2_INDEX), ("Last-Modified", V2_INDEX), ("neither", f"{V2_INDEX}.hash")],
)
def test_an_unchanged_v2_mirror_costs_one_request(
    validators: str, asked: str, opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v2(server, OLD, **VALIDATORS[validators])
    opened.sync("site", server.url)
    server.requests.clear()
    assert _well(opened.sync_again("site")) == ["unchanged"]
    assert _asked(server) == [asked]


def test_an_unchanged_question_is_conditional(opened: OpenCatalogue, server: MirrorServer) -> None:
    _serve_v3(server, OLD, etag='"a1"', last_modified=DATE)
    opened.sync("site", server.url)
    server.requests.clear()
    opened.sync_again("site")
    (request,) = server.requests
    assert request.headers["if-none-match"] == '"a1"'
    assert request.headers["if-modified-since"] == DATE


def test_an_index_manifest_written_anew_over_the_same_index_costs_one_request(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v3(server, OLD, etag='"a1"')
    opened.sync("site", server.url)
    _serve_v3(server, OLD, etag='"a2"')
    server.requests.clear()
    assert _well(opened.sync_again("site")) == ["unchanged"]
    assert _well(opened.sync_again("site")) == ["unchanged"]
    assert [one.headers.get("if-none-match") for one in server.requests] == ['"a1"', '"a2"']


@pytest.mark.parametrize("validators", VALIDATORS)
@pytest.mark.parametrize("layout", ["v3", "v2"])
def test_a_changed_mirror_is_read_whatever_the_server_offers(
    validators: str, layout: str, opened: OpenCatalogue, server: MirrorServer
) -> None:
    serve = _serve_v3 if layout == "v3" else _serve_v2
    serve(server, OLD, **VALIDATORS[validators])
    opened.sync("site", server.url)
    changed = {
        name: value.replace("a1", "b2").replace("09:", "10:")
        for name, value in VALIDATORS[validators].items()
    }
    serve(server, NEW, **changed)
    assert _well(opened.sync_again("site")) == ["updated"]
    assert opened.found() == sorted([ZLIB["hash"], CURL["hash"]])


def test_a_stale_hash_beside_a_v2_index_does_no_harm_on_a_first_sync(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v2(server, OLD)
    server.routes[f"{V2_INDEX}.hash"] = Answer(b"0" * 64)
    _well(opened.sync("site", server.url))
    assert _well(opened.sync_again("site")) == ["unchanged"]
    assert opened.found() == [ZLIB["hash"]]


def test_both_layouts_are_taken_and_an_unchanged_mirror_of_both_costs_two_requests(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v3(server, OLD, etag='"a"')
    _serve_v2(server, NEW, etag='"b"')
    assert _well(opened.sync("site", server.url)) == ["updated", "updated"]
    assert [one.layout for one in opened.reader.sources()] == ["v3", "v2"]
    server.requests.clear()
    assert _well(opened.sync_again("site")) == ["unchanged", "unchanged"]
    assert _asked(server) == [MANIFEST, V2_INDEX]


def test_a_layout_that_was_absent_is_asked_for_again_when_wanted_or_after_7_days(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v3(server, OLD, etag='"a"')
    opened.sync("site", server.url)
    server.requests.clear()
    opened.pass_time(days=6.9)
    opened.sync_again("site")
    assert _asked(server) == [MANIFEST]
    opened.sync_again("site", probe=True)
    assert _asked(server) == [MANIFEST, V2_INDEX]
    opened.pass_time(days=6.9)
    opened.sync_again("site")
    assert _asked(server) == [MANIFEST]
    opened.pass_time(days=0.2)
    opened.sync_again("site")
    assert _asked(server) == [MANIFEST, V2_INDEX]
    opened.sync_again("site")
    assert _asked(server) == [MANIFEST]
    opened.sync_again("site", probe_after=timedelta(0))
    assert _asked(server) == [MANIFEST, V2_INDEX]


def test_a_layout_that_appears_is_found_by_the_next_probe(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v2(server, OLD)
    opened.sync("site", server.url)
    _serve_v3(server, NEW)
    opened.sync_again("site")
    assert opened.found() == [ZLIB["hash"]]
    opened.sync_again("site", probe=True)
    assert opened.found() == sorted([ZLIB["hash"], CURL["hash"]])


def test_an_index_that_is_written_anew_between_manifest_and_blob_is_read(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    def vanishing(request: Seen) -> Answer:
        del server.routes[request.path]
        _serve_v3(server, NEW)
        return Answer(b"gone", 404)

    _serve_v3(server, OLD)
    server.routes[f"/{mirrors.blob_place(OLD)}"] = vanishing
    assert _well(opened.sync("site", server.url)) == ["updated"]
    assert _asked(server)[:4] == [
        MANIFEST,
        f"/{mirrors.blob_place(OLD)}",
        MANIFEST,
        f"/{mirrors.blob_place(NEW)}",
    ]
    assert opened.found() == sorted([ZLIB["hash"], CURL["hash"]])


def test_an_index_that_vanishes_on_a_later_sync_is_asked_for_without_a_condition(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    def vanishing(request: Seen) -> Answer:
        del server.routes[request.path]
        _serve_v3(server, OLD, etag='"a"')
        return Answer(b"gone", 404)

    _serve_v3(server, OLD, etag='"a"')
    opened.sync("site", server.url)
    _serve_v3(server, NEW, etag='"b"')
    server.routes[f"/{mirrors.blob_place(NEW)}"] = vanishing
    # Back to the former index: it is known, so nothing changed.
    assert _well(opened.sync_again("site")) == ["unchanged"]
    assert opened.found() == [ZLIB["hash"]]


def test_a_manifest_whose_blob_is_not_there_fails_after_two_questions(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    server.routes[MANIFEST] = Answer(mirrors.manifest(OLD))
    (outcome,) = opened.sync("site", server.url)
    assert "names a blob that is not there" in str(outcome.error)
    assert _asked(server).count(MANIFEST) == 2


def test_a_view_is_a_source_of_its_own(opened: OpenCatalogue, tmp_path: Path) -> None:
    mirrors.write_v3(tmp_path, NEW)
    mirrors.write_v3(tmp_path, OLD, view="small")
    with MirrorServer(folder=tmp_path) as server:
        assert _well(opened.sync("site@small", server.url)) == ["updated"]
        assert _asked(server) == [f"/{mirrors.manifest_place('small')}", f"/{mirrors.blob_place(OLD)}"]
        assert opened.found() == [ZLIB["hash"]]
        assert _well(opened.sync_again("site")) == ["updated", "unchanged"]
        server.requests.clear()
        assert _well(opened.sync_again("site")) == ["unchanged", "unchanged"]
        assert _asked(server) == [MANIFEST, f"/{mirrors.manifest_place('small')}"]
        assert _well(opened.sync_again("site@small")) == ["unchanged"]
    assert [(one.view, one.counts.present) for one in opened.reader.sources()] == [(None, 2), ("small", 1)]


def test_a_compressed_index_blob_is_unpacked(opened: OpenCatalogue, tmp_path: Path) -> None:
    blob = mirrors.write_v3(tmp_path, NEW, compression="gzip")
    assert blob.read_bytes()[:2] == b"\x1f\x8b"
    with MirrorServer(folder=tmp_path) as server:
        assert _well(opened.sync("site", server.url)) == ["updated"]
        assert _well(opened.sync_again("site")) == ["unchanged"]
    assert len(opened.found()) == 2


def test_of_several_indexes_in_a_manifest_the_newest_readable_counts(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    mirrors.write_v3(tmp_path, NEW)
    future, readable = (
        json.loads(one) for one in (mirrors.manifest(b"{}", media="9"), mirrors.manifest(NEW))
    )
    both = mirrors.as_json({"version": 3, "data": [*future["data"], *readable["data"]]})
    mirrors.write(tmp_path, mirrors.manifest_place(), both)
    assert _well(opened.sync("site", tmp_path)) == ["updated"]
    mirrors.write(tmp_path, mirrors.manifest_place(), mirrors.as_json(future))
    (outcome,) = opened.sync_again("site")
    assert "the index has version 9; this cachescope reads up to 8" in str(outcome.error)


def test_an_index_manifest_of_version_4_is_refused_by_name(opened: OpenCatalogue, tmp_path: Path) -> None:
    mirrors.write(tmp_path, mirrors.manifest_place(), mirrors.manifest(OLD, version=4))
    (outcome,) = opened.sync("site", tmp_path)
    assert "the index manifest has version 4; this cachescope reads 3" in str(outcome.error)
    assert "update cachescope" in getattr(outcome.error, "hint", "")


def test_the_bundled_sample_reads_the_same_from_a_server_as_from_the_disk(
    opened: OpenCatalogue,
) -> None:
    for name, folder in (("here/v3-signed", V3), ("here/v2-signed", V2)):
        with MirrorServer(folder=folder) as server:
            _well(opened.sync(name, server.url))
        _well(opened.sync(name.replace("here", "disk"), folder))
    over_http, from_disk = (
        opened.rows(
            """
            SELECT stack, spec_id, state FROM presence JOIN source ON source.id = source_id
            JOIN mirror ON mirror.id = mirror_id WHERE ref = ? ORDER BY 1, 2
            """,
            ref,
        )
        for ref in ("here", "disk")
    )
    assert over_http == from_disk != []


def test_a_store_that_answers_403_for_what_is_not_there_is_read_all_the_same(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v3(server, OLD, etag='"a1"')
    server.routes[V2_INDEX] = Answer(status=403)
    assert _well(opened.sync("site", server.url)) == ["updated"]
    server.requests.clear()
    assert _well(opened.sync_again("site")) == ["unchanged"]
    assert _asked(server) == [MANIFEST]


def test_a_mirror_that_refuses_everything_is_unavailable(opened: OpenCatalogue, server: MirrorServer) -> None:
    server.routes |= {MANIFEST: Answer(status=403), V2_INDEX: Answer(status=403)}
    outcomes = opened.sync("site", server.url)
    assert [one.attempt.outcome for one in outcomes] == ["failed", "failed"]
    assert "403" in str(outcomes[0].error)


def test_a_host_that_does_not_answer_is_asked_once_for_all_sources(
    opened: OpenCatalogue, server: MirrorServer
) -> None:
    _serve_v3(server, OLD)
    _serve_v2(server, OLD)
    opened.sync("site", server.url)
    server.routes |= {MANIFEST: Answer(status=503), V2_INDEX: Answer(status=503)}
    server.requests.clear()
    assert [one.attempt.outcome for one in opened.sync_again("site")] == ["failed", "failed"]
    assert set(_asked(server)) == {MANIFEST}
