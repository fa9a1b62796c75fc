"""Foreign hosts and pages, the security headers, and requests that are made to break the service."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from starlette.types import Message

from tests.api.conftest import data_uri, make_image, sent_by
from tests.fakes import FakeEncoder
from vitrina.api.app import create_app
from vitrina.api.errors import API_CSP
from vitrina.api.security import PAGE_CSP, AllowedHosts
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.store.store import Store

ITEM = {"title": "Linen shirt", "images": [data_uri(make_image("navy"))]}


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("shop.localhost", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("10.1.2.3", True),
        ("search.shop.example", True),
        ("SEARCH.shop.example.:443", True),
        ("a.b.shop.example", True),
        ("shop.example", False),
        ("evil.example", False),
        ("search.shop.example.evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_names_that_are_answered_to(host: str, allowed: bool) -> None:
    assert AllowedHosts(["*.shop.example"]).allows(host) is allowed


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_name_that_was_made_to_resolve_to_this_machine_is_refused(client: TestClient, method: str) -> None:
    path = "/v1/search" if method == "POST" else "/v1/items/A-1"
    headers = {"Host": "evil.example", "Origin": "http://evil.example"}
    response = client.request(method, path, headers=headers, json={"title": "Gone"})
    assert response.status_code == 403
    assert "VITRINA_ALLOWED_HOSTS" in response.json()["error"]["remedy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://testserver"}, 200),
        ({}, 200),
    ],
)
def test_pages_of_other_sites_may_not_ask(client: TestClient, headers: dict[str, str], status: int) -> None:
    files = {"text": (None, "shirt")}
    response = client.post("/v1/search", files=files, headers=headers)
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers
    assert client.get("/v1/items/none", headers=headers).status_code == 404, "reading is left to the browser's rules"


def test_origins_that_are_allowed(store: Store) -> None:
    settings = Settings(store=store.folder, allowed_origins="https://shop.example")
    app = create_app(settings, lambda _: Service(Store(store.folder), FakeEncoder()))
    with TestClient(app) as client:
        asked = client.post("/v1/search", json={"text": "shirt"}, headers={"Origin": "https://shop.example"})
        assert asked.headers["access-control-allow-origin"] == "https://shop.example"
        assert asked.status_code == 200
        foreign = client.post("/v1/search", json={"text": "shirt"}, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/", PAGE_CSP),
        ("/page/page.js", PAGE_CSP),
        ("/healthz", API_CSP),
        ("/v1/items/none", API_CSP),
        ("/openapi.json", API_CSP),
        ("/nothing/here", API_CSP),
    ],
)
def test_every_answer_has_the_security_headers(client: TestClient, path: str, policy: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


def test_refusals_and_our_own_faults_have_them_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/healthz", headers={"Host": "evil.example"}).headers["content-security-policy"] == API_CSP
    assert client.post("/v1/search", content=b" " * 3_000_000).headers["content-security-policy"] == API_CSP
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(service.store.catalog, "count", lambda _: 1 / 0)
    broken = client.get("/readyz")
    assert broken.status_code == 500
    assert broken.headers["content-security-policy"] == API_CSP


def test_the_documentation_allows_its_own_script_and_no_other(client: TestClient) -> None:
    response = client.get("/docs")
    policy = response.headers["content-security-policy"]
    scripts = next(part for part in policy.split(";") if "script-src" in part)
    assert response.text.count("<script>") == scripts.count("'sha256-") == 1
    assert "unsafe" not in scripts
    assert "SwaggerUI" in response.text


def deep(n: int = 100_000) -> str:
    return "[" * n + "]" * n


BREAKING = {
    "deep": deep(),
    "deep object": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "long number": "1" + "0" * 5_000,
    "half a surrogate pair": r'"\ud800"',
    "not a number": "NaN",
    "infinite": "1e999",
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_parsers_is_the_clients_error(client: TestClient, name: str) -> None:
    text = BREAKING[name]
    bodies = [
        *(f'{{"text": "a", "{field}": {text}}}' for field in ("filters", "limit", "images", "rerank", "weights")),
        f'{{"text": {text}}}',
        f'{{"text": "a", "filters": {{"colour": {text}}}}}',
        f'{{"text": "a", "filters": {{"price_cents": {{"gte": {text}}}}}}}',
        f'{{"text": "a", "unknown": {text}}}',
        f'{{"text": "a", {json.dumps(name)}: {text}}}',
    ]
    for body in bodies:
        response = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
        assert 400 <= response.status_code < 500 or (response.status_code == 200 and text in ("1e999", "NaN")), body[
            :99
        ]
    for field in ("filters", "weights", "images", "rerank", "explain"):
        response = client.post("/v1/search", files={"text": (None, "a"), field: (None, text)})
        assert 400 <= response.status_code < 500, field
    for field in ("title", "attributes", "price_cents", "images", "unknown"):
        body = f'{{"{field}": {text}}}'
        response = client.put("/v1/items/x", content=body, headers={"Content-Type": "application/json"})
        assert 400 <= response.status_code < 500, field
    body = f'{{"title": "a", "attributes": {{"a": {text}, "b": [{text}]}}}}'
    response = client.put("/v1/items/x", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code < 500
    if len(text) < 10_000:
        for field in ("filters", "rerank", "explain"):
            response = client.get(f"/v1/items/x/similar?{field}={quote(text)}")
            assert 400 <= response.status_code < 500, field


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "raw_unicode_escape", "utf-16", "nonsense", "idna"])
def test_forms_in_unusual_charsets(client: TestClient, charset: str) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n\\ud800 +2AA- shirt\r\n--b--\r\n'
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    response = client.post("/v1/search", content=part, headers={"Content-Type": kind})
    assert response.status_code < 500


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("TRACE", "/v1/search", "POST"),
        ("TRACE", "/v1/items/a", "DELETE, GET, HEAD, PATCH, PUT"),
        ("TRACE", "/v1/items/a/similar", "DELETE, GET, HEAD, PATCH, PUT"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_a_method_that_does_not_exist_is_answered_with_those_that_do(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/metrics", "/docs", "/v1/items", "/v1/items/missing", "/v1/duplicates"]
)
def test_head_is_answered_as_get_is_without_a_body(shared_client: TestClient, path: str) -> None:
    got, headed = shared_client.get(path), shared_client.head(path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert path == "/metrics" or headed.headers["content-length"] == str(len(got.content))
    assert shared_client.head("/v1/search").status_code == 405


@pytest.mark.parametrize(
    "sku",
    [
        "A/similar",
        unicodedata.normalize("NFD", "Crème-1"),
        "double  blank",
        " edges ",
        "tab\there",
        "line\nend",
    ],
)
def test_what_was_written_is_read_by_the_same_sku(client: TestClient, sku: str) -> None:
    path = f"/v1/items/{quote(sku, safe='')}"
    assert client.put(path, json=ITEM).status_code == 201
    written = client.get(path)
    assert (written.status_code, written.json()["title"]) == (200, "Linen shirt")
    assert client.put(path, json=ITEM).status_code == 200
    assert client.post("/v1/search", json={"images": [{"sku": sku}]}).status_code == 200
    assert client.get(f"{path}/similar").status_code == 200
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_an_item_and_one_whose_sku_is_longer_by_similar(client: TestClient) -> None:
    for sku in ("A", "A/similar"):
        assert client.put(f"/v1/items/{sku}", json=ITEM).status_code == 201
    assert "hits" in client.get("/v1/items/A/similar").json()
    assert client.get("/v1/items/A%2Fsimilar").json()["sku"] == "A/similar"
    assert client.delete("/v1/items/A").status_code == 204
    assert client.get("/v1/items/A/similar").json()["sku"] == "A/similar"
    assert client.get("/v1/items/A/similar", params={"offset": 1_000_000}).status_code == 400


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "JavaScript:1;alert(1)", "java\tscript:0", "data:text/html,x", "vbscript:1", "file:///x"],
)
def test_addresses_that_run_are_refused(client: TestClient, url: str) -> None:
    response = client.put("/v1/items/x", json={**ITEM, "url": url})
    assert response.status_code == 400 or client.get("/v1/items/x").json()["url"] is None


@pytest.mark.parametrize("url", ["https://shop.example/a", "/a", "shop.example:8443/a", "localhost:8000/a?b=c:1"])
def test_addresses_that_are_kept(client: TestClient, url: str) -> None:
    assert client.put("/v1/items/x", json={**ITEM, "url": url}).json()["url"] == url


def test_every_example_of_an_item_is_accepted(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()["components"]["schemas"]["ItemIn"]
    for example in schema["examples"]:
        assert client.put("/v1/items/example", json=example).status_code in (200, 201)


def test_a_client_that_leaves_within_its_body_is_no_error(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    def left(method: str, path: str, kind: bytes) -> list[Message]:
        messages: Iterator[Message] = iter(
            [{"type": "http.request", "body": b"--b\r\n", "more_body": True}, {"type": "http.disconnect"}]
        )

        async def receive() -> Message:
            return next(messages)

        return sent_by(client, method, path, kind, receive)

    with caplog.at_level(logging.INFO):
        for method, path in (("POST", "/v1/search"), ("PUT", "/v1/items/a")):
            for kind in (b"application/json", b"multipart/form-data; boundary=b"):
                sent = left(method, path, kind)
                assert sent[0]["status"] < 500
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_no_stack_trace_leaves(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Request) -> bytes:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Request, "body", broken)
    response = client.post("/v1/search", json={"text": "a"})
    assert response.status_code == 500
    assert "secret" not in response.text
