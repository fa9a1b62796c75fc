"""Attacks by what comes back: answers, caches and logs that say what somebody else put into them."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import data_uri, make_image
from tests.api.test_connections import serving
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import Store
from vitrina.search.types.errors import StorageError

ITEM: Mapping[str, Any] = {"title": "Linen shirt", "images": [data_uri(make_image("navy"))]}


def test_header_injection(client: TestClient, store: Store) -> None:
    image_id = next(store.catalog.all_items()).image_ids[0]
    evil = "a\r\nSet-Cookie: x=1\r\n\r\n<script>"
    for path in (
        f"/v1/images/{image_id}?explain={quote(evil)}",
        f"/v1/items/{quote(evil, safe='')}",
        f"/v1/images/{quote(evil, safe='')}",
        f"/v1/items?source={quote(evil)}",
        f"/{quote(evil)}",
    ):
        headers = client.get(path).headers
        assert "set-cookie" not in headers
        assert not any("\n" in value or "\r" in value for value in headers.values())


SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.mark.parametrize("field", ["title", "description", "attributes", "url", "variants", "currency"])
def test_stored_scripts(client: TestClient, field: str) -> None:
    """The page shows texts as texts (``tests/e2e/page``); here no answer is read as a page, no address runs."""
    values: dict[str, object] = {
        "attributes": {SCRIPT: SCRIPT},
        "url": "javascript:alert(1)",
        "variants": [{"sku": SCRIPT, "options": {"size": SCRIPT}, "url": "javascript:alert(1)"}],
    }
    written = client.put("/v1/items/evil", json={**ITEM, field: values.get(field, SCRIPT)})
    assert written.status_code in (201, 400, 422)
    for answer in (written, client.get("/v1/items/evil"), client.post("/v1/search", json={"text": "alert"})):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "javascript:" not in json.dumps([answer.json().get("url"), answer.json().get("variants")])


def test_images_that_are_also_pages(client: TestClient, store: Store) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    html = make_image("navy") + b"<html><script>alert(1)</script>"
    assert client.put("/v1/items/a", json={"title": "a", "images": [data_uri(svg)]}).status_code == 400
    assert client.put("/v1/items/a", json={"title": "a", "images": [data_uri(html)]}).status_code in (201, 400)
    address = client.get("/v1/items/a").json().get("image_url")
    if address:
        shown = client.get(address)
        assert shown.headers["content-type"] in ("image/png", "image/jpeg", "image/webp")
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in shown.headers["content-security-policy"]


def test_cache_poisoning(client: TestClient) -> None:
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Original-URL": "/v1/items",
        "X-Rewrite-URL": "/v1/items",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example",
    }
    for path in ("/", "/docs", "/openapi.json", "/v1/items", "/healthz", "/page", "/none"):
        plain, poisoned = (
            client.get(path, follow_redirects=False),
            client.get(path, headers=headers, follow_redirects=False),
        )
        assert (plain.status_code, plain.content) == (poisoned.status_code, poisoned.content), path
        assert "evil" not in str(poisoned.headers)
    assert client.get("/v1/items").headers["cache-control"] == "no-store"
    assert client.get("/v1/none").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_method_override(client: TestClient, name: str) -> None:
    client.put("/v1/items/a", json=ITEM)
    for method in ("GET", "POST"):
        client.request(method, "/v1/items/a?_method=DELETE", headers={name: "DELETE"}, json={"_method": "DELETE"})
    assert client.get("/v1/items/a").status_code == 200


POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
SECOND = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
        POST + b"Content-Length: 0\r\nContent-Length: 30\r\n\r\n" + SECOND,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECOND,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\n" + SECOND,
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00",
    ],
)
def test_smuggled_requests(sent: bytes) -> None:
    with serving() as (_, port), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(2)
        connection.sendall(sent)
        received = b""
        try:
            while more := connection.recv(65_536):
                received += more
        except (TimeoutError, ConnectionResetError):
            pass
        assert received.count(b"HTTP/1.1 200") == 0 or received.count(b"HTTP/1.1 ") == 1, received
        assert httpx.post(f"http://127.0.0.1:{port}/", content=b"ok").content == b"ok"


def test_log_injection(client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(self: Catalog, sku: str) -> None:
        raise StorageError(f"No {sku}.", remedy="None.")

    monkeypatch.setattr(Catalog, "item", broken)
    with caplog.at_level(logging.INFO):
        client.get(f"/v1/items/{quote(chr(10) + '2026-01-01 ERROR vitrina forged' + chr(27) + '[2J', safe='')}")
    error, access = (record.getMessage() for record in caplog.records if record.name.startswith("vitrina"))
    assert "forged" in error
    assert "\n" not in error + access
    assert "\x1b" not in error + access


def test_what_leaves_when_something_breaks(client: TestClient, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    def broken(self: Catalog, sku: str) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(Catalog, "item", broken)
    response = client.get("/v1/items/a")
    assert response.status_code == 500
    for told in ("secret", "Traceback", "ZeroDivision", ".py", str(store.folder)):
        assert told not in response.text
