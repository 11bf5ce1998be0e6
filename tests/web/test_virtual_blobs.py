"""Blobs of virtual mirrors over HTTP: many clients, clients that hang up, sources that lie, are slow or are gone."""

import hashlib
import http.client
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cachescope import compose
from cachescope.catalogue.virtual_definitions import remove_virtual
from tests import binaries, mirrors
from tests.binaries import APP, LIB, write_binaries
from tests.catalogues import OpenCatalogue
from tests.commands import process
from tests.servers import Answer, MirrorServer, Seen
from tests.web.conftest import served
from tests.web.test_virtual_mirrors import INDEX, Client, define

LARGE = hashlib.shake_256(b"archive").digest(4_000_000)
WRONG = LARGE[:-1] + bytes([LARGE[-1] ^ 1])


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MirrorServer]:
    """A mirror on the web whose archive of ``app`` is large."""
    small = binaries.archive_of
    monkeypatch.setattr(binaries, "archive_of", lambda one: LARGE if one is APP else small(one))
    with MirrorServer(folder=write_binaries(tmp_path / "source")) as server:
        yield server


@contextmanager
def _serving(opened: OpenCatalogue, folder: Path, **options: object) -> Iterator[Client]:
    given = {"retries": 0, "read_timeout": 30.0, "virtual_folder": str(folder / "virtual"), **options}
    stream = bool(given.pop("stream", False))
    chosen = compose.settings({"db": str(opened.file), **given})
    with (
        compose.virtual_mirrors(opened.catalogue, chosen, stream=stream) as virtual,
        served(opened.reader, virtual=virtual) as site,
    ):
        client = Client(site)
        for one in (APP, LIB):
            assert client.manifest_of(one).status == 200
        yield client


@pytest.fixture(params=["stream", "store"])
def site(
    request: pytest.FixtureRequest, opened: OpenCatalogue, source: MirrorServer, tmp_path: Path
) -> Iterator[Client]:
    """A site with the virtual mirror 'lab', by each way that the server gives blobs itself."""
    opened.sync("site", source.url)
    define(opened, "lab", "site")
    way = {"stream": True} if request.param == "stream" else {"blob_store": str(tmp_path / "store")}
    with _serving(opened, tmp_path, **way) as client:
        source.requests.clear()
        yield client


@pytest.fixture
def storing(opened: OpenCatalogue, source: MirrorServer, tmp_path: Path) -> Iterator[Client]:
    opened.sync("site", source.url)
    define(opened, "lab", "site")
    with _serving(opened, tmp_path, blob_store=str(tmp_path / "store")) as client:
        source.requests.clear()
        yield client


def _path(content: bytes = LARGE) -> str:
    return f"/{mirrors.blob_place(content)}"


def _taken(site: Client) -> tuple[int, bytes]:
    """Ask for the large blob; what comes may break off."""
    try:
        got = site(f"/mirror/lab{_path()}")
    except http.client.IncompleteRead as broken:
        return 200, broken.partial
    return got.status, got.body


def test_a_blob_and_parts_of_it_come_as_they_are_stored(site: Client) -> None:
    whole = site(f"/mirror/lab{_path()}")
    assert (whole.status, whole.body) == (200, LARGE)
    assert whole.headers["accept-ranges"] == "bytes"
    part = site(f"/mirror/lab{_path()}", Range="bytes=3000000-3000009")
    assert (part.status, part.body) == (206, LARGE[3_000_000:3_000_010])
    assert part.headers["content-range"] == "bytes 3000000-3000009/4000000"
    rest = site(f"/mirror/lab{_path()}", Range="bytes=3999990-")
    assert (rest.status, rest.body) == (206, LARGE[-10:])
    assert site(f"/mirror/lab{_path()}", Range="bytes=4000000-").status == 416


def test_of_a_blob_whose_length_nobody_says_the_whole_is_given(
    opened: OpenCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "archive_of", lambda _: LARGE)
    folder, one = binaries.write_old_binaries(tmp_path / "old")
    name = f"linux-debian12-x86_64-gcc-12.2.0-old-0.9-{one['hash']}"
    place = f"/build_cache/linux-debian12-x86_64/gcc-12.2.0/old-0.9/{name}.spack"
    with MirrorServer({place: Answer(LARGE, chunked=True)}, folder=folder) as server:
        opened.sync("old", server.url)
        define(opened, "legacy", "old")
        chosen = compose.settings({"db": str(opened.file), "virtual_folder": str(tmp_path / "virtual")})
        with (
            compose.virtual_mirrors(opened.catalogue, chosen, stream=True) as virtual,
            served(opened.reader, virtual=virtual) as site,
        ):
            got = Client(site)(f"/mirror/legacy{place}", Range="bytes=100-199")
    assert (got.status, got.body) == (200, LARGE)


def test_200_clients_at_once_are_served_by_one_fetch(storing: Client, source: MirrorServer) -> None:
    archive = binaries.archive_of(LIB)
    source.routes[_path(archive)] = Answer(archive, delay=0.5)
    with ThreadPoolExecutor(200) as clients:
        got = list(clients.map(lambda _: storing(f"/mirror/lab{_path(archive)}"), range(200)))
    assert {(one.status, one.body) for one in got} == {(200, archive)}
    assert len(source.requests) == 1


def test_pages_are_answered_while_clients_wait_for_a_slow_source(site: Client, source: MirrorServer) -> None:
    arrives = threading.Event()

    def slow(_: Seen) -> Answer:
        assert arrives.wait(25)
        return Answer(LARGE)

    source.routes[_path()] = slow
    with ThreadPoolExecutor(40) as clients:
        waiting = [clients.submit(site, f"/mirror/lab{_path()}") for _ in range(40)]
        try:
            source.wait_for_requests(1)
            assert site("/caches").status == 200
            assert site.manifest_of(LIB).status == 200
            assert not any(one.done() for one in waiting)
        finally:
            arrives.set()
        assert {one.result().body for one in waiting} == {LARGE}


