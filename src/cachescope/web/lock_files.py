"""Lock files over HTTP: the form at ``/coverage``, and ``coverage``, ``why`` and ``lookup`` below the API.

A body is refused unread if it says that it is too large, and as soon as it is. Few are received at a time and fewer answered,
others wait a while and are then asked to come again: memory and time are bounded whatever comes. Nothing is stored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
from litestar import HttpMethod, Request, Response
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException, InternalServerException
from litestar.handlers import HTTPRouteHandler

from cachescope.model.errors import MalformedDocument, MalformedUpload, UserInputError
from cachescope.model.hosts import Host
from cachescope.model.lock_answers import Asked, LockAnswers, WhyQuestion
from cachescope.model.sightings import parse_against
from cachescope.present import coverage as coverage_text
from cachescope.present import urls
from cachescope.present import why as why_text
from cachescope.present.coverage_page import coverage_form_page, coverage_page
from cachescope.present.lock_text import lookup_json, lookup_text, printed
from cachescope.present.surfaces import Page
from cachescope.query.hosts import parse_host
from cachescope.web.negotiation import Surface, wanted_surface
from cachescope.web.origin import Origin

__all__ = ["Busy", "LockFilePages", "Site", "UploadLimits"]

_Request = Request[Any, Any, Any]
_DEPTYPES = ("run", "build", "all")
_MOST_FIELDS = 20
_LONGEST_NAME = 100
_LONGEST_PARAMETER = 2000
_PASTED = "pasted text"
_BELOW_THE_BAR = 1
_COME_AGAIN = "30"
"""Seconds after which who found no place may try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """What is taken at the most, and how long anybody waits."""

    largest: int
    """Bytes of one body."""

    received_at_once: int = 8
    answered_at_once: int = 2
    patience: float = 60.0
    """Seconds in which a body must have come."""

    queue_patience: float = 30.0
    """Seconds for which one waits for one's turn."""


class Site(Protocol):
    """What the rest of the application does for these pages."""

    def page(self, request: _Request, page: Page) -> Response[bytes]:
        """Write a page in the form that was asked for; nobody may keep it."""
        ...

    def told(self, request: _Request, body: bytes, surface: Surface, exit_code: int) -> Response[bytes]:
        """Send an answer of the API; nobody may keep it."""
        ...

    def now(self) -> datetime:
        """The time."""
        ...


