"""A tiny shop, and a model of tiny towers that was trained on it for a few steps."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.labels import LabelledProduct
from recipes.reranker import tasks
from recipes.reranker.model import RerankerArchitecture, load
from recipes.reranker.recipe import RecipeCorpus, make_reranker
from recipes.reranker.trainer import Budget, RecipeSchedule, Stage
from tests.search.encoders.conftest import TINY as TINY_ENCODER
from tests.search.encoders.conftest import write_tiny_encoder
from vitrina.search.reranking.base import Box

TINY = RerankerArchitecture(
    TINY_ENCODER.image_tower, image_size=(64, 32), width=32, n_layers=2, n_heads=2, mlp_width=48, max_length=256
)
SCHEDULE = RecipeSchedule((Stage(0.5, 2e-3), Stage(0.5, 1e-3, tower_rate=1e-4)), batch_size=16)

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 160, 30)}


def make_image(colour: str, seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 40, (64, 32, 3))
    file = io.BytesIO()
    Image.fromarray((np.array(COLOURS[colour]) + noise).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def shop(n: int = 60) -> LabelledRows:
    products = tuple(
        LabelledProduct(
            f"sku-{at}",
            f"{list(COLOURS)[at % 3]} thing {at}",
            kinds=(("Shirts", "Mugs")[at % 2], "Things"),
            colour=list(COLOURS)[at % 3],
            gender=("Men", "Women")[at // 6 % 2],
            usage="Casual" if at % 5 else "Formal",
        )
        for at in range(n)
    )
    return LabelledRows(
        "tiny-train", products, tuple(make_image(product.colour, at) for at, product in enumerate(products))
    )


def grounding_corpus() -> RecipeCorpus:
    rows = shop(40)
    products = tuple(replace(product, sku=f"drawn-{product.sku}") for product in rows.products[::2])
    boxes = {"Shirts": Box(0.1, 0.2, 0.8, 0.9), "sleeve": Box(0.1, 0.2, 0.3, 0.5)}
    return RecipeCorpus(
        [shop(), LabelledRows("boutique", products, rows.images[::2])], {drawn.sku: boxes for drawn in products}
    )


@dataclass(frozen=True)
class Made:
    """A finished run of the recipe: where its folder is, what it loads as, and what the run said."""

    folder: Path
    model: Any
    processor: Any
    said: list[str]


@pytest.fixture(scope="session", autouse=True)
def few_explanations() -> Iterator[None]:
    """To draw as many as a whole vocabulary is learnt from takes longer than to train a tiny model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "N_EXPLANATIONS", 100)
        yield


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "encoder"
    write_tiny_encoder(folder)
    return folder


@pytest.fixture(scope="session")
def made(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("reranker")
    said: list[str] = []
    make_reranker(
        grounding_corpus(),
        tiny_encoder,
        folder / "out",
        folder / "work",
        say=said.append,
        architecture=TINY,
        vocabulary_size=500,
        schedule=SCHEDULE,
        budget=Budget(2),
    )
    return Made(folder / "out", *load(folder / "out"), said)
