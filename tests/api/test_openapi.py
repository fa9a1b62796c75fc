"""The OpenAPI document is exact: what fits it is accepted, what does not is refused, and answers are as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument, Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.api.conftest import data_uri, make_image, tried
from tests.fakes import CALIBRATION, FakeEncoder
from tests.search.reranking.shops import ColourReranker
from vitrina.api import service
from vitrina.api.app import create_app
from vitrina.api.request_schemas import IMAGE
from vitrina.api.rerankers import BackgroundReranker
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.indexer.fetch import Fetched, Fetcher, Validators
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import FetchError

N_CASES, N_SLOW_CASES, N_TOGETHER = 3, 280, 20
"""For each operation, of what fits the document, and of what does not; and how many are generated together."""

REASONS = (
    "No item has ",
    "holds no numbers, so it has no range",
    "neither an image nor any text",
    "offline, on purpose",
    "has an image ",
    "comes from its variants",
    "is not calibrated for queries",
    "asks for explanations and forbids",
)
"""Why what fits the document may be refused, which no schema can say: a filter by what this catalog does not have, an
item with nothing in it but blanks and signs, an address without a picture, a variant with a picture of another,
confidences that the encoder does not have, and parameters of a URL that contradict each other."""

TEXT_IN_A_FORM = re.compile(r"violates `type` at /properties/(text|without|source|encoding|catalog|dialect)\b")
"""What is no text becomes one in a form."""

IMAGES = [make_image(colour) for colour in ("red", "navy")]
schemathesis.openapi.format("image-data-uri", st.sampled_from([data_uri(image) for image in IMAGES]))
schemathesis.openapi.format("binary", st.sampled_from(IMAGES))


class Offline(Fetcher):
    """Fetches nothing."""

    def fetch_changed(self, url: str, known: Validators) -> Fetched:
        raise FetchError("offline, on purpose", remedy="None.")


@pytest.fixture
def app(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    """A service with a reranker over the boutique; nothing is fetched."""
    monkeypatch.setattr(service, "Fetcher", Offline)
    opened = Store(store.folder)
    reranker = ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0))
    reranking = BackgroundReranker(opened, "reranker", lambda _: reranker)
    encoder = FakeEncoder(calibration=CALIBRATION)
    app = create_app(Settings(store=store.folder), lambda _: Service(opened, encoder, reranking=reranking))
    with TestClient(app):
        tried(reranking)
        yield app


def is_excused(failure: Exception, response: Response) -> bool:
    """Whether a refusal is for a reason that no schema can say, or that of an operation within a batch; and whether
    what was accepted came as a text that fits."""
    if type(failure).__name__ == "AcceptedNegativeData":
        sent_form = str(response.request.headers.get("Content-Type", "")).startswith("multipart/")
        became_text = sent_form and TEXT_IN_A_FORM.search(str(failure)) is not None
        is_untold = sent_form and "/allOf/" in str(failure)  # with files in it Schemathesis cannot check it as a whole
        became_nothing = sent_form and "became array" in str(failure)  # one that is empty is no part of a form
        return became_text or is_untold or became_nothing or '"status":"failed"' in response.text
    is_refusal = type(failure).__name__ == "RejectedPositiveData" and response.status_code == 400
    return is_refusal and any(reason in response.text for reason in REASONS)


def check(case: Case[Any]) -> None:
    """Send a case, and check its answer by all of Schemathesis's checks."""
    response = case.call()
    try:
        case.validate_response(response)
    except FailureGroup as group:
        failures: list[Exception] = [each for each in group.exceptions if not is_excused(each, response)]
        if failures:
            raise ExceptionGroup(f"{case.as_curl_command()}\n{response.text[:500]}", failures) from None
    except Failure as failure:
        if not is_excused(failure, response):
            raise


