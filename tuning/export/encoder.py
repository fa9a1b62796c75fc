"""Two runtimes of one encoder side by side: how fast each is, and what the search loses by the second."""

from __future__ import annotations

import hashlib
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.export import Dim

from vitrina.search.encoders.base import Encoder, Preprocessing, fingerprint_of
from vitrina.search.encoders.exports import (
    EXPORT_FILE,
    IMAGE_FILE,
    INT8_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    Export,
    FastTokenizer,
    Tokens,
    write_export,
)
from vitrina.search.encoders.graphs import Graph
from vitrina.search.encoders.late_interaction import HEAD_FILE
from vitrina.search.encoders.open_clip import ShortTextTower, Tokenizer, load_model
from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import LOCAL_PREFIX, Pixels, Vectors
from vitrina.tuning.export.graphs import (
    ANY_NUMBER,
    CutTextTower,
    ImageTower,
    PieceTextTower,
    Signature,
    TextTower,
    quantize,
    read_safetensors,
    to_onnx,
    write_graph,
)

N_RUNS = 5
N_NEIGHBOURS = 10
N_TIMED = 256
"""Images and texts of one timed run; fewer are repeated."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Medians of the runs: images and texts a second in batches, and milliseconds for one text alone."""

    images_per_s: float
    texts_per_s: float
    query_ms: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far vectors of the same inputs agree: cosines, and the share of ten nearest images that stay."""

    mean_image_cosine: float
    min_image_cosine: float
    mean_text_cosine: float
    min_text_cosine: float
    kept_for_texts: float
    kept_for_images: float


def measure_paces(encoders: Sequence[Encoder], pixels: Sequence[Pixels], texts: Sequence[str]) -> list[Pace]:
    """Each encoder's pace, all taking turns, so that whatever else slows the machine slows all. Blocks for seconds."""
    batch = [pixels[index % len(pixels)] for index in range(N_TIMED)]
    words = [texts[index % len(texts)] for index in range(N_TIMED)]
    images_s = take_turns([partial(each.encode_pixels, batch) for each in encoders])
    texts_s = take_turns([partial(each.encode_texts, words) for each in encoders])
    query_s = take_turns([partial(each.encode_texts, words[:1]) for each in encoders])
    return [
        Pace(N_TIMED / images, N_TIMED / words_, 1000 * query)
        for images, words_, query in zip(images_s, texts_s, query_s, strict=True)
    ]


def take_turns(works: Sequence[Callable[[], object]], n_runs: int = N_RUNS) -> list[float]:
    """The median seconds of each, after one run that does not count."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(n_runs + 1):
        for work, seconds in zip(works, taken, strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds[1:]) for seconds in taken]


def compare(before: Encoder, after: Encoder, images: Sequence[Image.Image], texts: Sequence[str]) -> Agreement:
    """What ``after`` makes of these images and texts, against ``before``. Blocks."""
    pixels = [before.prepare(image) for image in images]
    image_vectors = before.encode_pixels(pixels), after.encode_pixels(pixels)
    words = before.encode_texts(texts), after.encode_texts(texts)
    image_cosines, text_cosines = cosines(*image_vectors), cosines(*words)
    return Agreement(
        float(image_cosines.mean()),
        float(image_cosines.min()),
        float(text_cosines.mean()),
        float(text_cosines.min()),
        share_kept(words[0] @ image_vectors[0].T, words[1] @ image_vectors[1].T),
        share_kept(
            without_self(image_vectors[0] @ image_vectors[0].T), without_self(image_vectors[1] @ image_vectors[1].T)
        ),
    )


def cosines(one: Vectors, other: Vectors) -> NDArray[np.float32]:
    """Row by row, for unit rows; shape (n,)."""
    return np.asarray((one * other).sum(axis=1))


def without_self(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    np.fill_diagonal(scores, -np.inf)
    return scores


def share_kept(before: NDArray[np.float32], after: NDArray[np.float32], n: int = N_NEIGHBOURS) -> float:
    """Of each row's ``n`` highest scores in ``before``, the share that is among its ``n`` highest in ``after``."""
    n = min(n, before.shape[1])
    pairs = zip(np.argsort(-before, axis=1)[:, :n], np.argsort(-after, axis=1)[:, :n], strict=True)
    return float(np.mean([len(np.intersect1d(one, other)) / n for one, other in pairs]))


PROBES = (
    "navy linen shirt", "  Red MUG ", "", "&amp;lt;b&gt; caf&eacute;", "naïve ÀÉ ß", "seÃ±or", "قميص أحمر 👕",
    "t-shirt, men's: 100% cotton!", "<pad> </s> [CLS] <end_of_text>", "long " * 100,
)  # fmt: skip
"""Texts on which a tokenizer read from ``tokenizer.json`` must give open_clip's ids, to be used in its place."""


