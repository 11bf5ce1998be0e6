"""Mirrors that are down, wrong or hostile: what, where, what to do, the exit code, and nothing is lost."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import mirrors
from tests.catalogues import V3
from tests.commands import CommandLine
from tests.servers import HANGING, NOT_FOUND, Answer, MirrorServer, redirect, unused_port

MANIFEST = f"/{mirrors.manifest_place()}"
UNAVAILABLE, MALFORMED = 4, 5
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
INDEX = next(
    one for one in (V3 / "blobs").rglob("*") if one.is_file() and one.stat().st_size > 100_000
).read_bytes()
BLOB = f"/{mirrors.blob_place(INDEX)}"

Damage = Callable[[MirrorServer], str | None]
"""Changes what a server answers; returns another address to read, if it is one."""


def _manifest(answer: Answer) -> Damage:
    def damage(server: MirrorServer) -> None:
        server.routes[MANIFEST] = answer

    return damage


def _index(document: bytes, *, compression: str = "none", answer: Answer | None = None) -> Damage:
    """Publish another index, with a manifest that agrees with it."""

    def damage(server: MirrorServer) -> None:
        server.routes[MANIFEST] = Answer(mirrors.manifest(document, compression=compression))
        server.routes[f"/{mirrors.blob_place(document)}"] = answer or Answer(document)

    return damage


def _stored(answer: Answer) -> Damage:
    """Let the blob of the index be another one than its manifest says."""

    def damage(server: MirrorServer) -> None:
        changed = INDEX + b" "
        server.routes[MANIFEST] = Answer(mirrors.manifest(changed))
        server.routes[f"/{mirrors.blob_place(changed)}"] = answer

    return damage


def _circle(server: MirrorServer) -> None:
    server.routes[MANIFEST] = redirect("/elsewhere")
    server.routes["/elsewhere"] = redirect(MANIFEST)


def _coded(body: bytes) -> Answer:
    return Answer(body, headers={"Content-Encoding": "gzip"})


_DEEP = b'{"database":{"version":"8","installs":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
_DEEP_RECORD = mirrors.index(mirrors.installs([mirrors.node("deep")])).replace(
    b'"namespace":"made"', b'"namespace":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000
)
_PACKED = gzip.compress(INDEX + b" ", mtime=0)
_BOMB = gzip.compress(b" " * 40_000_000, mtime=0)

CASES: dict[str, tuple[Damage, int, str, str, str]] = {
    # name: damage, exit code, what, where, what to do
    "no such host": (
        lambda _: "http://no-such-host.invalid/mirror",
        *(UNAVAILABLE, "no host of the name", "no-such-host.invalid", "spelling"),
    ),
    "refused": (
        lambda _: f"http://127.0.0.1:{unused_port()}",
        *(UNAVAILABLE, "no connection to 127.0.0.1", "index.manifest.json", "check that the server runs"),
    ),
    "no such folder": (
        lambda _: "/no/such/folder",
        *(UNAVAILABLE, "no such folder", "/no/such/folder", "mounted"),
    ),
    "404": (
        _manifest(NOT_FOUND),
        *(UNAVAILABLE, "the index is gone", "index.manifest.json", "cachescope remove"),
    ),
    "403": (
        _manifest(Answer(status=403)),
        *(UNAVAILABLE, "gives no access (403", "index.manifest.json", "ask the maintainer"),
    ),
    "401": (
        _manifest(Answer(status=401)),
        *(UNAVAILABLE, "gives no access (401", "index.manifest.json", "give credentials"),
    ),
    "500": (
        _manifest(Answer(status=500)),
        *(UNAVAILABLE, "cannot answer now (500", "index.manifest.json", "try again later"),
    ),
    "time-out": (
        _manifest(HANGING),
        *(UNAVAILABLE, "sent nothing for 2 s", "index.manifest.json", "read_timeout"),
    ),
    "time-out in the index": (
        _stored(Answer(INDEX, hangs_after=5000)),
        *(UNAVAILABLE, "sent nothing for 2 s", "blobs/sha256", "read_timeout"),
    ),
    "cut off": (
        _stored(Answer(INDEX, cut_after=5000)),
        *(UNAVAILABLE, "broke before the answer was whole", "blobs/sha256", "try again"),
    ),
    "redirect loop": (
        _circle,
        *(UNAVAILABLE, "redirects in a circle", "index.manifest.json", "address of the mirror"),
    ),
    "HTML for a manifest": (
        _manifest(Answer(HTML)),
        *(MALFORMED, "is a web page (HTML), not JSON", "index.manifest.json", "may need a login"),
    ),
    "HTML for an index": (
        _index(HTML),
        *(MALFORMED, "the index is a web page (HTML), not JSON", "blobs/sha256", "may need a login"),
    ),
    "truncated manifest": (
        _manifest(Answer(mirrors.manifest(INDEX)[:100])),
        *(MALFORMED, "the index manifest is malformed", "index.manifest.json", ""),
    ),
    "truncated index": (
        _index(INDEX[: len(INDEX) // 2]),
        *(MALFORMED, "the JSON ends in the middle", "blobs/sha256", "update-index"),
    ),
    "truncated gzip coding": (
        _stored(_coded(_PACKED[:-500])),
        *(MALFORMED, "the gzip data end too early", "blobs/sha256", "cut short"),
    ),
    "truncated gzip blob": (
        _index(_PACKED[:-500], compression="gzip"),
        *(MALFORMED, "the gzip data end too early", "blobs/sha256", "cut short"),
    ),
    "corrupt gzip": (
        _index(b"\x1f\x8b no gzip at all", compression="gzip"),
        *(MALFORMED, "the gzip data are corrupt", "blobs/sha256", "try again"),
    ),
    "unknown compression": (
        _index(INDEX + b" ", compression="rot13"),
        *(MALFORMED, "the compression 'rot13' is not known", "blobs/sha256", "known are gzip and none"),
    ),
    "gzip bomb as coding": (
        _stored(_coded(_BOMB)),
        *(MALFORMED, "more than 2,000,000 bytes unpacked", "blobs/sha256", "max_unpacked_bytes"),
    ),
    "gzip bomb as blob": (
        _index(_BOMB, compression="gzip"),
        *(MALFORMED, "more than 2,000,000 bytes unpacked", "blobs/sha256", "max_unpacked_bytes"),
    ),
    "deep index": (_index(_DEEP), *(MALFORMED, "the index is malformed", "blobs/sha256", "update-index")),
    "deep record": (
        _index(_DEEP_RECORD),
        *(MALFORMED, "nested too deeply", "blobs/sha256", ""),
    ),
    "deep manifest": (
        _manifest(Answer(b"[" * 100_000)),
        *(MALFORMED, "the index manifest is malformed", "index.manifest.json", ""),
    ),
    "wrong checksum": (
        _stored(Answer(INDEX.replace(b"cr-zlib", b"cr-zlab") + b" ")),
        *(MALFORMED, "does not have the checksum that its manifest states", "blobs/sha256", "update-index"),
    ),
    "wrong size": (
        _stored(Answer(INDEX[:-1000])),
        *(MALFORMED, "bytes where 111571 are stated", "blobs/sha256", "truncated"),
    ),
    "checksum with ../": (
        _manifest(Answer(mirrors.manifest(INDEX, checksum="../../../../etc/passwd"))),
        *(MALFORMED, "something that is no checksum", "index.manifest.json", "can be an attack"),
    ),
    "empty index": (
        _index(mirrors.index({})),
        *(MALFORMED, "lists no specs, where the former one listed 107", "index.manifest.json", "--allow-empty"),
    ),
    "index of 0 bytes": (_index(b""), *(MALFORMED, "the index is empty (0 bytes)", "blobs/sha256", "update-index")),
    "invalid UTF-8": (
        _index(INDEX.replace(b'"version":"8"', b'"version":"\xff"')),
        *(MALFORMED, "the index is malformed", "blobs/sha256", "update-index"),
    ),
    "version above 8": (
        _index(INDEX.replace(b'{"version":"8"', b'{"version":"9"')),
        *(MALFORMED, "the index has version 9; this cachescope reads up to 8", "blobs/sha256", "update cachescope"),
    ),
    "no version": (
        _index(INDEX.replace(b'{"version":"8"', b'{"version":"eight"')),
        *(MALFORMED, "unknown version 'eight'", "blobs/sha256", "known are 5 to 8"),
    ),
    "JSON, but no index": (_index(b"[1, 2]"), *(MALFORMED, "the index is malformed", "blobs/sha256", "update-index")),
    "only keys that are no hash": (
        _index(mirrors.index({"../../etc/passwd": mirrors.record(mirrors.node("x"))})),
        *(MALFORMED, "is not a DAG hash", "database.installs", "is this an index of Spack?"),
    ),
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer(folder=V3) as running:
        yield running


@pytest.fixture(autouse=True)
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, and short patience."""
    folder = tmp_path / "held"
    folder.mkdir()
    monkeypatch.setenv("CACHESCOPE_TEMPORARY_FOLDER", str(folder))
    monkeypatch.setenv("CACHESCOPE_READ_TIMEOUT", "2")
    monkeypatch.setenv("CACHESCOPE_RETRIES", "0")
    monkeypatch.setenv("CACHESCOPE_MAX_UNPACKED_BYTES", "2000000")
    return folder


