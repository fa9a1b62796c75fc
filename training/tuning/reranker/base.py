"""The model that a run begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search.errors import RerankerError
from search.reranking.backends.transformers.loading import (
    EMBEDDED,
    brings_code,
    checked_configuration,
    load_reranker,
    model_folder,
)
from search.reranking.backends.transformers.questions import MAX_PIXELS
from search.reranking.backends.transformers.reranker import CACHE_BYTES, TransformersReranker
from training.tuning.reranker.plan import Plan


@dataclass(frozen=True, slots=True)
class Base:
    """A model that is tuned where it is, and the folder it came from."""

    reranker: TransformersReranker
    folder: Path


@dataclass(frozen=True, slots=True)
class Found:
    """Where the model lies that is to be tuned, and the name it is known by."""

    name: str
    folder: Path


def find_base(name: str | None) -> Found:
    """Find a model by the name of its folder or its name on the hub, by default the embedded one.

    Downloads where the name is one of the hub. Raises RerankerError: also for what is no vision-language model, and for
    one that brings program code, which would have to be copied into the new folder and trusted by all who load it.
    """
    name = name or EMBEDDED
    folder = model_folder(name)
    if brings_code(folder):
        raise RerankerError(
            f"'{name}' needs program code of its own, which it brings with its weights; such a model cannot be tuned: "
            "the code would have to be run here, and by everyone who loads what comes of it.",
            remedy="Begin with a model that transformers knows itself: --from Qwen/Qwen3-VL-2B-Instruct, for one.",
        )
    checked_configuration(name, folder)
    return Found(name, folder)


def load_base(found: Found, plan: Plan, device: str, max_pixels: int | None = None) -> Base:
    """Open a model that was found, to see pictures of so many pixels, by default as many as a search shows. Blocks.
    Raises RerankerError."""
    # features of a tower that changes are worth nothing in the next step
    cache_bytes = 0 if plan.image_tower else CACHE_BYTES
    reranker = load_reranker(found.name, device=device, max_pixels=max_pixels or MAX_PIXELS, cache_bytes=cache_bytes)
    return Base(reranker, found.folder)
