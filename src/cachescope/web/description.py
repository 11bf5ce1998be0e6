"""What the API says of itself: its OpenAPI document, and the page that shows it to people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from litestar import HttpMethod, Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler

from cachescope.present import urls
from cachescope.present.api_page import api_page
from cachescope.present.surfaces import Page
from cachescope.present.to_json import document
from cachescope.web.openapi import openapi_document, routes_of
from cachescope.web.origin import Origin

__all__ = ["ApiDescription", "Site"]

_Request = Request[Any, Any, Any]


class Site(Protocol):
    """What the rest of the application does for these addresses."""

    def document(self, request: _Request, body: bytes, content_type: str) -> Response[bytes]:
        """Send a document that is the same for everybody, for a while."""
        ...

    def page(self, request: _Request, page: Page) -> Response[bytes]:
        """Write a page in the form that was asked for."""
        ...

    def now(self) -> datetime:
        """The time."""
        ...


class ApiDescription:
    """The handlers; the document is made once, when it is first asked for: then all routes are known."""

    def __init__(self, site: Site, origin: Origin, *, version: str, base_path: str) -> None:
        self._site = site
        self._origin = origin
        self._version = version
        self._base_path = base_path
        self._document: Mapping[str, Any] = {}

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the rows: address, method, what answers."""
        rows = [(urls.api(urls.openapi()), self._openapi), (urls.api_page(), self._page)]
        methods = [HttpMethod.GET, HttpMethod.HEAD]
        return [
            HTTPRouteHandler(path, http_method=methods, sync_to_thread=True)(answer) for path, answer in rows
        ]

    def _openapi(self, request: _Request) -> Response[bytes]:
        return self._site.document(request, document(self._described(request)), "application/json")

    def _page(self, request: _Request) -> Response[bytes]:
        origin = self._origin.of(request)
        return self._site.page(
            request, api_page(self._described(request), origin=origin, now=self._site.now())
        )

    def _described(self, request: _Request) -> Mapping[str, Any]:
        if not self._document:
            routes = routes_of(_application(request).routes)
            self._document = openapi_document(routes, version=self._version, base_path=self._base_path)
        return self._document


def _application(request: _Request) -> Litestar:
    return request.app
