"""The web application: the rows of the route table behind HTTP, and the one map of errors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, assert_never

from litestar import HttpMethod, Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from cachescope.model.errors import (
    AnswerTooSlow,
    CachescopeError,
    CatalogueUnusable,
    MethodNotAllowed,
    ServerBusy,
    TooLarge,
    UnknownAddress,
    UserInputError,
)
from cachescope.model.lock_answers import LockAnswers
from cachescope.model.services import CatalogueReader
from cachescope.model.virtual_answers import VirtualMirrors
from cachescope.present import urls
from cachescope.present.pages import CachesPage, ErrorPage, Moved, SearchPage, error_page, with_virtual
from cachescope.present.surfaces import Page, json_of, next_part, text_of
from cachescope.present.to_html import HtmlWriter, static_files
from cachescope.web.compression import Precoded, chosen_coding, coded, is_worthwhile, tag_of_coding
from cachescope.web.cors import Readers, options_handlers
from cachescope.web.description import ApiDescription
from cachescope.web.exports import package_badge, package_table
from cachescope.web.feeds import Feeds
from cachescope.web.health import HealthPages
from cachescope.web.limits import TOO_LARGE, RequestGate, RequestLimits
from cachescope.web.lock_files import Busy, LockFilePages, UploadLimits
from cachescope.web.negotiation import Surface, entity_tag, is_current, wanted_surface
from cachescope.web.origin import Origin
from cachescope.web.parameters import first_values, read_request, read_scope
from cachescope.web.routes import ROUTES, Route
from cachescope.web.virtual_mirrors import VirtualMirrorPages

__all__ = ["create_app"]

_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=300"
_MEMORY = "no-store"
_EXIT = "X-Cachescope-Exit"
"""Names the exit code that the command would have ended with."""

_COME_AGAIN = "5"
"""Seconds after which who was not answered may try again."""

_LONGEST_SUBJECT = 200
_DOCUMENTS = ("/badge/", "/table/", "/feeds/", "/sitemaps/")
_METHODS = [HttpMethod.GET, HttpMethod.HEAD]

_Request = Request[Any, Any, Any]


def create_app(
    reader: CatalogueReader,
    *,
    now: Callable[[], datetime],
    version: str,
    on_error: Callable[[Exception], str],
    lock_answers: LockAnswers | None = None,
    limits: UploadLimits | None = None,
    virtual: VirtualMirrors | None = None,
    readers: Sequence[str] = (),
    base_path: str = "",
    request_limits: RequestLimits | None = None,
    oldest: float = 0,
    counted: Callable[[], Iterable[str]] | None = None,
    on_stop: Callable[[], None] | None = None,
    site_address: str = "",
) -> Litestar:
    """Make the application. ``on_error`` logs what went wrong and returns the id under which it stands in the log.

    Without ``lock_answers`` and ``limits`` no lock files are taken, without ``virtual`` there are no virtual mirrors.
    ``readers`` are origins whose pages may read answers. ``base_path`` is where the site stands (``/cachescope``, empty
    for ``/``), ``oldest`` the age in seconds from which ``/healthz`` calls the data stale, ``counted`` gives metrics.
    ``on_stop`` is called once nobody is answered any more. ``site_address`` is where visitors find the site (empty for
    what they asked), for addresses that must be whole. Raises ``UserInputError`` for one that is none.
    """
    takes_lock_files = lock_answers is not None and limits is not None
    allowed = Readers(readers)
    origin = Origin(site_address=site_address, base_path=base_path)
    site = _Site(
        reader,
        now=now,
        version=version,
        on_error=on_error,
        takes_lock_files=takes_lock_files,
        base_path=base_path,
        virtual=virtual,
    )
    handlers = HealthPages(reader, now=now, send=site.sent, oldest=oldest, counted=counted).handlers()
    handlers.append(
        HTTPRouteHandler("/static/{name:str}", http_method=_METHODS, sync_to_thread=False)(site.static)
    )
    handlers += [
        HTTPRouteHandler("/badge/{file:str}", http_method=_METHODS, sync_to_thread=True)(site.badge),
        HTTPRouteHandler("/table/{file:str}", http_method=_METHODS, sync_to_thread=True)(site.table),
    ]
    handlers += [
        HTTPRouteHandler(path, http_method=_METHODS, sync_to_thread=True)(site.handler(route))
        for route in ROUTES
        for path in (route.path, urls.api(route.path))
    ]
    if lock_answers is not None and limits is not None:
        handlers += LockFilePages(lock_answers, site, limits, origin).handlers()
    if virtual is not None:
        handlers += VirtualMirrorPages(virtual, site, origin).handlers()
    handlers += Feeds(
        reader,
        site,
        origin,
        version=version,
        takes_lock_files=takes_lock_files,
    ).handlers()
    handlers += ApiDescription(site, origin, version=version, base_path=base_path).handlers()
    # First, or the framework makes its own for each address, of the first methods that it sees.
    handlers = [*options_handlers(handlers, allowed, _SECURITY), *handlers]
    return Litestar(
        route_handlers=handlers,
        before_send=[allowed.mark],
        exception_handlers={Exception: site.failure},
        middleware=[RequestGate(request_limits or RequestLimits()).around],
        on_shutdown=[on_stop] if on_stop is not None else [],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What goes out, before the method and the asker's copy are looked at."""

    body: bytes
    content_type: str
    cache: str
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    precoded: Precoded | None = None
    """The body in all codings, where it never changes."""


