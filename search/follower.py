"""Keeps what is derived from a catalog true to it while a service runs, whoever writes to it."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from search.errors import VitrinaError

log = logging.getLogger(__name__)

INTERVAL_S = 0.25
"""How often the catalog's sequence number is read. One read takes 0.1 ms; a change must be found within 2 s."""


class Followed(Protocol):
    """What is derived from a catalog, as a view is."""

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap when nothing was."""

    def save(self) -> bool:
        """Write a snapshot if enough changed; returns whether it did."""


class Follower:
    """A thread that lets a view catch up and writes its snapshot now and then. Use as a context manager."""

    def __init__(self, followed: Followed, interval_s: float = INTERVAL_S) -> None:
        self.followed = followed
        self.interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="view-follower", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._save()

    def _follow(self) -> None:
        complaint = ""
        while not self._stopped.wait(self.interval_s):
            try:
                idle = not self.followed.catch_up()
            except Exception as error:
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("The view could not catch up and tries again", exc_info=error)
                continue
            complaint = ""
            if idle:
                self._save()

    def _save(self) -> None:
        try:
            self.followed.save()
        except VitrinaError as error:
            log.warning("%s", error)
