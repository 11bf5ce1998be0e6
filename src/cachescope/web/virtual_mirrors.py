"""``/mirror/``: virtual mirrors as Spack reads them, and the page of each for people.

What is refused is said in one line of plain text: a client asks for many documents that are not there.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar, assert_never

from litestar import HttpMethod, Request, Response
from litestar.exceptions import LitestarException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from litestar.types import ASGIApp, Receive, Scope, Send

from cachescope.model.errors import CachescopeError, CatalogueUnusable, NotInCatalogue
from cachescope.model.virtual import VirtualMirror
from cachescope.model.virtual_answers import (
    Document,
    MirrorAnswer,
    SentOn,
    StoredDocument,
    Streamed,
    VirtualMirrors,
)
from cachescope.present import urls
from cachescope.present import virtual as present
from cachescope.present.virtual_page import virtual_page
from cachescope.web.leavable_threads import LeavableThreads
from cachescope.web.lock_files import Site
from cachescope.web.negotiation import Surface, entity_tag, is_current
from cachescope.web.origin import Origin

__all__ = ["VirtualMirrorPages"]

_Request = Request[Any, Any, Any]
_ROOT = "/mirror/"
_METHODS = [HttpMethod.GET, HttpMethod.HEAD]
_CHUNK = 256 * 1024
_WAITING = 256
"""Threads for clients that wait for sources or take bytes; made when they are needed."""

_ASK_AGAIN = "no-cache"
"""May be kept, and is asked for again with its entity tag each time."""

_FOR_EVER = "public, max-age=31536000, immutable"
_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
_Answer = TypeVar("_Answer")
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


class VirtualMirrorPages:
    """The handlers of all addresses of virtual mirrors."""

    def __init__(self, mirrors: VirtualMirrors, site: Site, origin: Origin) -> None:
        self._mirrors = mirrors
        self._origin = origin
        self._site = site
        # Not the threads that pages are made in: a source that is slow must not keep these.
        self._threads = LeavableThreads(_WAITING, name="mirror")

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the rows: address, method, what answers."""
        below = HTTPRouteHandler("/mirror/{path:path}", http_method=_METHODS, middleware=[_breaking_off])(
            self._answered
        )
        return [
            below,
            HTTPRouteHandler(urls.api("/mirror/{path:path}"), http_method=_METHODS)(self._told),
            HTTPRouteHandler(urls.api(urls.virtual_list()), http_method=_METHODS, sync_to_thread=True)(
                self._list
            ),
        ]

    async def _answered(self, request: _Request) -> Response[Any]:
        return await self._in_thread(lambda: self._below(request))

    async def _told(self, request: _Request) -> Response[bytes]:
        # The facts wait for the index, too, which may have to be written.
        return await self._in_thread(lambda: self._facts(request))

    async def _in_thread(self, work: Callable[[], _Answer]) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _in_threads(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Give the pieces one by one, each waited for in a thread; lets go of them when the client hangs up."""
        try:
            while (piece := await self._in_thread(lambda: next(pieces, None))) is not None:
                yield piece
        finally:
            # Not waited for: this may run while the event loop ends, and the thread may wait for its source.
            with suppress(RuntimeError):  # the process ends
                self._threads.submit(_close, pieces)

    def _below(self, request: _Request) -> Response[Any]:
        path = request.scope["path"].removeprefix(_ROOT)
        try:
            mirror, rest = self._mirrors.found(path)
            if rest:
                return self._document(request, self._mirrors.answer(mirror, rest, part=_part(request)))
        except CachescopeError as error:
            if path.rstrip("/").count("/") == 0:
                raise  # no document of a mirror, but a page
            if isinstance(error, CatalogueUnusable):
                raise  # goes into the log, and what is told names no folder of this machine
            return _refused(request, error)
        return self._page(request, mirror)

    def _facts(self, request: _Request) -> Response[bytes]:
        mirror, rest = self._mirrors.found(request.scope["path"].removeprefix(urls.api(_ROOT)))
        if rest:
            raise NotInCatalogue("there is no page at this address", where=request.scope["path"])
        return self._page(request, mirror)

    def _page(self, request: _Request, mirror: VirtualMirror) -> Response[bytes]:
        report = self._mirrors.report(mirror)
        origin = self._origin.of(request)
        return self._site.page(request, virtual_page(report, origin=origin, now=self._site.now()))

    def _list(self, request: _Request) -> Response[bytes]:
        body = present.render_list_json(self._mirrors.mirrors())
        return self._site.told(request, body, Surface.JSON, 0)

    def _document(self, request: _Request, answer: MirrorAnswer) -> Response[Any]:
        match answer:
            case Document():
                headers = _headers(entity_tag(answer.content), len(answer.content), lasting=answer.lasting)
                return _whole(request, answer.content, headers, answer.media_type)
            case StoredDocument():
                headers = _headers(f'"{answer.digest}"', answer.size, lasting=answer.lasting)
                if request.method == HttpMethod.HEAD or _has(request, headers):
                    return _whole(request, b"", headers, answer.media_type)
                return Stream(
                    self._in_threads(_pieces(answer)), headers=headers, media_type=answer.media_type
                )
            case SentOn():
                headers = {**_SAFE, "Location": answer.address, "Cache-Control": "no-store"}
                return Response(b"", status_code=HTTPStatus.FOUND, headers=headers)
            case Streamed():
                return self._streamed(request, answer)
            case _:
                assert_never(answer)

    def _streamed(self, request: _Request, answer: Streamed) -> Response[Any]:
        blob = answer.blob
        headers = _headers(f'"{answer.digest}"', blob.size, lasting=True)
        headers["Accept-Ranges"] = "bytes"
        if _has(request, headers):  # before the range is looked at (RFC 9110, 13.2.2)
            blob.close()
            return _whole(request, b"", headers, "application/octet-stream")
        status = HTTPStatus.OK
        if answer.partial and blob.total is not None and blob.size is not None:
            if not blob.size:
                blob.close()
                refused = {**_SAFE, "Content-Range": f"bytes */{blob.total}", "Cache-Control": "no-store"}
                return Response(b"", status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=refused)
            status = HTTPStatus.PARTIAL_CONTENT
            last = answer.start + blob.size - 1
            headers["Content-Range"] = f"bytes {answer.start}-{last}/{blob.total}"
        media_type = "application/octet-stream"
        if request.method == HttpMethod.HEAD:
            blob.close()
            if status == HTTPStatus.PARTIAL_CONTENT:
                return Response(b"", status_code=status, headers=headers, media_type=media_type)
            return _whole(request, b"", headers, media_type)
        return Stream(
            self._in_threads(_given(answer)), status_code=status, headers=headers, media_type=media_type
        )


def _headers(tag: str, size: int | None, *, lasting: bool) -> dict[str, str]:
    headers = {**_SAFE, "ETag": tag, "Cache-Control": _FOR_EVER if lasting else _ASK_AGAIN}
    return headers if size is None else {**headers, "Content-Length": str(size)}


def _has(request: _Request, headers: Mapping[str, str]) -> bool:
    return is_current(request.headers.get("if-none-match", ""), headers["ETag"])


def _whole(request: _Request, content: bytes, headers: Mapping[str, str], media_type: str) -> Response[bytes]:
    if _has(request, headers):
        kept = {name: value for name, value in headers.items() if name != "Content-Length"}
        return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=kept)
    body = b"" if request.method == HttpMethod.HEAD else content
    return Response(body, headers=dict(headers), media_type=media_type)


def _pieces(answer: StoredDocument) -> Iterator[bytes]:
    with answer.file.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _part(request: _Request) -> tuple[int, int | None] | None:
    """Read a range of bytes; several at once, or one from the end, are not given: the whole is an answer, too."""
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or "if-range" in request.headers:
        return None
    start, last = int(found[1]), int(found[2]) if found[2] else None
    return None if last is not None and last < start else (start, last + 1 if last is not None else None)


def _given(answer: Streamed) -> Iterator[bytes]:
    """Give the bytes, and let go of the source however it ends: the client may hang up."""
    try:
        yield from answer.blob.chunks
    finally:
        answer.blob.close()


def _breaking_off(app: ASGIApp) -> ASGIApp:
    """Let an answer that turned out wrong end before its end: the server closes the connection then.

    What was wrong stands in the log already; a trace of the program would say nothing more.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except LitestarException as error:
            # The framework raises this where an answer had begun, from what its tasks raised.
            group = error.__cause__
            if not isinstance(group, ExceptionGroup) or group.split(CachescopeError)[1] is not None:
                raise

    return answer


def _close(pieces: Iterator[bytes]) -> None:
    if isinstance(pieces, Generator):
        with suppress(ValueError):  # the thread that reads it now ends it
            pieces.close()


def _refused(request: _Request, error: CachescopeError) -> Response[bytes]:
    hint = f" ({error.hint})" if error.hint else ""
    text = f"{error}{hint}\n".encode("utf-8", "replace")
    headers = {**_SAFE, "Cache-Control": "no-store", "Content-Length": str(len(text))}
    body = b"" if request.method == HttpMethod.HEAD else text
    return Response(body, status_code=error.http_status, headers=headers, media_type="text/plain")
