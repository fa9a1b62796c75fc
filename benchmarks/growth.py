"""Growth: what a search, a start, an index and memory cost at ten thousand, a hundred thousand and a million items.

``python -m benchmarks.growth --stores FOLDER`` makes synthetic stores where there are none (``synthetic.py``), measures
each, and writes a table and a plot. A million items take ten minutes to make, once, and 14 GB of disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer

from benchmarks.load import serving
from benchmarks.start import resident_mb
from benchmarks.synthetic import ItemMaker, make_store
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.index.faiss import FaissIndex
from vitrina.search.index.kinds import IndexKind
from vitrina.search.retrieval.vector_scores import VectorScorer, text_weights
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Stopwatch
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import MODALITIES
from vitrina.search.types.query import WINDOW, Query

SIZES = (10_000, 100_000, 1_000_000)
N_QUERIES = 100
N_EXACT = 40
N_CLIENTS = 16
N_WORKERS = (1, 2)
"""How many processes answer them: as ``vitrina serve`` does, and with ``--workers``."""

LOAD_S = 8.0
FILTERS: Mapping[str, Mapping[str, object]] = {
    "none": {},
    "50%": {"half": "even"},
    "10%": {"label": "new"},
    "1%": {"label": "sale"},
    "0.1%": {"label": "rare"},
}
PARTS = ("requirements", "filter", "words", "certainty", "vectors", "rank", "confidence", "load")


@dataclass
class Growth:
    """What was measured at one size; times in milliseconds where the name does not say otherwise."""

    n_items: int
    kind: str = ""
    read_s: float = 0.0
    build_s: float = 0.0
    start_s: float = 0.0
    rest_mb: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    http: dict[str, float] = field(default_factory=dict)
    recalls: dict[str, float] = field(default_factory=dict)
    index: float = 0.0
    cpu: float = 0.0
    load_average: float = 0.0
    loads: dict[int, list[float]] = field(default_factory=dict)
    """By the number of workers, how long each search took of those that ``N_CLIENTS`` sent."""
    workers_mb: float = 0.0


def queries(n: int) -> list[str]:
    """Queries such as shoppers type, of one to four words."""
    maker = ItemMaker()
    titles = [maker.rng.choice(maker.meanings).title.split() for _ in range(n)]
    return [" ".join(title[: 1 + at % 4] if at % 3 else (title[0], title[2])) for at, title in enumerate(titles)]


def measure(encoder: Encoder, folder: Path) -> Growth:
    """Measure one store; its index is built once, and how long that took is kept beside its snapshot."""
    kept = folder / "growth.json"
    with closing(Store(folder)) as store:
        found = Growth(store.catalog.count("items"), load_average=os.getloadavg()[0])
        if not kept.is_file():
            kept.write_text(json.dumps(built(store, encoder)), encoding="utf-8")
        found.read_s, found.build_s = json.loads(kept.read_text(encoding="utf-8"))
        engine = SearchEngine.open(store, encoder)
        found.kind = engine.replica.reports()["text"].kind
        found.recalls = recalls(engine)
        found.index, found.cpu = index_ms(engine), cpu_ms(engine)
        del engine
    measure_service(found, folder)
    measure_workers(found, folder)
    return found


def built(store: Store, encoder: Encoder) -> tuple[float, float]:
    """Read a catalog, build its index and save both; returns how many seconds the first two took."""
    for snapshot in store.snapshots.glob("*"):
        snapshot.unlink()
    started = time.perf_counter()
    replica = SearchEngine.open(store, encoder).replica
    read_s = time.perf_counter() - started
    started = time.perf_counter()
    replica.maintain(os.cpu_count() or 1)
    build_s = time.perf_counter() - started
    replica.save(force=True)
    return read_s, build_s


def vectors_of(engine: SearchEngine, text: str) -> VectorScorer:
    parsed = engine.parser.parse(Query(text=text), Stopwatch())
    return VectorScorer(engine.replica.indexes, parsed.vectors, *text_weights(engine.retriever.weights))


def recalls(engine: SearchEngine) -> dict[str, float]:
    """The share of the ten best rows of both modalities that searches find, by filter."""
    found: dict[str, list[float]] = {name: [] for name in FILTERS}
    exact = {}
    for modality in MODALITIES:
        exact[modality] = FaissIndex(engine.encoder.identity.dimension, IndexKind.FLAT)
        exact[modality].apply(np.empty(0, np.int64), engine.replica.indexes[modality].rows())
    for name, asked in FILTERS.items():
        with engine.catalog.reading() as reader:
            within = engine.replica.facets.passing(reader, parse_filters(asked)) if asked else None
        for text in queries(N_EXACT):
            scorer = vectors_of(engine, text)
            for modality in MODALITIES:
                vector = scorer.alone[modality].vector
                right = exact[modality].search(vector, 10, within=within).row_ids
                got = engine.replica.indexes[modality].search(vector, WINDOW, within=within).row_ids[:10]
                found[name].append(float(np.isin(right, got).mean()))
    return {name: statistics.mean(each) for name, each in found.items()}


def index_ms(engine: SearchEngine) -> float:
    """The median time of one query's two searches in the vector indexes, of images and of texts."""
    times = []
    for text in queries(N_QUERIES):
        scorer = vectors_of(engine, text)
        started = time.perf_counter()
        for modality in MODALITIES:
            engine.replica.indexes[modality].search(scorer.alone[modality].vector, WINDOW)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def cpu_ms(engine: SearchEngine) -> float:
    """The median of the processor's time for a search once its words are encoded, whatever else the machine does."""
    times = []
    for parsed in [engine.parser.parse(Query(text=text, limit=20), Stopwatch()) for text in queries(N_QUERIES)]:
        started = time.thread_time()
        engine.retriever.retrieve(parsed, Stopwatch())
        times.append((time.thread_time() - started) * 1000)
    return statistics.median(times)


