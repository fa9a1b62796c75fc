"""The queue of jobs: turns, restarts, cancelling, and processes that end early."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from vitrina.api.job_worker import ProcessWorker, Worker
from vitrina.api.jobs import JobQueue
from vitrina.api.settings import Settings
from vitrina.indexer.imports import REQUEST, ImportKind, ImportRequest, write_rows
from vitrina.search.store.jobs import MAX_WAITING, Job, JobKind, JobStatus
from vitrina.search.store.store import Store
from vitrina.search.types.errors import TooManyJobsError


class Idle:
    """A worker that does nothing until it is stopped."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.stopped = threading.Event()

    def wait(self, timeout_s: float) -> bool:
        return self.stopped.wait(timeout_s)

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    yield store
    store.close()


def add(store: Store, *skus: str) -> Job:
    """An import of rows that waits."""
    folder = store.uploads / f"sent-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    name = write_rows(folder, [{"sku": sku, "title": f"Mug {sku}"} for sku in skus])
    request = ImportRequest(ImportKind.ROWS, "rows", folder.name, file_name=name)
    return store.jobs.add(JobKind.IMPORT, REQUEST.dump_python(request, mode="json"))


def status_of(store: Store, job: Job, *awaited: JobStatus, seconds: float = 60) -> Job:
    """The job once it has one of the statuses."""
    until = time.monotonic() + seconds
    while (found := store.jobs.find(job.id, job.kind)).status not in awaited and time.monotonic() < until:
        time.sleep(0.02)
    assert found.status in awaited, found
    return found


def test_a_process_of_its_own_imports_and_its_end_ends_nothing_else(empty: Store) -> None:
    settings = Settings(store=empty.folder, reranker="off")
    job = add(empty, "P-1", "P-2")
    with JobQueue(empty, partial(ProcessWorker, settings)):
        done = status_of(empty, job, JobStatus.DONE, JobStatus.FAILED)
    assert done.status is JobStatus.DONE, done.error
    assert empty.catalog.count("items") == 2
    assert not list(empty.uploads.glob("*"))


def test_a_process_that_dies_is_told(empty: Store) -> None:
    def start(job: Job) -> Worker:
        worker = ProcessWorker(Settings(store=empty.folder), job)
        worker.stop()
        return worker

    job = add(empty, "D-1")
    with JobQueue(empty, start):
        found = status_of(empty, job, JobStatus.FAILED)
    assert found.error is not None
    assert "ended early" in found.error["message"]


def test_a_process_that_cannot_be_started_is_told_and_the_next_job_is_done(empty: Store) -> None:
    def start(job: Job) -> Worker:
        if job.id == first.id:
            raise BlockingIOError("too many processes")
        return Idle(job)

    first, second = add(empty, "N-1"), add(empty, "N-2")
    with JobQueue(empty, start):
        failed = status_of(empty, first, JobStatus.FAILED)
        status_of(empty, second, JobStatus.RUNNING)
    assert failed.error is not None
    assert "could be started" in failed.error["message"]


def test_jobs_take_turns_and_those_that_wait_survive_the_service(empty: Store) -> None:
    first, second = add(empty, "T-1"), add(empty, "T-2")
    with JobQueue(empty, Idle):
        status_of(empty, first, JobStatus.RUNNING)
        assert status_of(empty, second, JobStatus.WAITING)
    interrupted = status_of(empty, first, JobStatus.INTERRUPTED)
    assert interrupted.error is not None
    assert interrupted.error["code"] == "interrupted"
    assert [path.name for path in empty.uploads.glob("*")] == [second.request["folder"]]
    with JobQueue(empty, Idle):
        status_of(empty, second, JobStatus.RUNNING)


def test_what_ran_when_a_service_was_killed_is_told_as_interrupted(empty: Store) -> None:
    job = add(empty, "K-1")
    assert empty.jobs.take() is not None
    with JobQueue(empty, Idle):
        status_of(empty, job, JobStatus.INTERRUPTED)
    assert not empty.jobs.report(job.id, {"stage": "indexing"})
    assert empty.jobs.find(job.id, job.kind).status is JobStatus.INTERRUPTED


def test_of_two_services_one_does_the_jobs(empty: Store) -> None:
    started: list[Idle] = []

    def start(job: Job) -> Worker:
        started.append(Idle(job))
        return started[-1]

    with JobQueue(empty, start) as one, JobQueue(empty, start) as other:
        job = add(empty, "O-1")
        one.wake()
        other.wake()
        status_of(empty, job, JobStatus.RUNNING)
        time.sleep(0.3)
        assert len(started) == 1
        started[0].stop()


def test_a_job_that_does_not_stop_by_itself_is_stopped(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.api.jobs.CANCEL_GRACE_S", 0.1)
    job = add(empty, "C-1")
    with JobQueue(empty, Idle):
        status_of(empty, job, JobStatus.RUNNING)
        assert empty.jobs.cancel(job.id, job.kind).is_cancelled
        assert status_of(empty, job, JobStatus.CANCELLED).ended_at is not None
    assert empty.jobs.cancel(job.id, job.kind).status is JobStatus.CANCELLED


def test_so_many_may_wait(empty: Store) -> None:
    for _ in range(MAX_WAITING):
        empty.jobs.add(JobKind.IMPORT, {})
    with pytest.raises(TooManyJobsError, match="waiting already"):
        empty.jobs.add(JobKind.IMPORT, {})
