"""What is read by programs that come again: Atom feeds of what is new, ``robots.txt`` and the site map.

Their addresses are whole, so they need to know where visitors find the site.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from litestar import HttpMethod, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from cachescope.model.identity import parse_package_name
from cachescope.model.services import CatalogueReader
from cachescope.present import feeds, sitemap, urls
from cachescope.web.origin import Origin
from cachescope.web.parameters import first_values, read_scope

__all__ = ["STATEMENTS", "Feeds", "Site"]

_Request = Request[Any, Any, Any]
_ENTRIES = 50
_XML = "application/xml"
_TEXT = "text/plain; charset=utf-8"

STATEMENTS = {"new": 8, "package": 7, "robots": 0, "sitemap": 4, "pages": 3, "packages": 3, "specs": 3}
"""How many statements the catalogue may need for each of these documents, whatever its size; a test counts them."""


class Site(Protocol):
    """What the rest of the application does for these addresses."""

    def document(self, request: _Request, body: bytes, content_type: str) -> Response[bytes]:
        """Send a document that is the same for everybody, for a while."""
        ...


class Feeds:
    """The handlers of these addresses."""

    def __init__(
        self,
        reader: CatalogueReader,
        site: Site,
        origin: Origin,
        *,
        version: str,
        takes_lock_files: bool,
    ) -> None:
        self._reader = reader
        self._site = site
        self._origin = origin
        self._version = version
        self._more = (urls.coverage(),) if takes_lock_files else ()

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the rows: address, method, what answers."""
        rows: list[tuple[str, Callable[[_Request], Response[bytes]]]] = [
            (urls.feed(), self._new),
            ("/feeds/package/{file:str}", self._package),
            (urls.robots(), self._robots),
            (urls.sitemap(), self._sitemap),
            ("/sitemaps/{file:str}", self._part),
        ]
        methods = [HttpMethod.GET, HttpMethod.HEAD]
        return [
            HTTPRouteHandler(path, http_method=methods, sync_to_thread=True)(answer) for path, answer in rows
        ]

    def _new(self, request: _Request) -> Response[bytes]:
        scope = read_scope(first_values(request.query_params))
        news = self._reader.news(ref=scope.ref, stack=scope.stack, limit=_ENTRIES)
        body = feeds.write_feed(news, scope, base=self._origin.of(request), version=self._version)
        return self._site.document(request, body, feeds.MEDIA_TYPE)

    def _package(self, request: _Request) -> Response[bytes]:
        name = parse_package_name(_stem(request, ".atom"))
        scope = read_scope(first_values(request.query_params))
        news = self._reader.news(ref=scope.ref, stack=scope.stack, package=name, limit=_ENTRIES)
        body = feeds.write_feed(
            news, scope, base=self._origin.of(request), version=self._version, package=name
        )
        return self._site.document(request, body, feeds.MEDIA_TYPE)

    def _robots(self, request: _Request) -> Response[bytes]:
        base = self._origin.of(request)
        return self._site.document(request, sitemap.write_robots(base=base, path=urlsplit(base).path), _TEXT)

    def _sitemap(self, request: _Request) -> Response[bytes]:
        packages = self._reader.packages(ref=None, stack=None, limit=1).total
        parts = [
            "pages",
            *(f"packages-{number}" for number in range(1, -(-packages // sitemap.LARGEST_PART) + 1)),
            *(f"specs-{prefix}" if prefix else "specs" for prefix in self._prefixes()),
        ]
        body = sitemap.write_sitemap_index(parts, base=self._origin.of(request))
        return self._site.document(request, body, _XML)

    def _part(self, request: _Request) -> Response[bytes]:
        kind, _, which = _stem(request, ".xml").partition("-")
        match kind:
            case "pages" if not which:
                mirrors = dict.fromkeys(urls.cache(name) for name in self._reader.mirror_names())
                fixed = (
                    urls.home(),
                    urls.packages(),
                    urls.caches(),
                    urls.figures(),
                    urls.api_page(),
                    *self._more,
                )
                addresses = [*fixed, *mirrors]
            case "packages" if which.isascii() and which.isdigit() and len(which) <= 4 and int(which):  # noqa: PLR2004 - digits
                start = (int(which) - 1) * sitemap.LARGEST_PART
                found = self._reader.packages(ref=None, stack=None, limit=sitemap.LARGEST_PART, offset=start)
                addresses = [urls.package(one.name) for one in found.packages]
            case "specs" if which in self._prefixes():
                addresses = [urls.spec(one) for one in self._reader.hashes(which)]
            case _:
                addresses = []
        if not addresses:
            raise HTTPException(status_code=HTTPStatus.NOT_FOUND)
        return self._site.document(
            request, sitemap.write_sitemap(addresses, base=self._origin.of(request)), _XML
        )

    def _prefixes(self) -> list[str]:
        # Refs share specs, so this is more than there are; parts are smaller then.
        specs = sum(one.counts.present for one in self._reader.refs())
        return sitemap.hash_prefixes(specs) if specs else []


def _stem(request: _Request, suffix: str) -> str:
    """Return what a file is named before its suffix. Raises the refusal of an unknown address for another suffix."""
    name: str = request.path_params["file"]
    if not name.endswith(suffix):
        raise HTTPException(status_code=HTTPStatus.NOT_FOUND)
    return name.removesuffix(suffix)
