"""Pictures a second of ``vitrina index`` against clip-retrieval's inference: the same ViT-B-32 of random weights, the
same JPEGs, the same cores. ``CLIP_RETRIEVAL_PYTHON=PEER/bin/python python -m benchmarks.clip_retrieval``.

clip-retrieval needs an environment of its own, which is made by::

    python -m venv PEER
    PEER/bin/pip install clip-retrieval==2.45.0 'setuptools<80'

Rates are from the first picture read to the last one written, for both without starting a process and loading a model;
the commands as a whole are told beside them. Vitrina stores the pictures, embeds their titles and commits rows
meanwhile; clip-retrieval writes NumPy arrays.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import torch
import typer

from benchmarks.catalogs import RESULTS, Figure, turn, write_measured
from benchmarks.pipeline import LARGE, N_LARGE, SMALL, IndexingRun, Sizes, alone, images_of, indexed, ratio
from benchmarks.pipeline import share_of_alone as share_of
from recipes.boutique.catalog import product
from recipes.boutique.render import render
from vitrina.search.encoders.base import Encoder, Runtime
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.export.encoder import export_encoder, export_int8

PYTHON = "CLIP_RETRIEVAL_PYTHON"
VIT: Final = "ViT-B-32"
WEIGHTS = "rand.pt"
N_ROUNDS = 3
N_SMALL = 1_500
BATCH = 32
"""clip-retrieval's own, 256, would read all 192 pictures before it embeds one."""

MIN_TORCH, MIN_EXPORTED = 1.6, 2.5
N_CALIBRATING = 64
"""Images that the 8-bit ranges are fitted on."""

TORCH, ONNX, INT8 = "torch", "ONNX", "int8"
BOUNDS: Mapping[str, float | None] = {TORCH: MIN_TORCH, ONNX: None, INT8: MIN_EXPORTED}
"""How many times clip-retrieval's rate each way of running the model is held to."""


@dataclass(frozen=True, slots=True)
class PeerRun:
    """One inference of clip-retrieval: pictures a second, and the whole command in seconds."""

    rate: float
    whole_s: float


@dataclass(frozen=True, slots=True)
class PairedRun:
    """What was measured in one turn: clip-retrieval, the encoder alone in PyTorch, and Vitrina by runtime."""

    peer: PeerRun
    alone: float
    runs: Mapping[str, IndexingRun]
    load_average: float


def write_vit(folder: Path) -> Path:
    """Write an open_clip folder of a ViT-B-32 with random weights, and beside it these as ``rand.pt``, which
    clip-retrieval loads."""
    import open_clip
    from safetensors.torch import save_file

    target = folder / "vit"
    target.mkdir(parents=True)
    torch.manual_seed(0)
    model = open_clip.create_model(VIT)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    torch.save(weights, folder / WEIGHTS)
    save_file(weights, target / "open_clip_model.safetensors")
    config = {"model_cfg": open_clip.get_model_config(VIT), "preprocess_cfg": model.visual.preprocess_cfg}
    (target / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return target


def export(folder: Path, target: Path) -> None:
    """Export an encoder as it is, and to 8 bits as another: what ``vitrina encoder export`` writes, without its
    measurements, which take ten minutes of a model of this size."""
    before = load_encoder(f"{LOCAL_PREFIX}{folder}", runtime=Runtime.TORCH)
    drawn = [render(product(at), size=224, variation=at).image for at in range(N_CALIBRATING)]
    export_int8(folder, target, [before.prepare(image) for image in drawn])
    export_encoder(folder)


def prepared(work: Path) -> Mapping[str, tuple[str, str]]:
    """The encoder's name and ``VITRINA_RUNTIME`` of each way of running the model, exported where it is not yet."""
    vit, int8 = work / "vit", work / "vit-int8"
    if not vit.is_dir():
        write_vit(work)
    if not int8.is_dir():
        export(vit, int8)
    name = f"{LOCAL_PREFIX}{vit}"
    return {TORCH: (name, "torch"), ONNX: (name, "onnx"), INT8: (f"{LOCAL_PREFIX}{int8}", "onnx")}


def peer_run(python: Path, folder: Path, work: Path) -> PeerRun:
    """Run clip-retrieval's inference on a folder of images."""
    with TemporaryDirectory(dir=work) as out:
        options = {
            "input_dataset": folder, "output_folder": out, "enable_text": False, "batch_size": BATCH,
            "num_prepro_workers": 2, "clip_model": f"open_clip:{VIT}/{WEIGHTS}",
        }  # fmt: skip
        code = "from clip_retrieval.clip_inference.main import main; import fire; fire.Fire(main)"
        command = [str(python), "-c", code, *(f"--{key}={value}" for key, value in options.items())]
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=work, capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        )
        whole_s = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"clip-retrieval failed: {done.stderr[-2000:]}")
        return PeerRun(parse_stats([file.read_text("utf-8") for file in (Path(out) / "stats").glob("*.json")]), whole_s)