@pytest.mark.parametrize("case", CASES)
def test_after_bad_input_the_former_snapshot_answers_and_the_failure_is_stated(
    case: str, run: CommandLine, server: MirrorServer, held: Path
) -> None:
    damage, code, what, where, what_to_do = CASES[case]
    run.well("sync", server.url, "--as", "site")
    former = run.well("search", "*", "--json", "--limit", "0").out

    elsewhere = damage(server)
    failed = run("sync", elsewhere, "--as", "site") if elsewhere else run("sync", "site")

    assert failed.code == code, failed
    assert "site/root: failed" in failed.text
    for fragment in (what, where, what_to_do):
        assert fragment in failed.text
    assert "Traceback" not in failed.text + failed.err
    assert run.well("search", "*", "--json", "--limit", "0").out == former
    (source,) = run.well("caches", "--json").json
    assert source["last_attempt"]["outcome"] == "failed"
    assert what in source["last_attempt"]["reason"]
    assert source["present"] == 90
    assert source["snapshot_at"] is not None
    assert list(held.iterdir()) == []

    server.routes.clear()
    run.well("sync", "site")
    (source,) = run.well("caches", "--json").json
    assert source["last_attempt"]["outcome"] == "unchanged"
    assert source["last_attempt"]["reason"] is None


