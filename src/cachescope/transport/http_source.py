"""Mirrors on web servers."""

import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from cachescope.model.errors import MalformedDocument, MirrorUnavailable
from cachescope.model.mirror import MirrorUrl
from cachescope.model.record import Validator
from cachescope.transport.body import BodyWriter, check_size
from cachescope.transport.gunzip import Gunzip
from cachescope.transport.http_address import HttpAddress, document_address
from cachescope.transport.http_client import HttpClient, read_to_the_end
from cachescope.transport.http_failures import Asked, Failure, failure_of_error, failure_of_status
from cachescope.transport.options import TransportOptions
from cachescope.transport.progress import ProgressMeter
from cachescope.transport.source import (
    Body,
    Fetched,
    Missing,
    Opened,
    OpenOutcome,
    Progress,
    ReadOutcome,
    Sized,
    SizeOutcome,
    Unchanged,
    Unsized,
)

__all__ = ["HttpSource"]

_CHUNK = 64 * 1024
_OPENED_CHUNK = 64 * 1024  # small: all of a chunk has to arrive before any of it is handed on
_WORTH_READING = 64 * 1024  # bytes of an unwanted answer that cost less than a new connection
_LONGEST_VALIDATOR = 1024
_LONGEST_NUMBER = 18  # digits of a length that is meant

_OK = 200
_PARTIAL = 206
_BEYOND = 416
"""The document ends before the place from which on it was asked for."""

_NOT_MODIFIED = 304
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_NOT_ASKED_SO = frozenset({405, 501})
"""The server does not answer HEAD."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_STEADY = 1024 * 1024
"""Bytes after which a connection that breaks again is no sign that it always will."""

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)  # no slots: Python 3.11 cannot make a generic frozen one with a stated type
class _Question(Generic[Outcome]):
    """One question, and what its answer means."""

    method: str
    headers: Mapping[str, str]
    outcome: Callable[[BaseHTTPResponse, Asked], Outcome | Failure]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A body that is arriving."""

    response: BaseHTTPResponse
    asked: Asked
    start: int
    size: int | None


