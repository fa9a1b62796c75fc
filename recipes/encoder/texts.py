"""Texts: what is true of each product in a shopper's words, the lexicon beside them, and their vectors by MiniLM."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.encoder.corpus import Say
from recipes.encoder.facts import KIND_WEIGHTS, PATTERNS, phrase
from recipes.encoder.labels import LABELS, LabelledProduct, wordings
from vitrina.evaluation.own_queries import first_sentence
from vitrina.search.encoders.compute import ThreadDataParallel
from vitrina.search.encoders.exports import FastTokenizer

TITLE_WEIGHT, KIND_WEIGHT, LABEL_WEIGHT, SENTENCE_WEIGHT = 5.0, 5.0, 1.0, 1.0
"""How often a title, a kind, a single label and the description are drawn beside the phrases of ``PATTERNS``."""

MAX_WORDINGS = 4
MAX_SENTENCE = 160
CAPTIONS_A_PRODUCT = 3

TextGroup = tuple[float, list[int]]
"""How often a group of texts is drawn, and the texts by their places in a table: a caption is one of them."""


def grouped_texts(product: LabelledProduct) -> Iterator[tuple[float, list[str]]]:
    """All that may be said of a product, in groups of texts that say the same."""
    if product.title:
        yield TITLE_WEIGHT, [product.title]
    for kind, weight in zip(product.names, (KIND_WEIGHT, *KIND_WEIGHTS), strict=False):
        yield min(weight, KIND_WEIGHT), list(wordings(kind)[:MAX_WORDINGS])
    for label in LABELS:
        if value := product.label(label):
            yield LABEL_WEIGHT * (4 if label == "colour" else 1), [value]
    for weight, fields in PATTERNS:
        if all(product.kinds if field == "kind" else product.label(field) for field in fields):
            yield weight, list(phrases(product, fields))
    if product.description:
        yield SENTENCE_WEIGHT, [first_sentence(product.description)[:MAX_SENTENCE]]


def phrases(product: LabelledProduct, fields: Sequence[str]) -> Iterator[str]:
    """A phrase of some fields, for each of the kinds that the product is and each wording of it."""
    values = {field: product.label(field) for field in fields if field != "kind"}
    if "kind" not in fields:
        yield phrase(values)
        return
    for kind in product.kinds[:2]:
        for wording in wordings(kind)[:MAX_WORDINGS]:
            yield phrase({**values, "kind": wording})


class TextTable:
    """Every text that is true of some product, by product; texts that differ in case alone are one.

    A text is true of each product that it fits, whichever it was written for: "black T-shirt" is no wrong answer to any
    of two black T-shirts, so the contrastive loss must not push them apart.
    """

    def __init__(self, products: Sequence[LabelledProduct], learnt: Sequence[bool]) -> None:
        self._ids: dict[str, int] = {}
        self.texts: list[str] = []
        self.groups: list[list[TextGroup]] = [
            [(weight, [self.id_of(text) for text in texts]) for weight, texts in grouped_texts(product)] if kept else []
            for product, kept in zip(products, learnt, strict=True)
        ]
        self.n_texts = len(self.texts)
        true = [sorted({at for _, group in groups for at in group}) for groups in self.groups]
        width = max(map(len, true), default=0)
        self._true = torch.full((len(products), width), -1, dtype=torch.int32)
        for row, ids in enumerate(true):
            self._true[row, : len(ids)] = torch.tensor(ids, dtype=torch.int32)

    def id_of(self, text: str) -> int:
        """The place of a text, new or known, in ``texts``."""
        at = self._ids.setdefault(text.casefold(), len(self.texts))
        if at == len(self.texts):
            self.texts.append(text)
        return at

    def matches(self, indices: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Which of the texts ``ids`` (m,) are true of which products ``indices`` (n,); bool, shape (n, m)."""
        place = torch.full((len(self.texts) + 1,), len(ids), dtype=torch.int64)
        place[ids] = torch.arange(len(ids))
        where = place[self._true[indices].long()]  # -1 is the last place, which no text has
        found = torch.zeros(len(indices), len(ids) + 1, dtype=torch.bool)
        return found.scatter_(1, where, True)[:, :-1]

    def draw(self, indices: torch.Tensor, rng: random.Random) -> list[int]:
        """Some true texts of each product, each of another group; distinct."""
        drawn: dict[int, None] = {}
        for index in indices.tolist():
            groups = self.groups[index]
            for _, group in weighted_sample(groups, CAPTIONS_A_PRODUCT, rng):
                drawn[rng.choice(group)] = None
        return list(drawn)


