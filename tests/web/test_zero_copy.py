"""Files that the kernel sends, over real connections."""

import errno
import hashlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from cachescope.model.virtual import OpenFile
from cachescope.model.virtual_answers import StoredFile
from cachescope.web.exchange import Exchange, observed
from cachescope.web.sent_files import outgoing
from cachescope.web.slow_senders import PromptProtocol

CONTENT = hashlib.shake_256(b"content").digest(6_000_000)


@dataclass
class OneFile:
    """Answers every request with one file; says how it was and is asked to send it."""

    file: Path
    size: int = len(CONTENT)
    descriptors: list[int] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == ScopeType.HTTP
        descriptor = os.open(self.file, os.O_RDONLY)
        self.descriptors.append(descriptor)
        answer = StoredFile(
            file=OpenFile(descriptor, self.size), digest="ab", media_type="application/x", lasting=True
        )
        await outgoing(scope, answer)(scope, receive, send)

    def note(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self.ended.release()


@contextmanager
def _served(app: OneFile, http: type = PromptProtocol, inner: ASGIApp | None = None) -> Iterator[int]:
    watched = observed(inner or app, began=[], ended=[app.note])
    config = uvicorn.Config(watched, http=http, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=60)


@pytest.fixture
def app(tmp_path: Path) -> OneFile:
    (tmp_path / "file").write_bytes(CONTENT)
    return OneFile(tmp_path / "file")


def test_a_connection_goes_on_after_a_file(app: OneFile) -> None:
    with _served(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for headers, wanted in (
            ({}, CONTENT),
            ({"Range": "bytes=5-3000004"}, CONTENT[5:3_000_005]),
            ({"Range": "bytes=5-9"}, CONTENT[5:10]),
            ({}, CONTENT),
        ):
            connection.request("GET", "/", headers=headers)
            assert connection.getresponse().read() == wanted
        connection.request("HEAD", "/")
        assert connection.getresponse().read() == b""
        connection.close()
    assert [one.sent for one in app.exchanges] == [6_000_000, 3_000_000, 5, 6_000_000, 0]
    _all_closed(app)


def test_requests_that_came_together_are_answered_one_after_the_other(app: OneFile) -> None:
    asked = (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    with _served(app) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(asked)
        with client.makefile("rb") as answers:
            got = answers.read()
    assert got.count(CONTENT) == 3
    _all_closed(app)


def test_a_client_that_hangs_up_in_the_middle_lets_the_file_go(app: OneFile) -> None:
    with _served(app) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                client.recv(1000)
        assert all(app.ended.acquire(timeout=60) for _ in range(3))
    _all_closed(app)


def test_a_file_that_is_shorter_than_was_said_breaks_off(app: OneFile) -> None:
    app.size += 1
    with _served(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            connection.getresponse().read()
        connection.close()
    _all_closed(app)


def test_what_the_kernel_cannot_send_is_read(app: OneFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.EINVAL, "not from this file system")

    monkeypatch.setattr(os, "sendfile", refused)
    with _served(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(2):
            connection.request("GET", "/")
            assert connection.getresponse().read() == CONTENT
        connection.close()
    _all_closed(app)


def test_head_and_small_body_come_in_one_packet(app: OneFile) -> None:
    with _served(app) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-99\r\n\r\n")
        got = client.recv(10_000)
    assert got.startswith(b"HTTP/1.1 206")
    assert got.endswith(b"\r\n\r\n" + CONTENT[:100])


def test_what_breaks_off_before_its_first_byte_is_no_whole_answer(app: OneFile) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})

    with _served(app, inner=broken) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with client.makefile("rb") as answer:
            got = answer.read()
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"\r\n\r\n")


def test_a_server_without_the_extension_is_given_pieces(app: OneFile) -> None:
    with _served(app, http=H11Protocol) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(2):
            connection.request("GET", "/")
            assert connection.getresponse().read() == CONTENT
        connection.close()
    _all_closed(app)


def _all_closed(app: OneFile) -> None:
    """No number of a descriptor leads to the file any more; others of this process may have been given it since."""
    assert app.descriptors
    for one in set(app.descriptors):
        try:
            found = os.fstat(one)
        except OSError as error:
            assert error.errno == errno.EBADF  # noqa: PT017 - either way is right
        else:
            assert not os.path.samestat(found, app.file.stat())