class HttpSource:
    """Reads documents below the address of a mirror; see ``ByteSource`` for the contract.

    Failures that may pass (no connection, a broken one, silence, 429, 500, 502, 503, 504) are tried again with growing
    waits; progress then starts again at zero. User and password of the address go to its host alone.
    """

    def __init__(self, url: MirrorUrl, options: TransportOptions, client: HttpClient) -> None:
        self._url = url
        self._options = options
        self._client = client

    def read(
        self,
        path: str,
        *,
        known: Validator | None = None,
        progress: Progress | None = None,
        largest: int | None = None,
    ) -> ReadOutcome:
        """Read one document; the validator is the entity tag and the date that the server gave."""

        def outcome(response: BaseHTTPResponse, asked: Asked) -> ReadOutcome | Failure:
            return self._outcome(
                response, asked, known, partial(self._received, progress=progress, largest=largest)
            )

        return self._answered(path, _Question[ReadOutcome]("GET", _conditions(known), outcome))

    def size(self, path: str) -> SizeOutcome:
        """Ask for the head of one document; what a server would compress on the way is asked for as it is stored."""
        return self._answered(path, _Question[SizeOutcome]("HEAD", {"Accept-Encoding": "identity"}, _size))

    def open(self, path: str, *, start: int = 0) -> OpenOutcome:
        """Open one document; redirects and retries as for ``read``, also in the middle of it."""
        address = document_address(self._url, path)
        begun = self._begun_at(address, start)
        if isinstance(begun, Missing):
            return begun
        chunks = self._chunks(address, begun)
        next(chunks)  # from here on the generator closes the connection, even if nobody asks it for a chunk
        return Opened(chunks, begun.start, begun.size)

    def _answered(self, path: str, question: _Question[Outcome]) -> Outcome:
        start = document_address(self._url, path)
        return self._persistently(lambda: self._attempt(start, question))

    def _persistently(self, attempted: Callable[[], Outcome | Failure]) -> Outcome:
        for attempt in range(self._options.retries + 1):
            result = attempted()
            if not isinstance(result, Failure):
                return result
            self._wait_to_try_again(result, attempt)
        raise AssertionError("the last attempt returns or raises")

    def _wait_to_try_again(self, failure: Failure, attempt: int) -> None:
        """Wait after an attempt (the first is 0), or raise its error if another one makes no sense."""
        wait = failure.after
        if wait is None:
            wait = min(self._options.backoff * 2**attempt, self._options.longest_wait)
        if not failure.may_pass or attempt >= self._options.retries or wait > self._options.longest_wait:
            raise _final(failure, attempts=attempt + 1) from failure.cause
        if failure.after and failure.server:
            self._client.pause(failure.server, failure.after)
        time.sleep(wait)

    def list_folders(self, path: str) -> None:
        """Web servers cannot be asked for the names in a folder."""

    def list_files(self, path: str) -> None:
        """Web servers cannot be asked for the names in a folder."""

    def close(self) -> None:
        """The connections belong to the client."""

    def _attempt(self, start: HttpAddress, question: _Question[Outcome]) -> Outcome | Failure:
        address = start
        visited = {start.url}
        try:
            while True:
                with self._answer(address, question.headers, question.method) as response:
                    if response.status not in _REDIRECTS:
                        return question.outcome(response, self._asked(start, address))
                    address = self._next(start, address, response, visited)
        except HTTPError as error:
            return failure_of_error(error, self._asked(start, address))

    def _begun_at(self, address: HttpAddress, offset: int) -> _Begun | Missing:
        attempt = 0
        while isinstance(result := self._begin(address, offset), Failure):
            self._wait_to_try_again(result, attempt)
            attempt += 1
        return result

    def _begin(self, start: HttpAddress, offset: int) -> _Begun | Missing | Failure:
        """Ask for a body from ``offset`` on, and leave it to arrive."""
        address = start
        visited = {start.url}
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        while True:
            asked = self._asked(start, address)
            try:
                response = self._client.ask(address, headers)
            except HTTPError as error:
                return failure_of_error(error, asked)
            try:
                if response.status in _REDIRECTS:
                    address = self._next(start, address, response, visited)
                    outcome = None
                else:
                    outcome = _begun(response, asked, offset)
            except BaseException:
                response.close()
                raise
            if isinstance(outcome, _Begun):
                return outcome
            response.close()
            if outcome is not None:
                return outcome
            if response.status == _BEYOND:
                offset, headers = 0, {"Accept-Encoding": "identity"}

    def _chunks(self, address: HttpAddress, begun: _Begun) -> Generator[bytes, None, None]:
        """Yield nothing first, then the bytes of a body; where the connection breaks, ask for the rest."""
        done = begun.start
        steady_at = done
        attempt = 0
        try:
            yield b""
            while True:
                try:
                    for chunk in begun.response.stream(_OPENED_CHUNK, decode_content=False):
                        done += len(chunk)
                        yield chunk
                except HTTPError as error:
                    failure = failure_of_error(error, begun.asked)
                else:
                    return
                begun.response.close()
                attempt = 0 if done - steady_at >= _STEADY else attempt
                steady_at = done
                self._wait_to_try_again(failure, attempt)
                attempt += 1
                begun = self._taken_up(address, done)
        finally:
            begun.response.close()

    def _taken_up(self, address: HttpAddress, done: int) -> _Begun:
        """Ask for the rest of a body of which ``done`` bytes are there."""
        again = self._begun_at(address, done)
        if isinstance(again, Missing):
            raise MirrorUnavailable(
                "the document went away while it was read", where=address.shown, hint="try again"
            )
        try:
            missing = done - again.start  # a server that knows no ranges begins anew
            while missing and (piece := again.response.read(min(_OPENED_CHUNK, missing))):
                missing -= len(piece)
        except HTTPError as error:
            again.response.close()
            failure = failure_of_error(error, again.asked)
            raise _final(failure, attempts=1) from failure.cause
        return again

    def _outcome(
        self,
        response: BaseHTTPResponse,
        asked: Asked,
        known: Validator | None,
        received: Callable[[BaseHTTPResponse, str], Body],
    ) -> ReadOutcome | Failure:
        if response.status == _OK:
            return Fetched(received(response, asked.shown), _validator(response.headers))
        if response.status == _NOT_MODIFIED and known:
            return Unchanged()
        if response.status in _GONE:
            return Missing()
        return failure_of_status(response.status, response.headers, asked)

    def _next(
        self, start: HttpAddress, address: HttpAddress, response: BaseHTTPResponse, visited: set[str]
    ) -> HttpAddress:
        location = response.headers.get("Location", "")
        try:
            there = address.redirected(location)
            scheme = urlsplit(there.url).scheme
        except ValueError:
            there, scheme = address, ""
        if not location or scheme not in {"http", "https"}:
            problem = "the server redirects to no address that can be read"
        elif scheme == "http" and address.url.startswith("https:"):
            problem = (
                f"the server redirects from https to {there.shown}, which anybody on the way could change"
            )
        elif there.url in visited:
            problem = f"the server redirects in a circle, back to {there.shown}"
        elif len(visited) > self._options.max_redirects:
            problem = (
                f"the server redirects more than {self._options.max_redirects} times (setting max_redirects)"
            )
        else:
            visited.add(there.url)
            return there
        raise MirrorUnavailable(
            problem, where=start.shown, hint="check the address of the mirror, or tell its maintainer"
        )

    def _received(
        self, response: BaseHTTPResponse, where: str, *, progress: Progress | None, largest: int | None
    ) -> Body:
        check = partial(check_size, limit=self._options.max_unpacked_bytes, where=where, largest=largest)
        gunzip = _decoder(response, where)
        total = None if gunzip else _announced(response)
        check(total or 0)
        meter = ProgressMeter(progress, total)
        arrived = 0
        with BodyWriter(
            limit=self._options.max_unpacked_bytes,
            where=where,
            temporary_folder=self._options.temporary_folder,
            largest=largest,
        ) as writer:
            for chunk in response.stream(_CHUNK, decode_content=False):
                arrived += len(chunk)
                check(arrived)  # gzip can be endless and unpack to nothing
                for piece in gunzip.feed(chunk) if gunzip else (chunk,):
                    writer.write(piece)
                    meter.advance(len(piece))
            if gunzip and arrived:  # some servers label an empty body too
                gunzip.finish()
            body = writer.finish()
        meter.finish()
        return body

    @contextmanager
    def _answer(
        self, address: HttpAddress, headers: Mapping[str, str], method: str
    ) -> Iterator[BaseHTTPResponse]:
        response = self._client.ask(address, headers, method=method)
        try:
            yield response
            is_small = response.status == _NOT_MODIFIED or (_announced(response) or _CHUNK) <= _WORTH_READING
            if is_small or method == "HEAD":
                read_to_the_end(response, worth=_WORTH_READING)
        finally:
            response.close()  # keeps a connection that was read to the end

    def _asked(self, start: HttpAddress, address: HttpAddress) -> Asked:
        return Asked(
            shown=start.shown,
            server=urlsplit(address.url).netloc,
            proxy=self._client.proxy_shown(address),
            with_credentials=bool(address.authorization),
            options=self._options,
        )


