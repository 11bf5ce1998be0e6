"""Connections that say nothing, or say it byte by byte, are closed: each would hold a place for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from cachescope.web.zero_copy import sending_well

__all__ = ["PromptProtocol"]

_REQUEST_WITHIN = 15.0
"""Seconds in which a request must have come up to its body."""


class PromptProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with a time by which a request is there, and files sent by the kernel."""

    _late: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.app = sending_well(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Go on waiting if this was not the whole beginning of a request."""
        super().data_received(data)
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._forget()
        elif self._late is None and not self.transport.is_closing():
            self._expect()

    def on_response_complete(self) -> None:
        """Leave the pause before the next request to uvicorn's own limit."""
        self._forget()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._late = self.loop.call_later(_REQUEST_WITHIN, self._give_up)

    def _give_up(self) -> None:
        self._late = None
        self.transport.close()

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
