"""Requests of anything at all: each is answered or refused, soon, with a reason, and never with a 5xx."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import data_uri, make_image
from tests.fakes import CALIBRATION, FakeEncoder
from vitrina.api.app import create_app
from vitrina.api.requests import decode_data_uri
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.api.uploads import FormReader, make_folder
from vitrina.search.images.decode import decode_image
from vitrina.search.store.store import Store
from vitrina.search.types.errors import FilterError, ImageError, VitrinaError
from vitrina.search.types.filters import parse_filter_arguments, parse_filters

MAX_S = 5.0
quick = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def anything(tmp_path_factory: pytest.TempPathFactory, indexed_folder: Path) -> Iterator[TestClient]:
    """A service over the boutique, which all requests of this module go to."""
    folder = Path(shutil.copytree(indexed_folder, tmp_path_factory.mktemp("any") / "store"))
    app = create_app(Settings(store=folder), lambda _: Service(Store(folder), FakeEncoder(calibration=CALIBRATION)))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, 2**63, -(2**63) - 1, 1e308, 5e-324, -0.0]),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=12), st.sampled_from(["\0", "\ud800", "١", "ǅ", "huge"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["not", "gte", "lt", "exists", "sku", "top"]) | st.text(max_size=4), inner)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(["colour", "price_cents", "sku", "article", "\0", "a\nb", "'", "", "not"]) | st.text(
    max_size=6
)


def check_refusal(error: VitrinaError) -> None:
    """It says what to do, and does not repeat all that was sent."""
    assert error.remedy
    assert len(str(error)) < 1_000


@quick
@given(st.dictionaries(FIELDS, VALUES, max_size=4))
def test_any_filters(asked: dict[str, object]) -> None:
    try:
        conditions = parse_filters(asked)
    except FilterError as error:
        check_refusal(error)
    else:
        assert len(conditions) == len(asked)


@quick
@given(st.lists(st.text(st.sampled_from('ab=|!."*\\ 0-1é\n\0'), max_size=24) | st.text(max_size=12), max_size=3))
def test_any_filters_on_the_command_line(arguments: list[str]) -> None:
    try:
        conditions = parse_filter_arguments(arguments, lambda field, value: len(value) % 3 == 0)
    except FilterError as error:
        check_refusal(error)
    else:
        assert len(conditions) == len(arguments)


@quick
@given(
    st.text(max_size=40)
    | st.text(st.sampled_from("data:imge/pn;base64,AQIDBA==+-_%20\n\0"), max_size=40)
    | st.binary(max_size=200).map(data_uri)
)
def test_any_data_uri(uri: str) -> None:
    try:
        decode_image(decode_data_uri(uri))
    except ImageError as error:
        check_refusal(error)


PART = st.builds(
    lambda name, file, data, end: (
        b"--b\r\nContent-Disposition: form-data; name=" + name + file + b"\r\n\r\n" + data + end
    ),
    st.sampled_from([b'"file"', b'"map"', b'"source"', b'"', b"", b'"\xff"', b'"image"', b'"text"', b'"limit"']),
    st.sampled_from([b"", b'; filename="a.csv"', b'; filename="../../x"', b'; filename=""', b"; filename*=utf-8''%00"]),
    st.sampled_from([b"sku,title\n1,a\n", b"{}", b"\0\xff", b"5", make_image()]) | st.binary(max_size=30),
    st.sampled_from([b"\r\n", b"\n", b"", b"\r\n--b--\r\n", b"\r\n--b--"]),
)
FORMS = st.lists(PART | st.binary(max_size=12) | st.sampled_from([b"--b--\r\n", b"--b", b"\r\n"]), max_size=4).map(
    b"".join
)
FORM_TYPES = st.sampled_from(
    [*("multipart/form-data; boundary=" + boundary for boundary in ("b", "", "b" * 300)), "multipart/form-data"]
)  # fmt: skip


@quick
@given(FORMS, FORM_TYPES, st.integers(1, 20))
def test_any_form_of_an_import(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, content_type: str, step: int
) -> None:
    """Whatever the pieces that it comes in, what is written lies in its folder."""
    uploads = tmp_path_factory.mktemp("uploads")
    folder, reader = make_folder(uploads), None
    try:
        reader = FormReader(folder, content_type)
        for at in range(0, len(body), step):
            reader.write(body[at : at + step])
        assert (folder / reader.finish().file_name).is_file()
    except RequestValidationError:
        pass
    finally:
        if reader is not None:
            reader.close()
    assert list(uploads.iterdir()) == [folder]
    assert all(each.is_file() for each in folder.iterdir())


def answered(client: TestClient, path: str, content: bytes, content_type: str) -> None:
    """Send a body; it is answered, or refused with a reason."""
    started = time.monotonic()
    response = client.post(path, content=content, headers={"Content-Type": content_type})
    assert response.status_code < 500, response.text[:500]
    if response.status_code >= 400:
        assert response.json()["error"]["remedy"]
        assert len(response.content) < 20_000
    assert time.monotonic() - started < MAX_S


@quick
@given(FORMS, FORM_TYPES)
def test_any_form_of_a_search(anything: TestClient, body: bytes, content_type: str) -> None:
    answered(anything, "/v1/search", body, content_type)


BODIES = st.dictionaries(
    st.sampled_from(
        ["text", "without", "images", "filters", "weights", "limit", "offset", "sort", "collapse", "correct", "rerank",
         "explain", "query", "sku", "fields", "operations", "rows", "url", "map", "min_confidence"]
    ),
    VALUES | st.dictionaries(FIELDS, VALUES, max_size=2) | st.just([{"sku": "a"}]) | st.text(max_size=6),
    max_size=4,
)  # fmt: skip
SEARCHES = ["/v1/search", "/v1/explain", "/v1/facets"]


HUGE = b"9" * 5_000


def as_json(body: Any) -> bytes:
    """The body, a text of nothing but ``huge`` as a number that Python does not print."""
    return json.dumps(body).encode().replace(b'"huge"', HUGE)


@settings(quick, max_examples=300)
@given(st.sampled_from(SEARCHES), BODIES)
def test_any_json(anything: TestClient, path: str, body: dict[str, object]) -> None:
    whole = body if path == "/v1/search" else {"query": body, "sku": "a"} if path == "/v1/explain" else {"query": body}
    answered(anything, path, as_json(whole), "application/json")


@quick
@given(st.sampled_from([*SEARCHES, "/v1/items:batch"]), st.binary(max_size=60) | BODIES.map(as_json), st.data())
def test_any_bytes_as_json(anything: TestClient, path: str, body: bytes, data: st.DataObject) -> None:
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
    content_type = data.draw(
        st.sampled_from(["application/json", "application/json; charset=utf-16", "text/plain", ""])
    )
    answered(anything, path, body[:start] + body[end:], content_type)


@quick
@given(st.dictionaries(st.sampled_from(["title", "attributes", "variants", "images", "url", "price_cents"]), VALUES))
def test_any_item(anything: TestClient, item: dict[str, object]) -> None:
    operations = [{"op": "put", "sku": "any", "item": item}, {"op": "delete", "sku": "any"}]
    answered(anything, "/v1/items:batch", as_json({"operations": operations}), "application/json")
    asked = anything.put("/v1/items/any", content=as_json(item), headers={"Content-Type": "application/json"})
    assert asked.status_code < 500, asked.text[:500]
