"""The head for word pieces learns which of a shelf's products answers."""

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.encoder.piece_head import HeadSchedule, Pieces, States, first_right, listing, texts_of, train_head
from recipes.shelves import Shelf
from recipes.shopper_queries import Kind
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
KINDS = [Kind(("Home", word), (f"{word} one", f"{word} two"), (word, f"a {word}")) for word in WORDS]


def states() -> States:
    """Words have states of their own; a couch and a seat share a half that the others drown."""
    rng = np.random.default_rng(0)
    of_word: dict[str, NDArray[np.float64]] = {}
    found: dict[str, torch.Tensor] = {}
    for text in texts_of(SHELVES, KINDS):
        for word in text.split():
            of_word.setdefault(word, rng.normal(size=16))
            if word in ("couch", "seat"):
                of_word[word] = np.concatenate([rng.normal(size=12) * 2, np.full(4, 1.0)])
        found[text] = torch.tensor(np.stack([of_word[word] for word in text.split()])).bfloat16()
    return States(found)


def test_it_learns_what_means_the_same() -> None:
    known = states()
    how = HeadSchedule(width=8, n_steps=150, n_shelves=6, n_kinds=4, rate=1e-2)
    said: list[str] = []
    head = train_head(known, SHELVES, KINDS, how, said.append)
    before, after = (float(line.rsplit(" ", 1)[1]) for line in said if "held out" in line)
    assert after >= before
    assert after == 1.0
    assert head.vectors.shape == (8, 16)


def test_it_scores_as_a_search_does() -> None:
    known = states()
    torch.manual_seed(0)
    pieces = Pieces(16, 8)
    torch.nn.init.normal_(pieces.weights.weight)
    query, texts = "seat 1", ["couch 1", listing(("lamp 1", "more of it")), "cover 2"]
    with torch.no_grad():
        scores = pieces(known.of([query]), known.of(texts))[0]

    def encoded(text: str) -> EncodedText:
        inner = known.by_text[text].float().numpy()
        whole = np.concatenate([np.zeros((1, 16), np.float32), inner, np.zeros((1, 16), np.float32)])
        return pieces.head().encoded(np.zeros((1, 4), np.float32), whole[None], [len(whole)])[0]

    stored = [each for text in texts if (each := encoded(text).stored_pieces) is not None]
    np.testing.assert_allclose(late_interaction(encoded(query), stored), scores.numpy(), atol=0.02)
    assert 0 <= first_right(pieces, known, SHELVES) <= 1
