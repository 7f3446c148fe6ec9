"""Replies that are kept, so that nothing is asked twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import final

from restor.chat.routes import sendable
from restor.errors import StoreError


@final
class KeptReplies:
    """Texts under keys, in one SQLite file that survives a kill at any moment and may be shared by processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=60.0)
            self._base.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, text TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error

    def get(self, key: str) -> str | None:
        """The text under a key.

        Raises:
            StoreError: if the file is damaged.
        """
        try:
            row = self._base.execute("SELECT text FROM kept WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._error(error) from error
        return row[0] if row is not None and isinstance(row[0], str) else None

    def put(self, texts: Mapping[str, str]) -> None:
        """Keep texts, all of them or none.

        Raises:
            StoreError: if the disk is full or refuses.
        """
        rows = [(key, sendable(text)) for key, text in texts.items()]
        try:
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Everything that was put is on the disk already."""
        self._base.close()

    def _error(self, error: OSError | sqlite3.Error) -> StoreError:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            return StoreError(f"The cache {self.path} is damaged ({error}). Delete it; what it held is asked again.")
        return StoreError(
            f"The cache {self.path} cannot be used: {error}. Free some space, or choose a folder that this user can "
            "write to with RESTOR_CACHE. What was kept before stays."
        )