class Busy(HTTPException):
    """Too many ask at a time."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class _Given:
    """A request, received: the document, and the parameters of address and form together."""

    document: bytes
    name: str
    parameters: Sequence[tuple[str, str]]

    def one(self, name: str) -> str:
        """Return the first value that is not empty; empty without any."""
        return next((value.strip() for key, value in self.parameters if key == name and value.strip()), "")

    def all(self, name: str) -> Iterator[str]:
        """Return all values; blanks and commas part several in one."""
        for key, value in self.parameters:
            if key == name:
                yield from value.replace(",", " ").split()

    def flag(self, name: str) -> bool:
        """Read a parameter that is on or off."""
        text = self.one(name)
        if text not in {"", "0", "1"}:
            raise UserInputError(f"{name} cannot be {text[:20]!r}", hint=f"leave it out, or write {name}=1")
        return text == "1"

    def asked(self) -> Asked:
        """Return what is to be answered."""
        return Asked(
            document=self.document,
            name=self.name,
            against=tuple(parse_against(one) for one in self.all("against")),
        )


class LockFilePages:
    """The handlers of all addresses that take a lock file."""

    def __init__(self, answers: LockAnswers, site: Site, limits: UploadLimits, origin: Origin) -> None:
        self._answers = answers
        self._origin = origin
        self._site = site
        self._limits = limits
        self._receiving = anyio.Semaphore(limits.received_at_once)
        self._answering = anyio.Semaphore(limits.answered_at_once)

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the rows: address, method, what answers."""
        posts: list[tuple[str, Callable[[_Request, _Given], Response[bytes]]]] = [
            (urls.coverage(), self._page),
            (urls.api(urls.coverage()), self._coverage),
            (urls.api(urls.why()), self._why),
            (urls.api(urls.lookup()), self._lookup),
        ]
        methods = [HttpMethod.GET, HttpMethod.HEAD]
        return [
            *(
                HTTPRouteHandler(path, http_method=methods)(self._form)
                for path in (urls.coverage(), urls.api(urls.coverage()))
            ),
            *(
                HTTPRouteHandler(
                    path,
                    http_method=HttpMethod.POST,
                    status_code=HTTPStatus.OK,
                    request_max_body_size=self._limits.largest,
                )(self._handler(answer))
                for path, answer in posts
            ),
        ]

    def _handler(
        self, answer: Callable[[_Request, _Given], Response[bytes]]
    ) -> Callable[[_Request], Awaitable[Response[bytes]]]:
        async def handle(request: _Request) -> Response[bytes]:
            async with _turn(self._receiving, self._limits.queue_patience):
                given = await self._received(request)
                async with _turn(self._answering, self._limits.queue_patience):
                    return await anyio.to_thread.run_sync(_whose_fault, answer, request, given)

        return handle

    async def _received(self, request: _Request) -> _Given:
        try:
            with anyio.fail_after(self._limits.patience):
                return await _read(request)
        except TimeoutError as error:
            raise UserInputError(
                f"the lock file did not come within {self._limits.patience:g} s", hint="send it again"
            ) from error
        except InternalServerException as error:
            # What the framework calls an error of ours is a connection that ended before the body did.
            raise UserInputError("the connection ended before the lock file did") from error

    async def _form(self, request: _Request) -> Response[bytes]:
        page = coverage_form_page(
            await anyio.to_thread.run_sync(self._answers.against_names),
            largest=self._limits.largest,
            origin=self._origin.of(request),
            scope=urls.EVERYWHERE,
            now=self._site.now(),
        )
        return self._site.page(request, page)

    def _page(self, request: _Request, given: _Given) -> Response[bytes]:
        found = self._answers.explained(given.asked(), deptypes=_deptypes(given), host=_host(given))
        page = coverage_page(
            found, origin=self._origin.of(request), scope=urls.EVERYWHERE, now=self._site.now()
        )
        return self._site.page(request, page)

    def _coverage(self, request: _Request, given: _Given) -> Response[bytes]:
        bar, installable = _bar(given), given.flag("installable")
        markdown = given.flag("markdown")
        found = self._answers.coverage(given.asked(), deptypes=_deptypes(given), host=_host(given))
        passed = found.passes(bar, installable=installable)
        barred = bar is not None or installable
        surface = _api_surface(request)
        if surface is Surface.JSON:
            body = coverage_text.render_json(found)
        elif markdown:
            body = coverage_text.render_markdown(found, passed=passed if barred else None)
        else:
            target = bar / 100 if bar is not None else None
            body = printed(lambda console: coverage_text.render_text(console, found, target=target))
        return self._site.told(request, body, surface, 0 if passed else _BELOW_THE_BAR)

    def _why(self, request: _Request, given: _Given) -> Response[bytes]:
        question = WhyQuestion(only=given.one("spec") or None, assumed=given.one("if") or None)
        markdown = given.flag("markdown")
        report, what_if = self._answers.why(given.asked(), question)
        surface = _api_surface(request)
        if surface is Surface.JSON:
            body = why_text.render_json(report, what_if)
        elif markdown:
            body = why_text.render_markdown(report, what_if)
        else:
            body = printed(lambda console: why_text.render_text(console, report, what_if))
        return self._site.told(request, body, surface, 0)

    def _lookup(self, request: _Request, given: _Given) -> Response[bytes]:
        found = self._answers.lookup(given.asked())
        surface = _api_surface(request)
        body = lookup_json(found) if surface is Surface.JSON else lookup_text(found)
        return self._site.told(request, body, surface, 0)


def _whose_fault(
    answer: Callable[[_Request, _Given], Response[bytes]], request: _Request, given: _Given
) -> Response[bytes]:
    try:
        return answer(request, given)
    except MalformedDocument as error:
        raise MalformedUpload(error.message, where=error.where, hint=error.hint) from error


