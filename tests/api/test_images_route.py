"""``GET /v1/images/{id}?explain=``: what a text is about, shown in an image."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import data_uri, make_image, tried
from tests.fakes import CALIBRATION, FakeEncoder
from tests.search.reranking.shops import ColourReranker
from vitrina.api.app import create_app
from vitrina.api.illustrations import MAX_DRAWN_STATEMENTS, Illustrations
from vitrina.api.rerankers import BackgroundReranker
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.reranking.base import Box, Capabilities, Deadline, RerankCandidate, Scoring
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError


class LocatingReranker(ColourReranker):
    """Finds everything in the upper left."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(Scoring.LOGITS, boxes=True)

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        return Box(0, 0, 0.5, 0.5)


@pytest.fixture
def image_id(store: Store) -> str:
    return next(store.catalog.all_items()).image_ids[0]


@pytest.fixture
def locating_client(store: Store) -> Iterator[TestClient]:
    """The service with a reranker that gives boxes."""
    opened = Store(store.folder)

    def reranked(_: ExitStack) -> LocatingReranker:
        return LocatingReranker()

    reranking = BackgroundReranker(opened, "locating", reranked)
    service = Service(opened, FakeEncoder(calibration=CALIBRATION), reranking=reranking)
    with TestClient(create_app(Settings(store=store.folder), lambda _: service)) as client:
        tried(reranking)
        yield client


def drawn(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_what_a_text_is_about_is_drawn_on_the_image(shared_client: TestClient, image_id: str) -> None:
    answer = shared_client.get(f"/v1/images/{image_id}", params={"explain": "red"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (drawn(answer.content).format, drawn(answer.content).size) == ("JPEG", (512, 512))
    plain = shared_client.get(f"/v1/images/{image_id}").content
    apart = np.asarray(drawn(answer.content), np.int16) - np.asarray(drawn(plain).resize((512, 512)), np.int16)
    assert np.abs(apart).mean() > 5


def test_several_texts_get_a_panel_each(shared_client: TestClient, image_id: str) -> None:
    answer = shared_client.get(f"/v1/images/{image_id}", params={"explain": ["red", "blue", " red  "], "size": 100})
    assert drawn(answer.content).size == (100 + 8 + 100, 100)


@pytest.mark.parametrize(("size", "side"), [(1, 1), (64, 64), (4096, 640)])
def test_the_drawing_is_bounded(shared_client: TestClient, image_id: str, size: int, side: int) -> None:
    answer = shared_client.get(f"/v1/images/{image_id}", params={"explain": ["a", "b", "c", "d"], "size": size})
    assert drawn(answer.content).size == (4 * side + 24, side)


def test_it_is_sent_once_while_nothing_changes(shared_client: TestClient, image_id: str) -> None:
    path, asked = f"/v1/images/{image_id}", {"explain": "red"}
    first = shared_client.get(path, params=asked)
    etag = first.headers["etag"]
    assert "immutable" not in first.headers["cache-control"]
    again = shared_client.get(path, params=asked, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    others = ({"explain": "blue"}, {"explain": "red", "size": "99"}, {"explain": ["red", "blue"]})
    assert etag not in {shared_client.get(path, params=other).headers["etag"] for other in others}


def test_a_reranker_that_gives_boxes_is_asked_for_them(
    client: TestClient, locating_client: TestClient, image_id: str
) -> None:
    path, asked = f"/v1/images/{image_id}", {"explain": "red"}
    boxed, heated = locating_client.get(path, params=asked), client.get(path, params=asked)
    assert boxed.status_code == 200
    assert boxed.headers["etag"] != heated.headers["etag"]
    plain = np.asarray(drawn(client.get(path).content).convert("RGB").resize((512, 512)), np.int16)
    inside = np.s_[100:200, 100:200]
    assert np.abs(np.asarray(drawn(boxed.content), np.int16)[inside] - plain[inside]).mean() < 5


def test_what_is_drawn_if_the_reranker_fails_is_not_cached(
    locating_client: TestClient, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: LocatingReranker, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        if statement == "blue":
            return None
        raise RerankerError("It broke.", remedy="Mend it.")

    path = f"/v1/images/{image_id}"
    sound = locating_client.get(path, params={"explain": "red"})
    with monkeypatch.context() as failing:
        failing.setattr(LocatingReranker, "locate", fail)
        failed = locating_client.get(path, params={"explain": ["blue", "red"]})
        assert (failed.status_code, failed.headers["cache-control"]) == (200, "no-store")
        assert "etag" not in failed.headers
        nowhere = locating_client.get(path, params={"explain": "blue"})
        assert "etag" in nowhere.headers, "that it cannot tell is an answer"
    again = locating_client.get(path, params={"explain": "red"})
    assert again.headers["etag"] == sound.headers["etag"]
    assert again.content == sound.content


@pytest.mark.parametrize(
    ("explain", "code"),
    [
        ([""], "bad_query"),
        (["  \x00 "], "bad_query"),
        (["x" * 201], "bad_query"),
        (["x" * 200 + "\x88"], "bad_query"),
        (["a"] * (MAX_DRAWN_STATEMENTS + 1), "bad_query"),
        ([str(number) for number in range(MAX_DRAWN_STATEMENTS + 1)], "bad_query"),
    ],
)
def test_bad_texts_are_refused_with_a_remedy(
    shared_client: TestClient, image_id: str, explain: list[str], code: str
) -> None:
    answer = shared_client.get(f"/v1/images/{image_id}", params={"explain": explain})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["remedy"]


@pytest.mark.parametrize("unknown", ["0" * 32, "..%2F..%2Fcatalog.db", "x"])
def test_unknown_images(shared_client: TestClient, unknown: str) -> None:
    answer = shared_client.get(f"/v1/images/{unknown}", params={"explain": "red"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("text", ["قميص أحمر", "<script>alert(1)</script>", "a" * 200, "👕", "e\u0301"])
def test_any_words_may_be_asked(shared_client: TestClient, image_id: str, text: str) -> None:
    assert shared_client.get(f"/v1/images/{image_id}", params={"explain": text}).status_code == 200


@pytest.mark.parametrize("size", [(1, 1), (600, 2), (2, 600)])
def test_images_of_any_shape(client: TestClient, size: tuple[int, int]) -> None:
    item = {"title": "Odd", "images": [data_uri(make_image("green", size))]}
    url = client.put("/v1/items/odd", json=item).json()["image_url"]
    answer = client.get(url.partition("?")[0], params={"explain": "green", "size": 200})
    assert answer.status_code == 200
    assert max(drawn(answer.content).size) == 200


def test_waiting_too_long_is_refused(client: TestClient, image_id: str) -> None:
    service: Service = client.app.state.service  # type: ignore[attr-defined]  # the ASGI type knows no state
    service.illustrations = Illustrations(n_at_once=1, wait_s=0.01)
    with service.illustrations._slot():
        answer = client.get(f"/v1/images/{image_id}", params={"explain": "red"})
        assert answer.status_code == 503
        assert answer.json()["error"]["remedy"] == "Ask again in a moment."
        assert client.get(f"/v1/images/{image_id}").status_code == 200
    assert client.get(f"/v1/images/{image_id}", params={"explain": "red"}).status_code == 200


def test_several_at_a_time(shared_client: TestClient, image_id: str) -> None:
    answers: list[int] = []

    def ask(number: int) -> None:
        answers.append(shared_client.get(f"/v1/images/{image_id}", params={"explain": f"red {number}"}).status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
