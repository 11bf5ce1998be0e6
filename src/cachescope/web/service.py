"""The application as it is served: what stands around its pages."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from litestar import Litestar
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from cachescope.web.access_log import AccessLogForm, access_log
from cachescope.web.base_path import below
from cachescope.web.exchange import Exchange, observed
from cachescope.web.metrics import Metrics

__all__ = ["ServiceOptions", "service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """What stands around the pages."""

    base_path: str = ""
    access_log: AccessLogForm = AccessLogForm.OFF
    hsts_seconds: int = 0
    """How long browsers are told to come by https alone; 0 for not at all."""


def service(
    app: Litestar, options: ServiceOptions, *, now: Callable[[], datetime], metrics: Metrics
) -> ASGIApp:
    """Put the layers around an application: address, then what is noted and counted of each request."""
    ended: list[Callable[[Exchange], None]] = [metrics.ended]
    if options.access_log is not AccessLogForm.OFF:
        ended.append(access_log(options.access_log, now=now))
    inner = _by_https_alone(app, options.hsts_seconds)
    return observed(below(inner, options.base_path), began=[metrics.began], ended=ended)


def _by_https_alone(app: ASGIApp, seconds: int) -> ASGIApp:
    """Return an application that tells browsers to come by https; only who has https may say that."""
    if not seconds:
        return app
    header = (b"strict-transport-security", f"max-age={seconds}".encode())

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and scope.get("scheme") == "https":
                message["headers"] = [*message["headers"], header]
            await send(message)

        await app(scope, receive, told)

    return answer
