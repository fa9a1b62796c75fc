"""Which requests need which key, and how often each may ask."""

from __future__ import annotations

import pytest

from tests.api.conftest import Serve, bearer, data_uri, make_image
from vitrina.api.access import address_of, scope_needed
from vitrina.api.keys import KeyFile, KeyScope
from vitrina.search.store.store import Store

ITEM = {"title": "Linen shirt", "images": [data_uri(make_image("navy"))]}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/", None),
        ("GET", "/page/page.js", None),
        ("GET", "/docs", None),
        ("GET", "/openapi.json", None),
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("POST", "/v1/search", "search"),
        ("POST", "/v1/explain", "search"),
        ("GET", "/v1/items", "search"),
        ("GET", "/v1/items/a/b", "search"),
        ("GET", "/v1/items/a\nb/similar", "search"),
        ("GET", "/v1/images/5f2c", "search"),
        ("GET", "/v1/facets", "search"),
        ("GET", "/v1/suggest", "search"),
        ("PUT", "/v1/items/a", "write"),
        ("PATCH", "/v1/items/a", "write"),
        ("DELETE", "/v1/items/a", "write"),
        ("POST", "/v1/items:batch", "write"),
        ("POST", "/v1/imports", "write"),
        ("GET", "/v1/imports/7", "write"),
        ("GET", "/v1/anything", "admin"),
        ("POST", "/", "admin"),
        ("POST", "/healthz", "admin"),
        ("GET", "/healthz/", "admin"),
        ("GET", "//v1/search", "admin"),
        ("get", "/v1/items/a", "admin"),
        ("GET", "/metrics", "admin"),
    ],
)
def test_the_scope_of_each_request(method: str, path: str, scope: str | None) -> None:
    assert scope_needed(method, path) == scope


def test_no_operation_is_forgotten(serve: Serve) -> None:
    """What is not declared needs admin; what needs admin on purpose is named here."""
    paths = serve().get("/openapi.json").json()["paths"]
    needs = {path: {operation.get("x-scope", "none") for operation in paths[path].values()} for path in paths}
    assert {path for path, scopes in needs.items() if "admin" in scopes} == {"/metrics"}
    assert {path for path, scopes in needs.items() if "none" in scopes} == {"/healthz", "/readyz"}


def test_a_key_for_searching_searches_and_changes_nothing(serve: Serve, keys: KeyFile) -> None:
    client = serve(api_keys="required")
    _, secret = keys.add("website", [KeyScope.SEARCH])
    assert client.post("/v1/search", json={"text": "shirt"}, headers=bearer(secret)).status_code == 200
    refused = client.put("/v1/items/a", json=ITEM, headers=bearer(secret))
    assert refused.status_code == 403
    assert refused.json()["error"]["details"] == {"needs": "write"}
    assert client.delete("/v1/items/a", headers=bearer(secret)).status_code == 403
    assert client.get("/v1/none", headers=bearer(secret)).status_code == 403


def test_a_key_for_writing_writes_and_one_for_all_does_both(serve: Serve, keys: KeyFile) -> None:
    client = serve(api_keys="required")
    _, writes = keys.add("importer", [KeyScope.WRITE])
    _, administers = keys.add("owner", [KeyScope.ADMIN])
    assert client.put("/v1/items/a", json=ITEM, headers=bearer(writes)).status_code == 201
    assert client.get("/v1/items/a", headers=bearer(writes)).status_code == 403
    assert client.get("/v1/items/a", headers=bearer(administers)).status_code == 200
    assert client.delete("/v1/items/a", headers=bearer(administers)).status_code == 204


def test_everybody_may_see_the_page_and_whether_it_runs(serve: Serve) -> None:
    client = serve(api_keys="required")
    for path in ("/", "/page/page.js", "/docs", "/openapi.json", "/healthz", "/readyz"):
        assert client.get(path).status_code == 200, path
    refused = client.get("/v1/items")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert "vitrina keys add" in refused.json()["error"]["remedy"]


def test_what_a_key_got_is_given_to_no_other(serve: Serve, keys: KeyFile, store: Store) -> None:
    client = serve(api_keys="required")
    _, secret = keys.add("website", [KeyScope.SEARCH])
    image = client.get(f"/v1/images/{next(store.catalog.all_items()).image_ids[0]}", headers=bearer(secret))
    assert image.status_code == 200
    assert image.headers["cache-control"].startswith("private")
    assert "Authorization" in image.headers["vary"]


def test_the_document_says_how_to_send_a_key_where_one_is_needed(serve: Serve) -> None:
    guarded, open_to_all = (serve(api_keys=mode).get("/openapi.json").json() for mode in ("required", "off"))
    assert guarded["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert guarded["paths"]["/v1/search"]["post"]["security"] == [{"key": []}]
    assert "security" not in guarded["paths"]["/healthz"]["get"]
    assert "securitySchemes" not in open_to_all["components"]


def test_a_preflight_needs_no_key(serve: Serve) -> None:
    client = serve(api_keys="required", allowed_origins="https://shop.example")
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    assert client.options("/v1/search", headers=headers).status_code == 200
    refused = client.post("/v1/search", json={}, headers={"Origin": "https://shop.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://shop.example", "its page can read the remedy"


def test_each_key_has_its_rate(serve: Serve, keys: KeyFile) -> None:
    client = serve(api_keys="required", rate_limit="3/minute")
    _, first = keys.add("first", [KeyScope.SEARCH])
    _, second = keys.add("second", [KeyScope.SEARCH])
    _, slow = keys.add("slow", [KeyScope.SEARCH], "1/hour")
    statuses = [client.get("/v1/items", headers=bearer(first)).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert client.get("/v1/items", headers=bearer(second)).status_code == 200
    assert client.get("/v1/items", headers=bearer(slow)).status_code == 200
    limited = client.get("/v1/items", headers=bearer(slow))
    assert limited.status_code == 429
    assert 3590 < int(limited.headers["retry-after"]) <= 3600
    assert limited.json()["error"]["code"] == "rate_limited"


def test_without_keys_each_address_has_its_rate(serve: Serve) -> None:
    client = serve(rate_limit="2/minute")
    assert [client.get("/v1/items").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/healthz").status_code == 200
    here = serve(("127.0.0.1", 50_000), rate_limit="2/minute")
    assert [here.get("/v1/items").status_code for _ in range(5)] == [200] * 5
    unlimited = serve(rate_limit="")
    assert [unlimited.get("/v1/items").status_code for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("198.51.100.7", 1), "198.51.100.7"),
        (("::ffff:198.51.100.7", 1), "198.51.100.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::"),
        (("2001:db8:1:2:ffff::1%eth0", 1), "2001:db8:1:2::"),
        (("127.0.0.1", 1), "127.0.0.1"),
        (("::1", 1), "::1"),
        (None, ""),
        (("testclient", 1), ""),
    ],
)
def test_addresses_that_are_counted_together(client: tuple[str, int] | None, address: str) -> None:
    assert address_of({"type": "http", "client": client}) == address