def _size(response: BaseHTTPResponse, asked: Asked) -> SizeOutcome | Failure:
    if response.status == _OK:
        announced = _announced(response)
        coded = response.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}
        return Unsized() if announced is None or coded else Sized(announced)
    if response.status in _GONE:
        return Missing()
    if response.status in _NOT_ASKED_SO:
        return Unsized()
    return failure_of_status(response.status, response.headers, asked)


def _begun(response: BaseHTTPResponse, asked: Asked, offset: int) -> _Begun | Missing | Failure | None:
    """Say what an answer to "from this byte on" is; None if the document ends before it."""
    if response.status == _OK:
        return _Begun(response, asked, 0, _announced(response))
    if response.status == _PARTIAL:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is not None and int(found[1]) == offset:
            return _Begun(response, asked, offset, int(found[2]) if found[2] != "*" else None)
    if response.status == _BEYOND and offset:
        return None
    if response.status in _GONE:
        return Missing()
    return failure_of_status(response.status, response.headers, asked)


def _final(failure: Failure, *, attempts: int) -> MirrorUnavailable:
    error = failure.error
    message = error.message
    if attempts > 1:
        message += f"; tried {attempts} times"
    if failure.after:
        message += f"; it asks to come back after {failure.after:g} s"
    return type(error)(message, where=error.where, hint=error.hint)


def _conditions(known: Validator | None) -> dict[str, str]:
    headers = {}
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    if known and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    return headers


def _validator(headers: Mapping[str, str]) -> Validator:
    return Validator(_repeatable(headers.get("ETag", "")), _repeatable(headers.get("Last-Modified", "")))


def _repeatable(value: str) -> str:
    """Keep only what may be sent back as a header: a broken one must not spoil every later read."""
    fit = len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
    return value if fit else ""


def _decoder(response: BaseHTTPResponse, where: str) -> Gunzip | None:
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding in {"gzip", "x-gzip"}:
        return Gunzip(where)
    raise MalformedDocument(
        f"the server sends the content coding {coding[:40]!r}, which was not asked for",
        where=where,
        hint="tell the maintainer of the mirror",
    )


def _announced(response: BaseHTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    is_number = length.isascii() and length.isdecimal() and len(length) <= _LONGEST_NUMBER
    return int(length) if is_number and not chunked else None
