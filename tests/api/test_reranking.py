"""``POST /v1/search`` with a reranker behind it, as a client sees it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import tried
from tests.fakes import FakeEncoder, blank_catalog
from tests.search.reranking.shops import ColourReranker, fill
from tests.sse import Sent, events_in
from vitrina.api import rerankers
from vitrina.api.answers import ANSWER, AnswerOut, DoneOut, ExplanationEventOut
from vitrina.api.app import create_app
from vitrina.api.rerankers import BackgroundReranker, Open, Readiness
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.reranking.base import Deadline, Reranker
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.query import RerankOptions

BODY: dict[str, object] = {
    "text": "white boots",
    "rerank": {"top": 36, "deadline_ms": 20_000, "explain": 3, "explain_ms": 20_000},
}
STREAM = {"Accept": "text/event-stream"}
SECRET = "sk-never-shown-9f2"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Store:
    """Colours and articles in turn, a few of them listed wrong."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "catalog.db").write_bytes(blank_catalog())
    store = Store(folder)
    fill(store, encoder)
    store.close()
    return store


@pytest.fixture
def reranker() -> ColourReranker:
    return ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0))


@contextmanager
def serving(
    shop: Store, open_: Open, defaults: RerankOptions | None = None
) -> Iterator[tuple[TestClient, BackgroundReranker]]:
    """A service over the shop whose reranker was tried once."""
    store = Store(shop.folder)
    reranking = BackgroundReranker(store, "eyes at a host", open_, defaults)
    app = create_app(Settings(store=shop.folder), lambda _: Service(store, FakeEncoder(), reranking=reranking))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client, reranking


@pytest.fixture
def client(shop: Store, reranker: ColourReranker) -> Iterator[TestClient]:
    with serving(shop, lambda _: reranker) as (client, reranking):
        assert tried(reranking).readiness is Readiness.READY
        yield client


def skus(answer: dict[str, Any]) -> list[str]:
    return [hit["sku"] for hit in answer["hits"]]


def streamed(client: TestClient, body: dict[str, object]) -> list[Sent]:
    response = client.post("/v1/search", json=body, headers=STREAM).raise_for_status()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    return list(events_in(response.text.splitlines()))


def test_one_answer_has_verdicts_explanations_and_the_state_of_each_hit(client: TestClient) -> None:
    answer = client.post("/v1/search", json=BODY).raise_for_status().json()
    assert (answer["rerank_status"], answer["reranker"], answer["rerank_note"]) == ("reranked", "simple eyes", "")
    assert [each["name"] for each in answer["requirements"]] == ["colour: white", "article: boots"]
    assert answer["timings_ms"].keys() >= {"vectors", "judge", "verdicts", "explain", "total"}
    first = answer["hits"][0]
    colour, article = first["verdicts"]
    assert set(colour) == {
        *("requirement", "field", "words", "wanted", "status", "probability"),
        *("evidence", "catalog_value", "image_value", "disagreement"),
    }
    assert (colour["requirement"], colour["status"], colour["evidence"]) == ("colour: white", "met", "both")
    assert (article["field"], article["words"], article["wanted"]) == ("article", "boots", True)
    assert [hit["explanation"] is not None for hit in answer["hits"]] == [True] * 3 + [False] * 7
    assert first["explanation"]["written_by"] == "template"
    assert "white" in first["explanation"]["text"].lower()
    assert {hit["rerank_status"] for hit in answer["hits"] if hit["image_url"]} == {"reranked"}
    assert all(hit["retrieval_rank"] for hit in answer["hits"])


def test_a_disagreement_between_listing_and_photo_is_shown(client: TestClient) -> None:
    answer = client.post("/v1/search", json={**BODY, "text": "white", "limit": 36}).json()
    shown = {hit["sku"]: hit["verdicts"][0]["disagreement"] for hit in answer["hits"]}
    assert shown["item-6"] == "listing says White, photo looks red"
    assert sum(words is not None for words in shown.values()) == 2


