"""``/mirror/``: virtual mirrors as Spack reads them, and the page of each for people.

What is refused is said in one line of plain text: a client asks for many documents that are not there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar, assert_never

from litestar import HttpMethod, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import LitestarException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from litestar.types import ASGIApp, Receive, Scope, Send

from cachescope.model.errors import CachescopeError, CatalogueUnusable, NotInCatalogue
from cachescope.model.virtual import VirtualMirror
from cachescope.model.virtual_answers import (
    Awaited,
    Document,
    SentOn,
    StoredFile,
    Streamed,
    VirtualMirrors,
)
from cachescope.present import urls
from cachescope.present import virtual as present
from cachescope.present.virtual_page import virtual_page
from cachescope.web.leavable_threads import LeavableThreads
from cachescope.web.lock_files import Site
from cachescope.web.negotiation import Surface, is_current
from cachescope.web.origin import Origin
from cachescope.web.sent_files import SAFE, SentResponse, asked_part, cache_control, outgoing

__all__ = ["VirtualMirrorPages"]

_Request = Request[Any, Any, Any]
_ROOT = "/mirror/"
_METHODS = [HttpMethod.GET, HttpMethod.HEAD]
_LOOKING_UP = 32
"""Threads that ask the catalogue, and write indexes."""

_WAITING = 224
"""Threads that wait for sources; both are made when they are needed."""

_Answer = TypeVar("_Answer")


class VirtualMirrorPages:
    """The handlers of all addresses of virtual mirrors."""

    def __init__(self, mirrors: VirtualMirrors, site: Site, origin: Origin) -> None:
        self._mirrors = mirrors
        self._origin = origin
        self._site = site
        # Not the threads that pages are made in: a source that is slow must not keep these, nor what needs no source.
        self._threads = LeavableThreads(_LOOKING_UP, name="mirror")
        self._waiting = LeavableThreads(_WAITING, name="source")

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the rows: address, method, what answers."""
        around = [self._at_once, _breaking_off]
        below = HTTPRouteHandler("/mirror/{path:path}", http_method=_METHODS, middleware=around)(
            self._answered
        )
        return [
            below,
            HTTPRouteHandler(urls.api("/mirror/{path:path}"), http_method=_METHODS)(self._told),
            HTTPRouteHandler(urls.api(urls.virtual_list()), http_method=_METHODS, sync_to_thread=True)(
                self._list
            ),
        ]

    def _at_once(self, app: ASGIApp) -> ASGIApp:
        """Answer what was found out before in the event loop; all else by the handler, in threads."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                ready = self._mirrors.ready(scope["path"].removeprefix(_ROOT))
                if ready is not None:
                    await outgoing(scope, ready)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return answer

    async def _answered(self, request: _Request) -> Response[Any]:
        path = request.scope["path"].removeprefix(_ROOT)
        try:
            answer = await self._found(path, asked_part(request.scope))
        except CachescopeError as error:
            if path.rstrip("/").count("/") == 0:
                raise  # no document of a mirror, but a page
            if isinstance(error, CatalogueUnusable):
                raise  # goes into the log, and what is told names no folder of this machine
            return _refused(request, error)
        if isinstance(answer, VirtualMirror):
            return await _in(self._waiting, lambda: self._page(request, answer))
        return self._document(request, answer)

    async def _found(self, path: str, part: tuple[int, int | None] | None) -> "VirtualMirror | _Final":
        """Find an answer; who waits for what others fetch holds no thread meanwhile."""
        answer = await _in(self._threads, lambda: self._mirrors.asked(path, part=part))
        while isinstance(answer, Awaited):
            threads = self._waiting
            if answer.after is not None:
                await _ended(answer.after)
                threads = self._threads
            answer = await _in(threads, answer.go_on)
        return answer

    async def _told(self, request: _Request) -> Response[bytes]:
        # The facts wait for the index, too, which may have to be written.
        return await _in(self._waiting, lambda: self._facts(request))

    async def _in_threads(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Give the pieces one by one, each waited for in a thread; lets go of them when the client hangs up."""
        try:
            while (piece := await _in(self._waiting, lambda: next(pieces, None))) is not None:
                yield piece
        finally:
            # Not waited for: this may run while the event loop ends, and the thread may wait for its source.
            with suppress(RuntimeError):  # the process ends
                self._threads.submit(_close, pieces)

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

    def _document(self, request: _Request, answer: "_Final") -> Response[Any]:
        match answer:
            case Document() | StoredFile():
                return SentResponse(outgoing(request.scope, answer))
            case SentOn():
                headers = {**SAFE, "Location": answer.address, "Cache-Control": "no-store"}
                return Response(b"", status_code=HTTPStatus.FOUND, headers=headers)
            case Streamed():
                return self._streamed(request, answer)
            case _:
                assert_never(answer)

    def _streamed(self, request: _Request, answer: Streamed) -> Response[Any]:
        blob = answer.blob
        tag = f'"{answer.digest}"'
        headers = {
            **SAFE,
            "ETag": tag,
            "Cache-Control": cache_control(lasting=True),
            "Accept-Ranges": "bytes",
        }
        if is_current(request.headers.get("if-none-match", ""), tag):  # before the range is looked at
            blob.close()
            return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if blob.size is not None:
            headers["Content-Length"] = str(blob.size)
        status = HTTPStatus.OK
        if answer.partial and blob.total is not None and blob.size is not None:
            if not blob.size:
                blob.close()
                refused = {**SAFE, "Content-Range": f"bytes */{blob.total}", "Cache-Control": "no-store"}
                return Response(b"", status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=refused)
            status = HTTPStatus.PARTIAL_CONTENT
            last = answer.start + blob.size - 1
            headers["Content-Range"] = f"bytes {answer.start}-{last}/{blob.total}"
        media_type = "application/octet-stream"
        if request.method == HttpMethod.HEAD:
            blob.close()
            return Response(b"", status_code=status, headers=headers, media_type=media_type)
        return Stream(
            self._in_threads(_given(answer)), status_code=status, headers=headers, media_type=media_type
        )


_Final = Document | StoredFile | SentOn | Streamed


async def _in(threads: Executor, work: Callable[[], _Answer]) -> _Answer:
    return await asyncio.get_running_loop().run_in_executor(threads, work)


async def _ended(work: "Future[Any]") -> None:
    """Wait until work of other threads has ended, well or not, without a thread."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    def told(_: "Future[Any]") -> None:
        with suppress(RuntimeError):  # the event loop ends: nobody waits any more
            loop.call_soon_threadsafe(tell)

    work.add_done_callback(told)
    await ended


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
    headers = {**SAFE, "Cache-Control": "no-store", "Content-Length": str(len(text))}
    body = b"" if request.method == HttpMethod.HEAD else text
    return Response(body, status_code=error.http_status, headers=headers, media_type="text/plain")
