"""Load: many clients at once, over HTTP, with and without reranking."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from types import MappingProxyType

import httpx
import pyarrow.parquet as pq
import uvloop

from benchmarks.catalogs import Figure, indexed
from vitrina.search.encoders.base import Encoder
from vitrina.search.types.query import RerankOptions

N_QUERIES = 300
N_QUERY_WORDS = 3
N_TITLES = 1024
N_CLIENTS = 16
LOAD_S = 20.0
START_S = 600
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def measure_load(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On the 38,213 rows of ``fashion-train``, all fields: indexing them, and searches over HTTP, one after the other
    and by many clients at once, which run on the same cores. The queries are of ``fashion-validation``."""
    queries = short_texts(data / "fashion-validation.parquet")[:N_QUERIES]
    with indexed(encoder, data / "fashion-train.parquet") as catalog, serving(catalog.store.folder) as service:
        n_rows, seconds = len(catalog.rows), catalog.report.seconds
        yield Figure("rows indexed a second", n_rows / seconds, 350, how=f"{n_rows:,} rows, an image each, all fields")
        how = f"{len(queries)} text queries, one after the other, on 127.0.0.1; {n_rows:,} rows"
        latency_ms = latencies_ms(service.url, queries)
        yield Figure("search over HTTP, median", statistics.median(latency_ms), 25, "at most", "ms", how)
        answers = asyncio.run(under_load(service.url, queries, {}, LOAD_S))
        latency_ms = [answer.seconds * 1000 for answer in answers]
        how = f"{N_CLIENTS} clients for {LOAD_S:.0f} s, each asking as soon as it is answered"
        yield Figure("searches a second", len(latency_ms) / LOAD_S, 60, how=how)
        p99 = statistics.quantiles(latency_ms, n=100)[-1]
        yield Figure("search under load, 99th percentile", p99, None, unit="ms", how=how)
        yield Figure("searches that failed", sum(not answer.is_ok for answer in answers), 0, "at most", how=how)


RERANKED_LOAD_S = 30.0
MAX_LATE_MS = 100
JUDGED = ("reranked", "judged")


