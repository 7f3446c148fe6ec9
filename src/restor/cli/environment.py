"""What of the environment no library can use: looked at when something failed that nobody expected."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from urllib.parse import urlsplit

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy")


def unusable() -> str | None:
    """The first variable that cannot be used and what it must be, without its value, which may be a secret."""
    checks: dict[Callable[[str], str | None], tuple[str, ...]] = {
        _proxy: _PROXIES,
        _address: ("HF_ENDPOINT", "OPENAI_BASE_URL"),
        _token: ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        _number: ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"),
    }
    for check, names in checks.items():
        for name in names:
            if (value := os.environ.get(name)) and (problem := check(value)):
                return f"The environment variable {name} cannot be used: {problem}."
    return None


def _address(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        _ = parts.port  # which must be a number
        usable = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        usable = None
    return None if usable else "it must be an address that begins with https:// or http:// and names a host"


def _proxy(value: str) -> str | None:
    value = value if "://" in value else f"http://{value}"
    scheme, _, rest = value.partition("://")
    if scheme.lower().startswith("socks"):
        return None if find_spec("socksio") else "a SOCKS proxy needs one more package, `pip install socksio`"
    return _address(f"{scheme}://{rest}")


def _token(value: str) -> str | None:
    return None if value.isascii() and value.isprintable() else "a token has printable ASCII characters only"


def _number(value: str) -> str | None:
    return None if value.isascii() and value.isdigit() else "it must be a whole number"
