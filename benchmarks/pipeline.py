"""Pictures a second from files to a searchable catalog, through the command line, against the encoder alone:
``python -m benchmarks.pipeline``."""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from PIL import Image

from benchmarks.catalogs import RESULTS, Figure, write_measured
from recipes.boutique.catalog import product
from recipes.boutique.render import render
from vitrina.indexer.stages import batched
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.images.decode import decode_image

SMALL, LARGE = (60, 80), (1200, 900)
N_SMALL, N_LARGE = 2_000, 192
"""Pictures of 60 x 80 and of 1,200 x 900 pixels."""

N_ROUNDS = 3
BATCH = 256
MIN_SHARE = 0.9

GRAIN = 6.0
"""Standard deviation of the noise on the drawings, of 255: a JPEG of 1,200 x 900 has some 250 KB then, as photos."""

Sizes = Mapping[str, tuple[tuple[int, int], int]]
"""Width and height of the pictures, and how many, by what they are called."""

HEAVY_BYTES, HEAVY_SIDE, N_HEAVY = 28 << 20, 3_000, (12, 48)
MAX_GROWTH = 1.15


@dataclass(frozen=True, slots=True)
class IndexingRun:
    """One ``vitrina index``: pictures a second until all are committed, the whole command, process and all, in seconds,
    and what it spent them on."""

    rate: float
    whole_s: float
    how: str


