"""A crowd: 64 clients at once who ask in every way there is, alone and beside an import, and whether all are answered
right."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pyarrow.parquet as pq

from benchmarks.catalogs import Figure, indexed
from benchmarks.load import RunningProcess, serving, short_texts
from benchmarks.synthetic import ARTICLES, COLOURS, GENDERS, fill
from vitrina.search.encoders.base import Encoder
from vitrina.search.store.store import Store

N_CLIENTS = 64
CROWD_S = 60.0
MAX_P99 = 4.0
"""How many times the median the 99th percentile may take."""

MAX_BESIDE_IMPORT = 2.0
"""How many times as long the 99th percentile may take beside an import."""

N_CHECKED = 40
"""How many requests are also sent one by one, to compare what they are answered in the crowd."""

N_SYNTHETIC = 100_000
SHARES: Mapping[str, float] = {"text": 0.5, "filtered": 0.25, "image": 0.15, "reranked": 0.1}
"""How often each kind of request is sent."""

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CrowdRequest:
    """A request of a kind."""

    kind: str
    body: Body


@dataclass(frozen=True, slots=True)
class CrowdAnswer:
    """How a request was answered: its status, 0 for a broken connection, how long it took, and the skus found."""

    request: CrowdRequest
    status: int
    seconds: float
    skus: tuple[str, ...]
    state: str


def measure_crowd(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """64 clients for a minute: texts, filters, images, a tenth reranked, on the 38,213 rows of ``fashion-train``; and
    beside an import of ``fashion-validation``. The clients run on the same cores."""
    validation = data / "fashion-validation.parquet"
    with indexed(encoder, data / "fashion-train.parquet") as catalog, serving(catalog.store.folder) as service:
        requests = fashion_requests(validation)
        yield from crowd_figures(service, requests, f"{len(catalog.rows):,} rows")
        yield from beside_import(service, requests, validation)


def measure_synthetic_crowd(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """The same on 100,000 synthetic rows, which have no images for a reranker to see."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        store = Store(path)
        fill(store, encoder, N_SYNTHETIC)
        store.close()
        with serving(path) as service:
            yield from crowd_figures(service, synthetic_requests(), f"{N_SYNTHETIC:,} synthetic rows")


def fashion_requests(path: Path) -> list[CrowdRequest]:
    """Requests made of rows that are not in the catalog."""
    columns = pq.read_table(path, columns=["colour", "gender", "image"]).to_pylist()
    found, rng = list[CrowdRequest](), random.Random(0)
    for text, row in zip(short_texts(path), columns, strict=False):
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        image = f"data:image/jpeg;base64,{base64.b64encode(row['image']).decode()}"
        filters = {"colour": row["colour"], "gender": row["gender"]}
        found.append(
            CrowdRequest(kind, body_of(kind, text, {key: each for key, each in filters.items() if each}, image))
        )
    return found


def synthetic_requests(n: int = 1000) -> list[CrowdRequest]:
    """Requests for generated items; their images are items of the catalog."""
    found, rng = list[CrowdRequest](), random.Random(0)
    for _ in range(n):
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        text = f"{rng.choice(COLOURS)} {rng.choice(ARTICLES)} for {rng.choice(GENDERS)}"
        body = body_of(kind, text, {"colour": rng.choice(COLOURS)}, {"sku": f"V{rng.randrange(N_SYNTHETIC):07d}"})
        found.append(CrowdRequest(kind, body))
    return found


def body_of(kind: str, text: str, filters: Mapping[str, str], image: object) -> Body:
    """The body of a request of a kind."""
    if kind == "image":
        return {"images": [image]}
    return (
        {"text": text}
        | ({"filters": filters} if kind == "filtered" else {})
        | ({"rerank": True} if kind == "reranked" else {})
    )


def crowd_figures(service: RunningProcess, requests: Sequence[CrowdRequest], words: str) -> Iterator[Figure]:
    """What the crowd met, and how far its answers are those that the same requests get one by one."""
    checked = [each for each in requests if each.kind != "reranked"][:N_CHECKED]
    alone = asyncio.run(crowd(service.url, checked, 1, 0.0))
    answers = asyncio.run(crowd(service.url, requests, N_CLIENTS, CROWD_S))
    yield from time_figures(answers, words)
    expected = {json.dumps(each.request.body): each.skus for each in alone}
    checked_again = [each for each in answers if json.dumps(each.request.body) in expected and each.status == 200]
    n_wrong = sum(each.skus != expected[json.dumps(each.request.body)] for each in checked_again)
    how = f"of {len(checked_again):,} that were also asked one by one, reranked ones aside"
    yield Figure(f"crowd, {words}, answers with other hits", n_wrong, 0, "at most", how=how)


