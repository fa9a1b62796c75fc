"""``POST /v1/search`` as a client sees it."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import N_PRODUCTS, data_uri, make_image
from vitrina.search.store.store import Store


def test_text_answer_has_every_field(shared_client: TestClient) -> None:
    answer = shared_client.post("/v1/search", json={"text": "shirt", "limit": 3}).raise_for_status().json()
    assert set(answer) == {
        *("hits", "n_candidates", "no_good_match", "n_collapsed", "encoder", "timings_ms"),
        *("requirements", "rerank_status", "reranker", "rerank_note", "corrected"),
    }
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] <= scores[0] < 1
    assert answer["n_candidates"] == N_PRODUCTS
    assert answer["timings_ms"]["total"] >= answer["timings_ms"]["vectors"]
    first = answer["hits"][0]
    assert first["currency"]
    assert first["price_cents"] > 0
    assert shared_client.get(first["image_url"]).headers["content-type"].startswith("image/")


def test_confidence_comes_with_every_hit_and_bounds_what_comes(shared_client: TestClient) -> None:
    hits = shared_client.post("/v1/search", json={"text": "shirt", "limit": N_PRODUCTS}).json()["hits"]
    likely = [hit["sku"] for hit in hits if hit["confidence"] >= 0.5]
    assert 0 < len(likely) < N_PRODUCTS
    form = {"text": (None, "shirt"), "min_confidence": (None, "0.5")}
    for response in (
        shared_client.post("/v1/search", json={"text": "shirt", "min_confidence": 0.5}),
        shared_client.post("/v1/search", files=form),
    ):
        answer = response.raise_for_status().json()
        assert [hit["sku"] for hit in answer["hits"]] == likely[:10]
        assert answer["n_candidates"] == len(likely)
        assert not answer["no_good_match"]
    out_of_catalog = shared_client.post("/v1/search", json={"text": "espresso machine"}).json()
    assert out_of_catalog["no_good_match"]
    assert out_of_catalog["hits"]


def test_exact_sku_comes_first(shared_client: TestClient, store: Store) -> None:
    for stored in list(store.catalog.all_items())[:5]:
        answer = shared_client.post("/v1/search", json={"text": stored.item.sku, "limit": 1}).json()
        assert answer["hits"][0]["sku"] == stored.item.sku


def test_own_photo_comes_first_by_data_uri_and_by_upload(shared_client: TestClient, store: Store) -> None:
    stored = next(store.catalog.all_items())
    photo = store.images.read(stored.image_ids[0])
    by_uri = shared_client.post("/v1/search", json={"images": [data_uri(photo)], "limit": 2}).json()
    by_file = shared_client.post("/v1/search", files={"image": ("photo.jpg", photo)}, data={"limit": "2"}).json()
    assert by_uri["hits"][0]["sku"] == stored.item.sku
    assert [hit["sku"] for hit in by_uri["hits"]] == [hit["sku"] for hit in by_file["hits"]]


@pytest.mark.parametrize(
    ("name", "part", "says"),
    [
        ("image", (None, "photo.jpg"), "form.image: is a text here"),
        ("images", ("photo.jpg", b"..."), "form.images: is a file"),
        ("text", ("words.txt", b"shirt"), "form.text: is a file"),
    ],
)
def test_a_text_in_place_of_a_file_is_no_search_without_it(
    shared_client: TestClient, name: str, part: tuple[str | None, str | bytes], says: str
) -> None:
    """As ``-F image=photo.jpg`` sends it."""
    refused = shared_client.post("/v1/search", files={name: part, "limit": (None, "2")})
    assert refused.status_code == 422
    assert says in refused.json()["error"]["message"]


def test_form_takes_filters_as_json(shared_client: TestClient) -> None:
    form = {"text": "gift", "filters": json.dumps({"category": {"exists": True}}), "limit": "4"}
    answer = (
        shared_client.post("/v1/search", data=form, files={"image": ("a.png", make_image())}).raise_for_status().json()
    )
    assert len(answer["hits"]) == 4


def test_sku_reference_and_filter(shared_client: TestClient, store: Store) -> None:
    stored = next(store.catalog.all_items())
    article = stored.item.attributes["article"]
    body = {"images": [{"sku": stored.item.sku}], "filters": {"article": article}}
    hits = shared_client.post("/v1/search", json=body).json()["hits"]
    assert hits[0]["sku"] == stored.item.sku
    assert {hit["attributes"]["article"] for hit in hits} == {article}


def test_pages_neither_repeat_nor_skip(shared_client: TestClient) -> None:
    whole = shared_client.post("/v1/search", json={"text": "blue", "limit": N_PRODUCTS}).json()["hits"]
    pages = [
        shared_client.post("/v1/search", json={"text": "blue", "limit": 7, "offset": at}).json()
        for at in range(0, 42, 7)
    ]
    paged = [hit["sku"] for page in pages for hit in page["hits"]]
    assert paged == [hit["sku"] for hit in whole]
    assert len(set(paged)) == N_PRODUCTS


def test_filters_alone_list_a_category(shared_client: TestClient, store: Store) -> None:
    article = next(store.catalog.all_items()).item.attributes["article"]
    newest = [each.item.sku for each in store.catalog.all_items() if each.item.attributes["article"] == article][::-1]
    answer = shared_client.post(
        "/v1/search", json={"filters": {"article": article}, "limit": 2, "min_confidence": 0.5}
    ).json()
    assert [hit["sku"] for hit in answer["hits"]] == newest[:2]
    assert answer["n_candidates"] == len(newest)
    assert {hit["confidence"] for hit in answer["hits"]} == {None}
    assert not answer["no_good_match"]
    fields = {"filters": (None, json.dumps({"article": article})), "offset": (None, "2"), "sort": (None, "newest")}
    form = shared_client.post("/v1/search", files=fields).raise_for_status().json()
    assert [hit["sku"] for hit in form["hits"]] == newest[2:12]
    assert [hit["rank"] for hit in form["hits"]] == list(range(3, 3 + len(form["hits"])))


def test_nothing_lists_the_whole_catalog(shared_client: TestClient) -> None:
    for body in ({}, {"text": "  "}):
        answer = shared_client.post("/v1/search", json=body).raise_for_status().json()
        assert answer["n_candidates"] == N_PRODUCTS
        assert len(answer["hits"]) == 10
    past = shared_client.post("/v1/search", json={"offset": 5000}).json()
    assert (past["hits"], past["n_candidates"], past["no_good_match"]) == ([], N_PRODUCTS, False)


@pytest.mark.parametrize("text", ["", "shirt"])
@pytest.mark.parametrize("sort", ["price_asc", "price_desc", "price_cents:asc", "newest"])
def test_sorted_pages_neither_repeat_nor_skip(shared_client: TestClient, store: Store, sort: str, text: str) -> None:
    body = {"text": text, "sort": sort}
    whole = shared_client.post("/v1/search", json={**body, "limit": N_PRODUCTS}).raise_for_status().json()["hits"]
    ids = {each.item.sku: each.id for each in store.catalog.all_items()}
    sign = -1 if sort == "price_desc" else 1
    keys = [-ids[hit["sku"]] if sort == "newest" else (sign * hit["price_cents"], ids[hit["sku"]]) for hit in whole]
    assert keys == sorted(keys)
    pages = [shared_client.post("/v1/search", json={**body, "limit": 3, "offset": at}).json() for at in range(0, 42, 3)]
    assert [hit["sku"] for page in pages for hit in page["hits"]] == [hit["sku"] for hit in whole]
    if text:
        assert 0 < len(whole) < N_PRODUCTS, "what is not relevant is left out, however cheap"
        assert all("shirt" in hit["title"].casefold() for hit in whole)


@pytest.mark.parametrize("text", ["", "samovar"])
def test_hits_by_the_numbers_of_a_shops_own_field(client: TestClient, text: str) -> None:
    for sku, stars in {"low": 2, "none": None, "high": 4.5, "five": 5}.items():
        attributes = {"article": "samovar", "stars": stars or "none yet"}
        client.put(f"/v1/items/{sku}", json={"title": "Samovar", "attributes": attributes}).raise_for_status()

    def found(sort: str, **more: object) -> list[str]:
        body = {"text": text, "filters": {"article": "samovar"}, "sort": sort, **more}
        answer = client.post("/v1/search", json=body).raise_for_status().json()
        files = {
            name: (None, str(value) if name in ("text", "sort") else json.dumps(value)) for name, value in body.items()
        }
        assert client.post("/v1/search", files=files).raise_for_status().json()["hits"] == answer["hits"]
        return [hit["sku"] for hit in answer["hits"]]

    assert found("stars:desc") == ["five", "high", "low", "none"]
    assert found("stars:asc") == ["low", "high", "five", "none"]
    assert found("stars:asc", filters={"stars": {"gte": 4}}) == ["high", "five"]
    assert [found("stars:desc", limit=1, offset=at) for at in range(4)] == [["five"], ["high"], ["low"], ["none"]]
    explained = client.post("/v1/explain", json={"query": {"text": text, "sort": "stars:desc"}, "sku": "low"}).json()
    assert explained["rank"] == 3
    assert "sorted by stars, the highest first" in explained["sentence"]
    misspelt = client.post("/v1/search", json={"text": text, "sort": "stasr:desc"})
    assert (misspelt.status_code, misspelt.json()["error"]["code"]) == (400, "bad_filter")
    assert "stars" in misspelt.json()["error"]["remedy"]


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        ({"sort": "cheapest"}, 400, "bad_query", "cheapest"),
        ({"sort": "stasr:desc"}, 400, "bad_filter", "stasr"),
        ({"text": "shirt", "sort": "colour:asc"}, 400, "bad_filter", "holds no numbers"),
        ({"filters": {"colour": "mauvish"}}, 400, "bad_filter", "mauvish"),
        ({"offset": -1}, 400, "bad_query", "outside"),
        ({"without": "red"}, 400, "bad_query", "only says what to avoid"),
        ({"text": "a", "limit": 0}, 400, "bad_query", "limit 0"),
        ({"text": "a", "limit": 1_000_000}, 400, "bad_query", "1000000"),
        ({"text": "a", "offset": 999, "limit": 5}, 400, "bad_query", "outside"),
        ({"text": "a", "offset": -1}, 400, "bad_query", "outside"),
        ({"text": "a", "min_confidence": 1.5}, 422, "bad_request", "min_confidence"),
        ({"text": "a", "images": [data_uri(make_image())], "min_confidence": 0.5}, 400, "bad_query", "not calibrated"),
        ({"text": "a" * 3000}, 400, "bad_query", "3000 characters"),
        ({"text": "a", "filters": {"flavour": "mint"}}, 400, "bad_filter", "flavour"),
        ({"text": "a", "filters": {"colour": "mauvish"}}, 400, "bad_filter", "mauvish"),
        ({"text": "a", "filters": {"colour": {"gte": 3}}}, 400, "bad_filter", "no numbers"),
        ({"text": "a", "filters": {"colour": []}}, 400, "bad_filter", "0 values"),
        ({"images": ["file:///etc/passwd"]}, 400, "bad_image", "no data URI"),
        ({"images": ["http://127.0.0.1/x.png"]}, 400, "bad_image", "no data URI"),
        ({"images": ["data:image/png;base64,!!!"]}, 400, "bad_image", "base64"),
        ({"images": [data_uri(b"not a picture")]}, 400, "bad_image", "not an image"),
        ({"images": [{"sku": "nobody"}]}, 404, "not_found", "nobody"),
        ({"images": [data_uri(make_image())] * 9}, 400, "bad_query", "9 images"),
        ({"text": "a", "rerank": True}, 501, "no_reranker", "no reranker"),
        ({"text": "a", "explain": True}, 501, "no_reranker", "no reranker"),
        ({"text": "a", "rerank": {"top": 5}}, 501, "no_reranker", "no reranker"),
        ({"text": "a", "nonsense": 1}, 422, "bad_request", "nonsense"),
        ({"text": "a", "limit": "many"}, 422, "bad_request", "limit"),
        ({"text": "a", "weights": {"text": -1}}, 422, "bad_request", "text"),
        ({"text": "a", "weights": {"text": 0}}, 400, "bad_query", "weight"),
    ],
)
def test_errors_have_one_shape_and_say_what_to_do(
    shared_client: TestClient, body: dict[str, object], status: int, code: str, says: str
) -> None:
    response = shared_client.post("/v1/search", json=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), error
    assert set(error) == {"code", "message", "remedy", "details"}
    assert says in error["message"]
    assert error["remedy"]


def test_a_filter_by_price_is_told_the_name_of_prices(shared_client: TestClient) -> None:
    answer = shared_client.post("/v1/search", json={"text": "shirt", "filters": {"price": {"lt": 60}}})
    assert answer.status_code == 400
    assert answer.json()["error"]["remedy"].startswith("Prices are filtered by price_cents, in whole cents")


def test_broken_json_and_huge_bodies_are_refused(shared_client: TestClient) -> None:
    broken = shared_client.post("/v1/search", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (422, "bad_request")
    huge = shared_client.post("/v1/search", json={"text": "a", "images": ["x" * 2_100_000]})
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, "too_large")
    unannounced = shared_client.post("/v1/search", content=(b"x" * 100_000 for _ in range(30)))
    assert unannounced.status_code == 413


@pytest.mark.parametrize("text", ["👗", "قميص أزرق", "كنزة‏ حمراء", "ſhirt", "a\u0000b", '"', "NEAR(", "shirt -red *"])
def test_any_text_is_answered(shared_client: TestClient, text: str) -> None:
    assert shared_client.post("/v1/search", json={"text": text}).status_code == 200


def test_no_json_number_is_nan(client: TestClient, store: Store) -> None:
    client.put("/v1/items/words-only", json={"title": "Only words"}).raise_for_status()
    text = client.post("/v1/search", json={"text": "Only words"}).text
    assert "NaN" not in text
    assert json.loads(text)["hits"][0]["signals"]["image"] is None
