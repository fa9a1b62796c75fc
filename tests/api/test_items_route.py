"""``/v1/items``, ``/v1/images`` and the health endpoints."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import N_PRODUCTS, data_uri, make_image
from tests.indexer.test_twins import again, photo
from vitrina.search.store.store import Store


def test_put_get_replace_delete(client: TestClient) -> None:
    body = {
        "title": "Vase",
        "attributes": {"colour": "green", "tags": ["gift", "home"]},
        "price_cents": 1250,
        "currency": "EUR",
        "images": [data_uri(make_image("green"))],
    }
    created = client.put("/v1/items/vase-1", json=body)
    assert created.status_code == 201
    assert client.get("/v1/items/vase-1").json() == created.json()
    assert client.post("/v1/search", json={"text": "vase-1", "limit": 1}).json()["hits"][0]["sku"] == "vase-1"
    replaced = client.put("/v1/items/vase-1", json={**body, "title": "Tall vase"})
    assert (replaced.status_code, replaced.json()["title"]) == (200, "Tall vase")
    assert client.delete("/v1/items/vase-1").status_code == 204
    assert client.get("/v1/items/vase-1").status_code == 404
    assert client.delete("/v1/items/vase-1").json()["error"]["code"] == "not_found"
    hits = client.post("/v1/search", json={"text": "tall vase", "limit": 40}).json()["hits"]
    assert "vase-1" not in {hit["sku"] for hit in hits}


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"title": "Mug", "price": 12}, "There is no field 'price'; the fields are title, description, attributes"),
        ({"title": "Mug", "variants": [{"colour": "red"}]}, "There is no field 'colour'; the fields are sku, options"),
    ],
)
def test_an_unknown_field_is_refused_with_those_that_there_are(
    client: TestClient, item: dict[str, object], named: str
) -> None:
    alone = client.put("/v1/items/mug-1", json=item)
    batch = client.post("/v1/items:batch", json={"operations": [{"op": "put", "sku": "mug-1", "item": item}]})
    for answer in (alone, batch):
        assert answer.status_code == 422
        assert named in answer.json()["error"]["message"]
        assert "price_cents, in whole cents" in answer.json()["error"]["message"]


def test_paging_through_all_items(client: TestClient, store: Store) -> None:
    first = client.get("/v1/items", params={"limit": 25}).json()
    rest = client.get("/v1/items", params={"limit": 25, "cursor": first["next_cursor"]}).json()
    skus = [item["sku"] for page in (first, rest) for item in page["items"]]
    assert (first["total"], rest["next_cursor"]) == (N_PRODUCTS, None)
    assert sorted(skus) == sorted(stored.item.sku for stored in store.catalog.all_items())
    (source,) = first["sources"]
    assert {item["source"] for item in first["items"]} == {source}
    client.put("/v1/items/pot", json={"title": "Pot"})
    last = client.get("/v1/items", params={"limit": 25, "cursor": first["next_cursor"]}).json()["items"][-1]
    assert (last["sku"], last["source"]) == ("pot", None)
    since = client.get("/v1/items", params={"since": last["changed_at"]}).json()
    assert [item["sku"] for item in since["items"]] == ["pot"]
    assert client.get("/v1/items", params={"source": source}).json()["total"] == N_PRODUCTS
    assert client.get("/v1/items", params={"source": "nobody"}).json()["items"] == []
    assert client.get("/v1/items", params={"cursor": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("source", "told"),
    [("/srv/shop/pricelist.xlsx", "pricelist.xlsx"), ("C:\\shop\\a.csv", "a.csv"), ("men/shoes", "men/shoes")],
)
def test_no_folder_of_a_source_is_told(client: TestClient, store: Store, source: str, told: str) -> None:
    (before,) = client.get("/v1/items").json()["sources"]
    ids = [store.catalog.source_id(each) for each in (before, source)]
    store.catalog.move_items([ids[0] or 0], ids[1] or 0)
    page = client.get("/v1/items", params={"source": told, "limit": 2}).json()
    assert (page["sources"], page["total"]) == ({told: N_PRODUCTS}, N_PRODUCTS)
    assert [item["source"] for item in page["items"]] == [told, told]


@pytest.mark.parametrize("asked", ["cafe\u0301  1", "caf\u00e9 1", "CAF\u00c9  1", " caf\u00e9\u00a01"])
def test_a_sku_is_found_however_it_is_encoded(client: TestClient, asked: str) -> None:
    sku = "cafe\u0301  1"
    assert client.put(f"/v1/items/{quote(sku, safe='')}", json={"title": "Odd"}).status_code == 201
    assert client.get(f"/v1/items/{quote(asked, safe='')}").json()["sku"] == sku
    hits = client.post("/v1/search", json={"text": asked, "limit": 1}).json()["hits"]
    assert [(hit["sku"], hit["certain"]) for hit in hits] == [(sku, True)]


def test_an_item_is_found_by_the_sku_of_a_variant(client: TestClient) -> None:
    client.put("/v1/items/zt", json=TEE)
    assert client.get("/v1/items/zt-bl").json()["sku"] == "zt"
    assert client.get("/v1/items/ZT-BL/similar").status_code == 200


TEE = {
    "title": "Zebra tee",
    "attributes": {"fabric": "cotton"},
    "images": [data_uri(make_image("red")), data_uri(make_image("blue"))],
    "variants": [
        {"sku": "ZT-RS", "options": {"hue": "crimson", "fit": "slim"}, "price_cents": 1800, "images": [0]},
        {"sku": "ZT-BL", "options": {"hue": "azure", "fit": "loose"}, "price_cents": 2000, "images": [1]},
    ],
}


def test_an_item_with_variants(client: TestClient) -> None:
    created = client.put("/v1/items/zt", json=TEE).json()
    assert [(each["sku"], each["options"], each["price_cents"]) for each in created["variants"]] == [
        ("ZT-RS", {"hue": "crimson", "fit": "slim"}, 1800),
        ("ZT-BL", {"hue": "azure", "fit": "loose"}, 2000),
    ]
    assert (created["price_cents"], created["max_price_cents"]) == (1800, 2000)
    assert [each["image_url"] for each in created["variants"]] == created["image_urls"]
    assert created["attributes"] == {"fabric": "cotton", "hue": ["crimson", "azure"], "fit": ["slim", "loose"]}
    again = {**TEE, "attributes": created["attributes"]}
    assert client.put("/v1/items/zt", json=again).json() == created


def test_a_search_shows_the_variant_that_fits_or_all_one_by_one(client: TestClient) -> None:
    client.put("/v1/items/zt", json=TEE)

    def hits(**asked: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.post("/v1/search", json=asked).json()["hits"]
        return found

    (hit,) = hits(filters={"hue": "azure"})
    assert (hit["variant"]["sku"], hit["variant"]["price_cents"]) == ("ZT-BL", 2000)
    assert hit["image_url"] == hit["variant"]["image_url"] == hit["image_urls"][0]
    assert [each["sku"] for each in hit["variants"]] == ["ZT-RS", "ZT-BL"]
    assert hits(filters={"hue": "azure", "fit": "slim"}) == []
    assert hits(filters={"hue": "azure", "price_cents": {"lt": 1900}}) == []
    assert [hit["variant"]["sku"] for hit in hits(text="ZT-BL", limit=1)] == ["ZT-BL"]
    assert [hit["variant"]["sku"] for hit in hits(filters={"fabric": "cotton"}, collapse=False)] == ["ZT-RS", "ZT-BL"]
    assert [hit["variant"] for hit in hits(text="shirt", limit=1)] == [None]


def test_items_written_over_http_are_shown_once_for_one_photo(client: TestClient) -> None:
    shown, resaved, other = (data_uri(again(photo(seed), side)) for seed, side in ((1, 140), (1, 120), (2, 140)))

    def put(sku: str, image: str) -> dict[str, Any]:
        return {"op": "put", "sku": sku, "item": {"title": "Zebra print mug", "images": [image]}}

    def groups() -> list[list[str]]:
        hits = client.post("/v1/search", json={"text": "zebra print mug", "limit": 10}).json()["hits"]
        return sorted(sorted([hit["sku"], *hit["twins"]]) for hit in hits if hit["title"] == "Zebra print mug")

    for sku in ("1", "2"):
        client.put(f"/v1/items/{sku}", json=put(sku, shown)["item"])
    assert groups() == [["1", "2"]]
    client.post("/v1/items:batch", json={"operations": [put("3", resaved), put("4", other)]})
    assert groups() == [["1", "2", "3"], ["4"]]
    client.put("/v1/items/1", json=put("1", other)["item"])
    assert groups() == [["1", "4"], ["2", "3"]]
    client.delete("/v1/items/2")
    assert groups() == [["1", "4"], ["3"]]


MOUSE = {
    "title": "M20 Mouse - Black",
    "variants": [
        {"sku": "M-1", "title": "M20 Mouse - Black", "options": {"hue": "black"}},
        {"sku": "M-2", "title": "M20 Mouse -\n Pink", "options": {"hue": "pink"}},
    ],
}


def test_a_variant_keeps_its_own_title_and_a_hit_is_called_by_it(client: TestClient) -> None:
    created = client.put("/v1/items/m20", json=MOUSE).json()
    assert (created["title"], [each["title"] for each in created["variants"]]) == (
        "M20 Mouse - Black",
        ["M20 Mouse - Black", "M20 Mouse - Pink"],
    )
    for filters, title in (({"hue": "pink"}, "M20 Mouse - Pink"), ({"hue": "black"}, "M20 Mouse - Black")):
        (hit,) = client.post("/v1/search", json={"filters": filters}).json()["hits"]
        assert (hit["title"], hit["item_title"]) == (title, "M20 Mouse - Black")
        query = {"query": {"text": f"{filters['hue']} mouse"}, "sku": "m20"}
        explained = client.post("/v1/explain", json=query).json()
        assert (explained["title"], explained["variant"]) == (title, hit["variant"])
        assert explained["item"]["title"] == "M20 Mouse - Black"


def test_titles_of_variants_are_patched_with_them(client: TestClient) -> None:
    client.put("/v1/items/m20", json=MOUSE)
    for title in ("M20 Mouse - Pink", "M20 Mouse", "M20 Mouse - Black", "M20 Mouse"):
        renamed = client.patch("/v1/items/m20", json={"title": title}).json()
        assert [each["title"] for each in renamed["variants"]] == ["M20 Mouse - Black", "M20 Mouse - Pink"]
    variants = [{"sku": "M-1", "title": "M20 Mouse"}, {"sku": "M-2", "title": "M20 Mouse - Rose"}]
    changed = client.patch("/v1/items/m20", json={"variants": variants}).json()
    assert [each["title"] for each in changed["variants"]] == ["M20 Mouse", "M20 Mouse - Rose"]
    too_long = [{"sku": "M-1", "title": "x" * 2_001}]
    assert client.patch("/v1/items/m20", json={"variants": too_long}).status_code == 422


@pytest.mark.parametrize("variant", [{"images": [2]}, {"url": "javascript:alert(1)"}])
def test_variants_are_checked(client: TestClient, variant: dict[str, object]) -> None:
    response = client.put("/v1/items/zt", json={**TEE, "variants": [variant]})
    assert (response.status_code, client.get("/v1/items/zt").status_code) == (400, 404)


@pytest.mark.parametrize(
    "sku", ["a/b c", "ключ-7", "50%", "sku?x=1", "emoji-👟", "null", "-", "'00123", '="007"', "1.5E+12"]
)
def test_skus_of_any_shape(client: TestClient, sku: str) -> None:
    path = f"/v1/items/{quote(sku, safe='')}"
    assert client.put(path, json={"title": "Odd"}).status_code == 201
    assert client.get(path).json()["sku"] == sku
    assert client.get(f"{path}/similar").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"title": "x", "images": [data_uri(make_image()[:40])]}, 400),
        ({"title": "x", "images": ["file:///etc/passwd"]}, 400),
        ({"title": "x", "images": ["http://169.254.169.254/latest/meta-data"]}, 400),
        ({"title": "x" * 5000}, 422),
        ({"title": "x" * 2000 + "\x88"}, 422),
        ({"title": "x", "currency": "euros"}, 422),
        ({"title": "x", "price_cents": -1}, 422),
        ({"title": "x", "attributes": {"size": {"eu": 42}}}, 422),
    ],
)
def test_bad_items_are_refused_and_nothing_changes(
    client: TestClient, store: Store, body: dict[str, object], status: int
) -> None:
    before = store.catalog.sequence()
    response = client.put("/v1/items/bad", json=body)
    assert response.status_code == status, response.text
    assert response.json()["error"]["remedy"]
    assert store.catalog.sequence() == before


@pytest.mark.parametrize("sku", ["x" * 257, "x" * 256 + "\x88", " ", "\x88", "\ufeff"])
def test_skus_that_are_none(client: TestClient, sku: str) -> None:
    response = client.put(f"/v1/items/{quote(sku, safe='')}", json={"title": "Odd"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_input")
    operations = [{"op": "put", "sku": sku, "item": {"title": "Odd"}}]
    (result,) = client.post("/v1/items:batch", json={"operations": operations}).json()["results"]
    assert result["status"] == "failed"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://shop.example/a b", 201),
        ("/a:b", 201),
        ("HTTP://shop.example", 201),
        ("page", 201),
        ("\u0958" * 4096, 201),  # NFC makes two of each
        ("x" * 4097, 400),
        ("x" * 4096 + "\x88", 400),
        ("java\nscript:alert(1)", 400),
        ("h ttp://shop.example", 400),
        ("shop.example:80/a", 201),
        ("127.0.0.1:80/a", 201),
    ],
)
def test_addresses_that_the_document_takes_and_no_other(client: TestClient, url: str, status: int) -> None:
    assert client.put("/v1/items/a", json={"title": "a", "url": url}).status_code == status
    variants = [{"sku": "a", "url": url}]
    assert client.put("/v1/items/b", json={"title": "b", "variants": variants}).status_code == status


def test_texts_as_long_as_they_may_be_are_taken_whatever_unicode_makes_of_them(client: TestClient) -> None:
    assert client.put("/v1/items/a", json={"title": "\u0958" * 2000}).status_code == 201
    assert client.post("/v1/search", json={"text": "\u0958" * 2000}).status_code == 200
    assert client.post("/v1/search", json={"text": "a" * 2000 + "\x88"}).status_code == 400
    deep = "[" * 40 + "1" + "]" * 40
    assert client.put("/v1/items/a", json={"title": "a", "attributes": {"note": deep}}).json()["attributes"] == {
        "note": deep
    }


def test_what_is_said_of_variants_is_cleaned(client: TestClient) -> None:
    variant = {"sku": " A\x00 ", "options": {"Shoe Size": "4\x002 "}, "identifiers": ["\x00", " 12 ", "12"]}
    found = client.put("/v1/items/a", json={"title": "a", "variants": [variant]}).json()["variants"][0]
    assert (found["sku"], found["options"], found["identifiers"]) == ("A", {"shoe_size": "42"}, ["12"])


def test_similar_leaves_the_item_out(client: TestClient, store: Store) -> None:
    stored = next(store.catalog.all_items())
    answer = client.get(f"/v1/items/{stored.item.sku}/similar", params={"limit": N_PRODUCTS}).json()
    skus = [hit["sku"] for hit in answer["hits"]]
    assert stored.item.sku not in skus
    assert len(skus) == N_PRODUCTS - 1
    assert client.get("/v1/items/nobody/similar").status_code == 404


def test_images_by_size(client: TestClient, store: Store) -> None:
    image_id = next(store.catalog.all_items()).image_ids[0]
    whole = client.get(f"/v1/images/{image_id}")
    assert whole.content == store.images.read(image_id)
    assert "immutable" in whole.headers["cache-control"]
    assert client.get(f"/v1/images/{image_id}", params={"size": 32}).status_code == 200
    assert client.get(f"/v1/images/{image_id}", params={"size": 0}).status_code == 422
    for unknown in ("0" * 32, "..%2F..%2Fcatalog.db", "x"):
        assert client.get(f"/v1/images/{unknown}").status_code == 404


def test_health_and_openapi(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    ready = client.get("/readyz").json()
    assert ready.pop("n_images") > 0
    rest = {"encoder": "fake", "reranker": None, "changes_behind": 0}
    assert ready == {"status": "ready", "n_items": N_PRODUCTS, **rest}
    schema = client.get("/openapi.json").json()
    assert "SearchRequest" in schema["components"]["schemas"]
    assert schema["components"]["schemas"]["SearchRequest"]["examples"]
    assert "multipart/form-data" in schema["paths"]["/v1/search"]["post"]["requestBody"]["content"]
    assert client.get("/nowhere").json()["error"]["code"] == "not_found"
    assert client.patch("/v1/search").status_code == 405


def test_the_api_pages_need_no_network(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    assert "swagger-ui" in page