def parse_stats(parts: Sequence[str]) -> float:
    """Pictures a second of the files that clip-retrieval writes to ``stats``, one for each part of its output. Raises
    ValueError where it has embedded nothing."""
    stats = [json.loads(part) for part in parts]
    n_images = sum(int(each["sample_count"]) for each in stats)
    if not n_images:
        raise ValueError("clip-retrieval has embedded no picture")
    return n_images / float(max(each["end_time"] for each in stats) - min(each["start_time"] for each in stats))


def measured_round(python: Path, ways: Mapping[str, tuple[str, str]], folder: Path, work: Path) -> PairedRun:
    """All once, one after the other, each in its turn."""
    load_average = os.getloadavg()[0]
    with turn():
        peer = peer_run(python, folder, work)
    runs = {}
    for way, (name, runtime) in ways.items():
        with turn():
            runs[way] = indexed(name, folder, work, runtime)
    with turn():
        rate = alone(load_encoder(ways[TORCH][0], runtime=Runtime.TORCH), folder)
    return PairedRun(peer, rate, runs, load_average)


def figures(kind: str, rounds: Sequence[PairedRun]) -> Iterator[Figure]:
    """Rates and whole commands as multiples of the peer's, and the rate as a share of the encoder's own: medians of
    paired rounds."""
    peers = [each.peer for each in rounds]
    loads = ", ".join(f"{each.load_average:.1f}" for each in rounds)
    how = f"batches of {BATCH}, 2 workers; the command as a whole {whole_s(peers):.1f} s; load average {loads}"
    rate = statistics.median(peer.rate for peer in peers)
    yield Figure(f"{kind}: clip-retrieval, pictures a second", rate, None, how=how)
    for way, bound in BOUNDS.items():
        runs = [each.runs[way] for each in rounds]
        times = ratio([run.rate for run in runs], [peer.rate for peer in peers])
        how = f"{statistics.median(run.rate for run in runs):,.1f} pictures a second; {runs[-1].how}"
        yield Figure(f"{kind}, {way}: indexed / clip-retrieval", times, bound, how=how)
        times = ratio([peer.whole_s for peer in peers], [run.whole_s for run in runs])
        how = f"with the start of both: {whole_s(peers):.1f} and {whole_s(runs):.1f} s"
        yield Figure(f"{kind}, {way}: the whole commands' rates", times, None, how=how)
    share = share_of([each.alone for each in rounds], [each.runs[TORCH] for each in rounds])
    yield replace(share, name=f"{kind}, {TORCH}: {share.name}")


def whole_s(runs: Sequence[PeerRun | IndexingRun]) -> float:
    return statistics.median(run.whole_s for run in runs)


def peer_python() -> Path | None:
    """The interpreter that ``CLIP_RETRIEVAL_PYTHON`` names; says how to make one where it names none."""
    named = os.environ.get(PYTHON)
    if not named:
        typer.echo(f"clip-retrieval is not measured: {PYTHON} names no Python that has it. {INSTALL}", err=True)
        return None
    return Path(named).absolute()


INSTALL = "Make one: python -m venv PEER; PEER/bin/pip install clip-retrieval==2.45.0 'setuptools<80'"


def measure(work: Path, sizes: Sizes, n_rounds: int) -> Iterator[Figure]:
    """Nothing without clip-retrieval."""
    python = peer_python()
    if python is None:
        return
    ways = prepared(work)
    for kind, (size, n) in sizes.items():
        folder = images_of(work, n, size)
        rounds = [measured_round(python, ways, folder, work) for _ in range(n_rounds)]
        yield from figures(f"{n:,} of {kind}", rounds)


def measure_clip_retrieval(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """The default sizes, without the data."""
    with TemporaryDirectory() as work:
        yield from measure(Path(work), {"1,200 x 900": (LARGE, N_LARGE)}, N_ROUNDS)


def run(
    n_small: Annotated[int, typer.Option(help="Pictures of 60 x 80 pixels.")] = N_SMALL,
    n_large: Annotated[int, typer.Option(help="Pictures of 1,200 x 900 pixels.")] = N_LARGE,
    rounds: Annotated[int, typer.Option(help="How often each is measured, in turn.")] = N_ROUNDS,
    work: Annotated[Path | None, typer.Option(help="Where pictures and weights are made, and kept.")] = None,
    out: Annotated[Path, typer.Option(help="Where the table goes.")] = RESULTS,
) -> None:
    """Compare with clip-retrieval; exits non-zero where a bound is missed."""
    asked = {"1,200 x 900": (LARGE, n_large), "60 x 80": (SMALL, n_small)}
    sizes = {kind: each for kind, each in asked.items() if each[1]}
    with TemporaryDirectory() as folder:
        place = (work or Path(folder)).absolute()
        place.mkdir(parents=True, exist_ok=True)
        write_measured("clip-retrieval", measure(place, sizes, rounds), out)


if __name__ == "__main__":
    typer.run(run)
