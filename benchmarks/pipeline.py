"""Pictures a second from files to a searchable catalog, through the command line, against the encoder alone and against
clip-retrieval: ``python -m benchmarks.pipeline``."""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer
from PIL import Image

from benchmarks.catalogs import RESULTS, Figure, machine, read_sections, row, table, write_sections
from recipes.boutique.catalog import product
from recipes.boutique.render import render
from vitrina.indexer.stages import batched
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.types.models import LOCAL_PREFIX

SMALL, LARGE = (60, 80), (1200, 900)
N_SMALL, N_LARGE = 2_000, 192
"""Pictures of 60 x 80 and of 1,200 x 900 pixels."""

N_ROUNDS = 3
BATCH = 256
MIN_SHARE = 0.9
MIN_TIMES_PEER = 1.6

GRAIN = 6.0
"""Standard deviation of the noise on the drawings, of 255: a JPEG of 1,200 x 900 has some 250 KB then, as photos."""

Sizes = Mapping[str, tuple[tuple[int, int], int]]
"""Width and height of the pictures, and how many, by what they are called."""

HEAVY_BYTES, HEAVY_SIDE, N_HEAVY = 28 << 20, 3_000, (12, 48)
MAX_GROWTH = 1.15

VIT: Final = "ViT-B-32"
CLIP_RETRIEVAL: Final = "clip-retrieval"


@dataclass(frozen=True, slots=True)
class Rates:
    """Pictures a second of one kind in each round, by who encoded them; ``how`` the command line spent its time."""

    alone: list[float]
    indexed: list[float]
    peer: list[float]
    how: str


