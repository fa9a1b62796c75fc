"""``POST /v1/explain`` and ``vitrina explain``: why an item is, or is not, among the hits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import Vitrina, data_uri, make_image, open_simple_reranker, tried
from tests.fakes import FakeEncoder
from vitrina.api.app import create_app
from vitrina.api.rank_explanations import RANK_EXPLANATION, RankExplanationOut
from vitrina.api.rerankers import BackgroundReranker, Open
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.reranking.base import Deadline
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.query import RerankOptions


def explained(client: TestClient, query: object, sku: str) -> dict[str, Any]:
    response = client.post("/v1/explain", json={"query": query, "sku": sku})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def serving(store: Store, open_: Open) -> Iterator[TestClient]:
    own = Store(store.folder)
    reranking = BackgroundReranker(own, "eyes", open_, RerankOptions(deadline_ms=20_000))
    app = create_app(Settings(store=store.folder), lambda _: Service(own, FakeEncoder(), reranking=reranking))
    with TestClient(app, raise_server_exceptions=False) as client:
        tried(reranking)
        yield client


@pytest.fixture
def judging(reranking_store: Store) -> Iterator[TestClient]:
    """A service whose reranker sees colours."""
    yield from serving(reranking_store, lambda closing: open_simple_reranker(Settings(), closing))


@pytest.fixture
def blind(reranking_store: Store) -> Iterator[TestClient]:
    """A service whose reranker cannot be opened."""

    def fail(_: object) -> Any:
        raise RerankerError("It has no eyes.", remedy="Wait.")

    yield from serving(reranking_store, fail)


def test_a_hit_and_an_item_that_is_none_are_explained(client: TestClient) -> None:
    found = client.post("/v1/search", json={"text": "shirt", "limit": 40}).json()["hits"]
    first, last = (explained(client, {"text": "shirt", "limit": 3}, hit["sku"]) for hit in (found[0], found[-1]))
    assert (first["placement"], first["rank"], last["placement"]) == ("hit", 1, "other_page")
    assert last["rank"] == len(found)
    assert first["score"] == found[0]["score"]
    assert first["item"]["title"] == found[0]["title"]
    assert {part["part"] for part in first["parts"]} >= {"text vectors", "image vectors", "words"}
    assert first["words"] == {"shirt": True}
    assert last["sentence"].startswith(f"It is {len(found)}th of ")
    assert last["verdicts"][0]["status"] == "contradicted"
    assert (first["rerank_status"], first["reranker"]) == ("not_asked", None)


def test_a_text_alone_is_a_query_and_images_and_filters_belong_to_one(client: TestClient) -> None:
    sku = client.post("/v1/search", json={"text": "shirt"}).json()["hits"][0]["sku"]
    by_text = explained(client, "shirt", sku)
    by_object = explained(client, {"text": "shirt"}, sku)
    assert {**by_text, "timings_ms": {}} == {**by_object, "timings_ms": {}}
    failed = explained(client, {"text": "shirt", "filters": {"price_cents": {"gt": 10**7, "lt": 10**8}}}, sku)
    assert failed["placement"] == "filtered"
    assert failed["failed_filters"][0]["condition"] == "price above 100,000.00 and under 1,000,000.00"
    assert failed["sentence"].startswith(
        "It fails the filter price above 100,000.00 and under 1,000,000.00: its price is "
    )
    by_photo = explained(client, {"images": [data_uri(make_image("blue"))]}, sku)
    assert by_photo["words"] == {}
    similar = explained(client, {"images": [{"sku": sku}]}, sku)
    assert similar["rank"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "shirt", "sku": "nothing"}, 404, "not_found"),
        ({"query": {"text": "shirt", "filters": {"nothing": 1}}, "sku": "nothing"}, 404, "not_found"),
        ({"query": "shirt"}, 422, "bad_request"),
        ({"query": {"words": "shirt"}, "sku": "a"}, 422, "bad_request"),
        ({"query": 7, "sku": "a"}, 422, "bad_request"),
        ({"query": {"without": "red"}, "sku": "a"}, 400, "bad_query"),
        ({"query": {"text": "shirt", "rerank": True}, "sku": "a"}, 501, "no_reranker"),
        ({"query": {"text": "shirt", "rerank": False, "explain": 3}, "sku": "a"}, 400, "bad_query"),
    ],
)
def test_errors_have_a_remedy(client: TestClient, body: dict[str, object], status: int, code: str) -> None:
    response = client.post("/v1/explain", json=body)
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code
    assert error["remedy"]


def test_an_unknown_value_of_a_filter_is_an_error_as_in_a_search(client: TestClient) -> None:
    sku = client.post("/v1/search", json={"text": "shirt"}).json()["hits"][0]["sku"]
    body = {"query": {"text": "shirt", "filters": {"nothing": 1}}, "sku": sku}
    response = client.post("/v1/explain", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_filter")


def test_the_photo_is_judged_where_a_reranker_is_ready(judging: TestClient) -> None:
    asked = {"text": "white boots", "limit": 1}
    by_photo = explained(judging, asked, "item-7")
    assert (by_photo["rerank_status"], by_photo["reranker"]) == ("reranked", "simple eyes")
    assert by_photo["verdicts"][0]["evidence"] == "both"
    assert by_photo["retrieval_rank"] is None
    by_listing = explained(judging, {**asked, "rerank": False}, "item-7")
    assert (by_listing["rerank_status"], by_listing["verdicts"][0]["evidence"]) == ("not_asked", "field")


def test_a_reranked_search_is_explained_by_its_final_rank(judging: TestClient) -> None:
    asked = {"text": "white", "rerank": True, "limit": 20}
    hits = judging.post("/v1/search", json=asked).json()["hits"]
    moved = next(hit for hit in hits if hit["rank"] != hit["retrieval_rank"])
    answer = explained(judging, asked, moved["sku"])
    assert (answer["rank"], answer["retrieval_rank"]) == (moved["rank"], moved["retrieval_rank"])
    assert "before reranking" in answer["sentence"]


def test_without_an_open_reranker_the_listing_is_judged_and_the_answer_says_so(blind: TestClient) -> None:
    answer = explained(blind, "white boots", "item-7")
    assert answer["rerank_status"] == "failed"
    assert "could not be opened" in answer["rerank_note"]
    assert answer["verdicts"][0]["evidence"] == "field"


def test_the_example_is_an_answer(client: TestClient) -> None:
    assert RankExplanationOut.model_validate(RANK_EXPLANATION).model_dump(mode="json") == RANK_EXPLANATION
    schema = client.get("/openapi.json").json()
    operation = schema["paths"]["/v1/explain"]["post"]
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert example["sentence"] == RANK_EXPLANATION["sentence"]
    assert schema["components"]["schemas"]["ExplainRequest"]["examples"]


@pytest.mark.usefixtures("store")
def test_the_command_prints_the_sentence_and_the_parts_or_the_http_answer(vitrina: Vitrina, client: TestClient) -> None:
    sku = client.post("/v1/search", json={"text": "blue shirt", "limit": 40}).json()["hits"][-1]["sku"]
    over_http = explained(client, {"text": "blue shirt", "limit": 3}, sku)
    status, printed, complaint = vitrina("explain", "blue", "shirt", "--sku", sku, "--limit", "3")
    assert (status, complaint) == (0, "")
    assert over_http["sentence"] in " ".join(printed.split())
    assert all(part["part"] in printed for part in over_http["parts"])
    status, printed, _ = vitrina("explain", "blue shirt", "--sku", sku, "--limit", "3", "--json")
    assert {**json.loads(printed), "timings_ms": {}} == {**over_http, "timings_ms": {}}


@pytest.mark.usefixtures("store")
def test_the_command_reads_filters_and_reports_errors(vitrina: Vitrina, client: TestClient) -> None:
    sku = client.post("/v1/search", json={"text": "shirt"}).json()["hits"][0]["sku"]
    status, printed, _ = vitrina("explain", "shirt", "--sku", sku, "--filter", "price_cents=9000000..")
    assert status == 0
    assert "It fails the filter price at least 90,000.00: its price is " in printed
    status, _, complaint = vitrina("explain", "shirt", "--sku", "nothing")
    assert status == 2
    assert "There is no item with the sku 'nothing'." in complaint
    assert "Check the sku's spelling" in complaint
    status, _, complaint = vitrina("explain", "--without", "red", "--sku", sku)
    assert (status, "only says what to avoid" in complaint) == (2, True)


def test_the_command_judges_the_photo_if_asked(reranking_vitrina: Vitrina) -> None:
    status, printed, _ = reranking_vitrina("explain", "white boots", "--sku", "item-7", "--rerank")
    assert status == 0
    assert "listing and photo" in printed
    _, printed, _ = reranking_vitrina("explain", "white boots", "--sku", "item-7")
    assert "listing and photo" not in printed


def test_explanations_compute_in_the_slots_of_searches_and_lend_them_while_the_reranker_judges(
    reranking_store: Store,
) -> None:
    reranker = open_simple_reranker(Settings(), ExitStack())
    for client in serving(reranking_store, lambda _: reranker):
        service: Service = client.app.state.service  # type: ignore[attr-defined]
        judging, release = threading.Event(), threading.Event()

        def wait(_: Deadline, judging: threading.Event = judging, release: threading.Event = release) -> None:
            judging.set()
            release.wait(30)

        reranker.before = wait  # type: ignore[attr-defined]
        n_slots = service._slots._n_free
        with ExitStack() as held, ThreadPoolExecutor(1) as clients:
            for _ in range(n_slots):
                held.enter_context(service._slots.taken())
            asked = clients.submit(explained, client, "red boots", "item-1")
            assert not judging.wait(0.2), "it waits for a slot"
            held.close()
            assert judging.wait(30)
            assert service._slots._n_free == n_slots, "it computes nothing now"
            release.set()
            assert asked.result(30)["placement"]
