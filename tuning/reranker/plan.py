"""The plan of a run: what was asked for, the model it begins with, and what follows from both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from vitrina.search.reranking.backends.model_folders import EMBEDDED, MAX_PIXELS
from vitrina.search.reranking.backends.transformers.loading import (
    has_own_code,
    load_reranker,
    model_folder,
    read_configuration,
)
from vitrina.search.reranking.backends.transformers.reranker import CACHE_BYTES, TransformersReranker
from vitrina.search.types.errors import RerankerError
from vitrina.tuning.loop import LEARNING_RATES, check_numbers
from vitrina.tuning.lora import is_small


@dataclass(frozen=True, slots=True)
class RerankerSchedule:
    """How long and how fast. The learning rate rises over ``warmup`` of the epochs and falls to zero along a cosine.

    A step is ``batch_size`` pairs, of which ``n_rows`` at a time go through the model: their gradients add up.
    """

    n_epochs: int
    batch_size: int
    n_rows: int
    learning_rate: float
    warmup: float
    seed: int


@dataclass(frozen=True, slots=True)
class RerankerPlan:
    """How to tune. None takes what suits the model. ``licence`` is the data's, for the card.

    The image tower and what projects its features stay as they are unless ``image_tower``. With ``listings`` the model
    reads the catalog's text beside the image; the search shows it none. Raises InputError for numbers that cannot be.
    """

    lora_rank: int = 16
    image_tower: bool = False
    listings: bool = False
    n_epochs: int = 5
    batch_size: int = 32
    n_rows: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    held_out: float = 0.2
    patience: int = 2
    licence: str = ""

    def __post_init__(self) -> None:
        check_numbers("queries", self.held_out, self.learning_rate)

    def schedule(self, model: torch.nn.Module) -> RerankerSchedule:
        """The run's schedule for a model on its device.

        On a GPU 8 rows at a time: with 196 image tokens and 100 of words they fit beside a model of 8 billion in 80 GB
        by our arithmetic; none was at hand to try it.
        """
        on_gpu = next(model.parameters()).device.type == "cuda"
        batch_size = self.batch_size + self.batch_size % 2  # yes and no come in twos
        return RerankerSchedule(
            n_epochs=self.n_epochs,
            batch_size=batch_size,
            n_rows=min(batch_size, self.n_rows or (8 if on_gpu or not is_small(model) else batch_size)),
            learning_rate=self.learning_rate or LEARNING_RATES[is_small(model), True],
            warmup=0.1,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that is tuned where it is, and the folder it came from."""

    reranker: TransformersReranker
    folder: Path


@dataclass(frozen=True, slots=True)
class FoundModel:
    """Where the model lies that is to be tuned, and the name it is known by."""

    name: str
    folder: Path


def find_base(name: str | None) -> FoundModel:
    """Find a model by the name of its folder or its name on the hub, by default the embedded one.

    Downloads where the name is one of the hub. Raises RerankerError: also for what is no vision-language model, and for
    one that brings program code, which would have to be copied into the new folder and trusted by all who load it.
    """
    name = name or EMBEDDED
    folder = model_folder(name)
    if has_own_code(folder):
        raise RerankerError(
            f"'{name}' needs program code of its own, which it brings with its weights; such a model cannot be tuned: "
            "the code would have to be run here, and by everyone who loads what comes of it.",
            remedy="Begin with a model that transformers knows itself: --from Qwen/Qwen3-VL-2B-Instruct, for one.",
        )
    read_configuration(name, folder)
    return FoundModel(name, folder)


def load_base(found: FoundModel, plan: RerankerPlan, device: str, max_pixels: int | None = None) -> BaseModel:
    """Open a model that was found, to see images of so many pixels, by default as many as a search shows. Blocks.
    Raises RerankerError."""
    # features of a tower that changes are worth nothing in the next step
    cache_bytes = 0 if plan.image_tower else CACHE_BYTES
    reranker = load_reranker(found.name, device=device, max_pixels=max_pixels or MAX_PIXELS, cache_bytes=cache_bytes)
    return BaseModel(reranker, found.folder)
