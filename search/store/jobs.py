"""Jobs: long work that a service was asked for, one after another, with its progress, its result and its history."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from vitrina.search.store.database import jobs
from vitrina.search.store.sql import SqlDatabase
from vitrina.search.types.errors import NotFoundError, TooManyJobsError

MAX_WAITING = 32
"""Jobs that may wait; one more is refused."""

Json = Mapping[str, Any]


class JobKind(StrEnum):
    """What a job does."""

    IMPORT = "import"
    AUDIT = "audit"


class JobStatus(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The service ended, or was killed, while it ran."""


ENDED = frozenset({JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Job:
    """One job: what was asked for, its progress, and at its end its result, or the error that ended it. Times are
    seconds since 1970. ``is_cancelled`` asks a job that runs to stop."""

    id: int
    kind: JobKind
    status: JobStatus
    created_at: float
    started_at: float | None
    ended_at: float | None
    request: Json
    progress: Json
    result: Json | None
    error: Json | None
    is_cancelled: bool

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of jobs, newest first; ``last`` is where the next page goes on, None after the end."""

    jobs: tuple[Job, ...]
    last: int | None
    total: int


class Jobs:
    """The jobs of one store. Safe to use from several threads and processes. Every method may raise StorageError."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def add(self, kind: JobKind, request: Json) -> Job:
        """Add one that waits for its turn. Raises TooManyJobsError where too many wait already."""
        values = {
            "kind": kind,
            "status": JobStatus.WAITING,
            "created_at": time.time(),
            "request": dict(request),
            "progress": {},
            "is_cancelled": False,
        }
        with self._database.write() as connection:
            waiting = select(func.count()).where(jobs.c.status == JobStatus.WAITING)
            if connection.execute(waiting).scalar_one() >= MAX_WAITING:
                raise TooManyJobsError(
                    f"{MAX_WAITING} jobs are waiting already.", remedy="Wait for one of them to end."
                )
            return job_of(connection.execute(insert(jobs).values(values).returning(jobs)).one())

    def find(self, job_id: int, kind: JobKind) -> Job:
        """One job. Raises NotFoundError."""
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id, jobs.c.kind == kind)).one_or_none()
        if row is None:
            raise NotFoundError(f"There is no {kind} {job_id}.", remedy="List them to see which there are.")
        return job_of(row)

    def page(self, kind: JobKind, limit: int, before: int | None = None) -> JobPage:
        """The newest jobs of a kind, those with ids below ``before`` where that is given."""
        of_kind = select(jobs).where(jobs.c.kind == kind)
        older = of_kind if before is None else of_kind.where(jobs.c.id < before)
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).where(jobs.c.kind == kind)).scalar_one()
            rows = connection.execute(older.order_by(jobs.c.id.desc()).limit(limit + 1)).all()
        found = tuple(map(job_of, rows[:limit]))
        return JobPage(found, found[-1].id if len(rows) > limit else None, total)

    def newest(self, kind: JobKind, statuses: Sequence[JobStatus]) -> Job | None:
        """The newest job of a kind that has one of the statuses."""
        wanted = select(jobs).where(jobs.c.kind == kind, jobs.c.status.in_(statuses))
        with self._database.read() as connection:
            row = connection.execute(wanted.order_by(jobs.c.id.desc()).limit(1)).one_or_none()
        return None if row is None else job_of(row)

    def take(self) -> Job | None:
        """The job that has waited longest, which runs from now on; None if none waits. One caller at a time."""
        waiting = select(jobs.c.id).where(jobs.c.status == JobStatus.WAITING).order_by(jobs.c.id).limit(1)
        with self._database.read() as connection:  # the usual case needs no write lock
            if connection.execute(waiting).one_or_none() is None:
                return None
        with self._database.write() as connection:
            taken = update(jobs).where(jobs.c.id == waiting.scalar_subquery())
            row = connection.execute(
                taken.values(status=JobStatus.RUNNING, started_at=time.time()).returning(jobs)
            ).one_or_none()
        return None if row is None else job_of(row)

    def report(self, job_id: int, progress: Json) -> bool:
        """Store how far a job is that runs; returns whether it shall go on."""
        with self._database.write() as connection:
            running = update(jobs).where(jobs.c.id == job_id, jobs.c.status == JobStatus.RUNNING)
            kept = running.values(progress=dict(progress)).returning(jobs.c.is_cancelled)
            is_cancelled = connection.execute(kept).scalar_one_or_none()
        return is_cancelled is False

    def cancel(self, job_id: int, kind: JobKind) -> Job:
        """End a job that waits, and ask one that runs to stop; one that has ended stays as it is. Raises
        NotFoundError."""
        with self._database.write() as connection:
            of_job = update(jobs).where(jobs.c.id == job_id, jobs.c.kind == kind)
            connection.execute(
                of_job.where(jobs.c.status == JobStatus.WAITING).values(
                    status=JobStatus.CANCELLED, is_cancelled=True, ended_at=time.time()
                )
            )
            connection.execute(of_job.where(jobs.c.status == JobStatus.RUNNING).values(is_cancelled=True))
        return self.find(job_id, kind)

    def end(self, job_id: int, status: JobStatus, *, result: Json | None = None, error: Json | None = None) -> bool:
        """Store what came of a job that runs; returns whether it was one."""
        values: dict[str, object] = {"status": status, "ended_at": time.time(), "error": error}
        with self._database.write() as connection:
            running = update(jobs).where(jobs.c.id == job_id, jobs.c.status == JobStatus.RUNNING)
            return connection.execute(running.values(**values, result=result)).rowcount > 0

    def record(self, kind: JobKind, request: Json, result: Json) -> None:
        """Add one that was done elsewhere, as on the command line."""
        now = time.time()
        values = {"kind": kind, "status": JobStatus.DONE, "created_at": now, "started_at": now, "ended_at": now}
        with self._database.write() as connection:
            connection.execute(
                insert(jobs).values(
                    **values, request=dict(request), progress={}, result=dict(result), is_cancelled=False
                )
            )

    def with_status(self, status: JobStatus) -> list[Job]:
        """Every job that has a status. A job may be ``RUNNING`` that was when its process was killed."""
        with self._database.read() as connection:
            return list(map(job_of, connection.execute(select(jobs).where(jobs.c.status == status))))


def job_of(row: Row[Any]) -> Job:
    """A row of the table."""
    fields = row._asdict()
    return Job(**{**fields, "kind": JobKind(row.kind), "status": JobStatus(row.status)})
