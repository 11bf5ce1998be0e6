"""``OPTIONS``: which methods an address takes, and whether pages of other sites may read what it answers (CORS).

Off unless the operator names who may. Nothing here needs credentials, and none are ever allowed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from litestar import HttpMethod, Request, Response
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.handlers import HTTPRouteHandler
from litestar.types import Message, Scope

from cachescope.model.errors import UserInputError

__all__ = ["Readers", "options_handlers", "parse_origins"]

_Request = Request[Any, Any, Any]
_ANYBODY = "*"
_ORIGIN = re.compile(r"https?://[^/?#@\s]+/?")
_DAY = "86400"
_EXPOSED = "ETag, Link, Location, Retry-After, X-Cachescope-Exit"
_ASKED = "Accept, Content-Type, If-None-Match"


def parse_origins(text: str) -> tuple[str, ...]:
    """Read whose pages may read, parted by commas or blanks. Raises ``UserInputError`` for what no browser would ever say."""
    found = tuple(text.replace(",", " ").split())
    for one in found:
        if one != _ANYBODY and _ORIGIN.fullmatch(one) is None:
            raise UserInputError(
                f"{one[:100]!r} is no origin of pages",
                hint="scheme and host, for example https://docs.example.org; or * for all",
            )
    return found


class Readers:
    """Origins whose pages may read: ``*`` is all, nothing is none."""

    def __init__(self, origins: Iterable[str]) -> None:
        # As browsers write it: scheme and host in small letters.
        self._origins = frozenset(one.rstrip("/").lower() for one in origins)

    async def mark(self, message: Message, scope: Scope) -> None:
        """Add to an answer on its way out what lets the asking page read it."""
        if message["type"] == "http.response.start" and self._origins:
            headers = MutableScopeHeaders.from_message(message)
            for name, value in self._headers(Headers.from_scope(scope).get("origin", "")).items():
                if name == "Vary":
                    headers.extend_header_value(name, value)
                else:
                    headers[name] = value

    def _headers(self, origin: str) -> Mapping[str, str]:
        if not self._origins:
            return {}
        if _ANYBODY in self._origins:
            return {"Access-Control-Allow-Origin": _ANYBODY, "Access-Control-Expose-Headers": _EXPOSED}
        if origin not in self._origins:
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _EXPOSED,
            "Vary": "Origin",
        }

    def preflight(self, request: _Request, methods: str) -> Mapping[str, str]:
        """Return what a browser wants to know before it sends the request itself; nothing to who may not read."""
        allowed = self._headers(request.headers.get("origin", ""))
        if (
            "Access-Control-Allow-Origin" not in allowed
            or "access-control-request-method" not in request.headers
        ):
            return {}
        return {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": _ASKED,
            "Access-Control-Max-Age": _DAY,
        }


def options_handlers(
    handlers: Sequence[HTTPRouteHandler], readers: Readers, always: Mapping[str, str]
) -> list[HTTPRouteHandler]:
    """Return what answers ``OPTIONS`` at each of these addresses: all methods that any of its handlers takes."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {HttpMethod.OPTIONS}).update(handler.http_methods)
    return [
        HTTPRouteHandler(
            path, http_method=HttpMethod.OPTIONS, status_code=HTTPStatus.NO_CONTENT, sync_to_thread=False
        )(_answer(", ".join(sorted(found)), readers, always))
        for path, found in methods.items()
    ]


def _answer(methods: str, readers: Readers, always: Mapping[str, str]) -> Any:
    def options(request: _Request) -> Response[None]:
        headers = {**always, "Allow": methods, **readers.preflight(request, methods)}
        return Response(None, status_code=HTTPStatus.NO_CONTENT, headers=headers)

    return options
