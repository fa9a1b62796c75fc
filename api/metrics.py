"""Metrics for Prometheus: requests, the stages of searches, queues, caches, and what became of reranking."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrina.api.admission import InFlight, Work
from vitrina.api.logs import REQUEST_ID_HEADER, access_log, id_of, request_id
from vitrina.api.rerankers import Readiness
from vitrina.search.reranking.client import CacheCounts
from vitrina.search.types.answer import Answer

if TYPE_CHECKING:
    from vitrina.api.service import Service

try:
    from opentelemetry import trace
except ImportError:  # FastAPI brings it only from the version on that the extra tracing names
    trace = None  # type: ignore[assignment]

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

UNKNOWN_ROUTE = "none"
"""In place of paths that no route has: any number of them may be asked for."""


SHARED_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""The environment's variable for the folder in which several workers keep what they count, as prometheus_client does
where it is set when that is imported."""


class Metrics:
    """What one service counts, in a registry of its own; with ``SHARED_COUNTS`` what its workers have counted together,
    beside what the one that is asked does now. Safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._now = CollectorRegistry()
        self._requests = Counter(
            "vitrina_requests", "Answers by route and status.", ["method", "route", "status"], registry=self._registry
        )
        self._request_s = Histogram(
            "vitrina_request_seconds",
            "From a request's headers to the end of its answer.",
            ["route"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._stage_s = Histogram(
            "vitrina_search_stage_seconds",
            "How long each stage of a search took, and the total.",
            ["stage"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._reranked = Counter(
            "vitrina_reranked_answers",
            "Answers for which reranking was asked for, by what became of it.",
            ["status"],
            registry=self._registry,
        )
        self._errors = Counter("vitrina_errors", "Errors by their code.", ["code"], registry=self._registry)
        self._refused = Counter(
            "vitrina_refused", "Requests answered with 503 at once.", ["work"], registry=self._registry
        )
        for work in Work:
            self._refused.labels(work)
        self._cache_reads = Counter(
            "vitrina_cache_reads", "Answers looked up in a cache.", ["cache", "result"], registry=self._registry
        )
        self._counted_reads = CacheCounts()
        self._service: Service | None = None
        self._lock = threading.Lock()
        ProcessCollector(registry=self._now)
        PlatformCollector(registry=self._now)

    def watch(self, service: Service, in_flight: InFlight) -> None:
        """Also show what a running service does now."""
        self._service = service
        self._now.register(ServiceCollector(service, in_flight))

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """An answer was sent."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_s.labels(route).observe(seconds)

    def count_answer(self, answer: Answer) -> None:
        """A search was answered."""
        for stage, ms in answer.timings_ms.items():
            self._stage_s.labels(stage).observe(ms / 1000)
        if trace is not None and (span := trace.get_current_span()).is_recording():
            span.set_attributes({f"vitrina.{stage}_ms": ms for stage, ms in answer.timings_ms.items()})
        if answer.reranker is not None:
            self._reranked.labels(answer.rerank_status.value).inc()

    def count_error(self, code: str) -> None:
        """Something was answered with an error."""
        self._errors.labels(code).inc()

    def count_refusal(self, work: Work) -> None:
        """A request was one too many of its kind."""
        self._refused.labels(work).inc()

    def text(self) -> bytes:
        """All of them, in Prometheus's text format 0.0.4."""
        self._count_cache_reads()
        counted = self._registry
        if folder := os.environ.get(SHARED_COUNTS):
            counted = CollectorRegistry()
            MultiProcessCollector(counted, folder)  # type: ignore[no-untyped-call]
        return generate_latest(counted) + generate_latest(self._now)

    def _count_cache_reads(self) -> None:
        """Add what the reranker's cache has counted since it was last asked."""
        if self._service is None or self._service.reranking is None:
            return
        with self._lock:
            counts, before = replace(self._service.reranking.cache_counts), self._counted_reads
            self._cache_reads.labels("scores", "hit").inc(max(0, counts.n_hits - before.n_hits))
            self._cache_reads.labels("scores", "miss").inc(max(0, counts.n_misses - before.n_misses))
            self._counted_reads = counts


MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServiceCollector(Collector):
    """What a service does at the moment it is asked."""

    def __init__(self, service: Service, in_flight: InFlight) -> None:
        self._service = service
        self._in_flight = in_flight

    def collect(self) -> Iterator[Metric]:
        """The metrics, read now."""
        service = self._service
        yield gauges("vitrina_in_flight", "Requests being answered.", "work", {w: self._in_flight[w] for w in Work})
        lengths = {name: threads._work_queue.qsize() for name, threads in service.threads.items()}
        yield gauges("vitrina_queue_length", "Calls that wait for a thread.", "threads", lengths)
        yield GaugeMetricFamily("vitrina_items", "Items in the catalog.", service.store.catalog.count("items"))
        behind = service.changes_behind()
        yield GaugeMetricFamily("vitrina_index_changes_behind", "Changes that the index has not applied yet.", behind)
        yield from self._of_indexes(service)
        if service.reranking is not None:
            yield from self._of_reranker(service)

    def _of_indexes(self, service: Service) -> Iterator[Metric]:
        """How well approximate indexes find, by a sample of the queries."""
        reports = service.engine.replica.reports()
        recall = GaugeMetricFamily(
            "vitrina_index_recall", "Recall of searches, sampled against an exact search.", labels=["modality"]
        )
        for modality, report in reports.items():
            if report.measured is not None:
                recall.add_metric([modality], report.measured)
        yield recall

    def _of_reranker(self, service: Service) -> Iterator[Metric]:
        assert service.reranking is not None
        is_ready = service.reranking.status.readiness is Readiness.READY
        yield GaugeMetricFamily("vitrina_reranker_ready", "Whether the reranker is open.", int(is_ready))
        is_open = service.reranking.is_circuit_open
        yield GaugeMetricFamily(
            "vitrina_reranker_circuit_open", "Whether it is left alone since it failed.", int(is_open)
        )


def gauges(name: str, text: str, label: str, values: dict[str, int] | dict[Work, int]) -> GaugeMetricFamily:
    """One gauge for each value of a label."""
    metric = GaugeMetricFamily(name, text, labels=[label])
    for value, n in values.items():
        metric.add_metric([str(value)], n)
    return metric


class RequestObserver:
    """ASGI middleware that gives each request an id, counts its answer, and logs it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == REQUEST_ID_HEADER), None)
        own_id, started, status = id_of(given), time.perf_counter(), 499  # as if the client left, until it is answered

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (REQUEST_ID_HEADER, own_id.encode())]}
            await send(message)

        request_id.set(
            own_id
        )  # never taken back: a request has a context of its own, and what it raises is logged later
        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            status = 500
            raise
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        method = scope["method"] if scope.get("route") is not None else "any"
        self._metrics.count_request(method, route, status, seconds)
        if access_log.isEnabledFor(logging.INFO):
            fields = {"method": scope["method"], "route": route, "status": status, "ms": round(seconds * 1000, 1)}
            access_log.info("%d", status, extra=fields)
