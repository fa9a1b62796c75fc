"""Attacks by bodies: larger than they look, without end, or made to break what reads them."""

from __future__ import annotations

import io
import time
import tracemalloc
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import data_uri, make_image, sent_by

JSON = {"Content-Type": "application/json"}


def bomb(form: str, side_px: int = 12_000) -> bytes:
    """A picture of one colour that takes a few kilobytes, and more than 200 MB when it is decoded."""
    file = io.BytesIO()
    Image.new("1" if form in ("PNG", "TIFF") else "L" if form == "GIF" else "RGB", (side_px, side_px)).save(
        file, form, **({"compression": "group4"} if form == "TIFF" else {"progressive": True} if form == "JPEG" else {})
    )
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "GIF", "TIFF", "JPEG"])
def test_decompression_bombs(client: TestClient, form: str) -> None:
    data = bomb(form)
    assert len(data) < 1_500_000
    tracemalloc.start()
    try:
        asked = client.post("/v1/search", json={"images": [data_uri(data)]})
        uploaded = client.post("/v1/search", files={"image": ("a.png", data, "image/png")})
        written = client.put("/v1/items/a", json={"title": "a", "images": [data_uri(data)]})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {each.status_code for each in (asked, uploaded, written)} == {400}
    assert peak < 100_000_000


FORM = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'


@pytest.mark.parametrize(
    ("method", "path", "kind", "beginning"),
    [
        ("POST", "/v1/search", "application/json", b"{"),
        ("POST", "/v1/search", "multipart/form-data; boundary=b", FORM),
        ("POST", "/v1/explain", "application/json", b"{"),
        ("PUT", "/v1/items/a", "application/json", b"{"),
    ],
)
def test_bodies_that_never_end(client: TestClient, method: str, path: str, kind: str, beginning: bytes) -> None:
    n_chunks = 0

    async def receive() -> Any:
        nonlocal n_chunks
        n_chunks += 1
        assert n_chunks < 1_000
        body = beginning if n_chunks == 1 else b" " * 100_000
        return {"type": "http.request", "body": body, "more_body": True}

    sent = sent_by(client, method, path, kind.encode(), receive)
    assert sent[0]["status"] == 413
    assert n_chunks < 30


def test_forms_of_many_parts(client: TestClient) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n'
    body = b"".join(part % n for n in range(20_000)) + b"--b--\r\n"
    started = time.monotonic()
    response = client.post("/v1/search", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert response.status_code in (400, 422)
    files = [("image", (f"{n}.png", make_image(), "image/png")) for n in range(12)]
    assert client.post("/v1/search", files=files).status_code in (400, 422)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 200_000,
        '{"text": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"limit": 1' + "0" * 100_000 + "}",
        '{"limit": 1e400}',
        '{"offset": -9223372036854775809}',
        '{"weights": {"text": 1' + "0" * 400 + "}}",
        r'{"text": "\ud800"}',
        r'{"filters": {"\udfff": "a"}}',
        '{"limit": 5, "limit": 100000}',
        '{"images": [], "images": ["file:///etc/passwd"]}',
        '{"text": "' + "a" * 2_001 + '"}',
        '{"filters": {' + ",".join(f'"f{n}": 1' for n in range(51)) + "}}",
        '{"filters": {"colour": [' + ",".join('"a"' for _ in range(1_001)) + "]}}",
        '{"images": [' + ",".join('{"sku": "a"}' for _ in range(9)) + "]}",
        "\x00",
        "\xef\xbb\xbf",
        "",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_json_that_breaks_parsers_or_limits(client: TestClient, text: str) -> None:
    started = time.monotonic()
    response = client.post("/v1/search", content=text.encode("utf-8"), headers=JSON)
    assert 400 <= response.status_code < 500
    assert time.monotonic() - started < 5
    assert len(response.content) < 20_000, "what was sent does not come back as a whole"


@pytest.mark.parametrize("part", ["[],", '{"a":1},', '"",', "[[[],[]]],"])
def test_json_of_very_many_values(client: TestClient, part: str) -> None:
    """Two megabytes, which would become forty."""
    values = part * (1_900_000 // len(part))
    tracemalloc.start()
    try:
        for method, path, body in (
            ("POST", "/v1/search", '{"filters": {"a": [%s 1]}}'),
            ("POST", "/v1/explain", '{"query": {"filters": {"a": [%s 1]}}, "sku": "a"}'),
            ("PUT", "/v1/items/a", '{"title": "a", "attributes": {"a": [%s 1]}}'),
        ):
            assert client.request(method, path, content=body % values, headers=JSON).status_code == 413
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000


def test_many_ranges_of_a_file(client: TestClient) -> None:
    ranges = ",".join(f"{n}-{n + 1}" for n in range(0, 20_000, 2))
    started = time.monotonic()
    response = client.get("/page/page.js", headers={"Range": f"bytes={ranges}"})
    assert time.monotonic() - started < 2
    assert response.status_code < 500
    assert len(response.content) < 3_000_000


def test_texts_that_take_long_to_read(client: TestClient) -> None:
    for text in (
        "a" * 2_000,
        "( " * 1_000,
        "not " * 500,
        "ﷺ" * 2_000,
        "\u0300" * 2_000,
        "1" * 2_000,
        "a-" * 1_000,
        "€" * 2_000,
    ):
        started = time.monotonic()
        assert client.post("/v1/search", json={"text": text, "without": text}).status_code < 500
        assert time.monotonic() - started < 3, text[:10]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v1/search", {"images": [0] * 50_000}),
        ("/v1/items/x", {"images": [0] * 50_000}),
        ("/v1/items/x", {"attributes": {str(number): None for number in range(50_000)}}),
    ],
)
def test_json_of_very_many_mistakes(client: TestClient, path: str, part: dict[str, object]) -> None:
    """Each would take 3 kB, and all of them seconds on the event loop."""
    method = "POST" if path == "/v1/search" else "PUT"
    refused = client.request(method, path, json=part)
    assert refused.status_code == 422
    assert len(refused.json()["error"]["details"]["problems"]) < 10
