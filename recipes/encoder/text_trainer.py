"""The trainer of the text tower alone: shoppers' queries and what answers them, beside stored images."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import torch
from torch.nn.functional import normalize

from recipes.encoder.pieces import (
    Pieces,
    PieceVectors,
    ShelfTexts,
    first_right,
    listwise_loss,
    nearness,
    shelf_loss,
    shelf_texts,
    together,
)
from recipes.encoder.texts import TextTable, pooled_and_states
from recipes.encoder.trainer import distillation_loss
from recipes.shelves import Shelf
from recipes.shopper_queries import Kind
from vitrina.search.encoders.exports import FastTokenizer
from vitrina.tuning.encoder.trainer import MAX_SCALE, contrastive_loss
from vitrina.tuning.loop import BETAS, Trainer, warmup_cosine


@dataclass(frozen=True, slots=True)
class TextSchedule:
    """How much is learnt and how fast. The rates rise over ``warmup`` of the steps and fall to zero along a cosine."""

    n_epochs: int = 18
    steps_an_epoch: int = 100
    n_kinds: int = 32
    n_shelves: int = 12
    n_images: int = 48
    tower_rate: float = 5e-5
    head_rate: float = 3e-4
    weight_decay: float = 0.01
    warmup: float = 0.06
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TextLossWeights:
    """The weight of each loss in the sum.

    ``queries``: queries and the titles that answer them, in all dimensions; ``shelves``: queries and the products of
    their shelf; ``pieces`` and ``kind_pieces``: shelves and titles once more, word piece by word piece.
    ``beside_images``: queries and titles in the dimensions that images have, against the titles' vectors before.
    ``anchors``: where captions, names of ImageNet's classes and titles were before, in those dimensions.
    ``images``: images and captions. ``share``: how long a vector is there, in the mean
    of shelves' texts and in that of all others. ``distillation``: MiniLM's own similarities.
    ``text_pairs``: texts that mean the same.
    """

    queries: float = 1.0
    shelves: float = 0.5
    pieces: float = 1.0
    kind_pieces: float = 0.3
    beside_images: float = 0.3
    anchors: float = 8.0
    images: float = 0.3
    share: float = 10.0
    distillation: float = 1.0
    text_pairs: float = 0.1


LOSSES = TextLossWeights()
SHARE = 0.3
"""Of a text vector's squared length, how much lies in the dimensions that images have."""

TITLE_ANCHOR = 0.2
TEXT_SCALE = 20.0
"""Inverse temperature between texts."""

SIBLING_SHARE, N_SIBLINGS = 0.6, 4
"""How often neighbours in the taxonomy come into a batch together, which are harder to tell apart, and how many."""

N_CAPTIONS, N_OTHER_CAPTIONS, N_NAMES, N_PAIRS = 100, 28, 50, 32

PIECE_WIDTH = 64
PART = 128
"""Texts of like length that go through the tower together."""


class KnownVectors:
    """Vectors by text, as the stages before made them; float16, (n, d)."""

    def __init__(self, texts: Sequence[str], vectors: torch.Tensor) -> None:
        self._places = {text: at for at, text in enumerate(texts)}
        self._vectors = vectors.half()

    def of(self, texts: Sequence[str]) -> torch.Tensor:
        """Float32, (m, d). Raises KeyError."""
        return self._vectors[[self._places[text] for text in texts]].float()


@dataclass(frozen=True, slots=True)
class TextKnowledge:
    """What is known before the stage: ``before``, the unit vectors of captions, titles and names by the stage before,
    (n, d); ``teacher``, MiniLM's unit vectors of titles, queries and pairs; ``images``, the unit vectors of all images
    of the table, (n images, d), and how often each is drawn."""

    kinds: Sequence[Kind]
    shelves: Sequence[Shelf]
    table: TextTable
    pairs: Sequence[tuple[str, str]]
    names: Sequence[Sequence[str]]
    before: KnownVectors
    teacher: KnownVectors
    images: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True, slots=True)
class TextBatch:
    """One step's texts: ``titles`` and ``queries`` of kinds, ``answers`` bool (queries, titles); ``captions`` with
    their places in the table, and the images beside them; ``names``; ``pairs``, first all left sides, then all right
    ones. ``described`` are the titles as items have them, with words of their categories; ``shelves`` the texts of
    some shelves."""

    titles: Sequence[str]
    described: Sequence[str]
    queries: Sequence[str]
    answers: torch.Tensor
    captions: Sequence[str]
    places: torch.Tensor
    images: torch.Tensor
    names: Sequence[str]
    pairs: Sequence[str]
    shelves: ShelfTexts


