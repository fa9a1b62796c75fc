"""The head learns to look, its graphs answer as it does, and sources say what is shown."""

import random
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.labels import LabelledProduct
from recipes.matcher.export import write_matcher
from recipes.matcher.model import (
    MODEL_COLUMNS,
    MODEL_WIDTH,
    N_FEATURES,
    N_MODEL_PLACES,
    N_PLACES,
    N_ROWS,
    SIDE,
    Eye,
    MatchHead,
    MatchTower,
    VectorEye,
)
from recipes.matcher.recipe import read_vectors, write_vectors
from recipes.matcher.sources import UNSEEN, MatchCorpus, repeats_of
from recipes.matcher.trainer import LabelValues, MatchSchedule, MatchTrainer, Stored, TextVectors
from recipes.reranker.statements import HardNegatives, Meanings, Round, SoftLabels
from tests.recipes.reranker.conftest import COLOURS, shop
from vitrina.search.encoders.graphs import open_session
from vitrina.search.reranking.matcher import HEAD_FILE, TOWER_FILE

TEXT_WIDTH = 16


def embed(texts: list[str]) -> NDArray[np.float32]:
    """A vector that says which of the known colours a text names."""
    vectors = np.full((len(texts), TEXT_WIDTH), 0.1, np.float32)
    for row, text in enumerate(texts):
        for place, colour in enumerate(COLOURS):
            vectors[row, place] += colour in text
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def untrained() -> MatchHead:
    torch.manual_seed(0)
    eyes = [
        Eye(torch.zeros(n_features), torch.ones(n_features), n_places, 48)
        for n_places, n_features in ((N_PLACES, N_FEATURES), (N_MODEL_PLACES, MODEL_WIDTH))
    ]
    return MatchHead(eyes, VectorEye(torch.eye(48, TEXT_WIDTH)), text_width=TEXT_WIDTH)


def noise(n: int, n_places: int, n_features: int) -> NDArray[np.float16]:
    return np.random.default_rng(n_places).normal(size=(n, n_places, n_features)).astype(np.float16)


@pytest.mark.parametrize("tower", [0, 1, 2])
def test_it_learns_what_is_true_of_an_image_from_either_tower_and_from_its_vector(tower: int) -> None:
    products = [LabelledProduct(product.sku, colour=product.colour) for product in shop(120).products]
    features = [noise(120, N_PLACES, N_FEATURES), noise(120, N_MODEL_PLACES, MODEL_WIDTH), noise(120, 1, TEXT_WIDTH)]
    for row, product in enumerate(products):
        place = min(7, features[tower].shape[1] - 1)  # one alone
        features[tower][row, place, list(COLOURS).index(product.colour)] += 4
    vectors = TextVectors(embed)
    trainer = MatchTrainer(
        untrained(),
        [Stored(features[0], N_ROWS), Stored(features[1], MODEL_COLUMNS), Stored(features[2], 1)],
        products,
        ["boutique"] * 120,
        vectors,
        hard_negatives=HardNegatives(torch.eye(120)),
        meanings=Meanings({}),
        soft_labels=SoftLabels(np.zeros((120, 1), np.float16), [("thing",)], np.ones((120, 1), bool)),
        repeats=torch.ones(120),
        schedule=MatchSchedule(minutes=0.2, batch_size=60, learning_rate=3e-3, average_decay=0.9),
        rounds=(Round("colour"),),
    )
    colours, right = list(COLOURS), torch.tensor([list(COLOURS).index(product.colour) for product in products])

    def share_right() -> float:
        head = trainer.averaged_model
        with torch.no_grad():
            asked = torch.from_numpy(embed(colours)).repeat(120, 1, 1)
            logits = head.judge_each(head.image_tokens([torch.from_numpy(each).float() for each in features]), asked)
        return float((logits.argmax(dim=1) == right).float().mean())

    while not trainer.is_over and share_right() <= 0.9:
        trainer.run_epoch(lambda progress: None)
    assert share_right() > 0.9
    assert set(vectors.known) == set(colours)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.timeout(400)
