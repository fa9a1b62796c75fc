"""Metrics, logs, request ids, tracing, and whether the service is ready."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import data_uri, make_image, tried
from tests.api.test_reranking import BODY, STREAM, serving
from tests.search.reranking.shops import ColourReranker
from vitrina.api import app as app_module
from vitrina.api import service as service_module
from vitrina.api.app import create_app
from vitrina.api.logs import JsonLines, access_log, configure_logs, request_id
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.engine import SearchEngine
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import Store
from vitrina.search.types.answer import AnswerStream
from vitrina.search.types.errors import MissingDependencyError, StorageError
from vitrina.search.types.query import Query, RerankOptions

SECRET_TEXT = "unmistakable words of a shopper"


def samples(client: TestClient) -> dict[str, float]:
    """Each sample's value by its name and labels."""
    answer = client.get("/metrics").raise_for_status()
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True) if sample.labels else ''}": sample.value
        for metric in text_string_to_metric_families(answer.text)
        for sample in metric.samples
    }


def test_metrics_count_requests_stages_reranking_cache_and_errors(reranking_store: Store) -> None:
    with serving(reranking_store, lambda _: ColourReranker()) as (client, reranking):
        tried(reranking)
        client.post("/v1/search", json={"text": "white boots"}).raise_for_status()
        for _ in range(2):
            client.post("/v1/search", json=BODY).raise_for_status()
        client.post("/v1/search", json=BODY, headers=STREAM).raise_for_status()
        assert client.get("/v1/items/nowhere").status_code == 404
        assert client.get("/no/such/path").status_code == 404
        found = samples(client)
    search = '{"method": "POST", "route": "/v1/search", "status": "200"}'
    assert found[f"vitrina_requests_total{search}"] == 4
    assert found['vitrina_request_seconds_count{"route": "/v1/search"}'] == 4
    assert found['vitrina_requests_total{"method": "any", "route": "none", "status": "404"}'] == 1
    assert found['vitrina_search_stage_seconds_count{"stage": "total"}'] == 4
    assert found['vitrina_search_stage_seconds_count{"stage": "vectors"}'] == 4
    assert found['vitrina_reranked_answers_total{"status": "reranked"}'] == 3
    assert found['vitrina_cache_reads_total{"cache": "scores", "result": "miss"}'] > 0
    assert found['vitrina_cache_reads_total{"cache": "scores", "result": "hit"}'] > 0
    assert found['vitrina_errors_total{"code": "not_found"}'] == 2
    assert found['vitrina_in_flight{"work": "search"}'] == 0
    assert found['vitrina_queue_length{"threads": "searching"}'] == 0
    assert found["vitrina_items"] > 0
    assert found["vitrina_index_changes_behind"] == 0
    assert found["vitrina_reranker_ready"] == 1
    assert found["vitrina_reranker_circuit_open"] == 0