def measure_reranked_load(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, 2,000 rows, all fields: reranked searches by many clients at once, which run on the
    same cores. Each client asks other things, with the deadlines that a request without any gets."""
    path, options = data / "fashion-validation.parquet", RerankOptions()
    for explain, limit_ms, words in (
        (0, options.deadline_ms, "without explanations"),
        (options.explain, options.deadline_ms + options.explain_ms, f"with {options.explain} explanations"),
    ):
        body = {"rerank": {"explain": explain}}
        with indexed(encoder, path) as catalog, serving(catalog.store.folder) as service:
            answers = asyncio.run(under_load(service.url, short_texts(path), body, RERANKED_LOAD_S))
        yield from reranked_figures(answers, limit_ms, words)


def reranked_figures(answers: Sequence[LoadAnswer], limit_ms: int, words: str) -> Iterator[Figure]:
    """How late the latest answer was, and what became of all."""
    states = Counter(answer.state for answer in answers)
    shares = ", ".join(f"{state} {n / len(answers):.0%}" for state, n in states.most_common())
    how = f"{N_CLIENTS} clients for {RERANKED_LOAD_S:.0f} s, {words}; {len(answers):,} answers: {shares}"
    latency_ms = [answer.seconds * 1000 for answer in answers]
    name = f"reranked under load, {words}"
    yield Figure(f"{name}, later than the deadline", max(latency_ms) - limit_ms, MAX_LATE_MS, "at most", "ms", how)
    yield Figure(f"{name}, median", statistics.median(latency_ms), None, unit="ms")
    yield Figure(f"{name}, failed", states["failed"] + states[""], 0, "at most")
    yield Figure(f"{name}, judged in time", sum(states[state] for state in JUDGED) / len(answers), None)


N_PER_S = 250
FLOOD_S = 20.0
MAX_REFUSAL_MS = 100
MAX_ANSWER_MS = 2_000


def measure_overload(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, 2,000 rows: more searches a second than can be answered, each on a connection of its
    own. The client runs on the same cores, of which it takes about a tenth of one."""
    path = data / "fashion-validation.parquet"
    with indexed(encoder, path) as catalog, serving(catalog.store.folder) as service:
        times_ms = uvloop.run(flood_ms(service.url, short_texts(path)))
    how = f"{N_PER_S} searches a second for {FLOOD_S:.0f} s; " + ", ".join(
        f"{status or 'broken'}: {len(times):,}" for status, times in sorted(times_ms.items())
    )
    answered, refused = times_ms.pop(200, [0.0]), times_ms.pop(503, [0.0])
    yield Figure("flood, the latest answer", max(answered), MAX_ANSWER_MS, "at most", "ms", how)
    yield Figure("flood, answers, median", statistics.median(answered), None, unit="ms")
    p99 = statistics.quantiles([*refused, *refused], n=100)[-1]
    yield Figure("flood, refusals, 99th percentile", p99, MAX_REFUSAL_MS, "at most", "ms")
    yield Figure("flood, refusals, median", statistics.median(refused), None, unit="ms")
    yield Figure("flood, neither answered nor refused", sum(map(len, times_ms.values())), 0, "at most")


async def flood_ms(url: str, queries: Sequence[str]) -> dict[int, list[float]]:
    """How long each request took, by its status, 0 for a broken connection. Written on plain sockets, since an HTTP
    client takes as much of the machine as the service does."""
    times_ms: dict[int, list[float]] = {}
    host, port = url.removeprefix("http://").split(":")

    async def ask(text: str) -> None:
        body, status, started = json.dumps({"text": text}).encode(), 0, time.perf_counter()
        with suppress(OSError, ValueError, IndexError):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(SEARCH_HEADER % len(body) + body)
            status = int((await reader.readline()).split(b" ")[1])
            await reader.read()
            writer.close()
        times_ms.setdefault(status, []).append((time.perf_counter() - started) * 1000)

    asked: list[asyncio.Task[None]] = []
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < FLOOD_S:
        asked += [
            asyncio.create_task(ask(queries[n % len(queries)])) for n in range(len(asked), int(elapsed * N_PER_S))
        ]
        await asyncio.sleep(0.005)
    await asyncio.gather(*asked)
    return times_ms


SEARCH_HEADER = (
    b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class LoadAnswer:
    """One answer under load: how long it took, and its state of reranking, empty if it is an error."""

    seconds: float
    state: str

    @property
    def is_ok(self) -> bool:
        """Whether it is an answer at all."""
        return bool(self.state)


async def under_load(url: str, queries: Sequence[str], body: Mapping[str, object], load_s: float) -> list[LoadAnswer]:
    """The answers that ``N_CLIENTS`` clients got, each asking all queries in an order of its own for ``load_s``."""
    answers: list[LoadAnswer] = []
    until = time.perf_counter() + load_s

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        for text in cycle(random.Random(number).sample(queries, len(queries))):
            started = time.perf_counter()
            if started > until:
                return
            answer = await client.post("/v1/search", json={"text": text, **body})
            seconds = time.perf_counter() - started
            answers.append(LoadAnswer(seconds, answer.json()["rerank_status"] if answer.is_success else ""))

    async with httpx.AsyncClient(base_url=url, timeout=START_S) as client:
        await asyncio.gather(*(ask(client, number) for number in range(N_CLIENTS)))
    return answers


def short_texts(path: Path) -> list[str]:
    """Words as a shopper types: the title's second to fourth, without the brand."""
    titles = pq.read_table(path, columns=["title"])["title"].to_pylist()[:N_TITLES]
    return [" ".join(str(title).split()[1 : 1 + N_QUERY_WORDS]) for title in titles]


def latencies_ms(url: str, queries: Sequence[str]) -> list[float]:
    """How long each search takes, after ten to warm up."""
    times = []
    with httpx.Client(base_url=url) as client:
        for text in [*queries[:10], *queries]:
            started = time.perf_counter()
            client.post("/v1/search", json={"text": text}).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
    return times[10:]


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A service that answers at ``url``."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def serving(
    store: Path,
    module: str = "vitrina.api.cli",
    environment: Mapping[str, str] = NO_SETTINGS,
    options: Sequence[str] = (),
) -> Iterator[RunningProcess]:
    """``vitrina serve`` in a process of its own, on a free port of this machine, its reranker ready or off;
    ``environment`` adds settings, and ``options`` those of the command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--store", str(store), "--port", str(port), *options],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield RunningProcess(wait_until_ready(f"http://127.0.0.1:{port}", process), process)
    finally:
        process.terminate()
        process.wait()


def is_settled(reranker: Mapping[str, object] | None) -> bool:
    """Whether a reranker is ready, which takes a core for some seconds, or off."""
    return reranker is None or reranker["status"] == "ready"


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{url}/readyz", timeout=START_S)
            if answer.is_success and is_settled(answer.json()["reranker"]):
                return url
        time.sleep(0.05)
    raise TimeoutError(f"the service did not start within {START_S} s")
