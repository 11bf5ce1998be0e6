"""What the API says of itself: its OpenAPI document, and the page that shows it to people."""

import json
from typing import Any, Protocol

from litestar import HttpMethod, Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler

from cachescope.present import urls
from cachescope.web.openapi import openapi_document, routes_of

__all__ = ["ApiDescription", "Site"]

_Request = Request[Any, Any, Any]


class Site(Protocol):
    """What the rest of the application does for these addresses."""

    def document(self, request: _Request, body: bytes, content_type: str) -> Response[bytes]:
        """Send a document that is the same for everybody, for a while."""
        ...


class ApiDescription:
    """The handlers; the document is written once, when it is first asked for: then all routes are known."""

    def __init__(self, site: Site, *, version: str) -> None:
        self._site = site
        self._version = version
        self._written = b""

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the rows: address, method, what answers."""
        methods = [HttpMethod.GET, HttpMethod.HEAD]
        return [
            HTTPRouteHandler(urls.api(urls.openapi()), http_method=methods, sync_to_thread=True)(
                self._openapi
            )
        ]

    def _openapi(self, request: _Request) -> Response[bytes]:
        if not self._written:
            document = openapi_document(routes_of(_application(request).routes), version=self._version)
            self._written = json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
        return self._site.document(request, self._written, "application/json")


def _application(request: _Request) -> Litestar:
    return request.app
