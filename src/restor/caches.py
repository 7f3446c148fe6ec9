"""Where restor keeps what it can fetch or ask again: in the platform's folder for caches, or where the user says.

Data and the replies of models have a folder and a variable each: data are large and can be shared, replies cost money.
"""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from restor.errors import DataError, StoreError


def data_cache() -> Path:
    """The folder of fetched data, and of what was measured or derived from them: RESTOR_DATA, else `data`.

    Raises:
        DataError: if there is no home directory.
    """
    try:
        given = os.environ.get("RESTOR_DATA")
        return Path(given).expanduser() if given else _platform_cache() / "data"
    except RuntimeError as error:
        reason = str(error).rstrip(".")
        raise DataError(f"No folder to keep data in: {reason}. Set RESTOR_DATA to one.") from error


def verdict_cache() -> Path:
    """The folder of a judge's verdicts: `verdicts` below RESTOR_CACHE, else below restor's own.

    Raises:
        StoreError: if there is no home directory.
    """
    try:
        given = os.environ.get("RESTOR_CACHE")
        return (Path(given).expanduser() if given else _platform_cache()) / "verdicts"
    except RuntimeError as error:
        raise StoreError(
            f"No folder to keep verdicts in: {str(error).rstrip('.')}. Set RESTOR_CACHE to one."
        ) from error


def _platform_cache() -> Path:
    # Without `opinion`, which would put a folder `Cache` in between on Windows.
    return user_cache_path("restor", appauthor=False, opinion=False)