def export_encoder(folder: Path) -> Export:
    """Write the float32 graphs into an open_clip folder; its vectors and its fingerprint stay what they are.

    Blocks for a minute. Raises EncoderError where the folder holds no model or one that ONNX cannot express, and
    MissingDependencyError without the extra ``export``.
    """
    model, dimension, tokens, preprocessing = described(folder)
    weights = read_safetensors(folder / WEIGHTS_FILE)
    image = to_onnx(ImageTower(model), images_signature(preprocessing))
    text = export_text(model, tokens, has_head=has_head(folder))
    (folder / EXPORT_FILE).unlink(missing_ok=True)  # until both towers are written there is no export
    export = Export(
        fingerprint_of(folder),
        dimension,
        write_graph(image, folder, IMAGE_FILE, weights, WEIGHTS_FILE),
        write_graph(text, folder, TEXT_FILE, weights, WEIGHTS_FILE),
        tokens,
        preprocessing,
    )
    write_export(folder, export)
    return export


def export_int8(folder: Path, target: Path, pixels: Sequence[Pixels]) -> Export:
    """Make ``target`` a copy of the folder whose image tower has 8-bit weights: another encoder, in its own space.

    ``pixels`` are the levels of some hundred images of the kind it will see, as the encoder prepares them. Blocks and
    raises as ``export_encoder`` does.
    """
    if target.resolve() == folder.resolve():
        raise EncoderError(
            f"{folder} keeps its own weights; an 8-bit encoder is another one.", remedy="Give it a folder with --out."
        )
    shutil.copytree(folder, target, dirs_exist_ok=True)
    for file in (INT8_FILE, EXPORT_FILE, IMAGE_FILE):
        (target / file).unlink(missing_ok=True)
    model, dimension, tokens, preprocessing = described(target)
    weights = read_safetensors(target / WEIGHTS_FILE)
    whole = to_onnx(ImageTower(model), images_signature(preprocessing), fold=True)
    text = write_graph(export_text(model, tokens, has_head=has_head(target)), target, TEXT_FILE, weights, WEIGHTS_FILE)
    quantize(whole, target / INT8_FILE, [preprocessing.normalised(each) for each in pixels])
    digest = hashlib.sha256((target / INT8_FILE).read_bytes()).hexdigest()
    image = Graph(INT8_FILE, digest, ())
    export = Export(fingerprint_of(target), dimension, image, text, tokens, preprocessing)
    write_export(target, export)
    return export


def has_head(folder: Path) -> bool:
    """Whether an encoder's folder has a head for word pieces."""
    return (folder / HEAD_FILE).is_file()


def described(folder: Path) -> tuple[Any, int, Tokens, Preprocessing]:
    """A folder's model with its dimension, and how texts and images are prepared for it."""
    model, tokenizer, dimension = load_plain(folder)
    tokens = describe_tokens(folder, model, tokenizer)
    return model, dimension, tokens, Preprocessing.from_config(model.visual.preprocess_cfg)


def load_plain(folder: Path) -> tuple[Any, Tokenizer, int]:
    """Model, tokenizer and dimension, as the exporter wants them: on the CPU, in PyTorch's usual memory order."""
    model, tokenizer, dimension = load_model(f"{LOCAL_PREFIX}{folder}", torch.device("cpu"))
    return model.to(memory_format=torch.contiguous_format), tokenizer, dimension


def images_signature(preprocessing: Preprocessing) -> Signature:
    """Any number of prepared images."""
    return Signature((torch.zeros(2, 3, *preprocessing.size),), ({0: ANY_NUMBER},))


def export_text(model: Any, tokens: Tokens, *, has_head: bool) -> Any:
    """The text tower, for any number of tokens up to the context length where it may be cut; with the states of word
    pieces where there is a head for them."""
    if not tokens.may_be_cut:
        whole = torch.ones(2, tokens.context_length, dtype=torch.long)
        return to_onnx(TextTower(model), Signature((whole,), ({0: ANY_NUMBER},)))
    length = Dim("length", min=2, max=tokens.context_length)
    # neither 1 nor the context length, which the exporter would take for fixed
    example = torch.ones(2, max(2, tokens.context_length // 2), dtype=torch.long)
    sizes = ({0: ANY_NUMBER, 1: length},)
    if has_head and tokens.is_masked:
        return to_onnx(PieceTextTower(model), Signature((example,), sizes, outputs=("vectors", "states")))
    return to_onnx(TextTower(model) if tokens.is_masked else CutTextTower(model), Signature((example,), sizes))


def describe_tokens(folder: Path, model: Any, tokenizer: Tokenizer) -> Tokens:
    """How the runtime is to make tokens, and how short the text tower takes them."""
    expected = tokenizer(list(PROBES)).numpy()  # (n, context length)
    context_length = expected.shape[1]
    pad_id = int(expected[PROBES.index("")][-1])
    is_plain = False
    if (folder / TOKENIZER_FILE).is_file():
        plain = FastTokenizer(folder, context_length, pad_id)(PROBES)
        is_plain = plain.shape == expected.shape and bool((plain == expected).all())
    short = ShortTextTower.of(model)
    is_masked = short is not None and short.pad_id is not None
    end_id = None if short is None else short.end_id
    return Tokens(context_length, is_plain, pad_id, short is not None, end_id, is_masked)