def write_images(folder: Path, n: int, size: tuple[int, int]) -> None:
    """Write JPEGs of drawn products with grain, each its own."""
    folder.mkdir(parents=True)
    for at in range(n):
        drawn = render(product(at), size=160, variation=at).image.resize(size, Image.Resampling.BICUBIC)
        grain = np.random.default_rng(at).normal(0, GRAIN, (size[1], size[0], 3))
        levels = np.clip(np.asarray(drawn, np.float32) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{at:05d}.jpg", quality=85)


def alone(encoder: Encoder, folder: Path) -> float:
    """Pictures a second that the encoder embeds with their words, all prepared in memory."""
    files = sorted(folder.glob("*.jpg"))
    pixels = [encoder.prepare(decode_image(file.read_bytes()).pixels) for file in files]
    started = time.perf_counter()
    for batch in batched(pixels, BATCH):
        encoder.encode_pixels(batch)
    for texts in batched([file.stem for file in files], BATCH):
        encoder.encode_texts(texts)
    return len(files) / (time.perf_counter() - started)


def indexed(name: str, folder: Path, work: Path, runtime: str = "auto") -> IndexingRun:
    """Run ``vitrina index`` over a folder of images into a new store."""
    with TemporaryDirectory(dir=work) as store:
        command = [sys.executable, "-m", "vitrina.api.cli", "index", str(folder), "--store", store]
        settings = {"VITRINA_RERANKER": "off", "VITRINA_ENCODER": name, "VITRINA_RUNTIME": runtime}
        started = time.perf_counter()
        told = subprocess.run(
            [*command, "--progress", "json"],
            env={**os.environ, **settings},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return parse_run(told, time.perf_counter() - started)


def parse_run(told: str, whole_s: float) -> IndexingRun:
    """What ``--progress json`` told of a command that took so long."""
    events = [json.loads(line) for line in told.splitlines()]
    last = [event for event in events if event["event"] == "progress"][-1]
    report = next(event for event in events if event["event"] == "report")
    stages = ", ".join(f"{stage} {values['busy_s']:.1f}" for stage, values in last["stages"].items())
    rest = f"index, twins and trust {report['seconds'] - last['seconds']:.1f} s, the command as a whole {whole_s:.1f} s"
    return IndexingRun(last["n_done"] / last["seconds"], whole_s, f"busy, s: {stages}; {rest}")


def measure(work: Path, sizes: Sizes, n_rounds: int) -> Iterator[Figure]:
    """The embedded encoder on all sizes: both in turn, so that whatever else slows the machine slows each."""
    encoder = load_encoder("embedded")
    for kind, (size, n) in sizes.items():
        folder = images_of(work, n, size)
        rounds = [(alone(encoder, folder), indexed("embedded", folder, work)) for _ in range(n_rounds)]
        share = share_of_alone([rate for rate, _ in rounds], [run for _, run in rounds])
        yield replace(share, name=f"embedded, {n:,} of {kind}: {share.name}")


def images_of(work: Path, n: int, size: tuple[int, int]) -> Path:
    """The folder of so many images, written where there is none."""
    folder = work / f"{n}-of-{size[0]}x{size[1]}"
    if not folder.is_dir():
        write_images(folder, n, size)
    return folder


def share_of_alone(rates: Sequence[float], runs: Sequence[IndexingRun]) -> Figure:
    """The rate end to end as a share of the encoder's own: the median of paired rounds."""
    medians = statistics.median(run.rate for run in runs), statistics.median(rates)
    how = f"{medians[0]:,.1f} and {medians[1]:,.1f} pictures a second; {runs[-1].how}"
    return Figure("indexed / encoder alone", ratio([run.rate for run in runs], rates), MIN_SHARE, how=how)


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """The median of the pairs' ratios."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def write_heavy(path: Path, n: int) -> None:
    """Write a Parquet file of images of ``HEAVY_BYTES``: one JPEG of noise, each with other bytes behind it."""
    levels = np.random.default_rng(0).integers(0, 256, (HEAVY_SIDE, HEAVY_SIDE, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "JPEG", quality=95)
    schema = pa.schema([("sku", pa.string()), ("title", pa.string()), ("image", pa.binary())])
    with pq.ParquetWriter(path, schema, compression="none") as file:
        for at in range(n):
            data = out.getvalue() + at.to_bytes(4, "big") * ((HEAVY_BYTES - len(out.getvalue())) // 4)
            file.write_table(pa.table([[str(at)], [f"mug {at}"], [data]], schema=schema))


def peak_mb(catalog: Path, work: Path) -> float:
    """The peak of memory of ``vitrina index`` over a catalog, in MB."""
    with TemporaryDirectory(dir=work) as store:
        command = [
            sys.executable,
            "-m",
            "vitrina.api.cli",
            "index",
            str(catalog),
            "--store",
            store,
            "--progress",
            "off",
        ]
        code = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        environment = {**os.environ, "VITRINA_RERANKER": "off"}
        asked = [sys.executable, "-c", code, *command]
        told = subprocess.run(asked, env=environment, check=True, capture_output=True, text=True).stdout
    return int(told) / 1024


def measure_memory(work: Path) -> Iterator[Figure]:
    """The peak of memory over Parquet files of images of ``HEAVY_BYTES``, of few and of many."""
    peaks = []
    for n in N_HEAVY:
        catalog = work / f"heavy-{n}.parquet"
        write_heavy(catalog, n)
        peaks.append(peak_mb(catalog, work))
        catalog.unlink()
    each = f"images of {HEAVY_BYTES >> 20} MB"
    how = ", ".join(f"{n} {each}: {peak:,.0f} MB" for n, peak in zip(N_HEAVY, peaks, strict=True))
    yield Figure("peak memory, many large images / few", peaks[1] / peaks[0], MAX_GROWTH, "at most", how=how)


def measure_pipeline(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """The rates of the embedded encoder, and the peak of memory."""
    sizes = {"60 x 80": (SMALL, N_SMALL), "1,200 x 900": (LARGE, N_LARGE)}
    with TemporaryDirectory() as work:
        yield from measure(Path(work), sizes, N_ROUNDS)
        yield from measure_memory(Path(work))


def run(
    n_small: Annotated[int, typer.Option(help="Pictures of 60 x 80 pixels.")] = N_SMALL,
    n_large: Annotated[int, typer.Option(help="Pictures of 1,200 x 900 pixels.")] = N_LARGE,
    rounds: Annotated[int, typer.Option(help="How often each is measured, in turn.")] = N_ROUNDS,
    memory: Annotated[bool, typer.Option(help="Measure the peak of memory over large images, too.")] = True,
    work: Annotated[Path | None, typer.Option(help="Where pictures are made, and kept.")] = None,
    out: Annotated[Path, typer.Option(help="Where the table goes.")] = RESULTS,
) -> None:
    """Measure pictures a second end to end; exits non-zero where a bound is missed."""
    asked = {"60 x 80": (SMALL, n_small), "1,200 x 900": (LARGE, n_large)}
    sizes = {kind: each for kind, each in asked.items() if each[1]}
    with TemporaryDirectory() as folder:
        place = work or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        measured = measure(place, sizes, rounds)
        write_measured("pipeline", chain(measured, measure_memory(place) if memory else ()), out)


if __name__ == "__main__":
    typer.run(run)
