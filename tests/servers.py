"""Real servers on 127.0.0.1 for tests: a web server that behaves as its routes say, and a forwarding proxy.

``with MirrorServer({"/a": Answer(b"x")}) as server: ...`` listens at ``server.url``; ``server.requests`` is what was asked.
Routes may be changed while it runs. ``folder`` is served where no route fits, with entity tags.
"""

import gzip
import hashlib
import http.client
import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self, cast
from urllib.parse import unquote, urlsplit

_PATIENCE = 60.0  # seconds after which a test that waits has failed, also where a process takes long to start


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in; names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers. ``etag`` and ``last_modified`` make it conditional (304)."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    gzip: bool = False
    etag: str = ""
    last_modified: str = ""
    delay: float = 0.0
    """Seconds before the first byte."""

    pause: float = 0.0
    """Seconds between pieces of ``piece`` bytes."""

    piece: int = 1 << 20
    hangs_after: int | None = None
    """Bytes of the body after which nothing more comes; -1: not even a status."""

    cut_after: int | None = None
    """Bytes of the body after which the connection is closed; -1: without a status."""


Route = Answer | Sequence[Answer] | Callable[[Seen], Answer]
"""One answer for all requests, one for each in turn (the last stays), or a function."""

NOT_FOUND = Answer(b"not here", 404)
HANGING = Answer(hangs_after=-1)


def redirect(to: str, status: int = 302) -> Answer:
    return Answer(b"moved", status, {"Location": to})


