"""Facets, suggestions, duplicates, audits and the last evaluation over HTTP."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import N_PRODUCTS, data_uri, make_image, open_simple_reranker
from tests.fakes import FakeEncoder
from vitrina.api.app import create_app
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.evaluation.judged_search import QueryResult
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.run import RunInfo, make_run, write_run
from vitrina.search.store.store import Store


def all_items(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/v1/items?limit=1000").json()["items"]
    return found


def values_of(facets: dict[str, Any], field: str) -> dict[str, int]:
    """The counts of a field's values, case-folded."""
    (counts,) = (each for each in facets["fields"] if each["field"] == field)
    return {value["value"].lower(): value["count"] for value in counts["values"]}


def test_the_whole_catalogs_values_are_counted(client: TestClient) -> None:
    facets = client.post("/v1/facets", json={"limit": 1000}).json()
    items = all_items(client)
    assert facets["total"] == len(items) == N_PRODUCTS
    for field in ("colour", "category"):
        expected = Counter(item["attributes"][field].lower() for item in items if field in item["attributes"])
        assert values_of(facets, field) == expected
    prices = [item["price_cents"] for item in items if item["price_cents"] is not None]
    (told,) = facets["prices"]
    assert (told["min_cents"], told["max_cents"], told["n_items"]) == (min(prices), max(prices), len(prices))
    assert sum(bucket["count"] for bucket in told["histogram"]) == len(prices)
    assert not {"sku", "price_cents", "currency"} & {each["field"] for each in facets["fields"]}


def test_a_fields_own_filter_does_not_narrow_its_counts(client: TestClient) -> None:
    items = all_items(client)
    colour = Counter(item["attributes"]["colour"] for item in items).most_common(1)[0][0]
    facets = client.post("/v1/facets", json={"query": {"filters": {"colour": colour}}, "limit": 1000}).json()
    assert values_of(facets, "colour") == Counter(item["attributes"]["colour"].lower() for item in items)
    categories = Counter(i["attributes"]["category"].lower() for i in items if i["attributes"]["colour"] == colour)
    assert values_of(facets, "category") == categories
    assert facets["total"] == categories.total()
    (counts,) = (each for each in facets["fields"] if each["field"] == "colour")
    assert [value["value"] for value in counts["values"] if value["selected"]] == [colour]


def test_of_a_search_by_words_the_items_worth_showing_count(client: TestClient) -> None:
    by_price = client.post("/v1/search", json={"text": "shirt", "sort": "price_asc", "limit": 100, "collapse": False})
    facets = client.post("/v1/facets", json={"query": "shirt"}).json()
    assert facets["total"] == len({hit["sku"] for hit in by_price.json()["hits"]})
    by_image = client.post("/v1/facets", json={"query": {"images": [data_uri(make_image())]}})
    assert by_image.json()["total"] > 0


def test_fields_can_be_chosen(client: TestClient) -> None:
    facets = client.post("/v1/facets", json={"fields": ["colour"], "limit": 2}).json()
    assert [each["field"] for each in facets["fields"]] == ["colour"]
    assert len(facets["fields"][0]["values"]) == 2 < facets["fields"][0]["n_values"]
    unknown = client.post("/v1/facets", json={"fields": ["nonsense"]})
    assert unknown.status_code == 400
    assert "colour" in unknown.json()["error"]["remedy"]
    assert client.post("/v1/facets", json={"query": {"filters": {"nonsense": "x"}}}).status_code == 400


def test_what_is_put_is_counted(client: TestClient) -> None:
    client.put("/v1/items/N-1", json={"title": "Mug", "attributes": {"colour": "Ultraviolet", "size": 38}})
    counted = client.post("/v1/facets", json={"fields": ["colour", "size"], "limit": 1000}).json()
    assert values_of(counted, "colour")["ultraviolet"] == 1
    (size,) = (each for each in counted["fields"] if each["field"] == "size")
    assert size["range"] is None or size["range"]["max"] >= 38
    client.delete("/v1/items/N-1")
    assert "ultraviolet" not in values_of(client.post("/v1/facets", json={"limit": 1000}).json(), "colour")


