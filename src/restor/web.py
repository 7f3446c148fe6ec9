"""Reading URLs with the standard library: proxies of the environment, who asks, and what went wrong in words.

The standard library is enough for a few large files and a slow trickle of queries; a client of its own would be a
dependency of the core.
"""

from __future__ import annotations

import http.client
import math
import platform
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import IO, final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import BaseHandler, HTTPRedirectHandler, Request, build_opener

from restor.errors import DataError

NETWORK_ERRORS = (OSError, http.client.HTTPException)
"""What `open_url`, and reading from what it returns, can raise."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another try can change."""


def user_agent(contact: str | None = None) -> str:
    """Name, version, `contact` (a mail address or page) and the library, as Wikimedia's User-Agent policy has it."""
    try:
        release = version("restor")
    except PackageNotFoundError:  # a checkout that is not installed
        release = "0"
    agent = f"restor/{release}" + (f" ({contact})" if contact else "")
    return f"{agent} Python-urllib/{platform.python_version()}"


def check_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        DataError: for anything but http and https, such as a file of this machine, or one that holds a password.
    """
    with suppress(ValueError):
        parts = urlsplit(url)
        _ = parts.port  # which must be a number
        plain = url.isascii() and url.isprintable() and "@" not in parts.netloc
        if parts.scheme in ("http", "https") and parts.hostname and plain:
            return url.rstrip("/")
    shown = re.sub(r"//[^/]*@", "//***@", url)
    raise DataError(
        f"{shown!r} is not a web address. It must begin with https:// or http:// and name a host, without a name and "
        "password before it."
    )


def open_url(url: str, headers: Mapping[str, str], timeout: float, *handlers: BaseHandler) -> http.client.HTTPResponse:
    """The reply of a GET, to be closed by the caller. Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

    `handlers` take the place of those of urllib.

    Raises:
        OSError, http.client.HTTPException: see `failure`. An HTTPError has no open connection left.
    """
    request = Request(url, headers={"User-Agent": user_agent(), **headers})
    try:
        reply: http.client.HTTPResponse = build_opener(*handlers).open(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        raise
    return reply


def read_url(url: str, headers: Mapping[str, str], timeout: float, *, most: int, within: float) -> bytes:
    """At most `most` bytes of the reply of a GET, from the host of the URL only.

    Args:
        url: what to get.
        headers: to be sent.
        timeout: seconds that the server may be silent.
        most: bytes.
        within: seconds for all of it; a server that drips is not waited for.

    Raises:
        OSError, http.client.HTTPException: see `failure`.
    """
    outbox: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def read() -> None:
        try:
            with open_url(url, headers, timeout, _SameHost()) as reply:
                outbox.put(reply.read(most))
        except Exception as error:  # noqa: BLE001 (it is raised again where it can be seen)
            outbox.put(error)

    threading.Thread(target=read, daemon=True, name="read-url").start()
    try:
        reply = outbox.get(timeout=within)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(reply, Exception):
        raise reply
    return reply


@final
class _SameHost(HTTPRedirectHandler):
    """Follows a redirect within the host, and no other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        """The next request."""
        if urlsplit(newurl).hostname != urlsplit(req.full_url).hostname:
            raise HTTPError(req.full_url, code, "redirects to another host, to which nothing was sent", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a request."""

    what: str
    """In words, as after a colon."""
    again: bool
    """Whether another try may help."""
    everywhere: bool = False
    """Whether any other file of the same host would fail alike."""
    wait: float | None = None
    """Seconds that the server asks to wait."""
    status: int | None = None


def failure(error: Exception, now: float | None = None) -> Failure:
    """A network error in words. `now` (seconds since 1970) is what a date to wait for is compared with."""
    if isinstance(error, HTTPError):
        what = f"HTTP {error.code} {error.reason}".rstrip()
        wait = retry_after(error.headers.get("Retry-After"), now)
        refused = error.code in (401, 403, 407, 451)
        return Failure(what, error.code in _PASSING, refused, wait, error.code)
    reason = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        what = f"the certificate is not trusted ({reason.verify_message}); SSL_CERT_FILE can name other authorities"
        return Failure(what, again=False, everywhere=True)
    if isinstance(reason, TimeoutError):
        return Failure("no answer in time", again=True, everywhere=True)
    if isinstance(reason, socket.gaierror):
        return Failure(f"the host is not known ({reason.strerror})", again=True, everywhere=True)
    if isinstance(reason, ConnectionRefusedError):
        return Failure("the connection was refused", again=True, everywhere=True)
    if isinstance(reason, http.client.InvalidURL):
        return Failure(str(reason), again=False)
    if isinstance(reason, http.client.IncompleteRead | http.client.RemoteDisconnected | ConnectionError):
        return Failure("the connection broke off", again=True)
    if isinstance(reason, http.client.HTTPException):
        return Failure(f"the reply is not HTTP ({type(reason).__name__})", again=True)
    words = (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__
    return Failure(words, again=True, everywhere=True)


def retry_after(text: str | None, now: float | None = None) -> float | None:
    """Seconds to wait, as RFC 9110 section 10.2.3 has it: a number, or a date, which `now` is compared with."""
    try:
        seconds = float(text or "")
    except ValueError:
        try:
            moment = parsedate_to_datetime(text or "")
        except (ValueError, TypeError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - (time.time() if now is None else now)
    return max(0.0, seconds) if math.isfinite(seconds) else None