@asynccontextmanager
async def _turn(places: anyio.Semaphore, patience: float) -> AsyncIterator[None]:
    """Wait for a free place, but not for ever."""
    try:
        with anyio.fail_after(patience):
            await places.acquire()
    except TimeoutError as error:
        raise Busy(headers={"Retry-After": _COME_AGAIN}) from error
    try:
        yield
    finally:
        places.release()


async def _read(request: _Request) -> _Given:
    """Receive a document: as the body, or as a field of a form. Raises ``UserInputError`` without any."""
    parameters = [(key, value) for key, value in request.query_params.multi_items()]
    kind = request.content_type[0]
    if kind == "multipart/form-data":
        return await _from_form(request, parameters)
    body = await request.body()
    if kind == "application/x-www-form-urlencoded" and body.startswith((b"text=", b"lock=", b"against=")):
        # 'curl --data-binary' says that a lock file is a form; only what looks like our form is one.
        fields = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
        parameters += [one for one in fields if one[0] not in {"text", "lock"}]
        text = next((value for key, value in fields if key in {"text", "lock"} and value.strip()), "")
        return _given(text.encode(), _PASTED, parameters)
    named = next((value for key, value in parameters if key == "name"), "")
    return _given(body, _shown(named) or coverage_text.STANDARD_INPUT, parameters)


async def _from_form(request: _Request, parameters: list[tuple[str, str]]) -> _Given:
    form = await request.form()
    document, name = b"", _PASTED
    for key, value in form.multi_items():
        if isinstance(value, UploadFile):
            try:
                if not document:
                    document, name = await value.read(), _shown(value.filename) or "the file"
            finally:
                await value.close()
        elif key not in {"text", "lock"}:
            parameters.append((key, str(value)))
    if not document.strip():
        texts = [
            str(value)
            for key, value in form.multi_items()
            if key in {"text", "lock"} and isinstance(value, str)
        ]
        document, name = next((one for one in texts if one.strip()), "").encode(), _PASTED
    return _given(document, name, parameters)


def _given(document: bytes, name: str, parameters: Sequence[tuple[str, str]]) -> _Given:
    if not document.strip():
        raise UserInputError(
            "no lock file was given",
            hint="choose a file or paste its text; in the API it is the body of the request",
        )
    for key, value in parameters:
        if len(value) > _LONGEST_PARAMETER:
            raise UserInputError(f"{key[:20]} is too long", hint=f"at most {_LONGEST_PARAMETER:,} characters")
    return _Given(document, name, parameters)


def _shown(filename: str) -> str:
    """Return the name of a file without its folders, in characters that can be shown."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in name if one.isprintable())[:_LONGEST_NAME].strip()


def _deptypes(given: _Given) -> str:
    text = given.one("deptypes") or "all"
    if text not in _DEPTYPES:
        raise UserInputError(f"deptypes cannot be {text[:20]!r}", hint=f"known are {', '.join(_DEPTYPES)}")
    return text


def _bar(given: _Given) -> float | None:
    text = given.one("fail-under")
    if not text:
        return None
    try:
        bar = float(text)
    except ValueError:
        bar = -1.0
    if not 0 <= bar <= 100:  # noqa: PLR2004 - per cent
        raise UserInputError(f"fail-under cannot be {text[:20]!r}", hint="write per cent, from 0 to 100")
    return bar


def _host(given: _Given) -> Host | None:
    text = given.one("for")
    return parse_host(text, detect=_no_host) if text else None


def _no_host() -> Host:
    raise UserInputError(
        "which machine is yours, a server cannot know",
        where="for=host",
        hint="describe it: for=os=ubuntu22.04,target=zen3,glibc=2.35",
    )


def _api_surface(request: _Request) -> Surface:
    """JSON unless text is asked for; the API has no pages."""
    found = wanted_surface(request.headers.get("accept", ""))
    return found if found is Surface.TEXT else Surface.JSON
