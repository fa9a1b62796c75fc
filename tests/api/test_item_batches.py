"""``POST /v1/items:batch``: many items in one request, each with a result of its own."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import data_uri, make_image


def put(sku: str, **item: Any) -> dict[str, Any]:
    return {"op": "put", "sku": sku, "item": item}


def write(client: TestClient, *operations: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/v1/items:batch", json={"operations": operations})
    assert answer.status_code == 200, answer.text
    written: dict[str, Any] = answer.json()
    return written


def test_each_operation_has_a_result_and_a_failure_keeps_no_other(client: TestClient) -> None:
    written = write(
        client,
        put("B-1", title="Mug", images=[data_uri(make_image())]),
        put("B-2", title="Cup", images=["http://127.0.0.1/a.png"]),
        put("B-3", title="Pot", images=["data:image/png;base64,AAAA"]),
        {"op": "delete", "sku": "absent"},
        put("B-4", title="Jug"),
    )
    assert [each["status"] for each in written["results"]] == ["created", "failed", "failed", "not_found", "created"]
    assert written["n_failed"] == 2
    assert "not a public address" in written["results"][1]["error"]["message"]
    assert written["results"][1]["error"]["remedy"]
    assert client.get("/v1/items/B-1").json()["image_urls"]
    assert client.get("/v1/items/B-2").status_code == 404
    hits = client.post("/v1/search", json={"text": "B-4"}).json()["hits"]
    assert hits[0]["sku"] == "B-4"


def test_the_order_is_kept_also_on_one_sku(client: TestClient) -> None:
    written = write(
        client,
        put("O-1", title="First"),
        put("O-1", title="Second"),
        {"op": "delete", "sku": "O-2"},
        put("O-2", title="Third"),
        {"op": "delete", "sku": "O-1"},
        put("O-1", title="Last"),
        {"op": "delete", "sku": "O-2"},
    )
    statuses = ["created", "replaced", "not_found", "created", "deleted", "created", "deleted"]
    assert [each["status"] for each in written["results"]] == statuses
    assert client.get("/v1/items/O-1").json()["title"] == "Last"
    assert client.get("/v1/items/O-2").status_code == 404


def test_a_thousand_at_once(client: TestClient) -> None:
    written = write(client, *(put(f"M-{at}", title=f"Mug {at}") for at in range(1000)))
    assert [each["sku"] for each in written["results"]] == [f"M-{at}" for at in range(1000)]
    assert written["n_failed"] == 0
    written = write(client, *({"op": "delete", "sku": f"M-{at}"} for at in range(1000)))
    assert {each["status"] for each in written["results"]} == {"deleted"}


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [{"op": "put", "sku": "a"}],
        [{"op": "delete", "sku": ""}],
        [{"op": "upsert", "sku": "a"}],
        [{"op": "delete", "sku": "a"}] * 1001,
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(client: TestClient, operations: object) -> None:
    assert client.post("/v1/items:batch", json={"operations": operations}).status_code == 422
