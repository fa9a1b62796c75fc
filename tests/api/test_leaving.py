"""Clients that leave before they are answered: what they asked for is not done, and nothing is logged."""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import uvicorn

from tests.api.test_connections import ask, read_all
from tests.fakes import FakeEncoder
from tests.search.reranking.shops import ColourReranker
from vitrina.api import service as service_module
from vitrina.api.app import create_app
from vitrina.api.connections import server_config
from vitrina.api.rerankers import BackgroundReranker, Readiness
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.indexer.fetch import Fetcher
from vitrina.search.reranking.base import Deadline
from vitrina.search.store.store import Store

SOON_S = 10.0
RERANKED = {"text": "white boots", "rerank": {"deadline_ms": 30_000}}


@contextmanager
def running(folder: Path, reranker: ColourReranker) -> Iterator[tuple[int, Service]]:
    """The whole service on a port, as ``vitrina serve`` runs it."""
    store = Store(folder)
    reranking = BackgroundReranker(store, "eyes", lambda _: reranker)
    service = Service(store, FakeEncoder(), reranking=reranking)
    app = create_app(Settings(store=folder), lambda _: service)
    server = uvicorn.Server(server_config(app, "127.0.0.1", 0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert soon(lambda: server.started and reranking.status.readiness is Readiness.READY)
    try:
        yield server.servers[0].sockets[0].getsockname()[1], service
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether something is so within a while."""
    until = time.monotonic() + SOON_S
    while not is_so() and time.monotonic() < until:
        time.sleep(0.005)
    return is_so()


def request(method: str, path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def in_flight(port: int) -> int:
    with ask(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as connection:
        lines = read_all(connection).decode().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("vitrina_in_flight{"))


def test_searches_that_wait_for_a_thread_are_not_begun(
    reranking_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with running(reranking_store.folder, ColourReranker()) as (port, service):
        release = threading.Event()
        held = [service.searching.submit(release.wait, 30) for _ in range(service_module.N_SEARCHING)]
        clients = [ask(port, request("POST", "/v1/search", {"text": f"white {n}"})) for n in range(8)]
        assert soon(lambda: service.searching._work_queue.qsize() == 8)
        for client in clients:
            client.close()
        assert soon(lambda: in_flight(port) == 0)
        encoder = service.engine.encoder.encoder  # type: ignore[attr-defined]
        n_texts = encoder.n_texts
        release.set()
        assert all(each.result(30) for each in held)
        assert soon(lambda: service.searching._work_queue.qsize() == 0)
        assert encoder.n_texts == n_texts
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_reranking_ends_when_its_client_leaves(reranking_store: Store, caplog: pytest.LogCaptureFixture) -> None:
    release, begun, model = threading.Event(), threading.Event(), ColourReranker()

    def hang(deadline: Deadline) -> None:
        begun.set()
        release.wait(30)

    model.before = hang
    with running(reranking_store.folder, model) as (port, _):
        client = ask(port, request("POST", "/v1/search", RERANKED))
        assert begun.wait(SOON_S)
        assert in_flight(port) == 1
        started = time.monotonic()
        client.close()
        assert soon(lambda: in_flight(port) == 0), "the deadline is in 30 s"
        assert time.monotonic() - started < 5
        release.set()
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_images_are_not_fetched_any_longer(
    reranking_store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image server accepts connections and says nothing."""
    caplog.set_level(logging.WARNING)
    address = ipaddress.IPv4Address("127.0.0.1")
    silent = partial(Fetcher, resolver=lambda host, port: [address], address_allowed=lambda _: True)
    monkeypatch.setattr(service_module, "Fetcher", silent)
    with (
        socket.create_server(("127.0.0.1", 0)) as images,
        running(reranking_store.folder, ColourReranker()) as (
            port,
            service,
        ),
    ):
        url = f"http://shop.example:{images.getsockname()[1]}/a.png"
        body = {"title": "Boots", "images": [url]}
        clients = [ask(port, request("PUT", f"/v1/items/new-{n}", body)) for n in range(service_module.N_WRITING + 2)]
        assert soon(lambda: service.fetching._work_queue.qsize() == 2)
        for client in clients:
            client.close()
        assert soon(lambda: in_flight(port) == 0), "a fetch may take 20 s, and all of an item 30"
        assert soon(lambda: service.fetching._work_queue.qsize() == 0)
        free = [service.fetching.submit(str) for _ in range(service_module.N_WRITING)]
        assert [each.result(5) for each in free] == [""] * service_module.N_WRITING
        assert service.store.catalog.content_hashes([f"new-{n}" for n in range(6)]) == {}
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
