"""The service where more is asked than it can do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from tests.api.conftest import make_image, tried
from tests.api.test_reranking import BODY, STREAM, serving
from tests.api.test_reranking import shop as shop
from tests.search.reranking.shops import ColourReranker
from tests.sse import events_in
from vitrina.api import service
from vitrina.api.admission import (
    FLOOD_S,
    MAX_BUFFERED_BYTES,
    MAX_IN_FLIGHT,
    MIN_REFUSED,
    Admission,
    Admitted,
    InFlight,
    Work,
    work_of,
)
from vitrina.api.app import BodyLimit
from vitrina.api.routes import items
from vitrina.indexer.fetch import Fetched, Fetcher, Validators
from vitrina.search.images.memory import MAX_TOTAL_BYTES, MEMORY
from vitrina.search.reranking.base import Deadline
from vitrina.search.reranking.client import NOTES
from vitrina.search.store.store import Store
from vitrina.search.types.answer import RerankStatus


@contextmanager
def held_up(client: TestClient, model: ColourReranker, n: int) -> Iterator[None]:
    """While ``n`` answers are being reranked."""
    release, begun = threading.Event(), threading.Semaphore(0)

    def hang(deadline: Deadline) -> None:
        begun.release()
        release.wait(60)

    model.before = hang
    with ThreadPoolExecutor(n) as threads:
        asked = [threads.submit(post, client, f"white {number}") for number in range(n)]
        try:
            for _ in range(n):
                assert begun.acquire(timeout=30)
            yield
        finally:
            release.set()
            model.before = lambda deadline: None
        for each in asked:
            assert each.result(60)["rerank_status"] == "reranked"


def post(client: TestClient, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/v1/search", json={**BODY, "text": text}).raise_for_status().json()
    return answer


def test_more_reranked_answers_than_there_is_room_for_are_busy(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "N_RERANKED", 2)
    model = ColourReranker()
    with serving(shop, lambda _: model) as (client, reranking):
        tried(reranking)
        with held_up(client, model, 2):
            plain = client.post("/v1/search", json={"text": "white boots"}).json()
            answer = post(client, "white boots")
            assert (answer["rerank_status"], answer["rerank_note"]) == ("busy", NOTES[RerankStatus.BUSY])
            assert [hit["sku"] for hit in answer["hits"]] == [hit["sku"] for hit in plain["hits"]]
            assert {hit["rerank_status"] for hit in answer["hits"]} == {"busy"}
            sent = client.post("/v1/search", json=BODY, headers=STREAM).raise_for_status()
            events = list(events_in(sent.text.splitlines()))
            assert [name for name, _ in events] == ["retrieved", "reranked", "done"]
            assert events[1][1]["rerank_status"] == "busy"
            explained = client.post("/v1/explain", json={"query": {"text": "white boots"}, "sku": "item-1"})
            assert explained.raise_for_status().json()["rerank_status"] == "busy"
        for _ in range(3):  # the room is free again, after streams and after answers
            assert post(client, "white boots")["rerank_status"] == "reranked"
            client.post("/v1/search", json=BODY, headers=STREAM).raise_for_status()


DEADLINE: dict[str, object] = {"text": "white boots", "rerank": {"deadline_ms": 500, "explain": 0}}


def test_what_cannot_be_begun_by_its_deadline_is_refused_then(shop: Store) -> None:
    """The wait for a thread of retrieval is part of it."""
    model = ColourReranker()
    with serving(shop, lambda _: model) as (client, reranking):
        tried(reranking)
        threads: ThreadPoolExecutor = client.app.state.service.retrieving  # type: ignore[attr-defined]
        release = threading.Event()
        waiting: list[Future[bool]] = [threads.submit(release.wait, 30) for _ in range(threads._max_workers)]
        for headers in ({}, STREAM):
            started = time.monotonic()
            refused = client.post("/v1/search", json=DEADLINE, headers=headers)
            assert 0.5 <= time.monotonic() - started < 5
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
            assert refused.headers["retry-after"] == "1"
        threading.Timer(0.2, release.set).start()
        hasty = {**DEADLINE, "rerank": {"deadline_ms": 1, "explain": 0}}
        assert client.post("/v1/search", json=hasty).raise_for_status().json()["rerank_status"] == "late"
        release.clear()
        waiting += [threads.submit(release.wait, 30) for _ in range(threads._max_workers)]
        threading.Timer(0.7, release.set).start()
        patient = {**DEADLINE, "rerank": {"deadline_ms": 500, "explain": 1, "explain_ms": 20_000}}
        answer = client.post("/v1/search", json=patient).raise_for_status().json()
        assert answer["rerank_status"] == "late"
        assert answer["hits"][0]["explanation"]
        assert all(each.result(10) for each in waiting)
        assert model.asked == []
        assert client.post("/v1/search", json=BODY).json()["rerank_status"] == "reranked"


def test_what_has_a_deadline_waits_for_no_search_without_one(shop: Store) -> None:
    model = ColourReranker()
    with serving(shop, lambda _: model) as (client, reranking), ThreadPoolExecutor(1) as clients:
        tried(reranking)
        threads: ThreadPoolExecutor = client.app.state.service.searching  # type: ignore[attr-defined]
        release = threading.Event()
        waiting = [ThreadPoolExecutor.submit(threads, release.wait, 30) for _ in range(threads._max_workers)]
        plain = clients.submit(search, client)
        assert post(client, "white boots")["rerank_status"] == "reranked"
        assert not plain.done()
        release.set()
        assert plain.result(30).status_code == 200
        assert all(each.result(10) for each in waiting)


def test_requests_beyond_the_bound_of_their_kind_are_refused_at_once(shop: Store) -> None:
    model = ColourReranker()
    with serving(shop, lambda _: model) as (client, reranking):
        tried(reranking)
        threads: ThreadPoolExecutor = client.app.state.service.searching  # type: ignore[attr-defined]
        release = threading.Event()
        waiting = [threads.submit(release.wait, 60) for _ in range(threads._max_workers)]
        n_more, most = 5, MAX_IN_FLIGHT[Work.SEARCH]
        with ThreadPoolExecutor(most + n_more) as clients:
            asked = [clients.submit(search, client) for _ in range(most + n_more)]
            until = time.monotonic() + 30
            while sum(each.done() for each in asked) < n_more and time.monotonic() < until:
                time.sleep(0.01)
            refused = [each.result() for each in asked if each.done()]
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/items/item-1").status_code == 200
            release.set()
            answered = [each.result(60) for each in asked if each.result(60) not in refused]
        assert all(each.result(10) for each in waiting)
        assert [each.status_code for each in refused] == [503] * n_more
        assert {each.headers["retry-after"] for each in refused} == {"1"}
        assert refused[0].json()["error"]["code"] == "busy"
        assert [each.status_code for each in answered] == [200] * most
        assert search(client).status_code == 200


def search(client: TestClient) -> Any:
    return client.post("/v1/search", json={"text": "white boots"})


@pytest.mark.parametrize(
    ("method", "path", "work"),
    [
        ("POST", "/v1/search", Work.SEARCH),
        ("GET", "/v1/items/a/b/similar", Work.SEARCH),
        ("GET", "/v1/items/a", None),
        ("PUT", "/v1/items/a/similar", Work.WRITE),
        ("PATCH", "/v1/items/a", Work.WRITE),
        ("DELETE", "/v1/items/a\nb", Work.WRITE),
        ("GET", "/v1/images/0", Work.IMAGE),
        ("GET", "/healthz", None),
        ("GET", "/", None),
    ],
)
def test_which_bound_a_request_counts_against(method: str, path: str, work: Work | None) -> None:
    assert work_of(method, path) is work


class Pace:
    """Searches that are answered one after the other, ``per_s`` a second, those that are not withdrawn before, and a
    clock that goes on when it is told."""

    def __init__(self, per_s: float) -> None:
        self.now, self.per_s = 0.0, per_s
        self.in_flight = InFlight(clock=lambda: self.now)
        self.waits_s: list[float] = []
        self._waiting: list[tuple[float, AbstractContextManager[Admitted]]] = []
        self.withdrawn_after_s: list[float] = []
        self._next_at = 0.0

    def ask(self) -> bool:
        """Whether a search is taken."""
        if self.in_flight.refuses(Work.SEARCH):
            return False
        counting = self.in_flight.counting(Work.SEARCH)
        asked = self.now, counting
        counting.__enter__().on_withdraw = lambda: self._withdraw(asked)
        self._waiting.append(asked)
        return True

    def _withdraw(self, asked: tuple[float, AbstractContextManager[Admitted]]) -> None:
        self._waiting.remove(asked)
        asked[1].__exit__(None, None, None)
        self.withdrawn_after_s.append(self.now - asked[0])

    def go_on(self, seconds: float) -> None:
        """Let time pass, in which searches are answered in their order."""
        self.now += seconds
        while self._waiting and self.now >= self._next_at:
            asked_at, counting = self._waiting.pop(0)
            counting.__exit__(None, None, None)
            self.waits_s.append(self.now - asked_at)
            self._next_at = max(self._next_at, self.now - seconds) + 1 / self.per_s


@pytest.mark.parametrize("per_s", [10.0, 20.0, 40.0, 200.0])
def test_in_a_flood_as_many_are_taken_as_are_answered_soon(per_s: float) -> None:
    pace = Pace(per_s)
    for _ in range(250 * 20):
        pace.ask()
        pace.go_on(1 / 250)
    assert len(pace.waits_s) >= 0.9 * per_s * 20
    assert max(pace.waits_s) < 2.0, "those that were asked before it was seen to be a flood, too"
    assert max(pace.withdrawn_after_s, default=0.0) <= (0.15 if per_s > 20 else 0.3)


def test_clients_that_wait_for_their_answers_are_never_refused_and_are_taken_again_after_a_flood() -> None:
    pace = Pace(10.0)
    n_clients = MAX_IN_FLIGHT[Work.SEARCH]
    assert all(pace.ask() for _ in range(n_clients))
    for _ in range(3000):
        before = len(pace.waits_s)
        pace.go_on(0.01)
        assert all(pace.ask() for _ in range(len(pace.waits_s) - before))
    assert max(pace.waits_s) > 5, "however slow it is"
    for _ in range(250 * 5):  # others come, too many
        pace.ask()
        pace.go_on(1 / 250)
    assert not all(pace.ask() for _ in range(2))
    pace.go_on(FLOOD_S + 0.1)
    for _ in range(2000):
        pace.go_on(0.01)
    assert all(pace.ask() for _ in range(n_clients))


def test_what_was_taken_before_a_flood_was_noticed_is_refused_after_all() -> None:
    """The latest of them, whose work is given up; none whose answer has begun."""
    gone: list[int] = []
    now = 0.0

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["number"] == 24:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await asyncio.sleep(0 if 0 < scope["number"] < 11 else 1)
        except asyncio.CancelledError:
            gone.append(scope["number"])
            raise
        if scope["number"] != 24:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    admission = Admission(answer, InFlight({**MAX_IN_FLIGHT, Work.SEARCH: 16}, clock=lambda: now))

    async def status(number: int) -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/search", "headers": [], "number": number}
        await admission(scope, lambda: asyncio.sleep(9), send)  # type: ignore[arg-type, return-value]
        return int(sent[0]["status"])

    async def in_turn() -> list[int]:
        nonlocal now
        before = [asyncio.ensure_future(status(number)) for number in range(11)]
        await asyncio.sleep(0.05)
        now = 1.0  # ten were answered in a second, so that twelve are kept of the sixteen that are taken
        return await asyncio.gather(*before, *(status(number) for number in range(11, 26 + MIN_REFUSED)))

    assert asyncio.run(in_turn()) == [200] * 22 + [503] * 2 + [200] + [503] * (1 + MIN_REFUSED)
    assert sorted(gone) == [22, 23, 25]


def test_slow_images_hold_up_nothing_but_other_images(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    n_taken, release, begun = MAX_IN_FLIGHT[Work.WRITE], threading.Event(), threading.Semaphore(0)

    def fetch(self: Fetcher, url: str, known: Validators) -> Fetched:
        begun.release()
        release.wait(60)
        return Fetched(make_image("red"), Validators())

    monkeypatch.setattr(Fetcher, "fetch_changed", fetch)
    with serving(shop, lambda _: ColourReranker()) as (client, _), ThreadPoolExecutor(45) as clients:
        asked = [clients.submit(put, client, f"slow-{number}") for number in range(45)]
        for _ in range(service.N_WRITING):
            assert begun.acquire(timeout=30)
        until = time.monotonic() + 30
        while sum(each.done() for each in asked) < 45 - n_taken and time.monotonic() < until:
            time.sleep(0.01)
        monkeypatch.setitem(cast(dict[Work, int], MAX_IN_FLIGHT), Work.WRITE, 100)
        assert client.put("/v1/items/words", json={"title": "Boots"}).status_code == 201
        assert client.delete("/v1/items/words").status_code == 204
        batch = {"operations": [{"op": "put", "sku": "words", "item": {"title": "Boots"}}]}
        assert client.post("/v1/items:batch", json=batch).json()["n_failed"] == 0
        monkeypatch.setattr(items, "FETCH_S", 0.05)
        late = put(client, "late")
        assert (late.status_code, late.json()["error"]["code"]) == (503, "busy"), "the wait for a thread is bounded"
        for path in ("/healthz", "/readyz", "/v1/items/item-1", "/"):
            assert client.get(path).status_code == 200
        assert search(client).status_code == 200
        release.set()
        found = Counter(each.result(60).status_code for each in asked)
    assert found == {201: n_taken, 503: 45 - n_taken}


def put(client: TestClient, sku: str) -> Any:
    return client.put(f"/v1/items/{sku}", json={"title": "Boots", "images": [f"https://pictures.example/{sku}.png"]})


def test_images_that_wait_for_memory_hold_up_no_search(shop: Store) -> None:
    with serving(shop, lambda _: ColourReranker()) as (client, _), ThreadPoolExecutor(8) as clients:
        with MEMORY.taking(MAX_TOTAL_BYTES):
            asked = [clients.submit(search_by, client, make_image("red")) for _ in range(8)]
            time.sleep(0.2)
            for _ in range(3):
                assert search(client).status_code == 200
            assert not any(each.done() for each in asked)
        assert {each.result(30).status_code for each in asked} == {200}


def search_by(client: TestClient, image: bytes) -> Any:
    return client.post("/v1/search", files={"image": image})


def test_large_bodies_together_take_a_bounded_part_of_memory() -> None:
    """One of three that arrive at once is refused, and the next is taken when the others have gone."""

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    limit = BodyLimit(read, max_bytes=MAX_BUFFERED_BYTES // 2, max_import_bytes=0)

    async def status(n_bytes: int, arrives: asyncio.Event) -> int:
        sent: list[Message] = []
        parts: list[Message] = [
            {"type": "http.request", "body": bytes(n_bytes), "more_body": True},
            {"type": "http.request"},
        ]

        async def receive() -> Message:
            if len(parts) == 1:
                await arrives.wait()
            return parts.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await limit({"type": "http", "headers": []}, receive, send)
        return int(sent[0]["status"])

    async def three() -> list[int]:
        arrives = asyncio.Event()
        first = [asyncio.ensure_future(status(MAX_BUFFERED_BYTES // 2, arrives)) for _ in range(2)]
        await asyncio.sleep(0.01)
        third = await status(1, arrives)
        arrives.set()
        return [third, *await asyncio.gather(*first), await status(1, arrives)]

    assert asyncio.run(three()) == [503, 200, 200, 200]
