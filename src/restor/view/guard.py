"""What every request passes and every answer carries: read only, this machine only, nothing from elsewhere."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Of the pages made here: their own script and style, nothing inline, nothing from elsewhere."""

REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads allow-modals allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Of a stored report. Its own policy, in its head, lets no script run but its own. A store from elsewhere may hold a
page without one: in the sandbox it has no origin, so it cannot read the pages made here."""

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::[0-9]{1,5})?")
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@final
class Guard:
    """Refuses what does not read, and what was not asked of this machine by its own name; sets the headers.

    The name is checked because a page of another site may have its own name point to this machine (DNS rebinding) and
    then read what is served here. Any port will do, so that a forwarded one works.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                present = {name.lower() for name, _ in headers}
                wanted = {**_HEADERS, "content-security-policy": POLICY}
                headers += [(k.encode(), v.encode()) for k, v in wanted.items() if k.encode() not in present]
                message = {**message, "headers": headers}
            await send(message)

        refusal = _refusal(scope)
        if refusal is None:
            await self._app(scope, receive, guarded)
            return
        from starlette.responses import PlainTextResponse

        status, text = refusal
        await PlainTextResponse(text + "\n", status, {"allow": "GET, HEAD"} if status == 405 else None)(
            scope, receive, guarded
        )


def _refusal(scope: Scope) -> tuple[int, str] | None:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    said = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if said is None or not is_loopback(said[1] or said[2]):
        return (
            421,
            "restor view answers to localhost and 127.0.0.1 only. From another machine, forward a port with ssh.",
        )
    headers = dict(scope["headers"])
    if (
        headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin")
        and headers.get(b"sec-fetch-mode") != b"navigate"
    ):
        return 403, "Pages of other sites may link here, and load nothing from here."
    if scope["method"] not in ("GET", "HEAD"):
        return 405, "restor view only reads: GET and HEAD."
    return None
