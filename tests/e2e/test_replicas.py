"""Several services on one PostgreSQL database, each with its own index, or on one Milvus, too: any of them may die at
any moment."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import PROCESSES
from tests.e2e.serve_replica import commit_without_end, serve_replica
from tests.milvus import milvus_process
from tests.postgres import Postgres, postgres_server
from vitrina.search.store.store import Store, StoreOptions

SEARCHABLE_S = 2.0
"""How long it may take until a write is found by every service."""


@dataclass
class Replica:
    """A service in a process of its own."""

    process: BaseProcess
    client: httpx.Client

    def put(self, sku: str, title: str) -> int:
        return self.client.put(f"/v1/items/{sku}", json={"title": title}).status_code

    def found(self, text: str) -> list[str]:
        answer = self.client.post("/v1/search", json={"text": text, "limit": 50, "rerank": False}).raise_for_status()
        return [hit["sku"] for hit in answer.json()["hits"]]

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.join()


@contextmanager
def replica(folder: Path, address: str, vectors: str | None = None) -> Iterator[Replica]:
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=serve_replica, args=(folder, address, vectors, sender))
    process.start()
    sender.close()
    with receiver, httpx.Client(base_url=f"http://127.0.0.1:{receiver.recv()}", timeout=30) as client:
        try:
            yield Replica(process, client)
        finally:
            process.kill()
            process.join()


def soon(condition: Callable[[], bool], seconds: float = SEARCHABLE_S) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("shared", [False, True])
def test_a_write_to_one_is_found_by_all_and_each_may_die(postgres: Postgres, tmp_path: Path, shared: bool) -> None:
    address, rng = postgres.database(), random.Random(1)
    acknowledged: list[str] = []
    with ExitStack() as stack:
        vectors = stack.enter_context(milvus_process(tmp_path / "milvus")).address if shared else None
        one, two = (stack.enter_context(replica(tmp_path / name, address, vectors)) for name in ("one", "two"))
        assert one.put("a", "red lamp") == 201
        assert soon(lambda: two.found("red lamp") == ["a"])
        assert two.client.delete("/v1/items/a").status_code == 204
        assert soon(lambda: one.found("red lamp") == [])

        def keep_writing() -> None:
            for number in range(10_000):
                try:
                    if one.put(f"w-{number}", f"blue mug {number}") == 201:
                        acknowledged.append(f"w-{number}")
                except httpx.HTTPError:
                    return

        writer = threading.Thread(target=keep_writing)
        writer.start()
        assert soon(lambda: bool(acknowledged), 30)
        time.sleep(0.5 * rng.random())
        one.kill()
        writer.join()
        assert two.put("b", "red lamp") == 201, "the other one writes on"
        held = {each["sku"] for each in pages(two)}
        assert set(acknowledged) <= held
        assert len(held) <= len(acknowledged) + 2, "beside b, the item whose answer was cut off at most"
        newest = acknowledged[-1]
        assert soon(lambda: newest in two.found(newest))

        again = stack.enter_context(replica(tmp_path / "one", address, vectors))
        assert {each["sku"] for each in pages(again)} == held
        assert again.found("blue mug") == two.found("blue mug")


def pages(replica: Replica) -> Iterator[dict[str, str]]:
    """Every item of a service's catalog."""
    cursor: str | None = None
    while True:
        page = replica.client.get("/v1/items", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_what_a_process_that_died_was_writing_is_not_there(postgres: Postgres, tmp_path: Path) -> None:
    address = postgres.database()
    with replica(tmp_path / "one", address) as service:
        receiver, sender = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=commit_without_end, args=(address, sender))
        process.start()
        assert receiver.recv() == "in the middle"
        assert soon(lambda: service.found("lamp") == ["whole"]), "readers wait for no writer"
        killer = threading.Timer(0.3, process.kill)
        killer.start()
        started = time.monotonic()
        assert service.put("b", "red lamp") == 201, "the lock died with its process"
        assert 0.2 < time.monotonic() - started < 10
        process.join()
        assert soon(lambda: service.found("lamp") == ["b", "whole"] or service.found("lamp") == ["whole", "b"])
    with closing(Store(tmp_path / "two", StoreOptions(database=address))) as store:
        assert store.catalog.count("items") == 2


def test_a_service_goes_on_once_its_database_is_back(tmp_path: Path) -> None:
    with postgres_server() as server:
        address = server.database()
        with replica(tmp_path / "one", address) as service:
            assert service.put("a", "red lamp") == 201
            server.stop()
            assert service.put("b", "red lamp") == 503
            assert service.client.get("/healthz").status_code == 200
            server.start()
            assert soon(lambda: service.put("b", "red lamp") in (200, 201), 10)
            assert soon(lambda: sorted(service.found("red lamp")) == ["a", "b"])


def test_a_service_goes_on_once_its_milvus_is_back(postgres: Postgres, tmp_path: Path) -> None:
    with (
        milvus_process(tmp_path / "milvus") as server,
        replica(tmp_path / "one", postgres.database(), server.address) as service,
    ):
        assert service.put("a", "red lamp") == 201
        assert soon(lambda: service.found("red lamp") == ["a"])
        server.stop()
        answer = service.client.post("/v1/search", json={"text": "red lamp"})
        assert answer.status_code == 503
        assert "VITRINA_VECTORS" in answer.text
        server.start()
        assert soon(lambda: service.client.post("/v1/search", json={"text": "red lamp"}).status_code == 200, 10)
        assert service.put("b", "red lamp") == 201
        assert soon(lambda: sorted(service.found("red lamp")) == ["a", "b"], 10)
