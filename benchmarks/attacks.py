"""Attacks on a running service: bombs, slow images, silent connections, and a stop in the middle of everything."""

from __future__ import annotations

import asyncio
import io
import json
import resource
import socket
import statistics
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory

import httpx
import pillow_heif
from PIL import Image, features

from benchmarks.catalogs import Figure
from benchmarks.load import SEARCH_HEADER, latencies_ms, serving
from recipes.boutique.export import write_folder
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.encoders.base import Encoder
from vitrina.search.store.store import Store

N_PRODUCTS = 300
IMAGE_PX = 96
QUERIES = ("red dress", "white shirt", "blue shoes", "striped", "black bag", "green hat")

BOMB_SIDE_PX = 8_000
N_AT_ONCE = 8
BOMBS: Mapping[str, tuple[str, str, dict[str, object]]] = {
    "WebP, lossless": ("WEBP", "RGB", {"lossless": True}),
    "WebP with alpha": ("WEBP", "RGBA", {"lossless": True}),
    "PNG": ("PNG", "RGB", {}),
    "PNG of 16 bits": ("PNG", "I;16", {}),
    "GIF": ("GIF", "P", {}),
    "TIFF of floats": ("TIFF", "F", {"compression": "tiff_adobe_deflate"}),
    "JPEG": ("JPEG", "RGB", {}),
    "JPEG, progressive": ("JPEG", "RGB", {"progressive": True}),
    "HEIC": ("HEIF", "RGB", {}),
    "AVIF": ("AVIF", "RGB", {"speed": 10}),
}
MAX_PEAK_MB = 1_200
MAX_HEALTH_MS = 50
MAX_STOP_S = 10
MAX_SLOWER = 1.5
"""How much slower a search may be beside silent connections; measured ones vary by a third on a busy machine."""

N_SLOW_IMAGES = 45
N_SILENT = 2_000
HALF_A_HEADER = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nX-Half:"
HALF_A_BODY = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"