def test_the_stream_has_the_same_in_events(client: TestClient) -> None:
    plain = client.post("/v1/search", json={"text": "white boots"}).json()
    sent = streamed(client, BODY)
    assert [name for name, _ in sent] == ["retrieved", "reranked", *["explanation"] * 3, "done"]
    retrieved, reranked, *explanations, done = (data for _, data in sent)
    assert skus(retrieved) == skus(plain)
    assert retrieved["rerank_status"] == "not_asked"
    final = client.post("/v1/search", json=BODY).json()
    assert skus(reranked) == skus(final)
    assert [(each["rank"], each["sku"]) for each in explanations] == list(enumerate(skus(final)[:3], start=1))
    assert [each["explanation"] for each in explanations] == [hit["explanation"] for hit in final["hits"][:3]]
    assert done["timings_ms"]["total"] >= reranked["timings_ms"]["total"]


def test_a_stream_without_reranking_is_retrieved_and_done(client: TestClient, reranker: ColourReranker) -> None:
    assert [name for name, _ in streamed(client, {"text": "white boots"})] == ["retrieved", "done"]
    assert reranker.asked == []


@pytest.mark.parametrize(
    "body", [{"text": "boots", "rerank": False}, {"text": "boots"}, {"text": "boots", "explain": 0}]
)
def test_switched_off_for_a_query(client: TestClient, reranker: ColourReranker, body: dict[str, object]) -> None:
    answer = client.post("/v1/search", json=body).raise_for_status().json()
    assert (answer["rerank_status"], answer["reranker"]) == ("not_asked", None)
    assert [each["name"] for each in answer["requirements"]] == ["article: boots"]
    assert all(hit["verdicts"] == [] and hit["retrieval_rank"] is None for hit in answer["hits"])
    assert reranker.asked == []


@pytest.mark.parametrize(
    ("fields", "n_explained"),
    [({"rerank": True}, 2), ({"explain": True}, 2), ({"explain": 4}, 4), ({"rerank": {"top": 9}, "explain": 1}, 1)],
)
def test_what_a_request_leaves_open_is_the_services_default(
    shop: Store, reranker: ColourReranker, fields: dict[str, object], n_explained: int
) -> None:
    with serving(shop, lambda _: reranker, RerankOptions(deadline_ms=20_000, explain=2, explain_ms=20_000)) as (
        client,
        reranking,
    ):
        tried(reranking)
        answer = client.post("/v1/search", json={"text": "white boots", **fields}).raise_for_status().json()
    assert answer["rerank_status"] == "reranked"
    assert sum(hit["explanation"] is not None for hit in answer["hits"]) == n_explained


def test_a_form_takes_them_as_json(client: TestClient) -> None:
    form = {"text": (None, "white boots"), "rerank": (None, '{"deadline_ms": 20000}'), "explain": (None, "1")}
    answer = client.post("/v1/search", files=form).raise_for_status().json()
    assert answer["rerank_status"] == "reranked"
    assert answer["hits"][0]["explanation"]


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"rerank": {"top": 0}}, 400, "top is 0"),
        ({"rerank": {"top": 101}}, 400, "top is 101"),
        ({"rerank": {"deadline_ms": 40_000}}, 400, "deadline_ms is 40000"),
        ({"rerank": {"explain": -1}}, 400, "explain is -1"),
        ({"explain": 21}, 400, "explain is 21"),
        ({"rerank": False, "explain": 3}, 400, "forbids the reranking"),
        ({"rerank": {"explain": 3}, "explain": 3}, 400, "twice"),
        ({"rerank": {"top": "many"}}, 422, "top"),
        ({"rerank": {"top": 1.5}}, 422, "top"),
        ({"rerank": {"nonsense": 1}}, 422, "nonsense"),
        ({"rerank": "yes"}, 422, "rerank"),
        ({"explain": 1.5}, 422, "explain"),
        ({"rerank": True, "text": "", "without": "red"}, 400, "only says what to avoid"),
    ],
)
@pytest.mark.parametrize("headers", [{}, STREAM])
def test_bad_options_are_errors_with_a_remedy_in_both_forms(
    client: TestClient, fields: dict[str, object], status: int, says: str, headers: dict[str, str]
) -> None:
    response = client.post("/v1/search", json={"text": "boots", **fields}, headers=headers)
    error = response.json()["error"]
    assert response.status_code == status
    assert says in error["message"]
    assert error["remedy"]