def weighted_sample(groups: Sequence[TextGroup], n: int, rng: random.Random) -> list[TextGroup]:
    """``n`` groups at most, without replacement, by their weights (Efraimidis and Spirakis 2006)."""
    return sorted(groups, key=lambda group: rng.random() ** (1 / group[0]), reverse=True)[:n]


Pair = tuple[str, str]


def lexicon(words: Path, rng: random.Random, n_nouns: int = 8000) -> list[Pair]:
    """Pairs of texts that mean nearly the same: nouns with a synonym or with their gloss, categories with what they
    are kinds of, attribute values with their attribute."""
    pairs: list[Pair] = []
    with (words / "wordnet31_product_nouns.tsv").open(encoding="utf-8", newline="") as file:
        nouns = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for noun in rng.sample(nouns, min(n_nouns, len(nouns))):
        names = noun["synonyms"].split(", ")
        pairs.append((names[0], names[1] if len(names) > 1 and rng.random() < 0.6 else noun["gloss"][:MAX_SENTENCE]))
    for line in (words / "shopify_categories.txt").read_text(encoding="utf-8").splitlines():
        path = line.partition(" : ")[2].split(" > ")
        if len(path) > 1 and not line.startswith("#"):
            pairs.append((path[-1].strip(), f"{path[-2].strip()}: {path[-1].strip()}"))
    attributes = json.loads((words / "shopify_attribute_values.json").read_text(encoding="utf-8"))
    for attribute in attributes.values():
        values = attribute["values"]
        pairs += [(value, f"{attribute['name']}: {value}") for value in rng.sample(values, min(2, len(values)))]
    return pairs


Embed = Callable[[list[str]], NDArray[np.float32]]


def stored_vectors(
    texts: Sequence[str], embed: Embed, folder: Path, *, say: Say, part_size: int = 4096
) -> torch.Tensor:
    """The vectors of texts, float32, shape (n, d), each made once and kept in ``folder``. Blocks for minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, NDArray[np.float16]] = {}
    for path in sorted(folder.glob("*.json")):
        known |= zip(json.loads(path.read_text(encoding="utf-8")), np.load(path.with_suffix(".npy")), strict=True)
    missing = list(dict.fromkeys(text for text in texts if text not in known))
    for start in range(0, len(missing), part_size):
        part = missing[start : start + part_size]
        vectors = embed(part).astype(np.float16)
        path = folder / f"{hashlib.sha256(part[0].encode()).hexdigest()[:16]}-{len(known)}.npy"
        save_array(path, vectors)
        path.with_suffix(".json").write_text(
            json.dumps(part), encoding="utf-8"
        )  # the last: without it there is no part
        known |= zip(part, vectors, strict=True)
        say(f"vectors of texts: {start + len(part)}/{len(missing)}")
    return torch.from_numpy(np.stack([known[text] for text in texts]).astype(np.float32))


def pooled_texts(text: Any, folder: Path, context_length: int) -> Callable[[list[str]], NDArray[np.float32]]:
    """Embeds texts by the text transformer of an open_clip text tower, before its head; float32, shape (n, width)."""
    tokenize, cores = FastTokenizer(folder, context_length, pad_id=0), ThreadDataParallel(torch.get_num_threads())

    def embed(texts: list[str]) -> NDArray[np.float32]:
        tokens = torch.from_numpy(tokenize(texts))
        vectors = np.empty((len(texts), text.config.hidden_size), np.float32)

        def pool(part: torch.Tensor) -> None:
            with torch.inference_mode():
                vectors[part.numpy()] = pooled(text, tokens[part]).numpy()

        cores.map(pool, torch.split((tokens != 0).sum(dim=1).argsort(descending=True), 64))
        return vectors

    return embed


def pooled(text: Any, tokens: torch.Tensor) -> torch.Tensor:
    """What the text transformer of an open_clip text tower makes of token ids, (n, context length), padded with 0,
    before its head; (n, width)."""
    return pooled_and_states(text, tokens)[0]


def pooled_and_states(text: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, and the states of their tokens, (n, the longest's length, width)."""
    ids = tokens[:, : int((tokens != 0).sum(dim=1).max())]
    mask = (ids != 0).long()
    output = text.transformer(input_ids=ids, attention_mask=mask)
    return text.pooler(output, mask), output.last_hidden_state


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array in one piece: to a file beside it first, then renamed."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, array)
    partial.replace(path)