@pytest.mark.parametrize("case", [one for one in CASES if one != "empty index"])
def test_bad_input_on_a_first_sync_is_stated_too(
    case: str, run: CommandLine, server: MirrorServer, held: Path
) -> None:
    damage, code, what, _, what_to_do = CASES[case]
    elsewhere = damage(server)
    failed = run("sync", elsewhere or server.url, "--as", "site")
    assert failed.code == code
    (source,) = run.well("caches", "--json").json
    assert source["last_attempt"]["outcome"] == "failed"
    assert (source["present"], source["snapshot_at"]) == (0, None)
    if case != "404":  # where nothing is known, there is "no index" instead of a lost one
        assert what in source["last_attempt"]["reason"]
        assert what_to_do in failed.text
    assert run("search", "cr-zlib").code == 1
    assert list(held.iterdir()) == []


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_folder_for_temporary_files_that_is_not_there_is_told(
    compression: str, run: CommandLine, server: MirrorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = INDEX + b" " * 1_500_000
    stored = gzip.compress(large, mtime=0) if compression == "gzip" else large
    _index(stored, compression=compression)(server)
    monkeypatch.setenv("CACHESCOPE_TEMPORARY_FOLDER", "/no/such/folder")
    refused = run("sync", server.url, "--as", "site")
    assert refused.code == 2
    for fragment in ("cannot be held in a temporary file", "/no/such/folder", "temporary_folder"):
        assert fragment in refused.text + refused.err


def test_a_path_in_place_of_a_checksum_is_never_asked_for(run: CommandLine, server: MirrorServer) -> None:
    CASES["checksum with ../"][0](server)
    run("sync", server.url, "--as", "site")
    assert not [one.path for one in server.requests if "passwd" in one.path]


def test_an_address_without_any_index_says_what_was_asked_for(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    failed = run("sync", tmp_path / "empty", "--as", "site")
    assert failed.code == UNAVAILABLE
    assert "neither v3/manifests/index/index.manifest.json nor build_cache/index.json is there" in failed.text
    assert "give the folder that holds 'v3' or 'build_cache'" in failed.text


def test_an_index_that_was_emptied_on_purpose_is_accepted_when_said_so(
    run: CommandLine, server: MirrorServer
) -> None:
    run.well("sync", server.url, "--as", "site")
    CASES["empty index"][0](server)
    run.well("sync", "site", "--allow-empty")
    (source,) = run.well("caches", "--json").json
    assert (source["present"], source["mentioned"], source["last_attempt"]["outcome"]) == (0, 0, "updated")


def test_of_several_mirrors_the_worst_code_counts_and_the_others_are_read(
    run: CommandLine, server: MirrorServer, tmp_path: Path
) -> None:
    run.well("add", "a/gone", tmp_path / "gone")
    run.well("add", "b/html", server.url)
    run.well("add", "c/good", V3)
    server.routes[MANIFEST] = Answer(HTML)
    assert run("sync").code == MALFORMED
    outcomes = {one["name"]: one["last_attempt"]["outcome"] for one in run.well("caches", "--json").json}
    assert outcomes == {"a/gone": "failed", "b/html": "failed", "c/good": "updated"}


def test_fail_fast_stops_at_the_first_failure(run: CommandLine, tmp_path: Path) -> None:
    run.well("add", "a/gone", tmp_path / "gone")
    run.well("add", "c/good", V3)
    assert run("sync", "--fail-fast").code == UNAVAILABLE
    outcomes = {one["name"]: one["last_attempt"]["outcome"] for one in run.well("caches", "--json").json}
    assert outcomes == {"a/gone": "failed", "c/good": "never"}


def test_a_password_in_an_address_is_never_shown(run: CommandLine, server: MirrorServer) -> None:
    server.routes[MANIFEST] = Answer(status=403)
    address = server.url_at("user:open-sesame@127.0.0.1")
    failed = run("sync", address, "--as", "site")
    page = run("sync", f"{address}/page.md")
    shown = run.well("caches"), run.well("caches", "--json")
    assert (failed.code, page.code) == (UNAVAILABLE, UNAVAILABLE)
    for one in (failed, page, *shown):
        assert "open-sesame" not in one.text + one.err