class _Site:
    """The handlers, with what they are given."""

    def __init__(
        self,
        reader: CatalogueReader,
        *,
        now: Callable[[], datetime],
        version: str,
        on_error: Callable[[Exception], str],
        takes_lock_files: bool,
        base_path: str,
        virtual: VirtualMirrors | None,
    ) -> None:
        self._virtual = virtual
        self._reader = reader
        self._now = now
        self._on_error = on_error
        self._base_path = base_path
        self._files = static_files()
        self._precoded = {name: Precoded(one.content) for name, one in self._files.items()}
        self._html = HtmlWriter(
            self._files, version=version, takes_lock_files=takes_lock_files, base_path=base_path
        )

    def handler(self, route: Route[Any]) -> Callable[[_Request], Response[bytes]]:
        """Make the handler of one page."""

        def answer(request: _Request) -> Response[bytes]:
            asked = read_request(
                first_values(request.query_params),
                subject=request.path_params.get("subject", request.query_params.get("first", "")),
                other=request.path_params.get("other", request.query_params.get("second", "")),
                now=self._now(),
            )
            page = route.answer(self._reader, asked)
            if isinstance(page, CachesPage) and self._virtual is not None:
                page = with_virtual(page, self._virtual.mirrors)
            cache = f"public, max-age={route.lifetime}"
            if isinstance(page, Moved):
                return _moved(request, page.address, cache, base_path=self._base_path)
            return _respond(request, self._written(request, page, cache=cache))

        return answer

    def static(self, request: _Request) -> Response[bytes]:
        """Answer with a static file; one that is asked with its digest may be kept for ever."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return self.failure(request, HTTPException(status_code=HTTPStatus.NOT_FOUND))
        named = request.query_params.get("v") == found.digest
        return _respond(
            request,
            _Answer(
                body=found.content,
                content_type=found.media_type,
                cache=_FOR_EVER if named else _SHORT,
                precoded=self._precoded[found.name],
            ),
        )

    def now(self) -> datetime:
        """Return the time."""
        return self._now()

    def page(self, request: _Request, page: Page) -> Response[bytes]:
        """Write a page that nobody may keep."""
        return _respond(request, self._written(request, page, cache=_MEMORY))

    def told(self, request: _Request, body: bytes, surface: Surface, exit_code: int) -> Response[bytes]:
        """Send an answer of the API that nobody may keep."""
        headers = {"Vary": "Accept", _EXIT: str(exit_code)}
        return _respond(
            request, _Answer(body=body, content_type=surface.content_type, cache=_MEMORY, headers=headers)
        )

    def document(self, request: _Request, body: bytes, content_type: str) -> Response[bytes]:
        """Send a document that is the same for everybody, for a while."""
        return _respond(request, _Answer(body=body, content_type=content_type, cache=_SHORT))

    def badge(self, request: _Request) -> Response[bytes]:
        """Answer with the badge of a package: how many binaries a scope has, and the newest version."""
        asked = read_request(
            first_values(request.query_params), subject=_named(request, ".svg"), now=self._now()
        )
        body = package_badge(self._reader, asked)
        return _respond(request, _Answer(body=body, content_type="image/svg+xml", cache=_SHORT))

    def table(self, request: _Request) -> Response[bytes]:
        """Answer with the binaries of a package as CSV."""
        asked = read_request(
            first_values(request.query_params), subject=_named(request, ".csv"), now=self._now()
        )
        body = package_table(self._reader, asked)
        return _respond(request, _Answer(body=body, content_type="text/csv; charset=utf-8", cache=_SHORT))

    def sent(self, request: _Request, body: bytes, content_type: str, status: int) -> Response[bytes]:
        """Send what is true at this moment alone."""
        headers = {"Vary": "Accept"}
        answer = _Answer(body=body, content_type=content_type, cache=_MEMORY, status=status, headers=headers)
        return _respond(request, answer)

    def failure(self, request: _Request, problem: Exception) -> Response[bytes]:
        """Answer with an error, in the form in which the page was asked."""
        error, status = self._understood(request, problem)
        try:
            scope = read_scope(first_values(request.query_params))
        except UserInputError:
            scope = urls.EVERYWHERE
        asked = request.path_params.get("subject", "")[:_LONGEST_SUBJECT]
        page = error_page(error, status=status, scope=scope, now=self._now(), asked=asked)
        answer = self._written(request, page, cache=_MEMORY, status=status)
        allowed = _allowed_methods(problem)
        if allowed:
            answer = replace(answer, headers={**answer.headers, "Allow": allowed})
        if isinstance(problem, Busy):
            answer = replace(answer, headers={**answer.headers, **(problem.headers or {})})
        if isinstance(problem, ServerBusy | AnswerTooSlow):
            answer = replace(answer, headers={**answer.headers, "Retry-After": _COME_AGAIN})
        return _respond(request, answer)

    def _understood(self, request: _Request, problem: Exception) -> tuple[CachescopeError, int]:
        """The one map from what went wrong to what is said about it."""
        if isinstance(problem, CachescopeError):
            expected = isinstance(problem, ServerBusy | AnswerTooSlow)
            if problem.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR and not expected:
                self._on_error(problem)
            if isinstance(problem, CatalogueUnusable):
                # Where the database is says the log, and nobody else.
                return type(problem)(problem.message, hint=problem.hint), problem.http_status
            return problem, problem.http_status
        if isinstance(problem, HTTPException) and (
            problem.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(problem, Busy)
        ):
            return _refusal(request, problem), problem.status_code
        number = self._on_error(problem)
        return (
            CachescopeError(
                "something went wrong inside cachescope",
                hint=f"it is in the log under {number}; please name that when you report it",
            ),
            HTTPStatus.INTERNAL_SERVER_ERROR,
        )

    def _written(self, request: _Request, page: Page, *, cache: str, status: int = HTTPStatus.OK) -> _Answer:
        in_api = _is_api(request)
        accept = request.headers.get("accept", "")
        surface = wanted_surface(accept)
        if surface is Surface.HTML and "html" not in accept and _is_document(request):
            # Who asks for a picture or a table is a program: only what wants HTML by its name gets any.
            surface = Surface.JSON
        if in_api and not (request.method == HttpMethod.POST and surface is Surface.TEXT):
            surface = Surface.JSON
        match surface:
            case Surface.HTML:
                body = self._html.write(page)
            case Surface.JSON:
                body = json_of(page, base_path=self._base_path)
            case Surface.TEXT:
                body = text_of(page)
            case _:
                assert_never(surface)
        headers = {} if in_api else {"Vary": "Accept"}
        if surface is Surface.JSON and (following := next_part(page)):
            headers["Link"] = f'<{self._base_path}{following}>; rel="next"'
        if surface is not Surface.HTML:
            headers[_EXIT] = str(_exit_code(page))
        return _Answer(
            body=body, content_type=surface.content_type, cache=cache, status=status, headers=headers
        )


def _exit_code(page: Page) -> int:
    """Return what the command that asks the same ends with."""
    match page:
        case ErrorPage():
            return page.error.exit_code
        case SearchPage():
            return 0 if page.result.total else 1
        case _:
            return 0


def _named(request: _Request, suffix: str) -> str:
    """Return what a file is named after. Raises the refusal of an unknown address for another suffix."""
    name: str = request.path_params["file"]
    if not name.endswith(suffix):
        raise HTTPException(status_code=HTTPStatus.NOT_FOUND)
    return name.removesuffix(suffix)


def _allowed_methods(problem: Exception) -> str:
    """Return what a refusal of the method names as possible; empty for any other problem."""
    headers = problem.headers if isinstance(problem, HTTPException) else None
    return next((value for key, value in (headers or {}).items() if key.lower() == "allow"), "")


def _refusal(request: _Request, problem: HTTPException) -> CachescopeError:
    path = request.scope["path"][:_LONGEST_SUBJECT]
    match problem.status_code:
        case HTTPStatus.NOT_FOUND:
            return UnknownAddress("there is no page at this address", where=path, hint="start at /")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowed(
                f"{request.method} is not possible at this address",
                where=path,
                hint=f"possible is {_allowed_methods(problem)}"
                if "POST" in _allowed_methods(problem)
                else "pages are read by GET",
            )
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return TooLarge(
                "the lock file is larger than this server takes",
                where=path,
                hint="max_upload_bytes is its setting; the command line takes 1 GiB",
            )
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return ServerBusy("too many lock files are asked about at the moment", hint="try again soon")
        case _:
            status = HTTPStatus(problem.status_code)
            said = TOO_LARGE.get(status, f"the request cannot be understood: {status.phrase.lower()}")
            return UserInputError(said, where=path)


def _is_api(request: _Request) -> bool:
    path = request.scope["path"]
    return path == urls.API or path.startswith(urls.API + "/")


def _is_document(request: _Request) -> bool:
    """Whether it is no page that stands here, but a document for programs."""
    return request.scope["path"].startswith(_DOCUMENTS)


def _moved(request: _Request, address: str, cache: str, *, base_path: str) -> Response[bytes]:
    target = base_path + (urls.api(address) if _is_api(request) else address)
    headers = {"Location": target} if _is_api(request) else {"Location": target, "Vary": "Accept"}
    return _respond(
        request,
        _Answer(
            body=b"",
            content_type=Surface.TEXT.content_type,
            cache=cache,
            status=HTTPStatus.FOUND,
            headers=headers,
        ),
    )


def _respond(request: _Request, answer: _Answer) -> Response[bytes]:
    """Send it: whole, its headers alone (HEAD), or word that the asker has it; coded as the asker likes."""
    headers = {**_SECURITY, "Cache-Control": answer.cache, **answer.headers}
    coding = ""
    if is_worthwhile(answer.body, answer.content_type):
        headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
        coding = chosen_coding(request.headers.get("accept-encoding", ""))
    if answer.status == HTTPStatus.OK and request.method in {HttpMethod.GET, HttpMethod.HEAD}:
        headers["ETag"] = tag_of_coding(entity_tag(answer.body), coding)
        if is_current(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    body = answer.body
    if coding:
        headers["Content-Encoding"] = coding
        body = coded(body, coding) if answer.precoded is None else answer.precoded.form(coding)
    headers["Content-Type"] = answer.content_type
    headers["Content-Length"] = str(len(body))
    if request.method == HttpMethod.HEAD:
        body = b""
    return Response(body, status_code=answer.status, headers=headers, media_type=answer.content_type)
