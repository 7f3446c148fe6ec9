"""The socket and the server."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from restor.errors import RestorError
from restor.view.guard import is_loopback

PORT = 8765
"""Used unless another one is named; the next free one if it is taken."""
_TRIES = 20


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket of this machine.

    Args:
        host: a loopback address or `localhost`.
        port: the one port that will do, 0 for any; None for `PORT` or one of the next.

    Raises:
        RestorError: if the host is another machine's business, or the port cannot be had.
    """
    if not is_loopback(host):
        raise RestorError(
            f"--host {host} is no loopback address. `restor view` has no login, so it serves this machine only: "
            "127.0.0.1, ::1 or localhost. To look at it from another machine, forward a port there: "
            f"`ssh -L {port or PORT}:localhost:{port or PORT} THIS_MACHINE`."
        )
    if port is not None and not 0 <= port <= 65535:
        raise RestorError(f"--port {port} is no port: give a number from 1 to 65535, or 0 for any free one.")
    address = "127.0.0.1" if host.casefold() == "localhost" else host
    ports = [port] if port is not None else range(PORT, PORT + _TRIES)
    for each in ports:
        try:
            return _listening(address, each)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise RestorError(
                    f"Cannot listen on {host} port {each}: {error.strerror}. Try another --port."
                ) from error
    if port is not None:
        raise RestorError(
            f"Port {port} is in use. Name another one with --port, or leave it out for the next free one."
        )
    raise RestorError(f"The ports {PORT} to {PORT + _TRIES - 1} are all in use. Name a free one with --port.")


def _listening(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        if os.name != "nt":  # where it means that two may have the same port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else it is taken for a minute after its end
        made.bind((address, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


def address_of(bound: socket.socket) -> str:
    """What to type into a browser."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(store: Path, bound: socket.socket, ready: Callable[[str], None]) -> None:
    """Serves the studies of a store until it is interrupted; `ready` is told the address.

    Raises:
        KeyboardInterrupt: at the end, after Ctrl-C.
    """
    import uvicorn

    from restor.view.app import build_app
    from restor.view.patience import ImpatientProtocol

    config = uvicorn.Config(
        build_app(store),
        http=ImpatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    with closing(bound):
        ready(address_of(bound))
        uvicorn.Server(config).run(sockets=[bound])
