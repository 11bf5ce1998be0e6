"""Requests below the path of a site, with and without it: some proxies take it away, others hand it on."""

from http import HTTPStatus

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

__all__ = ["below"]


def below(app: ASGIApp, base_path: str) -> ASGIApp:
    """Return an application that answers at ``base_path`` (``/cachescope``; empty for none) and at ``/`` alike."""
    if not base_path:
        return app
    beginning = f"{base_path}/"

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
        elif scope["path"] == base_path:
            # Without the slash, relative addresses would be looked for beside the site.
            query = scope["query_string"]
            location = beginning.encode() + (b"?" + query if query else b"")
            await _move(send, location)
        else:
            if scope["path"].startswith(beginning):
                scope["path"] = scope["path"].removeprefix(base_path)
            await app(scope, receive, send)

    return answer


async def _move(send: Send, location: bytes) -> None:
    headers = [(b"location", location), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": HTTPStatus.PERMANENT_REDIRECT, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
