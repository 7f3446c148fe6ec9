"""The connection to an endpoint: what a reply may cost in time and memory, and where a request may go. Torch-free.

An endpoint is not trusted. The client of the package openai waits for ever as long as a byte drips in now and then,
reads whatever comes into memory, and follows redirects to anywhere.
"""

from __future__ import annotations

import importlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, final
from urllib.request import getproxies, proxy_bypass

from restor.errors import ChatError
from restor.text import escaped

LARGEST = 4 * 2**20
"""Bytes of a reply; a list of a thousand models has one of them."""


class Unacceptable(Exception):
    """A reply that is not read on, with the reason."""


@final
class Elsewhere(Unacceptable):
    """A redirect to another host."""


@final
class Network:
    """What all connections to an endpoint have in common: its host, and the environment's certificates and proxy."""

    def __init__(self, url: str) -> None:
        """Read the environment.

        Raises:
            ChatError: for a proxy or certificates of the environment, or an address, that cannot be used.
        """
        self.httpx = _library()
        try:
            self.base = self.httpx.URL(url)
        except (self.httpx.InvalidURL, ValueError) as error:
            raise ChatError(f"{url} is not an address: {error}. Write it as in http://localhost:8000/v1.") from None
        self.certificates = _certificates(self.httpx)
        self.proxy = _proxy(self.base.scheme, self.base.host)
        try:
            self.httpx.HTTPTransport(verify=self.certificates, proxy=self.proxy).close()
        except (ImportError, ValueError, self.httpx.InvalidURL):
            raise ChatError(
                "The environment names a proxy that cannot be used (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY): it must be "
                "an http:// address. One of socks5:// needs a package more: pip install socksio. Or add "
                f"{self.base.host} to NO_PROXY."
            ) from None


@final
class Connection:
    """The connection of one thread: it leads to one host only, and is cut when the time of a request is up."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._due = 0.0
        self._socket: socket.socket | None = None
        httpx = network.httpx
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        self.client = httpx.Client(
            transport=httpx.HTTPTransport(verify=network.certificates, proxy=network.proxy, limits=limits),
            headers={"Accept-Encoding": "identity"},  # a compressed reply can be a thousand times as long as what came
            follow_redirects=True,
            event_hooks={"request": [self._before], "response": [self._read]},
        )

    @property
    def late(self) -> bool:
        """Whether the time of the request is up."""
        return time.monotonic() >= self._due

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A request, with all its redirects, must be over after so many seconds."""
        self._due = time.monotonic() + seconds
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        """No more requests."""
        self.client.close()
        self._release()

    def _before(self, request: Any) -> None:
        base, url = self._network.base, request.url
        if url.host != base.host or (base.scheme == "https" and url.scheme != "https"):
            raise Elsewhere(escaped(f"{url.scheme}://{url.host}")[:200])
        request.extensions = {**request.extensions, "trace": self._heard}

    def _heard(self, event: str, info: Mapping[str, Any]) -> None:
        """What happens on the connection, as httpcore tells it."""
        if event.endswith("connect_tcp.complete"):
            self._release()
            # A second handle of the same connection, for TLS takes the first one.
            self._socket = info["return_value"].get_extra_info("socket").dup()
            self._cut()  # if this took longer than there was time, for the timer had nothing to cut

    def _read(self, response: Any) -> None:
        """Read the reply here, as its reader sets no limit."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            raise Unacceptable(f"its reply is compressed ({escaped(encoding)[:20]}), which was not asked for")
        announced = response.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit():
            _check_length(int(announced[:30]))
        content = bytearray()
        for part in response.stream:
            content += part
            _check_length(len(content))
        response.stream.close()
        response.stream = self._network.httpx.ByteStream(bytes(content))

    def _cut(self) -> None:
        """Mostly in the thread of the timer; whoever reads there then reads the end."""
        if self._socket is not None and self.late:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _check_length(length: int) -> None:
    if length > LARGEST:
        raise Unacceptable(f"its reply is longer than {LARGEST // 2**20} MB")


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


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for the endpoint."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
