from pathlib import Path

import numpy as np
import torch

from search.encoders.openclip import create_untrained, load_tokenizer
from tests.search.encoders.conftest import TINY
from training.captions import Mixture
from training.folder import write_configuration
from training.objective import Mix, Objective
from training.pictures import PLAIN, Album, Stored
from training.product import Product
from training.readout import Features, learn_readout
from training.trainer import Schedule, embed_images, embed_texts
from training.vocabulary import train_vocabulary
from training.writer import ProductWriter

COLOURS = {"red": (220, 20, 20), "green": (20, 180, 40), "blue": (20, 40, 220), "white": (250, 250, 250)}
PRODUCTS = [
    Product(str(at), f"{colour} mug", kinds=("mug",), colour=colour) for at, colour in enumerate([*COLOURS] * 16)
]


def album(size: tuple[int, int]) -> Album:
    dice = np.random.default_rng(0)
    levels = np.array([COLOURS[product.colour] for product in PRODUCTS])[:, :, None, None]
    noisy = np.clip(levels + dice.integers(-15, 16, (len(PRODUCTS), 3, *size)), 0, 255)
    return Album([Stored(torch.from_numpy(noisy.astype(np.uint8)), PLAIN)])


def model_in(folder: Path) -> torch.nn.Module:
    n_tokens = train_vocabulary([product.title for product in PRODUCTS], folder, context_length=TINY.context_length)
    write_configuration(folder, TINY, n_tokens)
    torch.manual_seed(0)
    return create_untrained(folder)


def found(model: torch.nn.Module, folder: Path, pictures: Album) -> float:
    """How often a colour's name is nearest to a picture of that colour."""
    pixels = pictures.vary(torch.arange(len(PRODUCTS)), TINY.picture_size, torch.Generator().manual_seed(1))
    with torch.no_grad():
        texts = embed_texts(model.eval(), load_tokenizer(folder)([f"{colour} mug" for colour in COLOURS]))
        nearest = (embed_images(model, pixels) @ texts.T).argmax(dim=1)
    return float(np.mean([list(COLOURS)[at] == product.colour for at, product in zip(nearest, PRODUCTS, strict=True)]))


def test_features_are_views_of_every_picture(tmp_path: Path) -> None:
    pictures = album(TINY.picture_size)
    features = Features.of(model_in(tmp_path), pictures, TINY.picture_size, 2, seed=0)
    assert len(features) == len(PRODUCTS)
    dice = torch.Generator().manual_seed(0)
    seen = torch.stack([features.vary(torch.tensor([5]), TINY.picture_size, dice)[0, :, 0, 0] for _ in range(20)])
    assert len(seen.unique(dim=0)) == 2


def test_a_readout_learns_and_leaves_the_picture_tower_as_it_is(tmp_path: Path) -> None:
    model, pictures = model_in(tmp_path), album(TINY.picture_size)
    before = {name: tensor.clone() for name, tensor in model.visual.state_dict().items()}  # type: ignore[union-attr]
    at_first = found(model, tmp_path, pictures)
    learn_readout(
        model,
        load_tokenizer(tmp_path),
        pictures,
        ProductWriter(PRODUCTS, Mixture()),
        Objective(Mix(heads=0.0), None),
        size=TINY.picture_size,
        schedule=Schedule(n_epochs=40, batch_size=64, learning_rate=1e-2, average_decay=None),
        repeats=torch.full((len(PRODUCTS),), 2.0),
        on_step=lambda progress: None,
    )
    changed = {
        name
        for name, tensor in model.visual.state_dict().items()  # type: ignore[union-attr]
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"trunk.classifier.weight", "trunk.classifier.bias"} & set(before)
    assert found(model, tmp_path, pictures) > max(0.9, at_first)
