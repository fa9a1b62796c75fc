"""A real server process with a tiny vision-language model: the events of an answer as they come, and what
happens to the work when the client disconnects."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.serving import serve, wait_until_tried
from tests.fakes import COLOURS, FakeEncoder, MemorySource, make_image, make_record
from tests.search.encoders.conftest import write_tiny_encoder
from tests.search.reranking.shops import ColourReranker, fill
from tests.sse import events_in
from vitrina.api.settings import Settings, encoder_for
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.search.reranking.base import Deadline, Probabilities, RerankCandidate
from vitrina.search.store.store import Store

pytestmark = pytest.mark.timeout(600)

START_S = 300.0
BODY = {"text": "red mug", "rerank": {"top": 4, "deadline_ms": 30_000, "explain": 2, "explain_ms": 30_000}}
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder, a tiny reranker, and a store with a mug of each colour."""
    from tests.search.reranking.backends.transformers.tiny import save

    folder = tmp_path_factory.mktemp("shop")
    (folder / "encoder").mkdir()
    write_tiny_encoder(folder / "encoder", 1)
    save("llava", folder)
    mugs = [
        make_record(f"mug-{colour}", f"A {colour} mug", images=[make_image(colour)], attributes={"colour": colour})
        for colour in COLOURS
    ]
    store = Store(folder / "store")
    settings = Settings(store=store.folder, encoder=str(folder / "encoder"), device="cpu")
    Indexer(store, encoder_for(store, settings), Fetcher()).run(MemorySource(mugs))
    store.close()
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """``vitrina serve`` in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "VITRINA_STORE": str(folder / "store"),
        "VITRINA_DEVICE": "cpu",
        "VITRINA_RERANKER": str(folder / "llava"),
        "VITRINA_RERANKER_KEY": "sk-never-shown-9f2",
    }
    command = [sys.executable, "-m", "vitrina.api.cli", "serve", "--port", str(port)]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_ready(process, address, folder / "serve.log")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=60)
    assert "sk-never-shown-9f2" not in (folder / "serve.log").read_text(encoding="utf-8")


def wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            reranker = httpx.get(f"{address}/readyz", trust_env=False).json()["reranker"]
            if reranker["status"] != "opening":
                assert reranker["status"] == "ready", reranker
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"vitrina serve did not start:\n{log.read_text(encoding='utf-8')[-2_000:]}")


def test_the_events_come_one_by_one_and_agree_with_the_one_answer(address: str, folder: Path) -> None:
    with httpx.stream(
        "POST", f"{address}/v1/search", json=BODY, headers=STREAM, timeout=120, trust_env=False
    ) as response:
        assert response.raise_for_status().headers["content-type"].startswith("text/event-stream")
        came = [(name, data, time.monotonic()) for name, data in events_in(response.iter_lines())]
    assert [name for name, _, _ in came] == ["retrieved", "reranked", "explanation", "explanation", "done"]
    assert came[0][2] < came[-1][2], "the retrieval's order does not wait for the rest"
    reranked = came[1][1]
    assert reranked["reranker"] == str(folder / "llava")
    assert [hit["rerank_status"] for hit in reranked["hits"]] == ["reranked"] * 4 + ["not_asked"] * 2
    verdicts = [verdict for hit in reranked["hits"] for verdict in hit["verdicts"]]
    assert {verdict["requirement"] for verdict in verdicts} >= {"colour: red"}
    answer = httpx.post(f"{address}/v1/search", json=BODY, timeout=120, trust_env=False).raise_for_status().json()
    assert [hit["sku"] for hit in answer["hits"]] == [hit["sku"] for hit in reranked["hits"]]
    assert [hit["explanation"] is not None for hit in answer["hits"]] == [True] * 2 + [False] * 4


def test_a_client_that_hangs_up_leaves_the_service_well(address: str) -> None:
    for _ in range(5):
        with httpx.stream(
            "POST", f"{address}/v1/search", json=BODY, headers=STREAM, timeout=120, trust_env=False
        ) as response:
            name, _ = next(events_in(response.iter_lines()))
            assert name == "retrieved"
    answer = httpx.post(f"{address}/v1/search", json=BODY, timeout=120, trust_env=False).raise_for_status().json()
    assert answer["rerank_status"] == "reranked"


@dataclass
class Writer(ColourReranker):
    """Counts what it is to write."""

    writes: str = "It fits."
    written: list[str] = field(default_factory=list)
    wrote: threading.Event = field(default_factory=threading.Event)

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        self.written.append(candidate.key)
        self.wrote.set()
        return iter([self.writes])


@dataclass
class Slow(Writer):
    """Judges until its deadline, or until it is cancelled."""

    judging: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    left_s: float = 0.0

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        at, is_first = deadline.at, not self.judging.is_set()
        self.judging.set()
        while is_first and deadline.seconds_left:
            time.sleep(0.02)
        self.left_s = at - time.monotonic()
        self.ended.set()
        return super().judge(candidates, statements, deadline)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Slow, str]]:
    """A slow model, and the address of a service that has it."""
    store, slow = Store(tmp_path / "store"), Slow()
    fill(store, FakeEncoder())
    store.close()
    with serve(store.folder, lambda _: slow) as address:
        wait_until_tried(address)
        yield slow, address


LONG = {"text": "white boots", "rerank": {"deadline_ms": 30_000, "explain": 10, "explain_ms": 30_000}}


def test_a_client_that_hangs_up_ends_what_the_model_is_at_and_no_more_is_begun(slow: tuple[Slow, str]) -> None:
    model, address = slow
    with httpx.stream("POST", f"{address}/v1/search", json=LONG, headers=STREAM, timeout=60) as response:
        events = events_in(response.iter_lines())  # the connection is closed with the last of who reads from it
        assert next(events)[0] == "retrieved"
        assert model.judging.wait(60)
    assert_cancelled(model)
    with httpx.stream("POST", f"{address}/v1/search", json=LONG, headers=STREAM, timeout=60) as response:
        names = [name for name, _ in events_in(response.iter_lines())]
    assert names == ["retrieved", "reranked", *["explanation"] * 10, "done"]
    assert len(model.written) == 10


def test_a_client_that_hangs_up_before_its_one_answer_ends_it_too(slow: tuple[Slow, str]) -> None:
    model, address = slow
    body = json.dumps(LONG).encode()
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as client:
        client.sendall(head.encode() + b"\r\n\r\n" + body)
        assert model.judging.wait(60)
    assert_cancelled(model)
    answer = httpx.post(f"{address}/v1/search", json=LONG, timeout=60).raise_for_status().json()
    assert sum(hit["explanation"] is not None for hit in answer["hits"]) == 10


def assert_cancelled(model: Slow) -> None:
    assert model.ended.wait(60)
    assert model.left_s > 10, "it did not go on until its deadline"
    assert not model.wrote.wait(1)
    assert model.written == []