def running(app: FastAPI) -> ASGIApp:
    """The application without its start and stop, which the fixture does."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)
            return
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    return answer


def run_cases(app: FastAPI, n_cases: int) -> int:
    """Send so many cases of each operation and kind; returns how many there were."""
    n_sent = 0
    schema = schemathesis.openapi.from_asgi("/openapi.json", running(app))
    schema.config.analysis.constants.enabled = False  # of our modules: other cases after every change, and not all fit
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in GenerationMode:

            @settings(
                max_examples=min(n_cases, N_TOGETHER),
                deadline=None,
                database=None,
                derandomize=n_cases == N_CASES,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Case[Any]) -> None:
                nonlocal n_sent
                n_sent += 1
                check(case)

            for _ in range(max(1, n_cases // N_TOGETHER)):
                try:
                    send()
                except Unsatisfiable:
                    assert mode is GenerationMode.NEGATIVE, operation.label  # anything fits
                except InvalidArgument as error:
                    if "min_size" not in str(error):  # of a text longer than Hypothesis makes any
                        raise
    return n_sent


@pytest.mark.timeout(300)
def test_what_fits_the_document_is_accepted_and_nothing_else(app: FastAPI) -> None:
    assert run_cases(app, N_CASES) > 100


@pytest.mark.marathon
@pytest.mark.timeout(3_600)
def test_ten_thousand_cases(app: FastAPI) -> None:
    n_sent = run_cases(app, N_SLOW_CASES)
    print(f"{n_sent:,} cases")  # noqa: T201
    assert n_sent >= 10_000


def examples_in(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Method, path and body of every example of a JSON body."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for schema in [body.get("schema", {}), *body.get("schema", {}).get("oneOf", [])]:
                model = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
                for example in model.get("examples", []):
                    yield method, path, example


def test_every_example_works(app: FastAPI) -> None:
    """On the boutique, which the demo's catalog is, too."""
    with_examples = set()
    client = TestClient(app)
    for method, path, body in examples_in(client.get("/openapi.json").json()):
        response = client.request(method, path.replace("{sku}", "example"), json=body)
        assert response.status_code < 300, (path, body, response.text)
        with_examples.add(path)
    assert {"/v1/search", "/v1/explain", "/v1/items/{sku}"} <= with_examples


@pytest.mark.parametrize(
    "body",
    [
        {"limit": "5"},
        {"offset": "0"},
        {"min_confidence": "0.5"},
        {"collapse": "yes"},
        {"collapse": 1},
        {"correct": 1},
        {"weights": {"text": "1"}},
        {"text": "a", "rerank": {"top": "5"}},
        {"text": "a", "explain": "5"},
    ],
)
def test_texts_are_no_numbers(app: FastAPI, body: dict[str, Any]) -> None:
    client = TestClient(app)
    assert client.post("/v1/search", json=body).status_code == 422
    fields = {name: (None, value if isinstance(value, str) else json.dumps(value)) for name, value in body.items()}
    if all(isinstance(value, str) for value in body.values()) and body.get("collapse") != "yes":
        assert client.post("/v1/search", files=fields).status_code == 200, "in a form they are"


@pytest.mark.parametrize(
    ("payload", "fits"), [("", False), ("YQ==", True), ("YWI=", True), ("YWJj", True), ("YWJ", False)]
)
def test_an_image_in_the_document_has_bytes(payload: str, fits: bool) -> None:
    assert bool(re.search(IMAGE["pattern"], f"data:image/png;base64,{payload}")) is fits


def test_images_are_answered_as_one_of_the_types_in_the_document(app: FastAPI) -> None:
    client = TestClient(app)
    operation = client.get("/openapi.json").json()["paths"]["/v1/images/{image_id}"]["get"]
    documented = operation["responses"]["200"]["content"]
    for form in ("PNG", "WEBP", "JPEG", "GIF"):
        image = data_uri(make_image("navy", form=form))
        item = client.put(f"/v1/items/{form}", json={"images": [image]}).raise_for_status().json()
        assert client.get(item["image_urls"][0].partition("?")[0]).headers["content-type"] in documented


def test_whole_numbers_may_have_a_point(app: FastAPI) -> None:
    answer = TestClient(app).post("/v1/search", content='{"limit": 2.0, "offset": 1e0, "text": "a", "explain": 1.0}')
    assert answer.status_code == 200
    assert [hit["rank"] for hit in answer.json()["hits"]] == [2, 3]
