"""A real server within the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx
import uvicorn

from tests.fakes import FakeEncoder
from vitrina.api.app import create_app
from vitrina.api.rerankers import BackgroundReranker, Open
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.store.store import Store
from vitrina.search.types.query import RerankOptions


@contextmanager
def serve(
    folder: Path, open_reranker: Open | None = None, api_keys: Literal["auto", "required"] = "auto"
) -> Iterator[str]:
    """A server over a store, on a free port of this machine; its address. It is stopped on errors, too: the
    process would wait for it forever."""

    def open_service(settings: Settings) -> Service:
        store, budget = Store(settings.store), RerankOptions(deadline_ms=20_000, explain=3, explain_ms=20_000)
        reranking = None if open_reranker is None else BackgroundReranker(store, "eyes", open_reranker, budget)
        return Service(store, FakeEncoder(), reranking=reranking)

    app = create_app(Settings(store=folder, api_keys=api_keys), open_service)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def wait_until_tried(address: str) -> None:
    """Wait until its reranker is open, or has failed to open."""
    while httpx.get(f"{address}/readyz").json()["reranker"]["status"] == "opening":
        time.sleep(0.02)
