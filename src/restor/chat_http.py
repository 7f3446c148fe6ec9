"""The HTTP client for endpoints: what a reply may cost in time and memory, and where a request may go. Torch-free.

An endpoint is not trusted. The client of the package openai waits for ever as long as a byte drips in now and then,
reads whatever comes into memory, and follows redirects to anywhere.
"""

from __future__ import annotations

import importlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final
from urllib.request import getproxies, proxy_bypass

from restor.errors import ChatError
from restor.words import escaped

if TYPE_CHECKING:
    import httpx as httpx_

LARGEST = 4 * 2**20
"""Bytes of a reply; a list of a thousand models has one of them."""

TIMES = 10
"""A whole reply may take so many times the seconds that an endpoint may be silent."""


class Unacceptable(Exception):
    """A reply that is not read on, with the reason."""


@final
class Elsewhere(Unacceptable):
    """A redirect to another host."""


def http_client(url: str, timeout: float) -> Any:
    """A client that asks the host of `url` only. A reply must be there, whole, within `TIMES` times `timeout` seconds.

    Raises:
        ChatError: for a proxy or certificates of the environment, or an address, that cannot be used.
    """
    httpx = _library()
    try:
        base = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ChatError(f"{url} is not an address: {error}. Write it as in http://localhost:8000/v1.") from None
    context, proxy = _certificates(httpx), _proxy(base)

    def connect() -> httpx_.BaseTransport:
        # One connection: each thread has its own.
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        transport: httpx_.BaseTransport = httpx.HTTPTransport(verify=context, limits=limits, proxy=proxy)
        return transport

    try:
        connect().close()
    except (ImportError, ValueError, httpx.InvalidURL):
        raise ChatError(
            "The environment names a proxy that cannot be used (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY): it must be an "
            "http:// address. One of socks5:// needs a package more: pip install socksio. Or add "
            f"{base.host} to NO_PROXY."
        ) from None
    headers = {"Accept-Encoding": "identity"}  # a compressed reply can be a thousand times as long as what was sent
    transport = _transport(httpx, base, timeout * TIMES, connect)
    return httpx.Client(transport=transport, headers=headers, follow_redirects=True)


def _library() -> Any:
    """What the installed client of OpenAI speaks HTTP with: httpx, or httpx2, its successor with the same names."""
    import openai

    tops = (kind.__module__.partition(".")[0] for kind in openai.DefaultHttpxClient.__mro__)
    return importlib.import_module(next(top for top in tops if top.startswith("httpx")))


def _certificates(httpx: Any) -> Any:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        reason = error.strerror or error
        raise ChatError(
            f"The certificates of the environment (SSL_CERT_FILE, SSL_CERT_DIR) cannot be read: {reason}. Name a file "
            "that is there, or unset the variable."
        ) from None


def _proxy(base: httpx_.URL) -> str | None:
    """The proxy that the environment names for the endpoint."""
    if proxy_bypass(base.host):
        return None
    proxies = getproxies()
    found = proxies.get(base.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


@final
class _Line:
    """What one thread sends and hears: a connection that is cut when the time of a request is up."""

    def __init__(self, transport: httpx_.BaseTransport, seconds: float) -> None:
        self.transport = transport
        self._seconds = seconds
        self._due = 0.0
        self._timer: threading.Timer | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """A request begins."""
        self._due = time.monotonic() + self._seconds
        self._timer = threading.Timer(self._seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def heard(self, event: str, info: Mapping[str, Any]) -> None:
        """What happens on the connection, as httpcore tells it."""
        if event.endswith("connect_tcp.complete"):
            self._release()
            # A second handle of the same connection, for TLS takes the first one.
            self._socket = info["return_value"].get_extra_info("socket").dup()

    @property
    def late(self) -> bool:
        """Whether the time of the request is up."""
        return time.monotonic() >= self._due

    def close(self) -> None:
        """No more requests."""
        self.stop()
        self.transport.close()
        self._release()

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _cut(self) -> None:
        """In the thread of the timer; whoever reads there then reads the end."""
        if self._socket is not None and self.late:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _transport(
    httpx: Any, base: httpx_.URL, seconds: float, connect: Callable[[], httpx_.BaseTransport]
) -> httpx_.BaseTransport:
    """Behind `http_client`; its classes derive from those of the library, which is only known at run time."""

    def explained(error: Exception, line: _Line) -> Exception:
        return httpx.ReadTimeout("the time is up") if line.late else error

    @final
    class Body(httpx.SyncByteStream):  # type: ignore[misc]
        def __init__(self, line: _Line, stream: Any) -> None:
            self._line = line
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            read = 0
            try:
                for part in self._stream:
                    read += len(part)
                    _check_length(read)
                    yield part
            except httpx.TransportError as error:
                raise explained(error, self._line) from error

        def close(self) -> None:
            self._line.stop()
            self._stream.close()

    @final
    class Limited(httpx.BaseTransport):  # type: ignore[misc]
        def __init__(self) -> None:
            self._own = threading.local()
            self._lines: list[_Line] = []

        def handle_request(self, request: httpx_.Request) -> httpx_.Response:
            _check_place(base, request.url)
            line = self._line()
            request.extensions = {**request.extensions, "trace": line.heard}
            line.start()
            try:
                response = line.transport.handle_request(request)
            except BaseException as error:
                line.stop()
                if isinstance(error, httpx.TransportError):
                    raise explained(error, line) from error
                raise
            response.stream = Body(line, response.stream)
            try:
                _check_headers(response.headers)
            except Unacceptable:
                response.close()
                raise
            return response

        def close(self) -> None:
            for line in self._lines:
                line.close()

        def _line(self) -> _Line:
            if not hasattr(self._own, "line"):
                self._own.line = _Line(connect(), seconds)
                self._lines.append(self._own.line)
            line: _Line = self._own.line
            return line

    return Limited()


def _check_place(base: httpx_.URL, url: httpx_.URL) -> None:
    if url.host != base.host or (base.scheme == "https" and url.scheme != "https"):
        raise Elsewhere(escaped(f"{url.scheme}://{url.host}")[:200])


def _check_headers(headers: httpx_.Headers) -> None:
    if (encoding := headers.get("content-encoding", "identity").lower()) != "identity":
        raise Unacceptable(f"its reply is compressed ({escaped(encoding)[:20]}), which was not asked for")
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit():
        _check_length(int(announced[:30]))


def _check_length(length: int) -> None:
    if length > LARGEST:
        raise Unacceptable(f"its reply is longer than {LARGEST // 2**20} MB")
