"""Asking how large a document is, without reading it; and the pause that one answer orders for a whole host."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cachescope.model.errors import AccessDenied, MirrorUnavailable
from cachescope.transport.opening import HttpClient
from cachescope.transport.source import Fetched, Missing, Sized, SizeOutcome, Unsized
from tests.servers import Answer, MirrorServer, Seen, redirect
from tests.transport.conftest import OpenUrl


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(b"x" * 3051), Sized(3051)),
        (Answer(b""), Sized(0)),
        (Answer(b"x", gzip=True), Sized(1)),
        (Answer(b"x", headers={"Content-Encoding": "gzip"}), Unsized()),
        (Answer(b"x", chunked=True), Unsized()),
        (Answer(b"", 404), Missing()),
        (Answer(b"", 410), Missing()),
        (Answer(b"", 405), Unsized()),
        (Answer(b"", 501), Unsized()),
        (redirect("/there"), Sized(7)),
    ],
)
def test_size_is_what_the_head_of_a_document_says(
    server: MirrorServer, open_url: OpenUrl, answer: Answer, outcome: SizeOutcome
) -> None:
    server.routes |= {"/a": answer, "/there": Answer(b"moved!!")}

    assert open_url(server.url).size("a") == outcome
    assert {one.method for one in server.requests} == {"HEAD"}


def test_size_that_is_refused_raises(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes["/a"] = Answer(b"", 403)
    with pytest.raises(AccessDenied):
        open_url(server.url).size("a")


def test_size_is_tried_again_like_a_read(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes |= {"/a": [Answer(b"", 503), Answer(b"abc")], "/b": Answer(b"", 503)}

    assert open_url(server.url).size("a") == Sized(3)
    with pytest.raises(MirrorUnavailable, match="tried 3 times"):
        open_url(server.url).size("b")


def test_sizes_share_one_connection(server: MirrorServer, open_url: OpenUrl) -> None:
    ports: set[int] = set()

    def answer(_: Seen) -> Answer:
        ports.update(connection.getpeername()[1] for connection in server.connections())
        return Answer(b"x" * 200_000)

    server.routes["/a"] = answer
    source = open_url(server.url)
    assert [source.size("a") for _ in range(3)] == [Sized(200_000)] * 3
    assert len(ports) == 1


def test_size_of_a_file_is_that_of_the_disk(tmp_path: Path, open_url: OpenUrl) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    source = open_url(str(tmp_path))

    found = [source.size(name) for name in ("a", "folder", "pipe", "none", "a/b")]
    assert found == [Sized(3), Missing(), Missing(), Missing(), Missing()]
    with pytest.raises(MirrorUnavailable, match="no such folder"):
        open_url(str(tmp_path / "gone")).size("a")


def test_a_server_that_asks_for_a_pause_is_left_alone_by_all_who_read_from_it(
    server: MirrorServer, open_url: OpenUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: dict[str, list[float]] = {"/a": [], "/b": []}

    def answer(request: Seen) -> Answer:
        times[request.path].append(time.monotonic())
        busy = request.path == "/a" and len(times["/a"]) == 1
        return Answer(b"", 429, {"Retry-After": "1"}) if busy else Answer(b"x")

    told = threading.Event()
    plain = HttpClient.pause

    def pause(client: HttpClient, host: str, seconds: float) -> None:
        plain(client, host, seconds)
        told.set()

    monkeypatch.setattr(HttpClient, "pause", pause)
    server.routes |= {"/a": answer, "/b": answer}
    source = open_url(server.url, longest_wait=5)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(source.read, "a")
        assert told.wait(60), "no pause was asked for"
        assert isinstance(source.read("b"), Fetched)
        assert isinstance(first.result(), Fetched)
    assert times["/b"][0] - times["/a"][0] > 0.9


def test_a_pause_that_is_too_long_is_not_waited_for(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes["/a"] = Answer(b"", 503, {"Retry-After": "3600"})
    with pytest.raises(MirrorUnavailable, match="come back after 3600 s"):
        open_url(server.url).read("a")
    assert len(server.requests) == 1
