"""Injections through the HTTP service: what a shop's feed puts into an item moves no verdict on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import data_uri, make_image, tried
from tests.fakes import FakeEncoder
from tests.search.reranking.injections import INJECTIONS, planted_everywhere
from tests.search.reranking.shops import ColourReranker
from vitrina.api.app import create_app
from vitrina.api.rerankers import BackgroundReranker, Readiness
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.item import Item

ITEM = Item("item-1", "A fine mug", "For coffee and tea.", {"colour": "white", "article": "mug"})
BODY = {"text": "white mug for coffee", "rerank": {"deadline_ms": 20_000, "explain": 1, "explain_ms": 20_000}}


@pytest.fixture
def reranker() -> ColourReranker:
    return ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0))


@pytest.fixture
def client(store: Store, reranker: ColourReranker) -> Iterator[TestClient]:
    """A service over an empty catalog."""
    store.catalog.delete([stored.item.sku for stored in store.catalog.all_items()])
    opened = Store(store.folder)
    reranking = BackgroundReranker(opened, "reranker", lambda _: reranker)
    app = create_app(Settings(store=store.folder), lambda _: Service(opened, FakeEncoder(), reranking=reranking))
    with TestClient(app) as client:
        assert tried(reranking).readiness is Readiness.READY
        yield client


def verdicts_on(client: TestClient, item: Item) -> dict[str, Any]:
    """Requirements, verdicts and explanation of an item that is put."""
    fields = {"title": item.title, "description": item.description, "attributes": dict(item.attributes)}
    client.put(f"/v1/items/{item.sku}", json={**fields, "images": [data_uri(make_image("white"))]}).raise_for_status()
    answer = client.post("/v1/search", json=BODY).raise_for_status().json()
    (hit,) = answer["hits"]
    return {"requirements": answer["requirements"], "verdicts": hit["verdicts"], "explanation": hit["explanation"]}


def test_no_verdict_changes_and_nothing_injected_is_explained(client: TestClient, reranker: ColourReranker) -> None:
    plain = verdicts_on(client, ITEM)
    assert [verdict["status"] for verdict in plain["verdicts"]] == ["met", "met", "met"]
    assert [verdict["evidence"] for verdict in plain["verdicts"]] == ["both", "field", "field"]
    statements = {statement for _, asked in reranker.asked for statement in asked}
    for number, name in enumerate(INJECTIONS):
        assert verdicts_on(client, planted_everywhere(ITEM, number)) == plain, name
    assert {statement for _, asked in reranker.asked for statement in asked} == statements