def measure_attacks(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On 300 rendered products. The attacker runs on the same cores."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        store = Store(path)
        catalog = write_folder(Path(folder) / "shop", N_PRODUCTS, size=IMAGE_PX)
        Indexer(store, encoder, Fetcher()).run(open_source(str(catalog), {}))
        store.close()
        with serving(path) as service:
            yield from bombs(service.url, service.process.pid)
        with serving(path, module="benchmarks.local_images") as service:
            yield from slow_images(service.url)
        with serving(path) as service:
            yield from silent_connections(service.url)
            yield from stop(service.url, service.process)


def bombs(url: str, pid: int) -> Iterator[Figure]:
    """Eight at once in each format that there is, while searches go on."""
    pillow_heif.register_heif_opener()
    at_rest, peaks, slowest, statuses = memory_mb(pid, "VmRSS"), dict[str, float](), dict[str, float](), set[int]()
    for kind, (format_, mode, options) in BOMBS.items():
        if format_ == "AVIF" and not features.check("avif"):
            continue
        out = io.BytesIO()
        Image.new(mode, (BOMB_SIDE_PX, BOMB_SIDE_PX)).save(out, format_, **options)
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # counts the peak from here on
        found, times_ms = asyncio.run(post_at_once(url, out.getvalue()))
        peaks[kind], slowest[kind] = memory_mb(pid, "VmHWM"), max(times_ms)
        statuses |= found
    how = f"{N_AT_ONCE} images of {BOMB_SIDE_PX:,} x {BOMB_SIDE_PX:,} at once, {at_rest:,.0f} MB at rest: "
    how += ", ".join(f"{kind} {peak:,.0f}" for kind, peak in peaks.items())
    yield Figure("bombs, memory at the peak", max(peaks.values()), MAX_PEAK_MB, "at most", "MB", how)
    how = ", ".join(f"{kind} {ms:,.0f}" for kind, ms in slowest.items())
    yield Figure("bombs, the slowest search beside them", max(slowest.values()), 2_000, "at most", "ms", how)
    yield Figure("bombs, answered by a fault of ours", len(statuses - {200, 400}), 0, "at most")


async def post_at_once(url: str, data: bytes) -> tuple[set[int], list[float]]:
    """The statuses that an image got, posted eight times at once, and how long the searches beside took, in ms."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        posts = asyncio.gather(*(client.post("/v1/search", files={"image": ("bomb", data)}) for _ in range(N_AT_ONCE)))
        times_ms = await timed_until(posts, client, "POST", "/v1/search")
        return {answer.status_code for answer in posts.result()}, times_ms


async def timed_until(end: Awaitable[object], client: httpx.AsyncClient, method: str, path: str) -> list[float]:
    """How long each request took that was sent, one after the other, until something ended, in ms."""
    times_ms, ended = list[float](), asyncio.ensure_future(end)
    while not times_ms or not ended.done():
        started = time.perf_counter()
        json_body = {"text": QUERIES[len(times_ms) % len(QUERIES)]} if method == "POST" else None
        (await client.request(method, path, json=json_body)).raise_for_status()
        times_ms.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.01)
    return times_ms


def memory_mb(pid: int, name: str) -> float:
    """A figure of a process's memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{name}:"))


def slow_images(url: str) -> Iterator[Figure]:
    """Items whose images come from a server that says nothing; ``/healthz`` and searches beside them."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as images:
        health_ms, search_ms = asyncio.run(beside_slow_images(url, images.getsockname()[1]))
    how = f"{N_SLOW_IMAGES} items with an image whose server never answers; {len(health_ms)} requests"
    p99 = statistics.quantiles(health_ms, n=100)[-1]
    yield Figure("slow images, /healthz, 99th percentile", p99, MAX_HEALTH_MS, "at most", "ms", how)
    yield Figure("slow images, /healthz, the slowest", max(health_ms), None, unit="ms")
    yield Figure("slow images, a search, median", statistics.median(search_ms), None, unit="ms")


async def beside_slow_images(url: str, port: int) -> tuple[list[float], list[float]]:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        body = {"title": "Boots", "images": [f"http://127.0.0.1:{port}/a.png"]}
        puts = [asyncio.ensure_future(client.put(f"/v1/items/slow-{n}", json=body)) for n in range(N_SLOW_IMAGES)]
        await asyncio.sleep(1)
        health_ms = await timed_until(asyncio.sleep(4), client, "GET", "/healthz")
        search_ms = await timed_until(asyncio.sleep(2), client, "POST", "/v1/search")
        for each in puts:
            each.cancel()
        await asyncio.gather(*puts, return_exceptions=True)
    return health_ms, search_ms


def silent_connections(url: str) -> Iterator[Figure]:
    """Half of them say nothing, half begin a header; searches before and beside them."""
    queries = QUERIES * 20
    before_ms = statistics.median(latencies_ms(url, queries))
    with ExitStack() as held:
        n_open = open_silent(url, N_SILENT, held)
        beside_ms = statistics.median(latencies_ms(url, queries))
    how = f"{n_open:,} connections, half of them with a begun header; {before_ms:.1f} ms, {beside_ms:.1f} ms beside"
    yield Figure(
        "silent connections, a search beside them / before", beside_ms / before_ms, MAX_SLOWER, "at most", how=how
    )


def open_silent(url: str, n: int, held: ExitStack) -> int:
    """Open so many connections and say nothing more; returns how many could be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, n + 200), hard), hard))
    host, port = url.removeprefix("http://").split(":")
    n_open = 0
    for number in range(n):
        with suppress(OSError):
            connection = held.enter_context(socket.create_connection((host, int(port)), timeout=10))
            n_open += 1
            if number % 2:
                connection.sendall(HALF_A_HEADER)
    return n_open


def stop(url: str, process: Popen[bytes]) -> Iterator[Figure]:
    """SIGTERM beside silent connections, half-sent bodies, and answers that are being reranked and explained."""
    with ExitStack() as held:
        open_silent(url, 200, held)
        host, port = url.removeprefix("http://").split(":")
        body = json.dumps({"text": "red dress", "rerank": {"deadline_ms": 30_000, "explain_ms": 30_000}}).encode()
        for sent in [HALF_A_BODY] * 50 + [SEARCH_HEADER % len(body) + body] * 20:
            held.enter_context(socket.create_connection((host, int(port)), timeout=10)).sendall(sent)
        time.sleep(0.3)
        started = time.perf_counter()
        process.terminate()
        process.wait(60)
        seconds = time.perf_counter() - started
    how = "200 silent connections, 50 half-sent bodies, 20 reranked searches under way"
    yield Figure("from SIGTERM to the end", seconds, MAX_STOP_S, "at most", "s", how)
