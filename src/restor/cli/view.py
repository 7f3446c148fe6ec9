"""`restor view`: the studies of a store in a browser."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import StorePath, UsageError
from restor.cli.common import default_store
from restor.errors import RestorError, to_install


def view(
    folder: Annotated[
        Path | None, Parameter(help="Folder of the store. Default: the variable RESTOR_STORE, else ./restor-store.")
    ] = None,
    /,
    *,
    store: StorePath = None,
    port: Annotated[
        int | None, Parameter(help="The port to use; 0 for any free one. Default: 8765 or the next free one.")
    ] = None,
    host: Annotated[str, Parameter(help="A loopback address: it is never served to other machines.")] = "127.0.0.1",
    no_open: Annotated[bool, Parameter(help="Do not open a browser.")] = False,
) -> None:
    """Serve an index of all studies of a store on this machine, with what runs now. Ctrl-C ends it."""
    from restor.store.store import Store

    if folder is not None and store is not None:
        raise UsageError(f"Name one store: {folder}, or --store {store}.")
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise RestorError(
            f"`restor view` needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed: "
            f"{to_install('view')}."
        )
    opened = Store.open(folder or store or default_store(), create=False)
    from restor.view.server import bind, serve

    def ready(address: str) -> None:
        sys.stdout.write(f"{opened.path} at {address}\nCtrl-C ends it.\n")
        sys.stdout.flush()
        if not no_open:
            _open(address)

    bound = bind(host, port)
    with suppress(KeyboardInterrupt):
        serve(opened.path.resolve(), bound, ready)


def _open(address: str) -> None:
    """Open a browser where there is a screen; without one, a text browser would take over the terminal."""
    import os
    import threading
    import webbrowser

    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