class _Listener(ThreadingHTTPServer):
    """Ends all its threads when closed, whatever they wait for."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128  # the 5 of the library make clients that come together wait a second

    def __init__(self, handler: type[BaseHTTPRequestHandler], owner: "_Server") -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.owner = owner

    def handle_error(self, *_: object) -> None:
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(
            error, OSError
        ):  # clients may hang up; TLS errors too
            self.owner.failures.append(error)


class _Server:
    _handler: type[BaseHTTPRequestHandler]

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Seen] = []
        self.failures: list[Exception] = []
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._listener = _Listener(self._handler, self)
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._listener.socket = tls.wrap_socket(
                self._listener.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return int(self._listener.server_address[1])

    @property
    def url(self) -> str:
        return self.url_at("127.0.0.1")

    def url_at(self, host: str) -> str:
        """The same server under another name, for example localhost or with user information."""
        return f"{self._scheme}://{host}:{self.port}"

    def note(self, request: Seen) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def wait_for_requests(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, _PATIENCE), "no request came"

    def opened(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.add(connection)
            if self.stopping.is_set():  # accepted at the last moment
                _hang_up(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.discard(connection)

    def connections(self) -> list[socket.socket]:
        """The connections that clients hold open now."""
        with self._changed:
            return list(self._open)

    def close(self) -> None:
        self.stopping.set()
        self._listener.shutdown()
        with self._changed:
            for connection in self._open:
                _hang_up(connection)
        self._listener.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self.failures and error is None:
            raise ExceptionGroup("the server failed", self.failures)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # gone already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def owner(self) -> _Server:
        return cast("_Listener", self.server).owner

    def setup(self) -> None:
        self.owner.opened(self.request)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.owner.closed(self.request)

    def noted(self) -> Seen:
        request = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.owner.note(request)
        return request

    def log_message(self, *_: object) -> None:
        """Tests read ``requests``."""


class _MirrorHandler(_Handler):
    def do_GET(self) -> None:
        request = self.noted()
        answer = cast("MirrorServer", self.owner).answer(request)
        self.owner.stopping.wait(answer.delay)
        if not self._silent(answer, 0, before_status=True):
            self._send(self._conditional(request, answer))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _conditional(self, request: Seen, answer: Answer) -> Answer:
        validators = {"ETag": answer.etag, "Last-Modified": answer.last_modified}
        headers = {name: value for name, value in validators.items() if value} | dict(answer.headers)
        asked_etag = request.headers.get("if-none-match", "")
        asked_date = request.headers.get("if-modified-since", "") if not asked_etag else ""
        if (answer.etag and asked_etag == answer.etag) or (
            answer.last_modified and asked_date == answer.last_modified
        ):
            return Answer(b"", 304, headers)
        body = answer.body
        if answer.gzip and "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return replace(answer, body=body, headers=headers)

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.status != HTTPStatus.NOT_MODIFIED and "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD" or answer.status == HTTPStatus.NOT_MODIFIED:
            return
        stops = [at for at in (answer.hangs_after, answer.cut_after) if at is not None]
        end = min([len(answer.body), *stops])
        for start in range(0, end, answer.piece):
            self._write(answer.body[start : min(end, start + answer.piece)], chunked=answer.chunked)
            self.owner.stopping.wait(answer.pause)
        if not self._silent(answer, end) and answer.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _write(self, data: bytes, *, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)

    def _silent(self, answer: Answer, sent: int, *, before_status: bool = False) -> bool:
        at = -1 if before_status else sent
        if answer.hangs_after == at:
            self.owner.stopping.wait(_PATIENCE)
        elif answer.cut_after != at:
            return False
        self.close_connection = True
        return True


class MirrorServer(_Server):
    """A web server; ``routes`` is by path as sent, without the query."""

    _handler = _MirrorHandler

    def __init__(
        self,
        routes: Mapping[str, Route] | None = None,
        *,
        folder: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls)
        self.routes: dict[str, Route] = dict(routes or {})
        self.folder = folder

    def answer(self, request: Seen) -> Answer:
        path = request.path.partition("?")[0]
        route = self.routes.get(path)
        if route is None:
            return self._from_folder(path)
        if isinstance(route, Answer):
            return route
        if callable(route):
            return route(request)
        before = sum(1 for one in self.requests if one.path.partition("?")[0] == path) - 1
        return route[min(before, len(route) - 1)]

    def _from_folder(self, path: str) -> Answer:
        file = self.folder / unquote(path).lstrip("/") if self.folder is not None else None
        if file is None or not file.is_file():
            return NOT_FOUND
        body = file.read_bytes()
        return Answer(body, etag=f'"{hashlib.sha256(body).hexdigest()}"')


class _ProxyHandler(_Handler):
    def do_GET(self) -> None:
        self.noted()
        if not self._allowed():
            return
        target = urlsplit(self.path)
        upstream = http.client.HTTPConnection(target.netloc, timeout=_PATIENCE)
        try:
            hop_by_hop = {"proxy-authorization", "proxy-connection", "connection"}
            headers = {name: value for name, value in self.headers.items() if name.lower() not in hop_by_hop}
            upstream.request("GET", target.path, headers=headers)
            response = upstream.getresponse()
            body = response.read()
        finally:
            upstream.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.noted()
        if not self._allowed():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=_PATIENCE) as upstream:
            self.owner.opened(upstream)
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self._relay(upstream)
            self.owner.closed(upstream)
        self.close_connection = True

    def _relay(self, upstream: socket.socket) -> None:
        other = {self.connection: upstream, upstream: self.connection}
        while True:
            readable, _, _ = select.select(list(other), [], [], _PATIENCE)
            for one in readable:
                data = one.recv(1 << 16)
                if not data:
                    return
                other[one].sendall(data)

    def _allowed(self) -> bool:
        wanted = cast("ForwardingProxy", self.owner).authorization
        if not wanted or self.headers.get("Proxy-Authorization") == wanted:
            return True
        self.send_response(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False


class ForwardingProxy(_Server):
    """Forwards http requests and tunnels others; with ``authorization`` only for that ``Proxy-Authorization``."""

    _handler = _ProxyHandler

    def __init__(self, authorization: str = "") -> None:
        super().__init__()
        self.authorization = authorization


def unused_port() -> int:
    """A port that nobody listens at: one that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
