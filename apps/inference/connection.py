"""Connections that are slow or lavish with their headers end early.

The HTTP parser has no limits of its own: without these a few clients could hold every connection.
"""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES = 64 << 10
SECONDS = 10.0


class Connection(HttpToolsProtocol):
    """Uvicorn's connection, whose headers must be short and arrive in time."""

    _in_headers = True
    _bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Await the first request."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what arrives before the headers are complete."""
        if self._in_headers:
            self._bytes += len(data)
            self._await_headers()
        super().data_received(data)
        if self._in_headers and self._bytes > MOST_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """Leave the body to those who read it: they count and time it."""
        self._in_headers = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin anew: another request may follow on this connection."""
        self._in_headers, self._bytes = True, 0
        super().on_message_complete()

    def _await_headers(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(SECONDS, self._refuse, b"408 Request Timeout")

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head)
            self.transport.close()
