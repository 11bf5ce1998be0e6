"""Serving an application on a port of this machine, in one process or several."""

import contextlib
import errno
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from cachescope.model.errors import UserInputError
from cachescope.web.slow_senders import PromptProtocol
from cachescope.web.workers import Worker, run_workers

__all__ = ["ServingOptions", "parse_trusted_proxies", "serve"]

_LAST_PORT = 65535

OpenApp = Callable[[int], AbstractContextManager[ASGIApp]]
"""Opens what one worker serves, given its number from 0 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """How it is served; times in seconds."""

    workers: int = 1
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed; nobody else's are."""

    stop_within: float = 10.0
    """How long running requests are given at the end."""

    largest_head: int = 24_000
    """Bytes of a request before its body: up to twice as many are read, so that what is too large gets an answer of ours."""


def parse_trusted_proxies(text: str) -> tuple[str, ...]:
    """Read addresses and networks, parted by commas or blanks. Raises ``UserInputError``."""
    found = tuple(text.replace(",", " ").split())
    for one in found:
        try:
            ipaddress.ip_network(one)
        except ValueError as error:
            raise UserInputError(
                f"{one[:100]!r} is no address or network of a proxy",
                hint="for example 127.0.0.1 or 10.0.0.0/8; names are not looked up",
            ) from error
    return found


def serve(
    open_app: OpenApp,
    host: str,
    port: int,
    *,
    announce: Callable[[str], None],
    options: ServingOptions | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then return; port 0 takes a free one.

    ``announce`` is called with the address once it answers; nothing else is printed. Raises ``UserInputError`` for a
    port in use, or a host or port that cannot be had, and what opening the application raises.
    """
    chosen = options or ServingOptions()
    with _listening(host, port, shared=chosen.workers > 1) as listener:
        taken = listener.getsockname()[1]
        shown = f"[{host}]" if listener.family == socket.AF_INET6 else host

        def say() -> None:
            announce(f"http://{shown}:{taken}/")

        if chosen.workers == 1:
            with open_app(0) as app:
                _run(app, listener, chosen, ready=say)
            return
        run_workers(chosen.workers, _work(open_app, listener, chosen), ready=say, patience=chosen.stop_within)


def _work(open_app: OpenApp, listener: socket.socket, options: ServingOptions) -> Callable[[Worker], None]:
    def work(worker: Worker) -> None:
        with contextlib.closing(_beside(listener)) as own, open_app(worker.number) as app:
            _run(app, own, options, ready=worker.ready, is_left=worker.is_left)

    return work


def _beside(listener: socket.socket) -> socket.socket:
    """Listen at the same address: the kernel hands connections out evenly, where one socket would give most to one worker."""
    own = _bound(listener.family, listener.type, listener.proto, listener.getsockname(), shared=True)
    own.listen()
    return own


def _run(
    app: ASGIApp,
    listener: socket.socket,
    options: ServingOptions,
    *,
    ready: Callable[[], None],
    is_left: Callable[[], bool] = lambda: False,
) -> None:
    config = uvicorn.Config(
        app,
        http=PromptProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        timeout_graceful_shutdown=max(1, round(options.stop_within)),
        h11_max_incomplete_event_size=options.largest_head * 2,
    )
    server = _Server(config, ready=ready, is_left=is_left)
    with _asked_to_end():
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it listens, and ends when nobody minds it any more."""

    def __init__(
        self, config: uvicorn.Config, *, ready: Callable[[], None], is_left: Callable[[], bool]
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._is_left = is_left

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._is_left()


@contextmanager
def _asked_to_end() -> Iterator[None]:
    """Take the two signals by which one stops a server: uvicorn hands them on once it has ended in an orderly way."""
    former = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, former)


def _listening(host: str, port: int, *, shared: bool) -> socket.socket:
    """Take the port at once, so that nobody can take it between a check and the start.

    A shared one is held, and listened at by workers. That nobody else listens there shows an attempt that shares nothing.
    """
    if not 0 <= port <= _LAST_PORT:
        raise UserInputError(f"{port} is no port", hint=f"a port is a number from 0 to {_LAST_PORT}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _no_host(host) from error
    family, kind, protocol, _, address = found[0]
    try:
        listener = _bound(family, kind, protocol, address)
        if not shared:
            listener.listen()
            return listener
        taken = listener.getsockname()
        listener.close()
        return _bound(family, kind, protocol, taken, shared=True)
    except OSError as error:
        raise _refused(host, port, error) from error


def _bound(
    family: int, kind: int, protocol: int, address: tuple[Any, ...], *, shared: bool = False
) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _no_host(host: str) -> UserInputError:
    return UserInputError(
        f"{host} is no address of this machine", hint="choose another with --host, for example 127.0.0.1"
    )


def _refused(host: str, port: int, error: OSError) -> UserInputError:
    match error.errno:
        case errno.EADDRINUSE:
            return UserInputError(
                f"port {port} on {host} is in use",
                hint="choose another with --port, or end the program that holds it",
            )
        case errno.EACCES:
            return UserInputError(
                f"port {port} on {host} may not be used by this account",
                hint="choose a port from 1024 on with --port",
            )
        case errno.EADDRNOTAVAIL:
            return _no_host(host)
        case _:
            return UserInputError(
                f"port {port} on {host} cannot be used: {error.strerror}", hint="choose another with --port"
            )