@pytest.mark.parametrize(
    ("before", "state", "says"),
    [
        (lambda deadline: time.sleep(deadline.seconds_left + 0.3), "late", "deadline"),
        (lambda deadline: [][0], "failed", "failed"),
    ],
)
def test_a_late_or_broken_reranker_leaves_the_retrievals_order(
    client: TestClient, reranker: ColourReranker, before: Callable[[Deadline], None], state: str, says: str
) -> None:
    plain = client.post("/v1/search", json={"text": "white boots"}).json()
    reranker.before = before
    answer = client.post("/v1/search", json={"text": "white boots", "rerank": {"deadline_ms": 200}}).json()
    assert skus(answer) == skus(plain)
    assert answer["rerank_status"] == state
    assert says in answer["rerank_note"]
    assert {hit["rerank_status"] for hit in answer["hits"]} <= {state, "not_asked"}
    assert answer["hits"][0]["explanation"]["written_by"] == "template"
    assert answer["hits"][0]["verdicts"][0]["evidence"] == "field"


def broken(_: ExitStack) -> Reranker:
    raise RerankerError("The reranker at shop.example refuses the key.", remedy="Set VITRINA_RERANKER_KEY.")


def test_a_reranker_that_cannot_be_opened_leaves_search_working_and_says_why(
    shop: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(shop, broken) as (client, reranking):
        tried(reranking)
        plain = client.post("/v1/search", json={"text": "white boots"}).json()
        answer = client.post("/v1/search", json=BODY).raise_for_status().json()
        assert skus(answer) == skus(plain)
        assert (answer["rerank_status"], answer["reranker"]) == ("failed", "eyes at a host")
        assert "/readyz says why" in answer["rerank_note"]
        assert [name for name, _ in streamed(client, BODY)] == ["retrieved", "reranked", "done"]
        shown = client.get("/readyz").raise_for_status().json()["reranker"]
        assert shown["status"] == "failed"
        assert shown["error"]["message"].startswith("The reranker at shop.example")
        assert shown["error"]["remedy"] == "Set VITRINA_RERANKER_KEY."
    assert "Hits are not reranked: The reranker at shop.example" in caplog.text


def test_unexpected_errors_while_opening_stay_in_the_log(shop: Store, caplog: pytest.LogCaptureFixture) -> None:
    def unexpected(_: ExitStack) -> Reranker:
        raise KeyError(SECRET)

    with serving(shop, unexpected) as (client, reranking):
        tried(reranking)
        shown = client.get("/readyz").json()["reranker"]
    assert shown["error"]["message"] == "The reranker could not be opened: KeyError."
    assert "Traceback" in caplog.text


def test_it_is_tried_again_until_it_opens(
    shop: Store, reranker: ColourReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerankers, "RETRY_S", 0.02)
    n_tries = 0

    def at_the_third(closing: ExitStack) -> Reranker:
        nonlocal n_tries
        n_tries += 1
        return reranker if n_tries == 3 else broken(closing)

    with serving(shop, at_the_third) as (client, reranking):
        assert tried(reranking).readiness is Readiness.FAILED
        end = time.monotonic() + 30
        while reranking.status.readiness is not Readiness.READY and time.monotonic() < end:
            time.sleep(0.01)
        assert client.get("/readyz").json()["reranker"]["status"] == "ready"
        assert client.post("/v1/search", json=BODY).json()["rerank_status"] == "reranked"


def test_the_service_answers_while_its_reranker_is_opened(shop: Store, reranker: ColourReranker) -> None:
    release, closed = threading.Event(), threading.Event()

    def slow(closing: ExitStack) -> Reranker:
        closing.callback(closed.set)
        release.wait(60)
        return reranker

    with serving(shop, slow) as (client, reranking):
        answer = client.post("/v1/search", json=BODY).raise_for_status().json()
        assert answer["rerank_status"] == "late"
        assert "still being opened" in answer["rerank_note"]
        assert client.get("/readyz").json()["reranker"]["status"] == "opening"
        release.set()
        assert tried(reranking).readiness is Readiness.READY
        ready = client.get("/readyz").json()["reranker"]
        assert (ready["name"], ready["status"], ready["scoring"]) == ("simple eyes", "ready", "logits")
        assert client.post("/v1/search", json=BODY).json()["rerank_status"] == "reranked"
    assert closed.is_set()


def test_similar_items_are_reranked_alike(client: TestClient, reranker: ColourReranker) -> None:
    path, budget = "/v1/items/item-3/similar", {"rerank": json.dumps({"top": 36, "deadline_ms": 20_000, "explain": 2})}
    plain = client.get(path).raise_for_status().json()
    assert (plain["rerank_status"], plain["reranker"]) == ("not_asked", None)
    assert reranker.asked == []
    answer = client.get(path, params=budget).raise_for_status().json()
    assert (answer["rerank_status"], answer["reranker"]) == ("reranked", "simple eyes")
    assert [each["name"] for each in answer["requirements"]] == ["colour: yellow", "article: shirt"]
    assert "item-3" not in skus(answer)
    assert [hit["explanation"] is not None for hit in answer["hits"]] == [True] * 2 + [False] * 8
    sent = list(events_in(client.get(path, params=budget, headers=STREAM).raise_for_status().text.splitlines()))
    assert [name for name, _ in sent] == ["retrieved", "reranked", "explanation", "explanation", "done"]
    assert skus(sent[0][1]) == skus(plain)
    assert skus(sent[1][1]) == skus(answer)


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"rerank": "yes"}, 422, "rerank: is not JSON"),
        ({"rerank": '"yes"'}, 422, "rerank"),
        ({"rerank": '{"top": 0}'}, 400, "top is 0"),
        ({"explain": "21"}, 400, "explain is 21"),
        ({"rerank": "false", "explain": "3"}, 400, "forbids the reranking"),
    ],
)
def test_bad_options_for_similar_items(client: TestClient, asked: dict[str, str], status: int, says: str) -> None:
    response = client.get("/v1/items/item-3/similar", params=asked)
    assert response.status_code == status
    assert says in response.json()["error"]["message"]


