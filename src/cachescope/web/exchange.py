"""A request with its answer, as access log and metrics see it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from cachescope.web import zero_copy

__all__ = ["UNKNOWN", "Exchange", "observed"]

UNKNOWN = "unknown"
"""Stands for the page where no page is at the address."""

_CLOSED_BY_CLIENT = 499
"""What servers note where nobody waited for the answer."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that was answered, or left before it was."""

    scope: HTTPScope
    page: str
    """The row of the route table, with placeholders: ``/package/{subject}``."""

    status: int
    sent: int
    """Bytes of the body."""

    seconds: float


def observed(
    app: ASGIApp, *, began: Sequence[Callable[[], None]], ended: Sequence[Callable[[Exchange], None]]
) -> ASGIApp:
    """Return an application that tells of each request when it came and when it was answered."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        status, sent, start = 0, 0, time.perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += _body_bytes(message)
            await send(message)

        for tell in began:
            tell()
        broken = False
        try:
            await app(scope, receive, counted)
        except BaseException:
            broken = True
            raise
        finally:
            if not status:
                status = HTTPStatus.INTERNAL_SERVER_ERROR if broken else _CLOSED_BY_CLIENT
            page = scope.get("path_template") or UNKNOWN
            exchange = Exchange(scope, str(page), status, sent, time.perf_counter() - start)
            for note in ended:
                note(exchange)

    return answer


def _body_bytes(message: Any) -> int:
    match message["type"]:
        case "http.response.body":
            return len(message["body"])
        case zero_copy.ZERO_COPY:
            return int(message["count"])
        case _:
            return 0
