"""Serving an application on a port of this machine."""

import errno
import socket
from collections.abc import Callable

import uvicorn
from litestar import Litestar

from cachescope.model.errors import UserInputError

__all__ = ["serve"]

_GRACE = 2
"""Seconds that open connections are given at the end."""

_LAST_PORT = 65535


def serve(app: Litestar, host: str, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve until Ctrl-C, then return; port 0 takes a free one.

    ``announce`` is called with the address once it answers; nothing else is printed. Raises ``UserInputError`` for a
    port in use, or a host or port that cannot be had.
    """
    with _listening(host, port) as listener:
        taken = listener.getsockname()[1]
        shown = f"[{host}]" if listener.family == socket.AF_INET6 else host
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE,
        )
        server = _AnnouncingServer(config, announce=lambda: announce(f"http://{shown}:{taken}/"))
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            # uvicorn hands the signal on after it has ended in an orderly way: this is how one stops a server.
            return


class _AnnouncingServer(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, *, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


def _listening(host: str, port: int) -> socket.socket:
    """Take the port at once, so that nobody can take it between a check and the start."""
    if not 0 <= port <= _LAST_PORT:
        raise UserInputError(f"{port} is no port", hint=f"a port is a number from 0 to {_LAST_PORT}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _no_host(host) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


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
