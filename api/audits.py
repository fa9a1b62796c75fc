"""Audits as jobs: a catalog's listings checked against their photos in the background, and what was found last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from pydantic import TypeAdapter

from vitrina.api.settings import Settings
from vitrina.indexer.imports import CancelledError
from vitrina.search.audit.audit import Audit, AuditSummary, ItemAudit, LabelError
from vitrina.search.audit.fields import choose_fields
from vitrina.search.encoders.base import Encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.jobs import JobKind
from vitrina.search.store.store import Store
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary

MAX_KEPT = 10_000
"""Findings that are kept, the most certain ones."""

TELL_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """The fields to audit, by default those of colours, patterns and articles, and how many of the first items."""

    fields: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """How many of the items are audited."""

    n_done: int = 0
    n_total: int = 0


@dataclass(frozen=True, slots=True)
class AuditedField:
    """How many items were checked in a field, and how many label errors were found."""

    field: str
    n_checked: int
    n_found: int


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found: the label errors, the most certain first, and what could not be checked, in sentences."""

    reranker: str
    n_items: int
    fields: tuple[AuditedField, ...]
    sentences: tuple[str, ...]
    found: tuple[LabelError, ...]


REQUEST = TypeAdapter(AuditRequest)
PROGRESS = TypeAdapter(AuditProgress)
RESULT = TypeAdapter(AuditResult)
"""To JSON and back, as jobs are stored."""


def result_of(summary: AuditSummary, reranker: str, notes: Sequence[str]) -> AuditResult:
    """What is kept of an audit."""
    return AuditResult(
        reranker=reranker,
        n_items=summary.n_items,
        fields=tuple(
            AuditedField(field, summary.checked[field], len(summary.label_errors(field))) for field in summary.fields
        ),
        sentences=(*summary.sentences(), *notes),
        found=tuple(summary.label_errors()[:MAX_KEPT]),
    )


def keep_result(store: Store, request: AuditRequest, result: AuditResult) -> None:
    """Keep what an audit on the command line found, if the store may be written to. Raises StorageError."""
    if not store.catalog.database.is_read_only:
        asked, found = REQUEST.dump_python(request, mode="json"), RESULT.dump_python(result, mode="json")
        store.jobs.record(JobKind.AUDIT, asked, found)


def run_audit(
    store: Store, settings: Settings, encoder: Encoder, request: AuditRequest, tell: Callable[[AuditProgress], bool]
) -> AuditResult:
    """Audit the store's catalog by the reranker that the settings name. ``tell`` is told the progress, and says whether
    to go on. Blocks. Raises QueryError for a field that cannot be audited, RerankerError, and CancelledError."""
    from vitrina.api.rerankers import needed_reranker, open_reranker

    needed_reranker(settings)
    vocabulary = CatalogVocabulary(store.catalog).current()
    audited = choose_fields(store.catalog, vocabulary, request.fields)
    summary = AuditSummary(audited.names)
    n_items = store.catalog.count("items")
    n_total = n_items if request.limit is None else min(request.limit, n_items)
    with ExitStack() as stack:
        engine = SearchEngine.open(store, encoder)
        reranker = open_reranker(settings, stack)
        pipeline = stack.enter_context(RerankPipeline.open(store, reranker))
        audit = Audit(engine.encoder, engine.replica, pipeline, vocabulary, audited.names)
        for each in told(audit.of(islice(store.catalog.all_items(), request.limit)), n_total, tell):
            summary.add(each)
        return result_of(summary, reranker.identity.name, audited.notes)


def told(audited: Iterable[ItemAudit], n_total: int, tell: Callable[[AuditProgress], bool]) -> Iterator[ItemAudit]:
    """The same items; tells how many there were. Raises CancelledError."""
    told_at = 0.0
    for n_done, each in enumerate(audited):
        if time.monotonic() - told_at > TELL_EVERY_S:
            told_at = time.monotonic()
            if not tell(AuditProgress(n_done, n_total)):
                raise CancelledError
        yield each
    tell(AuditProgress(n_total, n_total))
