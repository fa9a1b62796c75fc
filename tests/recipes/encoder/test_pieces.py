"""Word pieces in training: scores as a search has them, and what is learnt from shelves."""

import random

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.encoder.pieces import (
    Pieces,
    PieceVectors,
    first_right,
    listing,
    nearness,
    shelf_loss,
    shelf_texts,
    split_held_out,
    texts_of_shelves,
    together,
)
from recipes.shelves import Shelf
from vitrina.search.encoders.late_interaction import EncodedText, late_interaction

WORDS = ("sofa", "lamp", "rug", "desk", "vase", "stool")
SHELVES = [
    Shelf(
        f"shelf {n}",
        {"a": (f"couch {n}",), "b": (f"{WORDS[n % 6]} {n}", "more of it"), "c": (f"cover {n}",)},
        ((f"seat {n}", {"a": 3}), (f"{WORDS[n % 6]}", {"b": 3, "c": 1}), ("nothing", {})),
    )
    for n in range(24)
]
SIZE = 16


def states() -> dict[str, torch.Tensor]:
    """Words have states of their own; a couch and a seat share a half that the others drown."""
    rng = np.random.default_rng(0)
    of_word: dict[str, NDArray[np.float64]] = {}
    found: dict[str, torch.Tensor] = {}
    for text in texts_of_shelves(SHELVES):
        for word in text.split():
            of_word.setdefault(word, rng.normal(size=SIZE))
            if word in ("couch", "seat"):
                of_word[word] = np.concatenate([rng.normal(size=12) * 2, np.full(4, 1.0)])
        found[text] = torch.tensor(np.stack([of_word[word] for word in text.split()])).float()
    return found


def vectors_of(pieces: Pieces, known: dict[str, torch.Tensor], texts: list[str]) -> PieceVectors:
    alone = [pieces(known[text][None], torch.ones(1, len(known[text]), dtype=torch.bool)) for text in texts]
    return together(alone, torch.arange(len(texts)))


def test_it_scores_as_a_search_does() -> None:
    known = states()
    torch.manual_seed(0)
    pieces = Pieces(SIZE, 8)
    torch.nn.init.normal_(pieces.weights.weight)
    query, texts = "seat 1", ["couch 1", listing(("lamp 1", "more of it")), "cover 2"]
    with torch.no_grad():
        scores = nearness(vectors_of(pieces, known, [query]), vectors_of(pieces, known, texts))[0]

    def encoded(text: str) -> EncodedText:
        inner = known[text].numpy()
        whole = np.concatenate([np.zeros((1, SIZE), np.float32), inner, np.zeros((1, SIZE), np.float32)])
        return pieces.head().encoded(np.zeros((1, 4), np.float32), whole[None], [len(whole)])[0]

    stored = [each for text in texts if (each := encoded(text).stored_pieces) is not None]
    np.testing.assert_allclose(late_interaction(encoded(query), stored), scores.numpy(), atol=0.02)


def test_some_texts_are_no_longer_than_the_longest_of_them() -> None:
    pieces = vectors_of(Pieces(SIZE, 8), states(), ["seat 1", "lamp 1. more of it", "couch 1"])
    assert pieces.vectors.shape[:2] == (3, 5)
    assert pieces.part(slice(0, 1)).vectors.shape[:2] == (1, 2)
    assert pieces.is_piece.sum(dim=1).tolist() == [2, 5, 2]


def test_it_learns_what_means_the_same() -> None:
    known, pieces, rng = states(), Pieces(SIZE, 8), random.Random(0)
    learnt, held_out = split_held_out(SHELVES)
    assert [shelf.name for shelf in held_out] == ["shelf 0", "shelf 20"]

    def share_right() -> float:
        found: list[bool] = []
        for texts in map(shelf_texts, ([shelf] for shelf in held_out)):
            queries, products = (vectors_of(pieces, known, list(each)) for each in (texts.queries, texts.products))
            found += first_right(nearness(queries, products), texts)
        return sum(found) / len(found)

    before, optimizer = share_right(), torch.optim.Adam(pieces.parameters(), lr=1e-2)
    for _ in range(60):
        texts = shelf_texts(rng.sample(learnt, 6), rng)
        queries, products = (vectors_of(pieces, known, list(each)) for each in (texts.queries, texts.products))
        optimizer.zero_grad()
        shelf_loss(nearness(queries, products) * pieces.scale.exp(), texts).backward()
        optimizer.step()
    assert before < share_right() == 1.0
