"""Documents and files of this machine on their way to clients, in the event loop alone: no thread is asked for anything.

Where the server can hand a file over to the kernel (the ASGI extension of that name), a large one never enters this
process; else it is read and sent piece by piece.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar import HttpMethod, Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from cachescope.model.virtual import OpenFile
from cachescope.model.virtual_answers import Document, StoredFile
from cachescope.web.negotiation import entity_tag, is_current
from cachescope.web.zero_copy import ZERO_COPY

__all__ = [
    "SAFE",
    "FilePart",
    "Outgoing",
    "SentResponse",
    "asked_part",
    "cache_control",
    "outgoing",
]

SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
"""Headers of all that is not of ours: no browser is to take it for a page."""

_SAFE = tuple((name.lower().encode(), value.encode()) for name, value in SAFE.items())
_SMALL = 128 * 1024
"""Bytes up to which a file is read and sent at once: to hand it over takes longer."""

_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_ASK_AGAIN = "no-cache"
"""May be kept, and is asked for again with its entity tag each time."""

_FOR_EVER = "public, max-age=31536000, immutable"
_ANNOUNCED = b"content-length"
Headers = list[tuple[bytes, bytes]]


def cache_control(*, lasting: bool) -> str:
    """Return how long what stands at an address may be kept."""
    return _FOR_EVER if lasting else _ASK_AGAIN


def asked_part(scope: HTTPScope) -> tuple[int, int | None] | None:
    """Read a range of bytes; several at once, or one from the end, are not given: the whole is an answer, too."""
    text = _header(scope, b"range")
    found = _RANGE.fullmatch(text.strip()) if text else None
    if found is None or _header(scope, b"if-range"):
        return None
    start, last = int(found[1]), int(found[2]) if found[2] else None
    return None if last is not None and last < start else (start, last + 1 if last is not None else None)


class FilePart:
    """Bytes of an open file that go out; the file is closed then, or when nobody sends them any more."""

    def __init__(self, file: OpenFile, start: int, stop: int) -> None:
        self._descriptor: int | None = file.descriptor
        self._start = start
        self._stop = stop

    def narrow(self, start: int, stop: int) -> None:
        """Send from byte ``start`` up to ``stop`` alone."""
        self._start, self._stop = start, stop

    def fileno(self) -> int:
        """Return the open file, as the kernel knows it."""
        if self._descriptor is None:
            raise ValueError("the file is closed")
        return self._descriptor

    async def send(self, scope: Scope, send: Send) -> None:
        """Send the bytes as the body of an answer that has begun."""
        size = self._stop - self._start
        if size > _SMALL and ZERO_COPY in (scope.get("extensions") or {}):
            handed: Any = {
                "type": ZERO_COPY,
                "file": self,
                "offset": self._start,
                "count": size,
                "more_body": False,
            }
            await send(handed)
            return
        place = self._start
        while True:
            piece = os.pread(self.fileno(), min(_PIECE, self._stop - place), place)
            place += len(piece)
            # A file that was cut short ends the answer before its end: the server closes the connection then.
            more = place < self._stop and bool(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": more})
            if not more:
                return

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        # A client may hang up before anybody sent a byte.
        self.close()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An answer, ready to be sent: an ASGI application for one request."""

    status: int
    headers: Headers
    body: bytes | FilePart = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del receive
        try:
            start: Message = {"type": "http.response.start", "status": self.status, "headers": self.headers}
            await send(start)
            if isinstance(self.body, FilePart):
                await self.body.send(scope, send)
            else:
                await send({"type": "http.response.body", "body": self.body, "more_body": False})
        finally:
            if isinstance(self.body, FilePart):
                self.body.close()


class SentResponse(Response[None]):
    """An answer that is ready, as what a handler of the framework returns."""

    def __init__(self, answer: Outgoing) -> None:
        super().__init__(None, status_code=answer.status)
        self._answer = answer

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> ASGIResponse:
        """Return what sends it."""
        del app, request
        return _Sent(self._answer)


class _Sent(ASGIResponse):
    __slots__ = ("_answer",)

    def __init__(self, answer: Outgoing) -> None:
        super().__init__(status_code=answer.status)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)


def outgoing(scope: HTTPScope, answer: Document | StoredFile) -> Outgoing:
    """Return what a client is sent: all, its headers alone (HEAD), the part that it asked for, or word that it has it."""
    if isinstance(answer, Document):
        return _document(scope, answer)
    return _file(scope, answer)


def _document(scope: HTTPScope, answer: Document) -> Outgoing:
    headers = _headers(entity_tag(answer.content), answer.media_type, lasting=answer.lasting)
    if _has(scope, headers):
        return Outgoing(HTTPStatus.NOT_MODIFIED, headers)
    headers.append((_ANNOUNCED, str(len(answer.content)).encode()))
    return Outgoing(HTTPStatus.OK, headers, b"" if _is_head(scope) else answer.content)


def _file(scope: HTTPScope, answer: StoredFile) -> Outgoing:
    size = answer.file.size
    headers = _headers(f'"{answer.digest}"', answer.media_type, lasting=answer.lasting)
    headers.append((b"accept-ranges", b"bytes"))
    # From here on the file is closed whatever happens.
    part = FilePart(answer.file, 0, size)
    if _has(scope, headers):  # before the range is looked at (RFC 9110, 13.2.2)
        part.close()
        return Outgoing(HTTPStatus.NOT_MODIFIED, headers)
    asked = asked_part(scope)
    status = HTTPStatus.OK
    if asked is not None:
        start, stop = asked[0], size if asked[1] is None else min(asked[1], size)
        if start >= stop:
            part.close()
            refused = [*_SAFE, (b"content-range", b"bytes */%d" % size), (b"cache-control", b"no-store")]
            return Outgoing(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, [*refused, (_ANNOUNCED, b"0")])
        status = HTTPStatus.PARTIAL_CONTENT
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, size)))
        part.narrow(start, stop)
        size = stop - start
    headers.append((_ANNOUNCED, str(size).encode()))
    if _is_head(scope) or not size:
        part.close()
        return Outgoing(status, headers)
    return Outgoing(status, headers, part)


def _headers(tag: str, media_type: str, *, lasting: bool) -> Headers:
    return [
        *_SAFE,
        (b"etag", tag.encode()),
        (b"cache-control", cache_control(lasting=lasting).encode()),
        (b"content-type", _with_charset(media_type).encode()),
    ]


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _has(scope: HTTPScope, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    asked = _header(scope, b"if-none-match")
    return bool(asked) and is_current(asked, headers[len(_SAFE)][1].decode())


def _header(scope: HTTPScope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _is_head(scope: HTTPScope) -> bool:
    return scope["method"] == HttpMethod.HEAD