def test_similar_items_while_the_reranker_fails(shop: Store) -> None:
    with serving(shop, broken) as (client, reranking):
        tried(reranking)
        answer = client.get("/v1/items/item-3/similar", params={"rerank": "true"}).raise_for_status().json()
        assert skus(answer) == skus(client.get("/v1/items/item-3/similar").json())
        assert answer["rerank_status"] == "failed"
        assert client.get("/v1/items/nobody/similar", params={"rerank": "true"}).status_code == 404


def test_both_forms_are_described_with_examples(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    forms = described["paths"]["/v1/search"]["post"]["responses"]["200"]["content"]
    assert set(forms) == {"application/json", "text/event-stream"}
    assert forms["application/json"]["schema"] == {"$ref": "#/components/schemas/AnswerOut"}
    sent = list(events_in(forms["text/event-stream"]["example"].splitlines()))
    assert [name for name, _ in sent] == ["retrieved", "reranked", "explanation", "done"]
    models = described["components"]["schemas"]
    assert {"AnswerOut", "ExplanationEventOut", "DoneOut", "VerdictOut", "RerankIn"} <= set(models)
    assert AnswerOut.model_validate(ANSWER).model_dump() == ANSWER
    ExplanationEventOut.model_validate(dict(sent)["explanation"])
    DoneOut.model_validate(dict(sent)["done"])


@pytest.mark.parametrize("headers", [{}, STREAM])
@pytest.mark.parametrize(
    ("fields", "says"), [({"text": ""}, "no words and no image"), ({"sort": "price_asc"}, "sorted by price_asc")]
)
def test_what_has_another_order_is_not_reranked_and_says_so(
    client: TestClient, fields: dict[str, str], says: str, headers: dict[str, str]
) -> None:
    response = client.post("/v1/search", json={"text": "boots", "rerank": True, **fields}, headers=headers)
    assert response.status_code == 200
    assert says in response.text
    assert '"rerank_status":"not_asked"' in response.text
    assert '"rerank_status":"reranked"' not in response.text