def test_300_clients_that_wait_for_one_slow_blob_keep_nobody_else_waiting(
    opened: OpenCatalogue, source: MirrorServer, tmp_path: Path
) -> None:
    arrives = threading.Event()

    def slow(_: Seen) -> Answer:
        assert arrives.wait(30)
        return Answer(LARGE)

    opened.sync("site", source.url)
    define(opened, "lab", "site")
    source.routes[_path()] = slow
    small = binaries.archive_of(LIB)
    with (
        _serving(opened, tmp_path, blob_store=str(tmp_path / "store"), read_timeout=30.0) as storing,
        ExitStack() as waiting,
    ):
        address = urlsplit(storing.site)
        asked = f"GET /mirror/lab{_path()} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
        source.requests.clear()
        clients = [
            waiting.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(300)
        ]
        waiting.callback(arrives.set)
        answered = select.poll()
        for one in clients:
            one.sendall(asked.encode())
            answered.register(one, select.POLLIN)
        source.wait_for_requests(1)
        assert storing(f"/mirror/lab{_path(small)}").body == small
        assert storing(f"/mirror/lab/{INDEX}", "HEAD").status == 200
        assert len(storing.index()) >= 2
        assert storing.manifest_of(LIB).status == 200
        assert answered.poll(0) == [], "all of them wait"
        arrives.set()
        for one in clients[::30]:
            with one.makefile("rb") as answer:
                assert answer.read().endswith(LARGE)
    assert [one.path for one in source.requests].count(_path()) == 1


def test_a_wrong_blob_is_never_a_whole_answer(
    site: Client, source: MirrorServer, caplog: pytest.LogCaptureFixture
) -> None:
    source.routes[_path()] = Answer(WRONG)
    status, body = _taken(site)
    assert len(body) < len(LARGE)
    assert status == 200 or b"the bytes are not those of sha256:" in body
    assert not any(one.exc_info for one in caplog.records), "one line says it, and no trace"
    page = site("/mirror/lab/", Accept="text/plain").body.decode()
    assert "failed: site/root" in page
    assert "the bytes are not those of" in page
    del source.routes[_path()]
    assert site(f"/mirror/lab{_path()}").body == LARGE


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (Answer(b"", 404), 404, b"no source has this blob any more"),
        (Answer(b"", 503), 502, b"cannot answer now"),
        (Answer(LARGE, hangs_after=-1), 502, b"sent nothing for 2 s"),
    ],
    ids=["lost", "down", "silent"],
)
def test_a_source_without_the_blob_is_told(
    opened: OpenCatalogue,
    source: MirrorServer,
    tmp_path: Path,
    answer: Answer,
    status: int,
    reason: bytes,
) -> None:
    opened.sync("site", source.url)
    define(opened, "lab", "site")
    with _serving(opened, tmp_path, stream=True, read_timeout=2.0) as client:
        source.routes[_path()] = answer
        got = client(f"/mirror/lab{_path()}")
    assert got.status == status
    assert reason in got.body


def test_another_source_of_the_union_is_tried(
    opened: OpenCatalogue, source: MirrorServer, tmp_path: Path
) -> None:
    opened.sync("site", source.url)
    opened.sync("copy", tmp_path / "source")
    define(opened, "lab", "site", "copy")
    with _serving(opened, tmp_path, blob_store=str(tmp_path / "store")) as client:
        opened.sizes()
        source.routes[_path()] = Answer(WRONG)
        assert client(f"/mirror/lab{_path()}").body == LARGE


def test_a_client_that_hangs_up_lets_the_source_go(site: Client, source: MirrorServer) -> None:
    source.routes[_path()] = Answer(LARGE, piece=100_000, pause=0.05)
    address = urlsplit(site.site)
    assert address.hostname is not None
    for _ in range(5):
        with socket.create_connection((address.hostname, address.port or 80)) as client:
            client.sendall(f"GET /mirror/lab{_path()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            source.wait_for_requests(1)
    del source.routes[_path()]
    assert site(f"/mirror/lab{_path()}").body == LARGE
    _eventually(lambda: len(source.connections()) <= 2)


def test_a_mirror_that_is_removed_gives_no_blob_that_it_gave_before(
    storing: Client, opened: OpenCatalogue
) -> None:
    assert storing(f"/mirror/lab{_path()}").status == 200
    with opened.catalogue.writing() as connection:
        remove_virtual(connection, "lab")
    assert storing(f"/mirror/lab{_path()}").status == 404


def test_a_refresh_meanwhile_disturbs_no_client(
    storing: Client, opened: OpenCatalogue, tmp_path: Path
) -> None:
    ended = threading.Event()
    # Kept from now on: the files of the source are written anew below, and would be read in the middle of that.
    assert storing(f"/mirror/lab{_path()}").body == LARGE

    def downloads() -> int:
        count = 0
        while not ended.is_set():
            assert storing.manifest_of(APP).status == 200
            assert storing(f"/mirror/lab{_path()}").body == LARGE
            assert len(storing.index()) >= 2
            count += 1
        return count

    with ThreadPoolExecutor(2) as clients:
        running = [clients.submit(downloads) for _ in range(2)]
        try:
            write_binaries(tmp_path / "source", (*binaries.PRESENT, mirrors.node("more")))
            assert process("sync", "site", db=opened.file).code == 0
        finally:
            ended.set()
        assert all(one.result() > 0 for one in running)


def _eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it does not come to hold"
        time.sleep(0.05)
