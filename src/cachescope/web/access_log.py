"""The access log: one line a request, for people or as JSON.

It holds no secret: no cookie, no authorization, no referrer, no value of a parameter that no page has. What comes from
outside is escaped, so that a request can neither begin a line nor command a terminal.
"""

import enum
import json
import os
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlencode

from litestar.types import HTTPScope

from cachescope.model.errors import UserInputError
from cachescope.query.hosts import HOST_KEYS
from cachescope.web.exchange import Exchange

__all__ = ["AccessLogForm", "access_log", "parse_access_log_form"]

_LONGEST = 1000
"""Characters of an address or an agent: a line stays below what a pipe takes whole."""

_MOST_PARAMETERS = 20
_KNOWN = frozenset(
    {"q", "ref", "stack", "prefix", "page", "limit", "versions", "sort", "first", "second", "cursor", "kind"}
    | {"v", "against", "deptypes", *HOST_KEYS}
)
_HIDDEN = "..."


class AccessLogForm(enum.StrEnum):
    """How requests are noted."""

    OFF = "off"
    TEXT = "text"
    JSON = "json"


def parse_access_log_form(text: str) -> AccessLogForm:
    """Read how requests are noted. Raises ``UserInputError``."""
    try:
        return AccessLogForm(text)
    except ValueError as error:
        known = ", ".join(AccessLogForm)
        raise UserInputError(f"access_log cannot be {text[:20]!r}", hint=f"known are {known}") from error


def access_log(
    form: AccessLogForm, *, now: Callable[[], datetime], descriptor: int = 1
) -> Callable[[Exchange], None]:
    """Return what writes a line for each request to a file descriptor, whole in one piece."""
    line = json_line if form is AccessLogForm.JSON else text_line

    def note(exchange: Exchange) -> None:
        written = line(exchange, now()).encode("ascii", "backslashreplace") + b"\n"
        try:
            os.write(descriptor, written)
        except OSError:
            # Nobody reads the log any more (a closed pipe, a full disk): no reason to stop answering.
            return

    return note


def json_line(exchange: Exchange, at: datetime) -> str:
    """Write a request as one JSON object in ASCII; times in ms."""
    scope = exchange.scope
    return json.dumps(
        {
            "time": _time(at),
            "client": _client(scope),
            "method": scope["method"][:20],
            "path": _path(scope),
            "query": _query(scope),
            "page": exchange.page,
            "status": exchange.status,
            "bytes": exchange.sent,
            "ms": round(exchange.seconds * 1000, 1),
            "agent": _agent(scope),
            "pid": os.getpid(),
        }
    )


def text_line(exchange: Exchange, at: datetime) -> str:
    """Write a request for people: time, client, method, address, status, bytes, ms, agent."""
    scope, query = exchange.scope, _query(exchange.scope)
    address = f"{_path(scope)}?{query}" if query else _path(scope)
    spent = f"{exchange.seconds * 1000:.1f}ms"
    figures = f"{exchange.status} {exchange.sent} {spent}"
    agent = json.dumps(_agent(scope))
    return (
        f"{_time(at)} {quote(_client(scope), safe=':.')} {scope['method'][:20]} {address} {figures} {agent}"
    )


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def _client(scope: HTTPScope) -> str:
    return scope["client"][0][:100] if scope["client"] else "-"


def _path(scope: HTTPScope) -> str:
    """Return the path, its escapes kept. An address with user and password is no path, and is not written down."""
    raw = scope["raw_path"].decode("ascii", "backslashreplace")
    return quote(raw[:_LONGEST], safe="/%:@{}!$&'()*+,;=~") if raw.startswith("/") else "-"


def _query(scope: HTTPScope) -> str:
    try:
        found = parse_qsl(
            scope["query_string"].decode("ascii", "replace"),
            keep_blank_values=True,
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        return _HIDDEN
    shown = [(name[:50], value if name in _KNOWN else _HIDDEN) for name, value in found]
    return urlencode(shown, safe="/:@{}.,=")[:_LONGEST]


def _agent(scope: HTTPScope) -> str:
    found = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return found.decode("latin-1")[:200]
