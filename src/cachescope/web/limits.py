"""What one request may ask of the server: refused before a page is looked for."""

from dataclasses import dataclass
from http import HTTPStatus

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from cachescope.model.errors import ServerBusy

__all__ = ["TOO_LARGE", "RequestGate", "RequestLimits"]

_ALWAYS_ANSWERED = ("/healthz", "/metrics")
"""Who watches the server must see it when it is full."""

_DOCUMENTS = "/mirror/"
"""Below it clients wait for sources, in threads of their own: pages are answered meanwhile."""

_MOST_DIGITS = 18

TOO_LARGE = {
    HTTPStatus.REQUEST_URI_TOO_LONG: "the address is longer than this server takes",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the headers of the request are larger than this server takes",
}
"""What is said of refusals that no page makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """Sizes in bytes."""

    address: int = 8_000
    headers: int = 16_000
    body: int = 64 * 1024**2
    """Of a request that announces its length; who does not is counted where the body is read."""

    at_once: int = 64
    """Requests that one worker answers at a time."""

    documents_at_once: int = 512
    """Documents of virtual mirrors that one worker gives at a time: these take long and cost little."""


class RequestGate:
    """Lets requests in, and knows how many are inside; one for all pages of an application."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._running = {False: 0, True: 0}
        """Requests inside: for pages, and for documents of virtual mirrors."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application behind the gate. Refusals are raised, and answered as any other error."""

        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or scope["path"] in _ALWAYS_ANSWERED:
                await app(scope, receive, send)
                return
            self._check(scope)
            is_document = scope["path"].startswith(_DOCUMENTS)
            most = self._limits.documents_at_once if is_document else self._limits.at_once
            if self._running[is_document] >= most:
                raise ServerBusy("too many pages are asked for at the moment", hint="try again soon")
            self._running[is_document] += 1
            try:
                await app(scope, receive, send)
            finally:
                self._running[is_document] -= 1

        return enter

    def _check(self, scope: HTTPScope) -> None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > self._limits.address:
            raise HTTPException(status_code=HTTPStatus.REQUEST_URI_TOO_LONG)
        if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > self._limits.headers:
            raise HTTPException(status_code=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if len(announced) > _MOST_DIGITS or (announced.isdigit() and int(announced) > self._limits.body):
            raise HTTPException(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
