"""How bytes leave a connection: files by the kernel, and the head of an answer together with the first bytes of its body.

::

    {"type": "http.response.zerocopysend", "file": <has fileno()>, "offset": 0, "count": 1000, "more_body": False}

is the ASGI extension of that name, which uvicorn lacks. h11 counts bytes that it never sees
(``send_with_data_passthrough``), and the event loop sends them (``loop.sendfile``). uvicorn writes head and body apart: two
calls of the kernel and two packets for an answer of a kilobyte.
"""

import asyncio
import os
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ZERO_COPY", "sending_well"]

ZERO_COPY = "http.response.zerocopysend"
"""Type of the message, and name of the extension, by which a server is handed an open file."""

Message = dict[str, Any]
_PIECE = 256 * 1024


def sending_well(protocol: H11Protocol) -> Any:
    """Return the application of a connection, each of its requests with the extension, and fewer writes."""
    app: Any = protocol.app

    async def answer(scope: Message, receive: Any, send: Any) -> None:
        head: Message | None = None

        async def sent(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                head = message
                return
            is_file = message["type"] == ZERO_COPY
            if head is not None:
                begun, head = head, None
                if not is_file:
                    cycle: Any = protocol.cycle
                    cycle.transport = _Together(protocol.transport)
                await send(begun)
            if is_file:
                await _send_file(protocol, message)
                if not message.get("more_body", False):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await send(message)

        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        scope["extensions"] = {**scope.get("extensions", {}), ZERO_COPY: {}}
        try:
            await app(scope, receive, sent)
        finally:
            if head is not None:  # what broke off before its first byte has begun all the same
                await send(head)

    return answer


class _Together:
    """A transport that holds what is written first until there is more: the head of an answer."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self._began = False

    def write(self, data: bytes) -> None:
        if not self._began:
            self._began, self._head = True, data
            return
        head, self._head = self._head, None
        self._transport.write(data if head is None else head + data)

    def close(self) -> None:
        if self._head is not None:
            self._transport.write(self._head)
            self._head = None
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class _Unseen:
    """Stands for bytes that go past h11."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


async def _send_file(protocol: H11Protocol, message: Message) -> None:
    cycle: Any = protocol.cycle
    transport = protocol.transport
    if cycle.disconnected or transport.is_closing():
        return
    unseen: Any = _Unseen(message["count"])
    for piece in cycle.conn.send_with_data_passthrough(h11.Data(data=unseen)) or ():
        if piece is not unseen:
            transport.write(piece)
            continue
        try:
            size = await _sent(protocol, message["file"], message["offset"], message["count"])
        except OSError:  # the client hung up, or the disk failed: what began cannot be told otherwise
            size = -1
        if size != message["count"]:
            transport.abort()


async def _sent(protocol: H11Protocol, file: Any, offset: int, count: int) -> int:
    """Send bytes of a file; returns how many."""
    try:
        return await protocol.loop.sendfile(protocol.transport, file, offset, count, fallback=False)
    except asyncio.SendfileNotAvailableError:  # not from every file system; nothing was sent yet
        sent = 0
        while (
            sent < count
            and not protocol.transport.is_closing()
            and (piece := os.pread(file.fileno(), min(_PIECE, count - sent), offset + sent))
        ):
            protocol.transport.write(piece)
            sent += len(piece)
            await protocol.flow.drain()
        return sent
