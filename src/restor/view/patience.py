"""HTTP with an end to waiting: a request that is not all there in time is dropped, so none can hold a connection."""

from __future__ import annotations

import asyncio
from typing import final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LONGEST_REQUEST = 10.0
"""Seconds from the first byte of a request, or from the connection, to the end of the request."""


@final
class ImpatientProtocol(H11Protocol):
    """uvicorn's own, which waits for ever for the rest of a request that has begun."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection that says nothing is dropped too."""
        super().connection_made(transport)
        self._patience: asyncio.TimerHandle | None = self.loop.call_later(LONGEST_REQUEST, transport.close)

    def data_received(self, data: bytes) -> None:
        """The time runs while a request is incomplete."""
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._rest()
        elif self._patience is None:
            self._patience = self.loop.call_later(LONGEST_REQUEST, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any longer."""
        self._rest()
        super().connection_lost(exc)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
