"""Doing a job, in a thread of the service or in a process of its own, whose work no search waits for."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from pydantic import SecretStr

from vitrina.api import audits
from vitrina.api.audits import AuditProgress, run_audit
from vitrina.api.settings import Settings, encoder_for, open_store
from vitrina.indexer.download import Download
from vitrina.indexer.features import FeatureStage
from vitrina.indexer.imports import (
    PROGRESS,
    REQUEST,
    RESULT,
    CancelledError,
    Import,
    ImportProgress,
    ImportStage,
)
from vitrina.search.encoders.base import Encoder
from vitrina.search.store.jobs import Job, JobKind, JobStatus, Json
from vitrina.search.store.store import Store
from vitrina.search.types.errors import VitrinaError

log = logging.getLogger(__name__)

NICENESS = 10
"""Of a job's process: searches get the cores first. Beside one that computes all the time a process of niceness 10 gets
a tenth of a core on Linux; with 15 it gets a thirtieth, and may hold the catalog's write lock for seconds."""

INTERNAL: Json = {
    "code": "internal",
    "message": "Something went wrong on our side.",
    "remedy": "Try again; the service's log has the details.",
}


def error_json(error: VitrinaError) -> Json:
    """An error as a job keeps it."""
    return {"code": error.code, "message": error.message, "remedy": error.remedy}


def discard_upload(store: Store, job: Job) -> None:
    """Remove what was sent for a job."""
    if folder := job.request.get("folder"):
        shutil.rmtree(store.uploads / folder, ignore_errors=True)


@dataclass(slots=True)
class JobPerformer:
    """Does jobs of one store, one at a time. ``is_stopped`` says that the service ends."""

    store: Store
    settings: Settings
    encoder: Callable[[], Encoder]
    is_stopped: Callable[[], bool] = lambda: False
    precompute: Callable[[Callable[[], bool]], None] = lambda _: None
    """What is done for the reranker after an import, as long as its argument says to go on."""
    features: FeatureStage | None = None
    """What is done for it during one."""

    def perform(self, job: Job) -> None:
        """Do a job, and store how far it is and what came of it. Blocks. Raises StorageError where even that fails."""
        result, failure = None, None
        try:
            result = self._import(job) if job.kind is JobKind.IMPORT else self._audit(job)
        except CancelledError:  # the queue tells whether somebody cancelled it, or the service ends
            return
        except VitrinaError as error:
            failure = error_json(error)
        except Exception as error:
            log.error("The %s %d failed", job.kind, job.id, exc_info=error)
            failure = INTERNAL
        discard_upload(self.store, job)
        status = JobStatus.DONE if failure is None else JobStatus.FAILED
        self.store.jobs.end(job.id, status, result=result, error=failure)

    def _import(self, job: Job) -> Json:
        request = REQUEST.validate_python(job.request)
        folder = self.store.uploads / request.folder
        folder.mkdir(parents=True, exist_ok=True)

        def tell(progress: ImportProgress) -> bool:
            return self.store.jobs.report(job.id, PROGRESS.dump_python(progress, mode="json")) and not self.is_stopped()

        done = Import(
            self.store,
            self.encoder,
            folder,
            request,
            tell,
            features=self.features,
            download=Download(folder, self.settings.max_import_bytes),
            max_unpacked_bytes=self.settings.max_unpacked_bytes,
        )
        result = done.run()
        if not REQUEST.validate_python(job.request).dry_run:
            self.precompute(lambda: tell(replace(done.progress, stage=ImportStage.PRECOMPUTING)))
        tell(replace(done.progress, stage=ImportStage.ENDED))
        return dict(RESULT.dump_python(result, mode="json"))

    def _audit(self, job: Job) -> Json:
        def tell(progress: AuditProgress) -> bool:
            kept = audits.PROGRESS.dump_python(progress, mode="json")
            return self.store.jobs.report(job.id, kept) and not self.is_stopped()

        request = audits.REQUEST.validate_python(job.request)
        result = run_audit(self.store, self.settings, self.encoder(), request, tell)
        return dict(audits.RESULT.dump_python(result, mode="json"))


class Worker(Protocol):
    """A job that is being done."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end, for so long at most; returns whether it has ended."""

    def stop(self) -> None:
        """End it now, or soon where it cannot be ended now."""


class ThreadWorker:
    """Does a job in a thread of this process, with an encoder that it has: for services over a store that was opened
    by hand."""

    def __init__(self, store: Store, settings: Settings, encoder: Callable[[], Encoder], job: Job) -> None:
        self._stopped = threading.Event()
        performer = JobPerformer(store, settings, encoder, self._stopped.is_set)
        self._thread = threading.Thread(target=performer.perform, args=[job], name="job", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end, for so long at most; returns whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Let it end at its next report."""
        self._stopped.set()


class ProcessWorker:
    """Does a job in a process of its own, which ends when this one does, however it ends."""

    def __init__(self, settings: Settings, job: Job) -> None:
        command = [sys.executable, "-P", "-m", __name__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        with suppress(OSError):  # it ended at once; its status tells
            self._process.stdin.write(json.dumps([plain(settings), job.id, job.kind]) + "\n")
            self._process.stdin.flush()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end, for so long at most; returns whether it has ended."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self._process.stdin is not None:
            self._process.stdin.close()
        return True

    def stop(self) -> None:
        """Kill it: what it has committed stays."""
        self._process.kill()


def plain(settings: Settings) -> dict[str, Any]:
    """The settings for another process, secrets included; they go through a pipe."""
    values = settings.model_dump()
    secrets = {name: each.get_secret_value() for name, each in values.items() if isinstance(each, SecretStr)}
    given = {**values, **secrets}
    return {name: each if is_json(each) else str(each) for name, each in given.items()}


def is_json(value: object) -> bool:
    """Whether JSON has a value as it is; a path it has as text."""
    return value is None or isinstance(value, str | int | float | bool | list | dict)


def end_with_parent() -> None:
    """End this process once the one that started it is gone, which closes the pipe."""
    sys.stdin.read()
    os._exit(1)


def precompute_catalog(
    store: Store, settings: Settings, features: FeatureStage | None, goes_on: Callable[[], bool]
) -> None:
    """Compute the features of images that the reranker has none of yet, where it is a small one, as long as
    ``goes_on``. A reranker that fails is logged: it will compute them when it is used. Blocks."""
    from vitrina.api.rerankers import small_reranker
    from vitrina.indexer.backfill import n_without_features, precompute_features

    def check(_: object) -> None:
        if not goes_on():
            raise CancelledError

    try:
        identity = small_reranker(settings)
        if features is None or identity is None:
            return
        if features.problem is not None:
            raise features.problem
        if goes_on() and n_without_features(store, identity):
            precompute_features(store, features.reranker, check)
    except CancelledError:
        return
    except VitrinaError as error:
        log.warning("No features were precomputed for the reranker: %s", error)


def main() -> None:
    """Do the job that standard input names, in this process."""
    values, job_id, kind = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(AttributeError, OSError):  # Windows has no such thing
        os.nice(NICENESS)
    from vitrina.api.rerankers import feature_stage

    settings = Settings(**values)
    with closing(open_store(settings)) as store, ExitStack() as stack:
        features = feature_stage(store, settings, stack)
        performer = JobPerformer(
            store,
            settings,
            lambda: encoder_for(store, settings),
            precompute=partial(precompute_catalog, store, settings, features),
            features=features,
        )
        performer.perform(store.jobs.find(job_id, JobKind(kind)))


if __name__ == "__main__":
    main()