def time_figures(answers: Sequence[CrowdAnswer], words: str) -> Iterator[Figure]:
    """How long the crowd waited, and how many of it got no answer."""
    median, p99 = median_and_p99_ms(answers)
    kinds = Counter(each.request.kind for each in answers)
    states = Counter(each.state for each in answers if each.request.kind == "reranked")
    how = f"{N_CLIENTS} clients for {CROWD_S:.0f} s, {len(answers) / CROWD_S:.1f} requests a second: "
    how += ", ".join(f"{kind} {n:,}" for kind, n in kinds.most_common()) + "; reranked: "
    how += ", ".join(f"{state or 'none'} {n:,}" for state, n in states.most_common())
    yield Figure(f"crowd, {words}, median", median, None, unit="ms", how=how)
    yield Figure(f"crowd, {words}, 99th percentile / median", p99 / median, MAX_P99, "at most", how=f"{p99:,.0f} ms")
    n_errors = sum(each.status != 200 for each in answers)
    yield Figure(f"crowd, {words}, errors", n_errors, 0, "at most")


def median_and_p99_ms(answers: Sequence[CrowdAnswer]) -> tuple[float, float]:
    """Over all kinds of requests."""
    times_ms = [each.seconds * 1000 for each in answers]
    return statistics.median(times_ms), statistics.quantiles(times_ms, n=100)[-1]


def beside_import(service: RunningProcess, requests: Sequence[CrowdRequest], rows: Path) -> Iterator[Figure]:
    """The same crowd without and with an import by the same service, of the same length."""
    _, alone_ms = median_and_p99_ms(asyncio.run(crowd(service.url, requests, N_CLIENTS, CROWD_S / 3)))
    with rows.open("rb") as file:
        job = httpx.post(f"{service.url}/v1/imports", files={"file": (rows.name, file)}, timeout=60)
    address = f"{service.url}/v1/imports/{job.raise_for_status().json()['id']}"
    until = time.monotonic() + 60
    while httpx.get(address).json()["progress"]["n_done"] == 0 and time.monotonic() < until:
        time.sleep(0.5)  # it loads its encoder first
    answers = asyncio.run(crowd(service.url, requests, N_CLIENTS, CROWD_S / 3))
    status = httpx.get(address).json()["status"]
    _, beside_ms = median_and_p99_ms(answers)
    how = f"{alone_ms:,.0f} ms alone, {beside_ms:,.0f} ms beside; the import was then {status}"
    yield Figure("crowd, 99th percentile beside an import", beside_ms / alone_ms, MAX_BESIDE_IMPORT, "at most", how=how)
    n_errors = sum(each.status != 200 for each in answers)
    yield Figure("crowd beside an import, errors", n_errors, 0, "at most")


async def crowd(url: str, requests: Sequence[CrowdRequest], n_clients: int, seconds: float) -> list[CrowdAnswer]:
    """What so many clients are answered, each asking as soon as it is answered: all requests once in an order of its
    own, and again until the time is over; or, without a time, each request once."""
    answers: list[CrowdAnswer] = []
    until = time.perf_counter() + seconds

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        order = random.Random(number).sample(requests, len(requests)) if seconds else requests
        at = 0
        while time.perf_counter() < until if seconds else at < len(order):
            answers.append(await answered(client, order[at % len(order)]))
            at += 1

    async with httpx.AsyncClient(base_url=url, timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        await asyncio.gather(*(ask(client, number) for number in range(n_clients)))
    return answers


async def answered(client: httpx.AsyncClient, request: CrowdRequest) -> CrowdAnswer:
    started = time.perf_counter()
    try:
        response = await client.post("/v1/search", json=request.body)
    except httpx.TransportError:
        return CrowdAnswer(request, 0, time.perf_counter() - started, (), "")
    seconds = time.perf_counter() - started
    answer: dict[str, Any] = response.json() if response.is_success else {"hits": [], "rerank_status": ""}
    skus = tuple(hit["sku"] for hit in answer["hits"])
    return CrowdAnswer(request, response.status_code, seconds, skus, answer["rerank_status"])
