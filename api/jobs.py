"""The queue of jobs: a thread of the service that has them done one after another, and tells what became of each."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from filelock import Timeout

from vitrina.api.job_worker import Worker, discard_upload
from vitrina.search.store.jobs import Job, JobStatus, Json
from vitrina.search.store.store import Store

log = logging.getLogger(__name__)

POLL_S = 1.0
"""How often another process's jobs are looked for; this one's begin at once."""

WATCH_S = 0.2
CANCEL_GRACE_S = 5.0
"""How long a job may take to stop by itself once it was cancelled."""

STALE_S = 3600.0
"""What was sent this long ago, and no job waits for, was left by a service that was killed: no upload takes longer."""

STOP_S = 3.0
"""How long the end of the service waits for a job."""

INTERRUPTED: Json = {
    "code": "interrupted",
    "message": "The service ended while this ran.",
    "remedy": "Start it again; what was committed is kept, and skipped the next time.",
}
ENDED_EARLY: Json = {
    "code": "internal",
    "message": "The process that did this ended early; it may have run out of memory.",
    "remedy": "The service's log may say why. Start it again; what was committed is kept, and skipped the next time.",
}

NOT_STARTED: Json = {
    "code": "internal",
    "message": "No process could be started for this.",
    "remedy": "Try again; the service's log has the details.",
}


class JobQueue:
    """Has the jobs of one store done, one at a time. Of several services over one store a single one does so. Use it as
    a context manager.

    ``start`` begins a job. Jobs that wait when the service ends are done by the next one; the job that runs then is
    told as interrupted.
    """

    def __init__(self, store: Store, start: Callable[[Job], Worker]) -> None:
        self._store = store
        self._start = start
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._turn = store.job_lock()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def __enter__(self) -> JobQueue:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._wake.set()
        self._thread.join(2 * STOP_S)

    def wake(self) -> None:
        """Look for a job now: one was added."""
        self._wake.set()

    def _work(self) -> None:
        last_error = ""
        try:
            while not self._closed.is_set():
                try:
                    self._work_if_leading()
                    last_error = ""
                except Exception as error:
                    if str(error) != last_error:
                        last_error = str(error)
                        log.error("No job can be done", exc_info=error)
                self._wake.wait(POLL_S)
                self._wake.clear()
        finally:
            self._turn.release()

    def _work_if_leading(self) -> None:
        if self._store.catalog.database.is_read_only:
            return
        if not self._turn.is_locked:
            try:
                self._turn.acquire(timeout=0)
            except Timeout:  # another service over this store does them
                return
            for left in self._store.jobs.with_status(JobStatus.RUNNING):  # when the service that did them was killed
                self._end(left, JobStatus.INTERRUPTED, INTERRUPTED)
            self._sweep()
        while not self._closed.is_set() and (job := self._store.jobs.take()):
            self._do(job)

    def _do(self, job: Job) -> None:
        cancelled_at = 0.0
        try:
            worker = self._start(job)
        except OSError as error:  # such as too many processes
            log.error("The %s %d could not be started", job.kind, job.id, exc_info=error)
            self._end(job, JobStatus.FAILED, NOT_STARTED)
            return
        while not worker.wait(WATCH_S):
            if self._closed.is_set():
                worker.stop()
                worker.wait(STOP_S)
                self._end(job, JobStatus.INTERRUPTED, INTERRUPTED)
                return
            if self._store.jobs.find(job.id, job.kind).is_cancelled:
                cancelled_at = cancelled_at or time.monotonic()
                if time.monotonic() - cancelled_at > CANCEL_GRACE_S:
                    worker.stop()
        if self._store.jobs.find(job.id, job.kind).is_cancelled:
            self._end(job, JobStatus.CANCELLED, None)
        else:
            self._end(job, JobStatus.FAILED, ENDED_EARLY)

    def _end(self, job: Job, status: JobStatus, error: Json | None) -> None:
        """End a job that has not ended itself, and remove what was sent for it."""
        self._store.jobs.end(job.id, status, error=error)
        discard_upload(self._store, job)

    def _sweep(self) -> None:
        """Remove what was sent for jobs that have ended, or was never sent whole."""
        wanted = {job.request.get("folder") for job in self._store.jobs.with_status(JobStatus.WAITING)}
        for folder in self._store.uploads.glob("*"):
            with suppress(OSError):  # another process was faster
                if folder.name not in wanted and time.time() - folder.stat().st_mtime > STALE_S:
                    shutil.rmtree(folder)
