"""The trainer teaches a tiny model to look."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.images import Album, store
from recipes.encoder.labels import LabelledProduct
from recipes.reranker.evaluation import Evaluator, evaluate
from recipes.reranker.model import create_processor, create_untrained, tower_of
from recipes.reranker.packing import Packer
from recipes.reranker.statements import HardNegatives, Meanings
from recipes.reranker.tasks import TaskWriter
from recipes.reranker.template import train_vocabulary
from recipes.reranker.trainer import Budget, RecipeSchedule, RecipeTrainer, Stage, own_statistics
from tests.recipes.reranker.conftest import TINY as SMALL
from tests.recipes.reranker.conftest import shop

TINY = replace(SMALL, image_tower="test_efficientnet")  # shallow: it learns in a fifth of the epochs
SCHEDULE = RecipeSchedule((Stage(1.0, 1e-2),), batch_size=60, average_decay=0.9, n_parts=1)
N_EPOCHS = 50


def settle(model: Any, album: Album) -> None:
    """Give the norms of a random tower statistics, without which an image's signal dies on the way."""
    everything = torch.arange(len(album))
    with own_statistics(model), torch.no_grad():
        tower_of(model).forward_features(album.plain(everything, TINY.image_size))


def trained(rows: LabelledRows) -> tuple[Any, Any]:
    torch.manual_seed(0)
    writer = TaskWriter(rows.products, {})
    tokenizer = train_vocabulary(writer.texts(random.Random(0)), 500)
    model, processor = create_untrained(TINY, tokenizer), create_processor(TINY, tokenizer)
    album = Album([store(rows.images, TINY.image_size)])
    settle(model, album)
    trainer = RecipeTrainer(
        model,
        Packer(tokenizer, TINY.n_image_tokens),
        rows.products,
        ["tiny"] * len(rows.products),
        album,
        writer,
        HardNegatives(torch.eye(len(rows.products))),
        Meanings({}),
        size=TINY.image_size,
        repeats=torch.ones(len(rows.products)),
        schedule=SCHEDULE,
        budget=Budget(N_EPOCHS),
    )
    while not trainer.is_over:
        trainer.run_epoch(lambda progress: None)
    return trainer.result(), processor


def test_it_learns_from_the_image() -> None:
    shown = shop()
    products = tuple(LabelledProduct(product.sku, colour=product.colour) for product in shown.products)
    rows = LabelledRows("tiny", products, shown.images)
    figures = evaluate(Evaluator(*trained(rows)), rows).figures
    assert figures["colour, accuracy"] > 0.6  # of three colours; one that does not look has 0.33
    assert figures["claims, AUC of a blank picture"] == pytest.approx(0.5, abs=0.01)


def test_norms_take_the_mean_of_what_they_are_shown() -> None:
    norm = torch.nn.BatchNorm2d(2, momentum=0.3).eval()
    norm(torch.full((4, 2, 3, 3), 9.0))
    shown = torch.randn(5, 8, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    with own_statistics(torch.nn.Sequential(norm)), torch.no_grad():
        for batch in shown:
            norm(batch)
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, shown.mean(dim=(0, 1, 3, 4)))
    assert not norm.training
    assert norm.momentum == 0.3