def measure_service(found: Growth, folder: Path) -> None:
    started = time.perf_counter()
    with serving(folder, environment={"VITRINA_RERANKER": "off"}) as service:
        found.start_s = time.perf_counter() - started
        texts = queries(N_QUERIES)
        with httpx.Client(base_url=service.url, timeout=60) as client:
            timed_search(client, texts[:20], {})
            for name, asked in FILTERS.items():
                found.http[name], parts = timed_search(client, texts, asked)
                found.parts = parts if name == "none" else found.parts
        found.rest_mb = resident_mb(service.process.pid)
        found.loads[1] = asyncio.run(under_load(service.url, texts))


def measure_workers(found: Growth, folder: Path) -> None:
    n_workers, texts = N_WORKERS[-1], queries(N_QUERIES)
    options = ["--workers", str(n_workers)]
    with serving(folder, environment={"VITRINA_RERANKER": "off"}, options=options) as service:
        workers: list[int] = []
        while len(workers) < n_workers:  # the others start once the first has
            time.sleep(1)
            workers = workers_of(service.process.pid)
        for _ in range(2):  # they do while it is loaded for the first time
            found.loads[n_workers] = asyncio.run(under_load(service.url, texts))
        found.workers_mb = sum(map(own_mb, workers))


def workers_of(process_id: int) -> list[int]:
    """The processes that a service has started to answer with it."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text(encoding="ascii").split()
    return [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


def own_mb(process_id: int) -> float:
    """The memory of a process in megabytes of 2^20 bytes, with its part of what it shares with others."""
    rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text(encoding="ascii")
    return int(rollup.partition("\nPss:")[2].split()[0]) / 1024


def timed_search(
    client: httpx.Client, texts: Sequence[str], asked: Mapping[str, object]
) -> tuple[float, dict[str, float]]:
    """The median time of a search over HTTP without encoding, and the medians of its parts."""
    times, parts = [], []
    for text in texts:
        started = time.perf_counter()
        answer = client.post("/v1/search", json={"text": text, "filters": asked}).raise_for_status().json()
        times.append((time.perf_counter() - started) * 1000 - answer["timings_ms"]["encode"])
        parts.append(answer["timings_ms"])
    return statistics.median(times), {part: statistics.median(each.get(part, 0) for each in parts) for part in PARTS}


async def under_load(url: str, texts: Sequence[str]) -> list[float]:
    """How long each search took, of ``N_CLIENTS`` that ask as soon as they are answered; in milliseconds."""
    latencies: list[float] = []
    until = time.perf_counter() + LOAD_S

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        at = number
        while (started := time.perf_counter()) < until:
            (await client.post("/v1/search", json={"text": texts[at % len(texts)]})).raise_for_status()
            latencies.append((time.perf_counter() - started) * 1000)
            at += 7

    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await asyncio.gather(*(ask(client, number) for number in range(N_CLIENTS)))
    return latencies


def table(found: Sequence[Growth]) -> str:
    """The measurements as a Markdown table, a column for each size."""
    rows: list[tuple[str, list[str]]] = [
        ("index", [each.kind for each in found]),
        ("load average of the machine before", [f"{each.load_average:.1f}" for each in found]),
        ("reading the catalog, s", [f"{each.read_s:.1f}" for each in found]),
        ("building the index, s", [f"{each.build_s:.1f}" for each in found]),
        ("start from a snapshot, s", [f"{each.start_s:.1f}" for each in found]),
        ("memory, MB", [f"{each.rest_mb:,.0f}" for each in found]),
        *((f"{part}, ms", [f"{each.parts[part]:.1f}" for each in found]) for part in PARTS),
        ("a search over HTTP without encoding, ms", [f"{each.http['none']:.1f}" for each in found]),
        (
            "the same / (2 bare index searches + 8 ms)",
            [f"{each.http['none'] / (2 * each.index + 8):.2f}" for each in found],
        ),
        ("processor's time for a search without encoding, ms", [f"{each.cpu:.1f}" for each in found]),
        ("bare index searches, ms", [f"{each.index:.1f}" for each in found]),
    ]
    for n_workers in N_WORKERS:
        by = f"{N_CLIENTS} clients, {n_workers} worker{'s' * (n_workers > 1)}"
        loads = [each.loads[n_workers] for each in found]
        rows.append((f"searches a second, {by}", [f"{len(latencies) / LOAD_S:.0f}" for latencies in loads]))
        p99s = [statistics.quantiles(latencies, n=100)[-1] for latencies in loads]
        rows.append(("their 99th percentile, ms", [f"{p99:.0f}" for p99 in p99s]))
    rows.append((f"memory of {N_WORKERS[-1]} workers, MB", [f"{each.workers_mb:,.0f}" for each in found]))
    for name in FILTERS:
        rows.append((f"recall@10, filter {name}", [f"{each.recalls[name]:.3f}" for each in found]))
    for name in list(FILTERS)[1:]:
        ratios = [f"{each.http[name] / each.http['none']:.2f}" for each in found]
        rows.append((f"time with a filter of {name} / without", ratios))
    head = f"| items | {' | '.join(f'{each.n_items:,}' for each in found)} |\n|{'---|' * (len(found) + 1)}"
    return "\n".join([head, *(f"| {name} | {' | '.join(values)} |" for name, values in rows)])


def plot(found: Sequence[Growth], path: Path) -> None:
    """Draw time by part, and start and memory, against the number of items."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6))
    sizes = [each.n_items for each in found]
    axes[0].stackplot(sizes, [[each.parts[part] for each in found] for part in PARTS], labels=PARTS)
    axes[0].plot(sizes, [each.http["none"] for each in found], "k.-", label="over HTTP")
    axes[0].legend(fontsize=7)
    axes[0].set_title("a search without encoding, ms")
    axes[1].loglog(sizes, [each.start_s for each in found], ".-", label="start from a snapshot")
    axes[1].loglog(sizes, [each.build_s for each in found], ".-", label="building the index")
    axes[1].loglog(sizes, [each.read_s for each in found], ".-", label="reading the catalog")
    axes[1].legend(fontsize=7)
    axes[1].set_title("seconds")
    axes[2].loglog(sizes, [each.rest_mb for each in found], ".-")
    axes[2].set_title("memory of the service, MB")
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlabel("items")
    figure.tight_layout()
    figure.savefig(path)


