"""The skus a run has met, to find those that stand twice in one catalog."""

from __future__ import annotations

import sqlite3


class SeenSkus:
    """A set of skus and where each stood. It lives in a private temporary database that SQLite moves to the disk when
    it grows, so memory does not grow with the catalog. For one thread at a time."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (sku TEXT PRIMARY KEY, origin TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def first_origin(self, sku: str, origin: str) -> str | None:
        """Note a sku; where it was met before, say at which origin first."""
        cursor = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (sku, origin))
        if cursor.rowcount:
            return None
        row = self._database.execute("SELECT origin FROM seen WHERE sku = ?", (sku,)).fetchone()
        return str(row[0])

    def close(self) -> None:
        self._database.close()
