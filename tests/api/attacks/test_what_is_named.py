"""Attacks by names: paths, skus, queries of the database, and addresses of this machine's own network."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import data_uri, make_image
from vitrina.search.store.store import Store

ITEM: Mapping[str, Any] = {"title": "Linen shirt", "images": [data_uri(make_image("navy"))]}

OUTSIDE = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "....//....//etc/passwd",
    "..%5c..%5cetc%5cpasswd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "..%00/etc/passwd",
    "..%c0%af..%c0%afetc/passwd",
    "file:///etc/passwd",
)


@pytest.mark.parametrize("folder", ["/page", "/v1/images", "/static-offline-docs", "/v1/items"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_traversal(shared_client: TestClient, folder: str, name: str) -> None:
    response = shared_client.get(f"http://testserver{folder}/{name}")
    assert 400 <= response.status_code < 500
    assert "root:" not in response.text


@pytest.mark.parametrize(
    "sku", ["../../keys.json", "..", "/etc/passwd", "a/../../b", "C:\\x", "~/x", "$(id)", "`id`", "|id"]
)
def test_skus_that_are_paths_or_commands(client: TestClient, store: Store, sku: str) -> None:
    path = f"/v1/items/{quote(sku, safe='')}"
    assert client.put(path, json=ITEM).status_code in (201, 400, 404)
    assert list(store.folder.parent.iterdir()) == [store.folder]
    assert not (store.folder / "keys.json").exists()


@pytest.mark.parametrize(
    "name", ["file:///etc/passwd", "/etc/passwd", "../x.png", "x.png", "ftp://a.example/x", "\\\\a\\b"]
)
def test_images_of_this_machine(shared_client: TestClient, name: str) -> None:
    assert shared_client.put("/v1/items/a", json={"title": "a", "images": [name]}).status_code == 400
    assert shared_client.post("/v1/search", json={"images": [name]}).status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        'https://shop.invalid/a <img src="secret.png">',
        "https://shop.invalid/a.png|secret.png",
        "https://shop.invalid/a.png\nsecret.png",
        "https://shop.invalid/a.png | secret.png",
        "http://127.0.0.1/a.png,secret.png",
    ],
)
def test_addresses_with_a_path_in_them(
    shared_client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """A catalog's cell may name several pictures; a request names none of the service's own folder."""
    (tmp_path / "secret.png").write_bytes(make_image("navy"))
    monkeypatch.chdir(tmp_path)
    response = shared_client.put("/v1/items/a", json={"title": "a", "images": [address]})
    assert response.status_code == 400
    assert shared_client.get("/v1/items/a").status_code == 404


@pytest.mark.parametrize("path", ["/v1/items/a%00b", "/v1/items/%00", "/v1/images/%00", "/page/page.js%00.png", "/%00"])
def test_null_bytes(shared_client: TestClient, path: str) -> None:
    assert 400 <= shared_client.get(path).status_code < 500
    for body in ({"text": "a\0b"}, {"filters": {"colour\0": "a"}}, {"filters": {"colour": "a\0"}}, {"without": "\0"}):
        assert shared_client.post("/v1/search", json=body).status_code < 500


SQL = (
    "' OR 1=1 --",
    '" OR ""="',
    "a'; DROP TABLE items; --",
    "%' UNION SELECT digest FROM keys --",
    'a" NEAR b*',
    "a AND (b",
)


@pytest.mark.parametrize("text", SQL)
def test_sql(client: TestClient, store: Store, text: str) -> None:
    before = store.catalog.count("items")
    assert client.get(f"/v1/items/{quote(text, safe='')}").status_code == 404
    assert client.get("/v1/items", params={"source": text}).json()["total"] == 0
    assert client.get("/v1/items", params={"cursor": text}).status_code == 400
    for body in ({"text": text}, {"filters": {text: "a"}}, {"filters": {"colour": text}}, {"images": [{"sku": text}]}):
        assert client.post("/v1/search", json=body).status_code in (200, 400, 404)
    assert store.catalog.count("items") == before


class Listener:
    """A server on this machine that no picture may be fetched from."""

    def __init__(self) -> None:
        self.n_connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.n_connections += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    opened = Listener()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "localhost", "LOCALHOST."),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]"),
        *("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1%25lo]"),
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fd00:ec2::254]", "168.63.129.16"),
        *(
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ),
        *("[fc00::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[100::1]", "[3fff::1]", "[5f00::1]"),
        *("user@127.0.0.1", "shop.example@127.0.0.1", "127.0.0.1#shop.example", "①②⑦.⓪.⓪.①"),
    ],
)
def test_images_of_addresses_that_are_not_public(shared_client: TestClient, listener: Listener, host: str) -> None:
    started = time.monotonic()
    address = f"http://{host}" if "#" in host else f"http://{host}:{listener.port}/x.png"
    response = shared_client.put("/v1/items/a", json={"title": "a", "images": [address]})
    assert response.status_code == 400
    assert listener.n_connections == 0
    assert time.monotonic() - started < 5
