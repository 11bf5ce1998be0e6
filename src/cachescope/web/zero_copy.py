"""Files that the kernel sends: the ASGI extension ``http.response.zerocopysend``, which uvicorn lacks.

::

    {"type": "http.response.zerocopysend", "file": <has fileno()>, "offset": 0, "count": 1000, "more_body": False}

h11 counts bytes that it never sees (``send_with_data_passthrough``), and the event loop sends them (``loop.sendfile``).
"""

from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ZERO_COPY", "handing_files_over"]

ZERO_COPY = "http.response.zerocopysend"
"""Type of the message, and name of the extension, by which a server is handed an open file."""

Message = dict[str, Any]


def handing_files_over(protocol: H11Protocol) -> Any:
    """Return the application of a connection, with the extension for each of its requests."""
    app: Any = protocol.app

    async def answer(scope: Message, receive: Any, send: Any) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == ZERO_COPY:
                await _send_file(protocol, message)
                if not message.get("more_body", False):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await send(message)

        scope["extensions"] = {**scope.get("extensions", {}), ZERO_COPY: {}}
        await app(scope, receive, sent)

    return answer


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
            size = await protocol.loop.sendfile(
                transport, message["file"], message["offset"], message["count"], fallback=False
            )
        except OSError:  # the client hung up, or the disk failed: what began cannot be told otherwise
            size = -1
        if size != message["count"]:
            transport.abort()
