"""A thread that keeps what is derived from a catalog up to date."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from vitrina.search.types.errors import VitrinaError

log = logging.getLogger(__name__)

INTERVAL_S = 0.25
"""How often the catalog's sequence number is read. One read takes 0.1 ms; changes must be searchable within 2 s."""


class Synced(Protocol):
    """Something derived from a catalog, as an index replica is."""

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap if nothing was."""

    def save(self) -> bool:
        """Write a snapshot if enough changed; returns whether it did."""


class SyncThread:
    """A thread that keeps a replica caught up and writes its snapshot from time to time. Use as a context manager."""

    def __init__(self, replica: Synced, interval_s: float = INTERVAL_S) -> None:
        self.replica = replica
        self.interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sync, name="replica-sync", daemon=True)

    def __enter__(self) -> SyncThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._save()

    def _sync(self) -> None:
        last_error = ""
        while not self._stopped.wait(self.interval_s):
            try:
                idle = not self.replica.catch_up()
            except Exception as error:
                if str(error) != last_error:
                    last_error = str(error)
                    log.warning("The index replica could not catch up and tries again", exc_info=error)
                continue
            last_error = ""
            if idle:
                self._save()

    def _save(self) -> None:
        try:
            self.replica.save()
        except VitrinaError as error:
            log.warning("%s", error)
