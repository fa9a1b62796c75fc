"""Traces of a service in a process of its own, as a collector gets them."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from recipes.boutique.export import write_folder
from tests.indexer.web_server import listening
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.store.store import Store

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SECRET_TEXT = "unmistakable words"

pytestmark = pytest.mark.e2e


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector's address, and the bodies of what is sent to it."""
    bodies: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    with listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)) as port:
        yield f"http://127.0.0.1:{port}", bodies


def test_a_search_is_a_span_of_its_callers_trace_with_its_stages_and_without_its_words(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    shop = write_folder(tmp_path / "shop", 5, size=32)
    Indexer(store, load_encoder(None), Fetcher()).run(open_source(str(shop), {}))
    store.close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with collector() as (endpoint, bodies):
        settings = {
            "VITRINA_TRACING": "true",
            "VITRINA_RERANKER": "off",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_SERVICE_NAME": "shop-search",
        }
        command = [sys.executable, "-m", "vitrina.api.cli", "serve", "--store", str(store.folder)]
        process = subprocess.Popen([*command, "--port", address.rpartition(":")[2]], env={**os.environ, **settings})
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with suppress(httpx.TransportError):
                    httpx.get(f"{address}/healthz", trust_env=False)
                    break
                time.sleep(0.1)
            headers = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
            body = {"text": SECRET_TEXT}
            httpx.post(f"{address}/v1/search", json=body, headers=headers, trust_env=False).raise_for_status()
        finally:
            process.terminate()
            process.wait(20)
    assert SECRET_TEXT.encode() not in b"".join(bodies)
    sent = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    resources = [resource for each in sent for resource in each.resource_spans]
    names = {a.value.string_value for each in resources for a in each.resource.attributes if a.key == "service.name"}
    assert names == {"shop-search"}
    spans = [span for each in resources for scope in each.scope_spans for span in scope.spans]
    search = next(span for span in spans if span.trace_id.hex() == TRACE_ID)
    assert search.name == "POST /v1/search"
    assert {"vitrina.encode_ms", "vitrina.total_ms"} <= {attribute.key for attribute in search.attributes}