def test_the_graphs_answer_as_the_model_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tower, head = MatchTower(timm.create_model("tf_efficientnet_lite0")).eval(), untrained().eval()
    write_matcher(tmp_path, tower, head, TEXT_WIDTH)
    pixels, model = torch.rand(3, 3, SIDE, SIDE) * 2 - 1, noise(3, N_MODEL_PLACES, MODEL_WIDTH).astype(np.float32)
    vectors = embed(["red", "green", "blue"])
    owners, texts = torch.tensor([0, 2, 2, 1, 0]), torch.from_numpy(embed(["red", "blue", "green", "red blue", "none"]))
    with torch.no_grad():
        features = tower(pixels)
        tokens = head.image_tokens([features, torch.from_numpy(model), torch.from_numpy(vectors)[:, None]])
        logits = head.judge(tokens, texts, owners)
    assert features.shape == (3, N_PLACES, N_FEATURES)
    shown = {"pixels": pixels.numpy(), "features": model, "vectors": vectors}
    found = open_session(tmp_path / TOWER_FILE, 1).run(None, shown)[0]
    assert np.abs(found - tokens.numpy()).max() < 0.02  # weights are stored as float16
    given = {"tokens": tokens.numpy(), "texts": texts.numpy(), "owners": owners.numpy()}
    answers = open_session(tmp_path / HEAD_FILE, 1).run(None, given)[0]
    np.testing.assert_allclose(answers, logits.numpy(), atol=2e-3)
    one = {"tokens": tokens.numpy()[:1], "texts": texts.numpy()[:1], "owners": owners.numpy()[:1]}
    assert open_session(tmp_path / HEAD_FILE, 1).run(None, one)[0].shape == (1,)


def open_set() -> LabelledRows:
    titles = ["grand_piano", "scissors", "barrel", "lamp"] * 20
    products = [
        LabelledProduct(f"caltech101-{title}-{at}", title, kinds=(title, "Things")) for at, title in enumerate(titles)
    ]
    return LabelledRows("caltech101-products", tuple(products), tuple(b"" for _ in products))


def test_classes_that_are_measured_as_unknown_are_not_learnt() -> None:
    corpus = MatchCorpus([open_set()])
    learnt = {product.title for part in corpus.learnt for product in part.products}
    *_, unseen = corpus.held_out
    assert "scissors" not in learnt
    assert "barrel" in learnt
    assert unseen.source == UNSEEN
    assert {product.kinds for product in unseen.products} == {("scissors",)}


def test_a_label_is_told_from_the_other_values_of_its_shop_alone() -> None:
    products = [
        LabelledProduct("1", kinds=("Shirts",), colour="Navy Blue"),
        LabelledProduct("2", kinds=("Shirts",), colour="Red"),
        LabelledProduct("3", kinds=("sofa",), colour="Crimson"),
        LabelledProduct("4", kinds=("couch",), colour="Red"),
    ]
    values = LabelValues(products, ["fashion", "fashion", "sweethome3d", "sweethome3d"])
    rng = random.Random(0)
    assert [value.text for value in values.draw(products[0], "fashion", rng)] == ["Navy Blue", "Red"]
    assert values.draw(products[2], "sweethome3d", rng) == []  # a couch is a sofa as well


def test_sources_are_drawn_by_their_shares() -> None:
    part = open_set()
    repeats = repeats_of([part], 1000)
    assert float(repeats.sum()) == pytest.approx(1000)


def test_vectors_of_statements_are_kept_for_a_run_that_goes_on(tmp_path: Path) -> None:
    made: list[str] = []

    def noted(texts: list[str]) -> NDArray[np.float32]:
        made.extend(texts)
        return embed(texts)

    vectors = TextVectors(noted)
    vectors.add(["Red", "red", "blue"])
    write_vectors(tmp_path, vectors)
    again = TextVectors(noted, read_vectors(tmp_path))
    again.add(["red", "green"])
    assert made == ["red", "blue", "green"]
    np.testing.assert_allclose(again(["RED"]), vectors(["red"]))
