"""Captions: what a shopper might type to find a product, the statement each makes, and their vocabulary."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from recipes.encoder.labels import LABELS, LabelledProduct, key, wordings
from vitrina.tuning.model_folder import write_json

LabelStatement = tuple[tuple[str, str], ...]
"""What a caption asserts, as (field, value) pairs; ``kind`` and ``text`` beside the labels of a product."""

NOTHING: LabelStatement = (("text", "\0"),)
"""The statement of a text that fits no product: no title holds a null character."""

PATTERNS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (7.0, ("colour", "kind", "gender")),
    (4.0, ("colour", "kind")),
    (2.5, ("kind", "gender")),
    (1.2, ("usage", "kind")),
    (0.8, ("season", "kind")),
    (0.8, ("colour", "gender")),
    (0.6, ("usage", "kind", "gender")),
    (2.0, ("pattern", "kind")),
    (2.0, ("material", "kind")),
    (2.0, ("colour", "pattern", "kind")),
    (2.0, ("colour", "material", "kind")),
    (1.0, ("colour", "pattern", "material", "kind", "gender")),
)
"""Which fields a phrase names, and how often among those the product has. Set by judgement: the wording that the issue
measures comes first."""

KIND_WEIGHTS = (6.0, 2.5, 1.5)
"""How often article, subcategory and category stand for what a thing is."""

_OWN_WORD_SHARE = 0.6
_DESCRIPTION_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and what it statements about the product it was made from."""

    text: str
    statement: LabelStatement


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a batch of products is captioned with; the shares are of its products.

    Beside phrases and the shop's own texts, every single value that a product of the batch carries is a caption: a
    query for a colour or a season alone has to work too, and such texts are few and short.
    """

    out_of_catalog: Sequence[str] = ()
    n_out_of_catalog: int = 0
    phrase_share: float = 0.7
    own_text_share: float = 0.4


def batch_captions(products: Sequence[LabelledProduct], mixture: Mixture, rng: random.Random) -> list[Caption]:
    """The captions of a batch, each text once."""
    captions: dict[str, Caption] = {}
    for product in products:
        written = list(single_values(product))
        if rng.random() < mixture.phrase_share:
            written += from_labels(product, rng)
        if rng.random() < mixture.own_text_share or not written:
            written += own_text(product, rng)
        for caption in written:
            captions.setdefault(caption.text.lower(), caption)
    out_of_catalog = rng.sample(mixture.out_of_catalog, min(mixture.n_out_of_catalog, len(mixture.out_of_catalog)))
    return [*captions.values(), *(Caption(text, NOTHING) for text in out_of_catalog)]


def phrase(fields: dict[str, str], *, possessive: bool = False) -> str:
    """Word labels in English order: ``casual navy striped linen shirt for men``."""
    order = ("season", "usage", "colour", "pattern", "material", "kind")
    words = [fields[field] for field in order if field in fields]
    gender = fields.get("gender")
    if gender and not words:
        return gender
    if gender:
        return " ".join([f"{gender}'s", *words] if possessive else [*words, "for", gender])
    return " ".join(words)


def single_values(product: LabelledProduct) -> Iterable[Caption]:
    """Every kind and every label by itself."""
    for name in product.names:
        yield Caption(name, (("kind", name),))
    for label in LABELS:
        if value := product.label(label):
            yield Caption(value, ((label, value),))


def own_text(product: LabelledProduct, rng: random.Random) -> list[Caption]:
    """The title or the description; none where the product has neither."""
    described = product.description and rng.random() < _DESCRIPTION_SHARE
    text = product.description if described else product.title
    return [Caption(text, (("text", text),))] if text else []


def from_labels(product: LabelledProduct, rng: random.Random) -> list[Caption]:
    """A phrase from some of the labels the product has, or its kind in other words; none where it has none."""
    possible = [(weight, fields) for weight, fields in PATTERNS if all(_has(product, field) for field in fields)]
    if product.kinds:
        possible.append((4.0, ("kind",)))
    if not possible:
        return []
    weights, patterns = zip(*possible, strict=True)
    fields = rng.choices(patterns, weights)[0]
    values = {field: product.label(field) for field in fields if field != "kind"}
    spoken = dict(values)
    if "kind" in fields:
        kind = rng.choices(product.kinds, KIND_WEIGHTS[: len(product.kinds)])[0]
        values["kind"] = kind
        spoken["kind"] = kind if rng.random() < _OWN_WORD_SHARE else rng.choice(wordings(kind))
    return [Caption(phrase(spoken, possessive=rng.random() < 0.2), tuple(values.items()))]


def _has(product: LabelledProduct, field: str) -> bool:
    return bool(product.kinds) if field == "kind" else bool(product.label(field))


PAD, START, END = "<pad>", "<start_of_text>", "<end_of_text>"
VOCABULARY_SIZE = 5000
"""Titles of fashion-train take 1.18 tokens a word, measured; 0.8 M of the model's parameters."""