def write_images(folder: Path, n: int, size: tuple[int, int]) -> None:
    """Write JPEGs of drawn products with grain, each its own."""
    folder.mkdir(parents=True)
    for at in range(n):
        drawn = render(product(at), size=160, variation=at).image.resize(size, Image.Resampling.BICUBIC)
        grain = np.random.default_rng(at).normal(0, GRAIN, (size[1], size[0], 3))
        levels = np.clip(np.asarray(drawn, np.float32) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{at:05d}.jpg", quality=85)


def write_vit(folder: Path) -> Path:
    """Write an open_clip folder of a ViT-B-32 with random weights, and beside it these as ``rand.pt``, which
    clip-retrieval loads."""
    import open_clip
    from safetensors.torch import save_file

    target = folder / "vit"
    target.mkdir()
    torch.manual_seed(0)
    model = open_clip.create_model(VIT)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    torch.save(weights, folder / "rand.pt")
    save_file(weights, target / "open_clip_model.safetensors")
    config = {"model_cfg": open_clip.get_model_config(VIT), "preprocess_cfg": model.visual.preprocess_cfg}
    (target / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return target


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


def indexed(name: str, folder: Path, work: Path) -> tuple[float, str]:
    """Pictures a second of ``vitrina index`` until all are committed, and what it says of its stages."""
    with TemporaryDirectory(dir=work) as store:
        command = [sys.executable, "-m", "vitrina.api.cli", "index", str(folder), "--store", store]
        environment = {**os.environ, "VITRINA_RERANKER": "off", "VITRINA_ENCODER": name}
        started = time.perf_counter()
        told = subprocess.run(
            [*command, "--progress", "json"], env=environment, check=True, capture_output=True, text=True
        ).stdout
        wall_s = time.perf_counter() - started
    events = [json.loads(line) for line in told.splitlines()]
    last = [event for event in events if event["event"] == "progress"][-1]
    report = next(event for event in events if event["event"] == "report")
    stages = ", ".join(f"{stage} {values['busy_s']:.1f}" for stage, values in last["stages"].items())
    rest = f"index, twins and trust {report['seconds'] - last['seconds']:.1f} s, the command as a whole {wall_s:.1f} s"
    return last["n_done"] / last["seconds"], f"busy, s: {stages}; {rest}"


def peer(python: Path, folder: Path, work: Path) -> float:
    """Pictures a second of clip-retrieval's inference, from its first batch to its last, without loading the model."""
    with TemporaryDirectory(dir=work) as out:
        options = {
            "input_dataset": folder, "output_folder": out, "enable_text": False, "batch_size": 32,
            "num_prepro_workers": 2, "clip_model": f"open_clip:{VIT}/rand.pt",
        }  # fmt: skip
        code = "from clip_retrieval.clip_inference.main import main; import fire; fire.Fire(main)"
        command = [str(python), "-c", code, *(f"--{key}={value}" for key, value in options.items())]
        subprocess.run(
            command, cwd=work, check=True, capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        )
        stats = [json.loads(file.read_text(encoding="utf-8")) for file in (Path(out) / "stats").glob("*.json")]
    seconds = float(max(each["end_time"] for each in stats) - min(each["start_time"] for each in stats))
    return sum(int(each["sample_count"]) for each in stats) / seconds


def rates(name: str, folder: Path, work: Path, n_rounds: int, clip_retrieval: Path | None = None) -> Rates:
    """All in turn, so that whatever else slows the machine slows each."""
    encoder = load_encoder(name)
    found = Rates([], [], [], "")
    how = ""
    for _ in range(n_rounds):
        found.alone.append(alone(encoder, folder))
        rate, how = indexed(name, folder, work)
        found.indexed.append(rate)
        if clip_retrieval is not None:
            found.peer.append(peer(clip_retrieval, folder, work))
    return Rates(found.alone, found.indexed, found.peer, how)


def figures(kind: str, found: Rates) -> Iterator[Figure]:
    """The rate end to end, as a share of the encoder's own and as a multiple of the peer's: medians of paired
    rounds."""
    alone_rate, rate = statistics.median(found.alone), statistics.median(found.indexed)
    how = f"{rate:,.1f} and {alone_rate:,.1f} pictures a second; {found.how}"
    yield Figure(f"{kind}: indexed / encoder alone", ratio(found.indexed, found.alone), MIN_SHARE, how=how)
    if found.peer:
        how = f"clip-retrieval {statistics.median(found.peer):,.1f} pictures a second"
        yield Figure(f"{kind}: indexed / clip-retrieval", ratio(found.indexed, found.peer), MIN_TIMES_PEER, how=how)


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """The median of the pairs' ratios."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def measure(
    work: Path,
    sizes: Mapping[str, tuple[tuple[int, int], int]],
    n_rounds: int,
    clip_retrieval: Path | None,
    *,
    vit: bool,
) -> Iterator[Figure]:
    """The embedded encoder on all sizes; a ViT-B-32 of random weights on the large ones, beside clip-retrieval."""
    for kind, (size, n) in sizes.items():
        folder = work / f"{size[0]}x{size[1]}"
        if not folder.is_dir():
            write_images(folder, n, size)
        yield from figures(f"embedded, {n:,} of {kind}", rates("embedded", folder, work, n_rounds))
        if vit and size == LARGE:
            model = work / "vit"
            name = f"{LOCAL_PREFIX}{model if model.is_dir() else write_vit(work)}"
            yield from figures(f"{VIT}, {n:,} of {kind}", rates(name, folder, work, n_rounds, clip_retrieval))


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
    """Without clip-retrieval, whose environment ``python -m benchmarks.pipeline`` is told."""
    sizes = {"60 x 80": (SMALL, N_SMALL), "1,200 x 900": (LARGE, N_LARGE)}
    with TemporaryDirectory() as work:
        yield from measure(Path(work), sizes, N_ROUNDS, None, vit=True)
        yield from measure_memory(Path(work))


def run(
    n_small: Annotated[int, typer.Option(help="Pictures of 60 x 80 pixels.")] = N_SMALL,
    n_large: Annotated[int, typer.Option(help="Pictures of 1,200 x 900 pixels.")] = N_LARGE,
    rounds: Annotated[int, typer.Option(help="How often each is measured, in turn.")] = N_ROUNDS,
    vit: Annotated[bool, typer.Option(help="Measure a ViT-B-32 of random weights, too.")] = True,
    clip_retrieval: Annotated[
        Path | None,
        typer.Option(help="The Python of an environment with clip-retrieval==2.45.0 and setuptools<80."),
    ] = None,
    memory: Annotated[bool, typer.Option(help="Measure the peak of memory over large images, too.")] = True,
    work: Annotated[Path | None, typer.Option(help="Where pictures and weights are made, and kept.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the table goes; benchmarks/results.md by default.")] = None,
) -> None:
    """Measure pictures a second end to end; exits non-zero where a bound is missed."""
    if clip_retrieval is None:
        typer.echo("clip-retrieval is not measured: name the Python of its environment by --clip-retrieval.")
    asked = {"60 x 80": (SMALL, n_small), "1,200 x 900": (LARGE, n_large)}
    sizes = {kind: each for kind, each in asked.items() if each[1]}
    found: list[Figure] = []
    with TemporaryDirectory() as folder:
        place = work or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        measured = measure(place, sizes, rounds, clip_retrieval, vit=vit)
        for figure in chain(measured, measure_memory(place) if memory else ()):
            found.append(figure)
            typer.echo(row(figure))
            sections = read_sections(out or RESULTS)
            sections["pipeline"] = f"{machine(load_encoder(None))}\n\n{table(found)}"
            write_sections(out or RESULTS, sections)
    if not all(figure.is_met for figure in found):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
