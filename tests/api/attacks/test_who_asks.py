"""Attacks by who may not ask: keys that are missing, wrong, revoked or for other things, and pages of other sites."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from uvicorn import Config

from tests.api.conftest import REMOTE, Serve, bearer, data_uri, make_image
from vitrina.api.access import FAILURES
from vitrina.api.app import create_app
from vitrina.api.connections import server_config
from vitrina.api.keys import KeyFile, KeyScope
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.store.store import Store

ITEM: Mapping[str, Any] = {"title": "Linen shirt", "images": [data_uri(make_image("navy"))]}
REQUESTS: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    ("POST", "/v1/search", {"json": {"text": "shirt"}}),
    ("POST", "/v1/explain", {"json": {"query": "shirt", "sku": "a"}}),
    ("GET", "/v1/items", {}),
    ("GET", "/v1/items/a", {}),
    ("GET", "/v1/items/a/similar", {}),
    ("GET", "/v1/images/a", {}),
    ("PUT", "/v1/items/a", {"json": ITEM}),
    ("PATCH", "/v1/items/a", {"json": {"title": "Shirt"}}),
    ("DELETE", "/v1/items/a", {}),
)


@pytest.fixture
def guarded(serve: Serve) -> TestClient:
    """A service that needs keys, asked from another machine."""
    return serve(api_keys="required")


@pytest.mark.parametrize(("method", "path", "sent"), REQUESTS)
def test_without_a_key(guarded: TestClient, method: str, path: str, sent: Mapping[str, Any]) -> None:
    response = guarded.request(method, path, **sent)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(("method", "path", "sent"), REQUESTS)
def test_a_wrong_key(guarded: TestClient, keys: KeyFile, method: str, path: str, sent: Mapping[str, Any]) -> None:
    key, secret = keys.add("right", [KeyScope.ADMIN])
    for wrong in (secret[:-1], f"{secret}x", secret.swapcase(), key.id, key.digest, "null", "x" * 5_000):
        assert guarded.request(method, path, headers=bearer(wrong), **sent).status_code == 401


def test_a_revoked_key(guarded: TestClient, keys: KeyFile) -> None:
    _, secret = keys.add("left", [KeyScope.SEARCH])
    assert guarded.get("/v1/items", headers=bearer(secret)).status_code == 200
    keys.revoke("left")
    response = guarded.get("/v1/items", headers=bearer(secret))
    assert response.status_code == 401
    assert "revoked" in response.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "sent"), REQUESTS)
def test_a_key_of_another_scope(
    guarded: TestClient, keys: KeyFile, method: str, path: str, sent: Mapping[str, Any]
) -> None:
    _, secret = keys.add("other", [KeyScope.SEARCH if method in ("PUT", "PATCH", "DELETE") else KeyScope.WRITE])
    response = guarded.request(method, path, headers=bearer(secret), **sent)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "out_of_scope"


def test_a_key_where_logs_and_pages_of_other_sites_would_send_it(guarded: TestClient, keys: KeyFile) -> None:
    _, secret = keys.add("right", [KeyScope.ADMIN])
    assert guarded.get(f"/v1/items?key={secret}&access_token={secret}&api_key={secret}").status_code == 401
    assert (
        guarded.get("/v1/items", headers={"Cookie": f"key={secret}; Authorization=Bearer {secret}"}).status_code == 401
    )
    assert guarded.get("/v1/items", headers={"Authorization": f"Basic {secret}"}).status_code == 401
    assert guarded.get("/v1/items", headers={"Proxy-Authorization": f"Bearer {secret}"}).status_code == 401
    twice = [("Authorization", "Bearer x"), ("Authorization", f"Bearer {secret}")]
    assert guarded.get("/v1/items", headers=twice).status_code == 401


def test_guessing_keys(guarded: TestClient, keys: KeyFile) -> None:
    _, secret = keys.add("right", [KeyScope.SEARCH])
    statuses = [guarded.get("/v1/items", headers=bearer(f"guess-{n}")).status_code for n in range(70)]
    assert statuses == [401] * FAILURES.n_requests + [429] * (70 - FAILURES.n_requests)
    limited = guarded.get("/v1/items", headers=bearer(secret))
    assert limited.status_code == 429, "guessing on would tell the right key by its answer"
    assert int(limited.headers["retry-after"]) >= 1


def test_guessing_is_limited_where_the_address_is_made_up(store: Store) -> None:
    """A header that names another address is believed of proxies alone."""
    app = create_app(Settings(store=store.folder, api_keys="required"), lambda _: Service(Store(store.folder), None))  # type: ignore[arg-type]
    config = server_config(app, "0.0.0.0", 0)
    Config.load(config)
    statuses = [status_from(config.loaded_app, REMOTE, f"198.51.100.{n}") for n in range(70)]
    assert statuses[-1] == 429
    statuses = [status_from(config.loaded_app, ("127.0.0.1", 1), f"198.51.100.{n}") for n in range(70)]
    assert statuses[-1] == 401, "behind a proxy each client counts by itself"


def status_from(app: Any, client: tuple[str, int], forwarded_for: str) -> int:
    """The status of a request with a wrong key."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"host": "localhost", "authorization": "Bearer x", "x-forwarded-for": forwarded_for}
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/items",
        "raw_path": b"/v1/items",
        "query_string": b"",
        "scheme": "http",
        "client": client,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(app(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "path",
    [
        "//v1/items",
        "/v1//items",
        "/v1/items/",
        "/./v1/items",
        "/page/../v1/items",
        "/page/%2e%2e/v1/items",
        "/docs/../v1/items",
        "/healthz/../v1/items",
        "/healthz%2f..%2fv1%2fitems",
        "/V1/items",
        "/v1/items;/healthz",
        "/v1/items%00/healthz",
        "/v1/items%3F/healthz",
        "/v1/items#/healthz",
        "/%76%31/items",
    ],
)
def test_paths_that_seem_public(guarded: TestClient, path: str) -> None:
    response = guarded.get(f"http://localhost{path}")
    assert response.status_code in (401, 404), response.status_code
    assert "items" not in response.text.split("/v1/items")[0] or response.status_code == 401


def test_keys_that_cannot_be_read_open_nothing(guarded: TestClient, keys: KeyFile) -> None:
    _, secret = keys.add("right", [KeyScope.ADMIN])
    keys.path.write_text("{}", "utf-8")
    response = guarded.get("/v1/items", headers=bearer(secret))
    assert response.status_code == 503
    assert str(keys.path) not in response.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_forged_requests_of_pages_of_other_sites(client: TestClient, kind: str) -> None:
    """What a browser sends without asking: simple methods and content types, with whatever the user is allowed."""
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        for path in ("/v1/search", "/v1/explain", "/v1/imports", "/v1/items:batch", "/v1/items/a"):
            response = client.post(path, content=b'{"text": "a"}', headers={"Content-Type": kind, **headers})
            assert response.status_code == 403, path


def test_a_preflight_of_a_page_of_another_site(client: TestClient) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    response = client.options("/v1/items/a", headers=headers)
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::1].evil"])
def test_a_name_that_resolves_to_this_machine(client: TestClient, host: str) -> None:
    response = client.get("/v1/items", headers={"Host": host})
    assert response.status_code == 403


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/items", "/none", "/page/none.js", "/static-offline-docs/none"])
def test_framing(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
