"""The trainer teaches a tiny model to look."""

import random
from typing import Any

import pytest
import torch

from tests.training.reranker.conftest import TINY, shop
from training.corpus import Rows
from training.pictures import Album, store
from training.product import Product
from training.reranker.architecture import create_processor, create_untrained, tower_of
from training.reranker.evaluation import evaluate
from training.reranker.examinee import Examinee
from training.reranker.exercises import ExerciseWriter
from training.reranker.packing import Packer
from training.reranker.trainer import Budget, Schedule, Stage, Trainer
from training.reranker.vocabulary import train_vocabulary

SCHEDULE = Schedule((Stage(1.0, 1e-2),), batch_size=60, average_decay=0.9, n_parts=1)
N_EPOCHS = 150


def settle(model: Any, album: Album) -> None:
    """Give the norms of a random tower statistics, without which a picture's signal dies on the way."""
    tower = tower_of(model).train()
    norms = [module for module in tower.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all batches, of which there is one
    with torch.no_grad():
        tower.forward_features(
            album.vary(torch.arange(len(album)), TINY.picture_size, torch.Generator().manual_seed(0))
        )
    for norm in norms:
        norm.momentum = 0.1


def trained(rows: Rows) -> tuple[Any, Any]:
    torch.manual_seed(0)
    writer = ExerciseWriter(rows.products, {})
    tokenizer = train_vocabulary(writer.texts(random.Random(0), 100), 500)
    model, processor = create_untrained(TINY, tokenizer), create_processor(TINY, tokenizer)
    album = Album([store(rows.pictures, TINY.picture_size)])
    settle(model, album)
    trainer = Trainer(
        model,
        Packer(tokenizer, TINY.n_image_tokens),
        rows.products,
        ["tiny"] * len(rows.products),
        album,
        writer,
        size=TINY.picture_size,
        repeats=torch.ones(len(rows.products)),
        schedule=SCHEDULE,
        budget=Budget(N_EPOCHS),
    )
    while not trainer.is_over:
        trainer.run_epoch(lambda progress: None)
    return trainer.result, processor


def test_it_learns_to_look() -> None:
    shown = shop()
    products = tuple(Product(product.sku, colour=product.colour) for product in shown.products)
    rows = Rows("tiny", products, shown.pictures)
    figures = evaluate(Examinee(*trained(rows)), rows).figures
    assert figures["colour, accuracy"] > 0.6  # of three colours; one that does not look has 0.33
    assert figures["claims, AUC of a blank picture"] == pytest.approx(0.5, abs=0.01)