class TextTrainer(Trainer[TextBatch]):
    """Trains the text tower of an open_clip model whose head gives texts dimensions of their own (``text_stage.grow``),
    and beside it a head for word pieces. ``tokenize`` is that of its folder; ``bfloat16`` multiplies in it."""

    def __init__(
        self,
        model: Any,
        tokenize: FastTokenizer,
        knowledge: TextKnowledge,
        schedule: TextSchedule,
        *,
        bfloat16: bool = False,
    ) -> None:
        model.requires_grad_(False)
        model.text.requires_grad_(True)
        model.text.transformer.embeddings.position_embeddings.requires_grad_(False)
        model.logit_scale.requires_grad_(True)
        model.text.transformer.set_attn_implementation("eager")  # of short texts torch's own takes half as long again
        pieces = Pieces(model.text.config.hidden_size, PIECE_WIDTH)
        tower = [each for each in model.text.transformer.parameters() if each.requires_grad]
        head = [*model.text.proj.parameters(), model.logit_scale, *pieces.parameters()]
        groups = [{"params": tower, "rate": schedule.tower_rate}, {"params": head, "rate": schedule.head_rate}]
        optimizer = torch.optim.AdamW(groups, betas=BETAS, weight_decay=schedule.weight_decay)
        super().__init__(torch.nn.ModuleDict({"encoder": model.eval(), "pieces": pieces}), optimizer, prefetch=True)
        self._tokenize, self._knowledge, self.schedule, self._bfloat16 = tokenize, knowledge, schedule, bfloat16

    @property
    def encoder(self) -> Any:
        """The model as it is, without the head for word pieces."""
        return self._model["encoder"]

    @property
    def pieces(self) -> Pieces:
        """The head for word pieces as it is."""
        pieces: Pieces = self._model["pieces"]
        return pieces

    @torch.no_grad()
    def share_right(self, shelves: Sequence[Shelf]) -> float:
        """Of the answered queries of shelves, the share whose best product on their shelf, by its word pieces, answers
        them well."""
        found: list[bool] = []
        for texts in (shelf_texts([shelf]) for shelf in shelves):
            (_, products), (_, queries) = self.embed(texts.products), self.embed(texts.queries)
            found += first_right(nearness(queries, products), texts)
        return sum(found) / max(len(found), 1)

    def embed(self, texts: Sequence[str]) -> tuple[torch.Tensor, PieceVectors]:
        """Unit vectors of texts, (n, d), and their pieces."""
        text = self.encoder.text
        tokens = torch.from_numpy(self._tokenize(texts))
        lengths = (tokens != 0).sum(dim=1)
        order = lengths.argsort()
        vectors, pieces = [], []
        for part in torch.split(order, PART):
            with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
                of_text, states = pooled_and_states(text, tokens[part])
            vectors.append(normalize(text.proj(of_text.float()), dim=1))
            at = torch.arange(states.shape[1])
            pieces.append(self.pieces(states.float(), (at > 0) & (at < lengths[part][:, None] - 1)))
        places = order.argsort()
        return torch.cat(vectors)[places], together(pieces, places)

    def _batches(self) -> tuple[int, Iterator[TextBatch]]:
        n_steps = self.schedule.steps_an_epoch
        return n_steps, (self._batch(self.n_epochs_done * n_steps + step) for step in range(self.step, n_steps))

    def _batch(self, number: int) -> TextBatch:
        known, schedule = self._knowledge, self.schedule
        seed = schedule.seed * 1_000_003 + number
        rng, draw = random.Random(seed), torch.Generator().manual_seed(seed)
        kinds = [known.kinds[at] for at in drawn_kinds(len(known.kinds), schedule.n_kinds, rng)]
        titles, queries, answers = titles_and_queries(kinds, rng)
        indices = torch.multinomial(known.weights, schedule.n_images, generator=draw)
        ids = known.table.draw(indices, rng)
        rng.shuffle(ids)
        others = [rng.randrange(known.table.n_texts) for _ in range(N_OTHER_CAPTIONS)]
        places = torch.tensor(list(dict.fromkeys([*ids[:N_CAPTIONS], *others])))
        pairs = rng.sample(known.pairs, min(N_PAIRS, len(known.pairs)))
        return TextBatch(
            [title for _, title in titles],
            [with_category(title, kinds[at].path, rng) for at, title in titles],
            [query for _, query in queries],
            answers,
            [known.table.texts[place] for place in places.tolist()],
            places,
            indices,
            [rng.choice(names) for names in rng.sample(known.names, min(N_NAMES, len(known.names)))],
            [*(one for one, _ in pairs), *(other for _, other in pairs)],
            shelf_texts(rng.sample(known.shelves, min(schedule.n_shelves, len(known.shelves))), rng),
        )

    def _backward(self, batch: TextBatch) -> float:
        shelves = batch.shelves
        matched = (batch.described, batch.queries, shelves.products, shelves.queries)
        vectors, pieces = self.embed(list(chain.from_iterable(matched)))
        titles, queries, products, asked = torch.split(vectors, list(map(len, matched)))
        others = (batch.captions, batch.names, batch.pairs)
        captions, names, pairs = torch.split(self.embed(list(chain.from_iterable(others)))[0], list(map(len, others)))
        loss: Any = self._loss(batch, titles, queries, captions, names, pairs)
        loss = loss + LOSSES.shelves * shelf_loss(TEXT_SCALE * asked @ products.T, shelves)
        loss = loss + LOSSES.share * share_loss(torch.cat([products, asked]), self._n_shown)
        loss = loss + self._piece_loss(batch, pieces)
        loss.backward()
        return float(loss.detach())

    def _piece_loss(self, batch: TextBatch, pieces: PieceVectors) -> Any:
        """Of the pieces of titles, queries, and the shelves' products and queries, one after the other."""
        shelves = batch.shelves
        ends = list(accumulate(map(len, (batch.described, batch.queries, shelves.products, shelves.queries))))
        titles, queries, products, asked = (
            pieces.part(slice(start, end)) for start, end in zip([0, *ends], ends, strict=False)
        )
        scale = self.pieces.scale.exp()
        loss = LOSSES.pieces * shelf_loss(scale * nearness(asked, products), shelves)
        return loss + LOSSES.kind_pieces * listwise_loss(scale * nearness(queries, titles), batch.answers.float())

    @property
    def _n_shown(self) -> int:
        return self._knowledge.images.shape[1]

    def _loss(
        self,
        batch: TextBatch,
        titles: torch.Tensor,
        queries: torch.Tensor,
        captions: torch.Tensor,
        names: torch.Tensor,
        pairs: torch.Tensor,
    ) -> torch.Tensor:
        known = self._knowledge
        scale = torch.tensor(TEXT_SCALE)

        def shown(texts: torch.Tensor) -> torch.Tensor:
            return normalize(texts[:, : self._n_shown], dim=1)

        before, called = known.before.of(batch.titles), known.before.of([*batch.captions, *batch.names])
        loss = LOSSES.queries * contrastive_loss(queries, titles, batch.answers, scale)
        loss = loss + LOSSES.beside_images * contrastive_loss(shown(queries), before, batch.answers, scale)
        moved = distance(shown(torch.cat([captions, names])), called) + TITLE_ANCHOR * distance(shown(titles), before)
        loss = loss + LOSSES.anchors * moved
        matches = known.table.matches(batch.images, batch.places)
        image_scale = self.encoder.logit_scale.exp().clamp(max=MAX_SCALE)
        loss = loss + LOSSES.images * contrastive_loss(
            known.images[batch.images], shown(captions), matches, image_scale
        )
        loss = loss + LOSSES.share * share_loss(torch.cat([titles, queries, captions, names, pairs]), self._n_shown)
        one, other = pairs.chunk(2)
        same = torch.eye(len(one), dtype=torch.bool)
        loss = loss + LOSSES.text_pairs * contrastive_loss(one, other, same, scale)
        ours = torch.cat([pairs, titles[::2], queries[::2]])
        teacher = known.teacher.of([*batch.pairs, *batch.titles[::2], *batch.queries[::2]])
        return loss + LOSSES.distillation * distillation_loss(ours, teacher)

    def _schedule_step(self, n_epochs: float) -> None:
        factor = warmup_cosine(n_epochs / self.schedule.n_epochs, self.schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = group["rate"] * factor


def distance(ours: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """One minus the mean cosine of unit rows, (n, d) both."""
    return 1 - (ours * others).sum(dim=1).mean()


def share_loss(vectors: torch.Tensor, n_shown: int) -> torch.Tensor:
    """How far the squared lengths of unit rows in the dimensions that images have are from ``SHARE``."""
    return ((vectors[:, :n_shown].pow(2).sum(dim=1) - SHARE) ** 2).mean()


def drawn_kinds(n: int, n_wanted: int, rng: random.Random) -> list[int]:
    """Positions of some of ``n`` kinds, many of them beside each other in the taxonomy."""
    drawn: dict[int, None] = {}
    n_wanted = min(n, n_wanted)
    while len(drawn) < n_wanted:
        first = rng.randrange(n)
        width = N_SIBLINGS if rng.random() < SIBLING_SHARE else 1
        drawn |= dict.fromkeys(range(first, min(first + width, n)))
    return list(drawn)[:n_wanted]


TextOfKind = tuple[int, str]
"""The position of a kind, and one of its texts."""


def titles_and_queries(
    kinds: Sequence[Kind], rng: random.Random
) -> tuple[list[TextOfKind], list[TextOfKind], torch.Tensor]:
    """All titles of some kinds, two queries of each, and which titles answer which, bool (queries, titles)."""
    titles = [(at, title) for at, kind in enumerate(kinds) for title in kind.titles]
    queries = [
        (at, query) for at, kind in enumerate(kinds) for query in rng.sample(kind.queries, min(2, len(kind.queries)))
    ]
    of_query, of_title = (torch.tensor([at for at, _ in texts]) for texts in (queries, titles))
    return titles, queries, of_query[:, None] == of_title


def with_category(title: str, path: Sequence[str], rng: random.Random) -> str:
    """A title as an item's text has it: often alone, else with words of its category after it."""
    said = rng.random()
    if said < 0.6 or len(path) < 2:
        return title
    return f"{title}. {path[-1] if said < 0.8 else '; '.join(path[-2:]) if said < 0.9 else rng.choice(path[1:])}"
