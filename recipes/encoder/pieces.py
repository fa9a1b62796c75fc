"""Word pieces while they are trained: the head that makes short vectors of them, and what it learns from shelves."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import log_softmax, normalize, pad, softplus

from recipes.shelves import Shelf
from vitrina.search.encoders.late_interaction import PieceHead

TITLE_ALONE = 0.25
"""How often a product has no more than its title, beside those that never have."""

HELD_OUT_EVERY = 20
"""Of so many shelves one is measured and not learnt from."""

AMONG = 0.5
"""How much it weighs to tell a query's answers from everything in the batch, beside the rest of their shelf."""

PIECE_SCALE = 3.0
"""Where the inverse temperature of scores begins, as a logarithm."""


@dataclass(frozen=True, slots=True)
class PieceVectors:
    """The pieces of n texts: unit ``vectors`` (n, longest, width), ``weights`` (n, longest), and which of them are
    pieces, bool (n, longest)."""

    vectors: torch.Tensor
    weights: torch.Tensor
    is_piece: torch.Tensor

    def part(self, texts: slice) -> PieceVectors:
        """Those of some of the texts, no longer than the longest of these."""
        places = self.is_piece[texts].any(dim=0).nonzero()
        longest = int(places.max()) + 1 if len(places) else 1
        return PieceVectors(*(each[texts, :longest] for each in (self.vectors, self.weights, self.is_piece)))


def together(parts: Sequence[PieceVectors], order: torch.Tensor) -> PieceVectors:
    """The texts of all parts, of different lengths, in the order that their places say."""
    longest = max(part.weights.shape[1] for part in parts)

    def joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        sides = [(0, 0) * (each.dim() - 2) + (0, longest - each.shape[1]) for each in tensors]
        return torch.cat([pad(each, side) for each, side in zip(tensors, sides, strict=True)])[order]

    return PieceVectors(
        joined([part.vectors for part in parts]),
        joined([part.weights for part in parts]),
        joined([part.is_piece for part in parts]),
    )


class Pieces(torch.nn.Module):
    """The head as it is trained; ``scale`` is the inverse temperature of its scores, as a logarithm."""

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.vectors = torch.nn.Linear(hidden_size, width, bias=False)
        self.weights = torch.nn.Linear(hidden_size, 1)
        self.scale = torch.nn.Parameter(torch.tensor(PIECE_SCALE))
        torch.nn.init.orthogonal_(self.vectors.weight)
        torch.nn.init.zeros_(self.weights.weight)
        torch.nn.init.constant_(self.weights.bias, 0.54)  # softplus gives 1

    def forward(self, states: torch.Tensor, is_piece: torch.Tensor) -> PieceVectors:
        """What the head makes of the states of texts, (n, longest, hidden size)."""
        weights = softplus(self.weights(states))[..., 0] * is_piece
        return PieceVectors(normalize(self.vectors(states), dim=2), weights, is_piece)

    def head(self) -> PieceHead:
        """The head as it is shipped."""
        with torch.no_grad():
            return PieceHead(
                self.vectors.weight.numpy(), self.weights.weight[0].numpy(), float(self.weights.bias.item())
            )


def nearness(asked: PieceVectors, said: PieceVectors) -> torch.Tensor:
    """How near the pieces of n queries find others in m texts; -1 to 1, shape (n, m)."""
    cosines = torch.einsum("nid,mjd->nmij", asked.vectors, said.vectors)
    nearest = cosines.masked_fill(~said.is_piece[None, :, None, :], -1.0).amax(dim=3)  # (n, m, i)
    total: torch.Tensor = (nearest * asked.weights[:, None]).sum(dim=2)
    return total / asked.weights.sum(dim=1).clamp(min=1e-6)[:, None]


def listing(product: Sequence[str], *, title_alone: bool = False) -> str:
    """A product's text as the encoder is given it."""
    return product[0] if title_alone else ". ".join(product)


def split_held_out(shelves: Sequence[Shelf]) -> tuple[list[Shelf], list[Shelf]]:
    """The shelves that are learnt from, and those that are measured."""
    learnt = [shelf for at, shelf in enumerate(shelves) if at % HELD_OUT_EVERY]
    return learnt, list(shelves[::HELD_OUT_EVERY])


def texts_of_shelves(shelves: Sequence[Shelf]) -> Iterator[str]:
    """Every text that ``shelf_texts`` may give."""
    for shelf in shelves:
        for product in shelf.products.values():
            yield from (product[0], listing(product))
        yield from (query for query, _ in shelf.queries)


@dataclass(frozen=True, slots=True)
class ShelfTexts:
    """The n queries and m products of some shelves: how well each product answers, 0 to 3, (n, m), and which stand on
    the query's own shelf, bool (n, m)."""

    queries: Sequence[str]
    products: Sequence[str]
    grades: torch.Tensor
    own: torch.Tensor


def shelf_texts(shelves: Sequence[Shelf], rng: random.Random | None = None) -> ShelfTexts:
    """The texts of shelves; with ``rng`` some products have their titles alone."""
    texts, queries = list[str](), list[str]()
    graded: list[tuple[int, int, int]] = []
    for shelf in shelves:
        places = {key: len(texts) + at for at, key in enumerate(shelf.products)}
        texts += [
            listing(product, title_alone=rng is not None and rng.random() < TITLE_ALONE)
            for product in shelf.products.values()
        ]
        for query, grades in shelf.queries:
            graded += [(len(queries), places[key], grade) for key, grade in grades.items()]
            queries.append(query)
    grades_of = torch.zeros(len(queries), len(texts))
    for at, place, grade in graded:
        grades_of[at, place] = grade
    shelf_of = torch.tensor([at for at, shelf in enumerate(shelves) for _ in shelf.products])
    of_query = torch.tensor([at for at, shelf in enumerate(shelves) for _ in shelf.queries])
    return ShelfTexts(queries, texts, grades_of, of_query[:, None] == shelf_of)


def listwise_loss(logits: torch.Tensor, gains: torch.Tensor) -> Any:
    """The mean cross-entropy of queries' logits, (n, m), with the shares that gains, some of each above 0, have."""
    return -(gains / gains.sum(dim=1, keepdim=True) * log_softmax(logits, dim=1)).sum(dim=1).mean()


def shelf_loss(logits: torch.Tensor, texts: ShelfTexts) -> Any:
    """Listwise cross-entropy of the answered queries, (n, m), gains as nDCG has them: within their shelf, and among
    all."""
    gains = 2**texts.grades - 1
    answered = gains.sum(dim=1) > 0
    logits, gains = logits[answered], gains[answered]
    within = listwise_loss(logits.masked_fill(~texts.own[answered], -1e4), gains)
    return within + AMONG * listwise_loss(logits, gains)


def first_right(scores: torch.Tensor, texts: ShelfTexts) -> list[bool]:
    """Of each answered query, whether the best product on its shelf answers it well."""
    enough = texts.grades.amax(dim=1).clamp(max=2)
    best = scores.masked_fill(~texts.own, -torch.inf).argmax(dim=1)
    right: list[bool] = (texts.grades[torch.arange(len(best)), best] >= enough)[enough > 0].tolist()
    return right