def test_what_is_put_is_suggested_with_how_many_items_have_it(client: TestClient) -> None:
    for n in range(2):
        client.put(f"/v1/items/U-{n}", json={"title": "Zither strings", "attributes": {"colour": "Ultraviolet"}})
    suggested = client.get("/v1/suggest", params={"text": "ultraviolet zit", "limit": 1})
    assert suggested.json() == {"suggestions": [{"text": "ultraviolet zither", "count": 2}]}
    for n in range(2):
        client.delete(f"/v1/items/U-{n}")
    assert client.get("/v1/suggest", params={"text": "ultraviolet zit"}).json() == {"suggestions": []}
    assert client.get("/v1/suggest").status_code == 422
    assert client.get("/v1/suggest", params={"text": "a", "limit": 0}).status_code == 422
    too_long = client.get("/v1/suggest", params={"text": "a" * 2001})
    assert too_long.status_code == client.post("/v1/search", json={"text": "a" * 2001}).status_code
    assert too_long.json()["error"]["remedy"]


def test_duplicates_are_those_that_indexing_found(client: TestClient) -> None:
    rows = [{"sku": f"D-{at}", "title": "Red Mug", "image": data_uri(make_image("red"))} for at in range(3)]
    started = client.post("/v1/imports", json={"rows": rows}).json()["id"]
    until = time.monotonic() + 30
    while not client.get(f"/v1/imports/{started}").json()["ended_at"] and time.monotonic() < until:
        time.sleep(0.05)
    found = client.get("/v1/duplicates").json()
    (group,) = (each for each in found["groups"] if each["items"][0]["sku"].startswith("D-"))
    assert [item["sku"] for item in group["items"]] == ["D-0", "D-1", "D-2"]
    assert group["is_exact"]
    assert client.get(group["items"][0]["image_url"]).status_code == 200
    assert client.get(f"/v1/duplicates?offset={found['total']}").json()["groups"] == []


def test_no_evaluation_and_no_audit_yet(client: TestClient) -> None:
    assert client.get("/v1/evaluation").json() == {"run": None}
    assert client.get("/v1/audit").json() == {"audit": None, "job": None, "label_errors": [], "total": 0}
    assert client.post("/v1/audit/cancel").status_code == 404


def test_the_last_evaluation_is_told(client: TestClient, store: Store) -> None:
    skus = tuple(item["sku"] for item in all_items(client)[:3])
    query = JudgedQuery("1", "text", {skus[1]: 1}, text="red mug")
    write_run(make_run(RunInfo("fake", 3), [query], [QueryResult(skus, (None,) * 3)]), store.last_run)
    run = client.get("/v1/evaluation").json()["run"]
    assert run["encoder"] == "fake"
    assert run["summaries"][0]["metrics"]["mrr"]["mean"] == 0.5
    assert run["worst"][0]["text"] == "red mug"
    store.last_run.write_text("{}")
    assert client.get("/v1/evaluation").status_code == 503


@pytest.fixture
def auditing(reranking_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A service with a reranker that sees colours."""
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", open_simple_reranker)
    monkeypatch.setenv("VITRINA_RERANKER", "https://vlm.example/v1")
    monkeypatch.setenv("VITRINA_RERANKER_MODEL", "eyes")
    app = create_app(
        Settings(store=reranking_store.folder), lambda _: Service(Store(reranking_store.folder), FakeEncoder())
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_an_audit_runs_in_the_background(auditing: TestClient) -> None:
    assert auditing.post("/v1/audit", json={"fields": ["colour"]}).status_code == 202
    until = time.monotonic() + 60
    while not (found := auditing.get("/v1/audit").json())["job"]["ended_at"] and time.monotonic() < until:
        time.sleep(0.05)
    assert found["job"]["error"] is None
    assert found["audit"]["fields"][0]["n_found"] == found["total"] > 0
    first = found["label_errors"][0]
    assert first["field"] == "colour"
    assert first["catalog_value"] != first["image_value"]
    assert auditing.get(first["image_url"]).status_code == 200
    assert auditing.get("/v1/audit?field=pattern").json()["total"] == 0
    assert auditing.post("/v1/audit", json={"fields": ["nonsense"]}).status_code == 202
    while not (failed := auditing.get("/v1/audit").json())["job"]["ended_at"] and time.monotonic() < until:
        time.sleep(0.05)
    assert failed["job"]["status"] == "failed"
    assert failed["audit"] == found["audit"]