def test_metrics_show_what_waits(client: TestClient) -> None:
    threads = client.app.state.service.writing  # type: ignore[attr-defined]
    release = threading.Event()
    waiting = [threads.submit(release.wait, 30) for _ in range(service_module.N_WRITING + 3)]
    assert samples(client)['vitrina_queue_length{"threads": "writing"}'] == 3
    release.set()
    assert all(each.result(30) for each in waiting)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged as JSON."""
    written: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    handler, root = Kept(), logging.getLogger()
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    access_log.setLevel(logging.INFO)
    yield written
    access_log.setLevel(logging.NOTSET)
    root.removeHandler(handler)


def test_a_line_for_each_answer_names_its_request_and_nothing_that_was_asked(
    client: TestClient, lines: list[str]
) -> None:
    headers = {"X-Request-ID": "from-the-proxy.7", "Authorization": "Bearer sk-secret"}
    body = {"text": SECRET_TEXT, "images": [data_uri(make_image("red"))]}
    answer = client.post("/v1/search", json=body, headers=headers).raise_for_status()
    assert answer.headers["x-request-id"] == "from-the-proxy.7"
    logged = [json.loads(line) for line in lines if '"vitrina.access"' in line]
    assert [(each["route"], each["method"], each["status"]) for each in logged] == [("/v1/search", "POST", 200)]
    assert logged[0]["request_id"] == "from-the-proxy.7"
    assert logged[0]["ms"] > 0
    assert {"time", "level", "logger", "message"} <= logged[0].keys()
    everything = "\n".join(lines)
    for secret in (SECRET_TEXT, "sk-secret", "base64", "data:"):
        assert secret not in everything


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', "ä"])
def test_what_is_no_id_gets_a_new_one(client: TestClient, given: str) -> None:
    first, second = (client.get("/healthz", headers={b"X-Request-ID": given.encode()}) for _ in range(2))
    ids = {each.headers["x-request-id"] for each in (first, second)}
    assert len(ids) == 2
    assert all(len(each) == 32 for each in ids)


def test_threads_know_the_request_that_they_work_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    known_ids: list[str] = []
    stream = SearchEngine.stream

    def note(self: SearchEngine, query: Query, rerank: RerankOptions | None = None) -> AnswerStream:
        known_ids.append(request_id.get())
        return stream(self, query, rerank)

    monkeypatch.setattr(SearchEngine, "stream", note)
    client.post("/v1/search", json={"text": "red"}, headers={"X-Request-ID": "mine"}).raise_for_status()
    assert known_ids == ["mine"]


def test_errors_inside_are_logged_with_their_request(
    client: TestClient, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Catalog, "item", lambda *_: 1 / 0)
    answer = client.get("/v1/items/a", headers={"X-Request-ID": "broken"})
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"] == "broken"
    route = '{"method": "GET", "route": "/v1/items/{sku:sku}", "status": "500"}'
    assert samples(client)[f"vitrina_requests_total{route}"] == 1
    logged = next(json.loads(line) for line in lines if "exception" in json.loads(line))
    assert logged["request_id"] == "broken"
    assert "ZeroDivisionError" in logged["exception"]


def test_text_logs_have_no_line_for_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logs("text")
        access_log.info("200")
        logging.getLogger("vitrina.test").warning("something")
        configure_logs("json")
        access_log.info("200", extra={"route": "/v1/search"})
    finally:
        root.handlers[:], root.level = before
        access_log.setLevel(logging.NOTSET)
        logging.getLogger("vitrina.api.rerankers").setLevel(logging.NOTSET)
    text, as_json = capsys.readouterr().err.splitlines()
    assert text.endswith("WARNING vitrina.test: something")
    assert json.loads(as_json)["route"] == "/v1/search"


def test_ready_says_why_not(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = client.get("/readyz").raise_for_status().json()
    assert (ready["status"], ready["changes_behind"]) == ("ready", 0)

    monkeypatch.setattr(service_module, "MIN_FREE_BYTES", 2**62)
    full = client.get("/readyz")
    assert (full.status_code, full.json()["error"]["code"]) == (503, "not_ready")
    assert list(full.json()["error"]["details"]) == ["disk"]
    assert full.headers["retry-after"]
    monkeypatch.undo()

    service: Service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(Service, "catch_up", lambda self: False)
    monkeypatch.setattr(service_module, "MAX_LATE_S", -1.0)
    service.store.catalog.delete(["0000"])
    assert client.get("/readyz").status_code in (200, 503)
    monkeypatch.setattr(Service, "changes_behind", lambda self: 3)
    late = client.get("/readyz").json()["error"]["details"]
    assert late["index"].startswith("The index is 3 changes behind the catalog")

    def unreadable(self: Service) -> int:
        raise StorageError("The catalog cannot be read.", remedy="Mend it.")

    monkeypatch.setattr(Service, "changes_behind", unreadable)
    assert client.get("/readyz").json()["error"]["details"]["store"].startswith("The catalog cannot be read.")
    assert client.get("/healthz").json()["status"] == "ok"


def test_a_service_whose_catalog_was_replaced_is_not_ready(client: TestClient) -> None:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    path = service.store.folder / "catalog.db"
    client.get("/readyz").raise_for_status()
    away = path.rename(path.with_name("away.db"))
    try:
        for is_there in (False, True):  # as a restore puts another in its place
            if is_there:
                path.write_bytes(away.read_bytes())
            told = client.get("/readyz")
            assert (told.status_code, list(told.json()["error"]["details"])) == (503, ["store"])
            assert told.json()["error"]["details"]["store"].startswith(
                "The database catalog.db was deleted or replaced"
            )
            assert str(service.store.folder) not in told.text
    finally:
        away.replace(path)
    client.get("/readyz").raise_for_status()


def test_tracing_needs_its_extra_and_is_off_without_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(app_module.telemetry(is_on=False).values())
    monkeypatch.setattr(app_module, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="VITRINA_TRACING") as raised:
        create_app(Settings(store=tmp_path, tracing=True))
    assert "vitrina[tracing]" in raised.value.remedy