def train_vocabulary(texts: Iterable[str], folder: Path, *, context_length: int, size: int = VOCABULARY_SIZE) -> int:
    """Learn a BPE of at most ``size`` tokens, write ``tokenizer.json`` and its configuration; return its exact size.

    Texts are lowercased and stripped of accents. The end token has the highest id, because open_clip's text tower
    pools at the highest id it sees.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1,
        min_frequency=2,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_configuration(folder, context_length)
    return int(tokenizer.get_vocab_size())


def _write_configuration(folder: Path, context_length: int) -> None:
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "pad_token": PAD,
        "bos_token": START,
        "eos_token": END,
    }
    write_json(folder / "tokenizer_config.json", configuration)


FIELDS = ("kind", "text", *LABELS)
_N_NAMES = 4
_N_TEXTS = 2
_ANYTHING = -1
_UNKNOWN = -2
_EMPTY = -3


class Facts:
    """Looks up, for a batch, which caption is true of which image.

    A caption that says ``Tshirts`` is true of every T-shirt in the batch, not just of the one it was written for, so a
    contrastive loss must not push the others away.
    """

    def __init__(self, products: Sequence[LabelledProduct]) -> None:
        self._ids: dict[str, int] = {}
        self._facts = torch.tensor([self._product_row(product) for product in products], dtype=torch.int32)

    def matches(self, indices: torch.Tensor, statements: Sequence[LabelStatement]) -> torch.Tensor:
        """Truth of each statement of each product; bool, shape (len(indices), len(statements)).

        ``indices`` are positions in the products that this was made from.
        """
        facts = self._facts[indices]  # (n, _N_NAMES + _N_TEXTS + labels)
        values = torch.tensor(
            [self._statement_row(statement) for statement in statements], dtype=torch.int32
        )  # (m, fields)
        names, texts = facts[:, :_N_NAMES], facts[:, _N_NAMES : _N_NAMES + _N_TEXTS]
        true = _any_equal(names, values[:, 0]) & _any_equal(texts, values[:, 1])
        for column in range(len(LABELS)):
            true &= _any_equal(facts[:, _N_NAMES + _N_TEXTS + column, None], values[:, 2 + column])
        return true  # (n, m)

    def _id(self, value: str, empty: int = _UNKNOWN) -> int:
        """A number for a value's key; an unknown fact and an empty statement have numbers that equal nothing else."""
        return self._ids.setdefault(key(value), len(self._ids)) if value else empty

    def _product_row(self, product: LabelledProduct) -> list[int]:
        names = [self._id(name) for name in product.names[:_N_NAMES]]
        names += [_UNKNOWN] * (_N_NAMES - len(names))
        texts = [self._id(product.title), self._id(product.description)]
        return names + texts + [self._id(product.label(label)) for label in LABELS]

    def _statement_row(self, statement: LabelStatement) -> list[int]:
        values = dict(statement)
        return [self._id(values[field], _EMPTY) if field in values else _ANYTHING for field in FIELDS]


def _any_equal(facts: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Whether any fact column equals the statement, or the statement asks for nothing; (n, c) and (m,) to (n, m)."""
    equal = (facts[:, :, None] == values[None, None, :]).any(dim=1)
    return equal | (values == _ANYTHING)[None, :]
