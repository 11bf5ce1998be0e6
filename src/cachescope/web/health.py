"""Whether the server can answer, for who watches it: ``/healthz`` and ``/metrics``."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import anyio.to_thread
from litestar import HttpMethod, Request, Response
from litestar.handlers import HTTPRouteHandler

from cachescope.model.errors import CachescopeError
from cachescope.model.services import CatalogueReader
from cachescope.model.sources import AttemptOutcome, SourceStatus
from cachescope.present import wording
from cachescope.web import metrics
from cachescope.web.negotiation import Surface, wanted_surface

__all__ = ["Health", "HealthPages"]

_METHODS = [HttpMethod.GET, HttpMethod.HEAD]
_READ = (AttemptOutcome.UPDATED, AttemptOutcome.UNCHANGED)

_Request = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Health:
    """What is to be known of the catalogue at a time."""

    problem: str
    """Why it cannot answer; empty where it can."""

    sources: int
    read_at: datetime | None
    """When a source was last read, or found unchanged; None where none ever was."""

    age: float | None
    """Seconds since then."""


class HealthPages:
    """The two addresses. Neither waits for pages: they have threads of their own."""

    def __init__(
        self,
        reader: CatalogueReader,
        *,
        now: Callable[[], datetime],
        send: Callable[[_Request, bytes, str, int], Response[bytes]],
        oldest: float = 0,
        counted: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        """``oldest`` in seconds is the age from which the data counts as stale; 0 for none. ``counted`` gives metrics."""
        self._reader = reader
        self._now = now
        self._send = send
        self._oldest = oldest
        self._counted = counted

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the rows; there are no metrics where nothing is counted."""
        found = [HTTPRouteHandler("/healthz", http_method=_METHODS)(self._healthz)]
        if self._counted is not None:
            found.append(HTTPRouteHandler("/metrics", http_method=_METHODS)(self._metrics))
        return found

    async def _healthz(self, request: _Request) -> Response[bytes]:
        health = await anyio.to_thread.run_sync(self._look)
        state = self._state(health)
        status = HTTPStatus.OK if state == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        if wanted_surface(request.headers.get("accept", "")) is Surface.JSON:
            document = {
                "status": state,
                "problem": health.problem,
                "sources": health.sources,
                "read_at": wording.rfc3339(health.read_at) if health.read_at is not None else None,
                "age_seconds": round(health.age) if health.age is not None else None,
            }
            return self._send(
                request, json.dumps(document).encode() + b"\n", Surface.JSON.content_type, status
            )
        age = f"data read {health.age:.0f} s ago" if health.age is not None else "no data yet"
        text = f"{state}: {health.problem or age}\n"
        return self._send(request, text.encode(), Surface.TEXT.content_type, status)

    async def _metrics(self, request: _Request) -> Response[bytes]:
        health = await anyio.to_thread.run_sync(self._look)
        lines = [*self._of_catalogue(health), *(self._counted() if self._counted is not None else ())]
        body = "\n".join(lines).encode() + b"\n"
        return self._send(request, body, metrics.CONTENT_TYPE, HTTPStatus.OK)

    def _state(self, health: Health) -> str:
        if health.problem:
            return "unreachable"
        if self._oldest and health.age is not None and health.age > self._oldest:
            return "stale"
        return "ok"

    def _look(self) -> Health:
        try:
            sources = self._reader.sources()
        except CachescopeError as error:
            # Not where it is: who asks need not know the place of the database.
            return Health(error.message, 0, None, None)
        read = [at for one in sources if (at := _read_at(one)) is not None]
        newest = max(read, default=None)
        age = (self._now() - newest).total_seconds() if newest is not None else None
        return Health("", len(sources), newest, age)

    @staticmethod
    def _of_catalogue(health: Health) -> Iterator[str]:
        yield "# HELP cachescope_catalogue_up Whether the catalogue answers."
        yield "# TYPE cachescope_catalogue_up gauge"
        yield f"cachescope_catalogue_up {0 if health.problem else 1}"
        yield "# HELP cachescope_catalogue_sources Sources of the catalogue."
        yield "# TYPE cachescope_catalogue_sources gauge"
        yield f"cachescope_catalogue_sources {health.sources}"
        if health.age is not None:
            yield "# HELP cachescope_catalogue_age_seconds Time since a source was read or found unchanged."
            yield "# TYPE cachescope_catalogue_age_seconds gauge"
            yield f"cachescope_catalogue_age_seconds {health.age:.0f}"


def _read_at(source: SourceStatus) -> datetime | None:
    attempt = source.last_attempt
    return attempt.at if attempt.outcome in _READ and attempt.at is not None else source.snapshot_at
