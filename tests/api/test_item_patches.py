"""``PATCH /v1/items/{sku}``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import N_PRODUCTS, data_uri, make_image
from tests.fakes import FakeEncoder
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import Store
from vitrina.search.types.models import Pixels, Vectors

VASE = {
    "title": "Vase",
    "description": "Tall",
    "attributes": {"colour": "green", "Season": "spring", "tags": ["gift", "home"]},
    "price_cents": 1250,
    "currency": "EUR",
    "url": "https://shop.example/vase",
    "images": [data_uri(make_image("green")), data_uri(make_image("red"))],
}
TEE = {
    "title": "Zebra tee",
    "attributes": {"fabric": "cotton"},
    "images": [data_uri(make_image("red")), data_uri(make_image("blue"))],
    "variants": [
        {"sku": "ZT-R", "options": {"hue": "crimson"}, "price_cents": 1800, "images": [0]},
        {"sku": "ZT-B", "options": {"hue": "azure"}, "price_cents": 2000, "images": [1]},
    ],
}


@pytest.fixture
def vase(client: TestClient) -> dict[str, Any]:
    """What the service answers for an item that it has."""
    found: dict[str, Any] = client.put("/v1/items/vase-1", json=VASE).json()
    return found


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, {}),
        ({"price_cents": 990}, {"price_cents": 990, "max_price_cents": 990}),
        ({"title": "Jug", "description": None}, {"title": "Jug", "description": ""}),
        ({"title": ""}, {"title": ""}),
        ({"url": None, "currency": "USD"}, {"url": None, "currency": "USD"}),
        (
            {"attributes": {"Stock": 3, "season": None, "colour": "black"}},
            {"attributes": {"stock": 3, "tags": ["gift", "home"], "colour": "black"}},
        ),
        ({"attributes": None}, {"attributes": {}}),
        ({"images": None}, {"image_url": None, "image_urls": []}),
    ],
)
def test_what_is_given_is_changed_and_the_rest_stays(
    client: TestClient, vase: dict[str, Any], changes: dict[str, Any], fields: dict[str, Any]
) -> None:
    changed = client.patch("/v1/items/VASE-1", json=changes)
    assert (changed.status_code, changed.json()) == (200, {**vase, **fields})
    assert client.get("/v1/items/vase-1").json() == changed.json()


def test_images_that_stay_are_not_embedded_again_and_are_found_as_before(
    client: TestClient, vase: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[int] = []
    encode = FakeEncoder.encode_pixels

    def counted(self: FakeEncoder, batch: Sequence[Pixels]) -> Vectors:
        embedded.append(len(batch))
        return encode(self, batch)

    monkeypatch.setattr(FakeEncoder, "encode_pixels", counted)
    client.patch("/v1/items/vase-1", json={"price_cents": 990})
    assert sum(embedded) == 0
    hits = client.post("/v1/search", json={"images": [data_uri(make_image("green"))], "limit": N_PRODUCTS + 1}).json()[
        "hits"
    ]
    assert [hit["price_cents"] for hit in hits if hit["sku"] == "vase-1"] == [990]
    changed = client.patch("/v1/items/vase-1", json={"images": [data_uri(make_image("blue"))]}).json()
    assert len(changed["image_urls"]) == 1
    assert changed["price_cents"] == 990


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"price": 9}, 422),
        ({"price_cents": -1}, 422),
        ({"currency": "euros"}, 422),
        ({"attributes": {"size": {"eu": 42}}}, 422),
        ({"images": ["file:///etc/passwd"]}, 400),
        ({"images": [data_uri(make_image()[:40])]}, 400),
        ({"url": "javascript:alert(1)"}, 400),
        ({"title": None, "description": None, "attributes": None, "images": []}, 400),
    ],
)
def test_bad_changes_are_refused_and_nothing_changes(
    client: TestClient, vase: dict[str, Any], changes: dict[str, Any], status: int
) -> None:
    assert client.patch("/v1/items/vase-1", json=changes).status_code == status
    assert client.get("/v1/items/vase-1").json() == vase


def test_only_what_is_there_is_changed(client: TestClient) -> None:
    assert client.patch("/v1/items/nothing", json={"price_cents": 1}).status_code == 404
    client.put("/v1/items/zt", json=TEE)
    answer = client.patch("/v1/items/ZT-R", json={"price_cents": 1})
    assert (answer.status_code, "variant of the item 'zt'" in answer.text) == (404, True)


@pytest.mark.parametrize(
    "changes", [{"price_cents": 1}, {"price_cents": None}, {"attributes": {"hue": None}}, {"images": None}]
)
def test_what_variants_say_is_not_changed_beside_them(client: TestClient, changes: dict[str, Any]) -> None:
    before = client.put("/v1/items/zt", json=TEE).json()
    assert client.patch("/v1/items/zt", json=changes).status_code == 400
    assert client.get("/v1/items/zt").json() == before
    assert client.patch("/v1/items/zt", json={"price_cents": 1800, "title": "Tee"}).json()["title"] == "Tee"


def test_variants_are_changed_as_a_whole(client: TestClient) -> None:
    before = client.put("/v1/items/zt", json=TEE).json()
    blue = {"sku": "ZT-B", "options": {"hue": "azure"}, "price_cents": 2500, "images": [1]}
    changed = client.patch("/v1/items/zt", json={"variants": [blue]}).json()
    assert changed["attributes"] == {"fabric": "cotton", "hue": "azure"}
    assert (changed["price_cents"], changed["max_price_cents"]) == (2500, 2500)
    assert changed["image_urls"] == before["image_urls"]
    single = client.patch("/v1/items/zt", json={"variants": None}).json()
    assert (single["variants"], single["attributes"], single["price_cents"]) == ([], {"fabric": "cotton"}, 2500)


def test_an_item_of_a_source_stays_there_until_the_source_says_otherwise(client: TestClient, store: Store) -> None:
    before = next(store.catalog.all_items())
    (source,) = client.get("/v1/items").json()["sources"]
    client.patch(f"/v1/items/{before.item.sku}", json={"attributes": {"stock": 4}})
    after = store.catalog.item(before.item.sku)
    assert after.item.attributes == {**before.item.attributes, "stock": 4}
    assert after.image_ids == before.image_ids
    assert after.content_hash not in ("", before.content_hash)
    assert client.get("/v1/items", params={"source": source}).json()["total"] == N_PRODUCTS


def test_what_is_written_meanwhile_is_kept(
    client: TestClient, vase: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Catalog.commit

    is_first = chain([True], repeat(False))

    def commit_second(self: Catalog, *given: Any) -> int:
        if next(is_first):
            client.put("/v1/items/vase-1", json={**VASE, "title": "Bowl"})
        return commit(self, *given)

    monkeypatch.setattr(Catalog, "commit", commit_second)
    changed = client.patch("/v1/items/vase-1", json={"price_cents": 990}).json()
    assert changed == {**vase, "title": "Bowl", "price_cents": 990, "max_price_cents": 990}
