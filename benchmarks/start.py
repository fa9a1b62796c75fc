"""What a start costs with the embedded models: time to ready, memory at rest and first answers, against PyTorch."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks.catalogs import Figure
from vitrina.search.encoders.base import Encoder, Runtime
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.model_folders import EMBEDDED
from vitrina.search.reranking.base import CandidateImages, Deadline, RerankCandidate, Reranker
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import FEATURES_FOLDER, Store
from vitrina.search.types.item import StoredItem
from vitrina.tuning.export.encoder import take_turns

BOUTIQUE = Path(__file__).parent.parent / "api" / "demo" / "boutique.tar"
RUNTIMES = (Runtime.AUTO, Runtime.TORCH)
N_STARTS = 3
START_S = 180.0
REST_S = 3.0
"""After it is ready, until its memory is read."""

READY_S, REST_MB, COLD_MS, WARM_MS, EXPLAINED_MS = 2.5, 450, 250, 80, 400
"""The bounds."""

N_JUDGED, N_EXPLAINED = 20, 5
STATEMENTS = ("navy striped shirt for men", "navy", "shirt")
FACTS = ("colour navy: met", "article shirt: contradicted, the photo shows a dress")


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds until the reranker is ready, and megabytes of memory at rest."""

    ready_s: float
    rest_mb: float


def measure_start(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """The demo's boutique, indexed. Starts are medians of three, the runtimes taking turns; so are the answers of the
    reranker, without the HTTP around them."""
    with TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        subprocess.run(vitrina("index", str(BOUTIQUE), "--store", str(store)), check=True, capture_output=True)
        start(store, Runtime.AUTO)  # compiles modules, fills the file cache
        starts: dict[Runtime, list[Start]] = {runtime: [] for runtime in RUNTIMES}
        for _ in range(N_STARTS):
            for runtime in RUNTIMES:
                starts[runtime].append(start(store, runtime))
        yield from start_figures(starts)
        yield from answer_figures(store)


def start_figures(starts: Mapping[Runtime, list[Start]]) -> Iterator[Figure]:
    ready, torch_ready = (statistics.median(each.ready_s for each in starts[runtime]) for runtime in RUNTIMES)
    rest, torch_rest = (statistics.median(each.rest_mb for each in starts[runtime]) for runtime in RUNTIMES)
    how = "vitrina serve on the demo's 300 items, until /readyz says that the reranker is ready"
    yield Figure("start to ready", ready, READY_S, "at most", "s", f"{how}; PyTorch {torch_ready:.1f} s")
    how = "resident memory, three seconds later"
    yield Figure("memory at rest", rest, REST_MB, "at most", "MB", f"{how}; PyTorch {torch_rest:,.0f} MB")


def answer_figures(folder: Path) -> Iterator[Figure]:
    """The reranker's part of a search: with new images, with features on the disk, and with images in memory."""
    cached = RerankerOptions(device="cpu", features=folder / FEATURES_FOLDER)
    ways = {
        "judged, new images": (RerankerOptions(device="cpu", cache_bytes=0), COLD_MS),
        "judged, features on the disk": (replace(cached, cache_bytes=0), WARM_MS),
        "judged, images in memory": (cached, WARM_MS),
    }
    with closing(Store(folder)) as store:
        for name, (options, bound) in ways.items():
            seconds = median_seconds(store, options, judge)
            how = f"{N_JUDGED} candidates, {len(STATEMENTS)} statements"
            yield Figure(name, 1000 * seconds[0], bound, "at most", "ms", f"{how}; PyTorch {1000 * seconds[1]:,.0f} ms")
        seconds = median_seconds(store, cached, explain)
        how = f"{N_EXPLAINED} texts from two facts each, one after the other; PyTorch {1000 * seconds[1]:,.0f} ms"
        yield Figure("five explanations", 1000 * seconds[0], EXPLAINED_MS, "at most", "ms", how)


def median_seconds(
    store: Store, options: RerankerOptions, work: Callable[[Reranker, Sequence[StoredItem], ImageStore], None]
) -> list[float]:
    """The median seconds of the work by each runtime."""
    items = list(islice((stored for stored in store.catalog.all_items() if stored.image_ids), N_JUDGED))
    with ExitStack() as stack:
        opened = [
            stack.enter_context(open_by_name(EMBEDDED, replace(options, runtime=runtime))) for runtime in RUNTIMES
        ]
        return take_turns([partial(work, each, items, store.images) for each in opened])


def judge(reranker: Reranker, items: Sequence[StoredItem], images: ImageStore) -> None:
    reranker.judge(candidates_of(reranker, items, images), STATEMENTS, Deadline.within(START_S))


def explain(reranker: Reranker, items: Sequence[StoredItem], images: ImageStore) -> None:
    for candidate in candidates_of(reranker, items[:N_EXPLAINED], images):
        list(reranker.write(candidate, FACTS, Deadline.within(START_S)))


def candidates_of(reranker: Reranker, items: Sequence[StoredItem], images: ImageStore) -> list[RerankCandidate]:
    """Candidates whose images are not open yet."""
    opened = CandidateImages(images, reranker.capabilities.image_side_px)
    return [candidate for stored in items if (candidate := opened.candidate(stored)) is not None]


def start(store: Path, runtime: Runtime) -> Start:
    """Start the service, wait until it is ready, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with subprocess.Popen(
        vitrina("serve", "--store", str(store), "--port", str(port)),
        env={**os.environ, "VITRINA_RUNTIME": runtime.value, "VITRINA_RERANKER": EMBEDDED},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", began + START_S)
            ready_s = time.monotonic() - began
            time.sleep(REST_S)
            return Start(ready_s, resident_mb(process.pid))
        finally:
            process.terminate()


def wait_until_ready(url: str, until: float) -> None:
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{url}/readyz", trust_env=False)
            if answer.is_success and answer.json()["reranker"]["status"] == "ready":
                return
        time.sleep(0.02)
    raise TimeoutError(f"The service did not start within {START_S:.0f} s.")


def resident_mb(process_id: int) -> float:
    """The resident memory of a process, as Linux counts it, in megabytes of 2^20 bytes."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def vitrina(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "vitrina.api.cli", *arguments]