def run(
    stores: Annotated[Path, typer.Option(help="Where the stores are, or are made.")],
    size: Annotated[list[int] | None, typer.Option(help="How many items.", show_default=str(SIZES))] = None,
    out: Annotated[Path, typer.Option(help="Where the table goes; the plot lies beside it.")] = Path(__file__).parent
    / "growth.md",
) -> None:
    """Measure stores of several sizes."""
    encoder, found = load_encoder(None), []
    for n_items in size or SIZES:
        folder = stores / str(n_items)
        if not folder.is_dir():
            make_store(folder, encoder, n_items)
        found.append(measure(encoder, folder))
        typer.echo(str(found[-1]))
    plot(found, out.with_suffix(".svg"))
    out.write_text(f"{HEAD}\n\n{table(found)}\n\n![Growth](growth.svg)\n", encoding="utf-8")


HEAD = f"""# Growth

`python -m benchmarks.growth --stores FOLDER`, on {os.cpu_count()} cores. The rows are generated, with nine fields each.
The vectors, one of an image and one of a text each, are spread as the embedded encoder's own, and its word
pieces lie beside them. The parts are those of a search by one to four words; the rest of a search over HTTP is the
service, the client and the network between them. Filters pass one half, a tenth, a hundredth and a thousandth of the
items."""

if __name__ == "__main__":
    typer.run(run)
