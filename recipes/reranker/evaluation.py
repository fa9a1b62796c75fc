"""Evaluation: how well the model judges, reads, localizes and explains, by the image alone."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.evaluation import Report
from recipes.encoder.images import decode
from recipes.encoder.labels import LabelledProduct
from recipes.reranker.grounding import Boxes, read_box
from recipes.reranker.statements import JudgedStatement, Round, draw_statements, same
from recipes.reranker.tasks import Lexicon, draw_verdicts, fields_of
from vitrina.search.reranking.backends.dialects import AnswerTokens
from vitrina.search.reranking.explanations.templates import fact
from vitrina.search.reranking.prompts import explanation_prompt, field_prompt, localization_prompt, question
from vitrina.search.types.requirement import Status
from vitrina.tuning.reranker.validation import area_under_curve, balanced_accuracy, mean, mean_recall, same_base_colour

Truths = NDArray[np.float64]

_BATCH = 256


class Judge(Protocol):
    """Says whether statements are true of images."""

    def image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Features of each image, (n, ...)."""

    def judge(self, features: torch.Tensor, statements: Sequence[str]) -> Truths:
        """P(yes) of each statement about the image at the same position, shape (n,)."""


class Evaluator:
    """A model and its processor, that encodes each image once and is then asked about it.

    ``model`` may be any that ``AutoModelForImageTextToText`` loads from the recipe's folder, on the CPU.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model.eval()
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._answers = AnswerTokens.of(self._tokenizer)
        self._rendered = lru_cache(maxsize=100_000)(self._render)  # the template takes a millisecond

    @torch.inference_mode()
    def image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Features of each image, (n, image tokens, width)."""
        parts = []
        for start in range(0, len(images), _BATCH):
            pixels = self._processor.image_processor(list(images[start : start + _BATCH]), return_tensors="pt")
            parts.append(self._model.get_image_features(pixels["pixel_values"], return_dict=True).pooler_output)
        return torch.cat(parts)

    @torch.inference_mode()
    def judge(self, features: torch.Tensor, statements: Sequence[str]) -> Truths:
        """P(yes) of each statement about the image at the same position, shape (n,)."""
        order = sorted(range(len(statements)), key=lambda at: len(statements[at]))
        probabilities = np.empty(len(statements))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            inputs = self._inputs([question(statements[row]) for row in rows], features[rows])
            logits = self._model(**inputs, use_cache=False, logits_to_keep=1).logits[:, -1]
            probabilities[rows] = self._answers.probability(logits).numpy()
        return probabilities

    @torch.inference_mode()
    def answer(self, features: torch.Tensor, prompts: Sequence[str], max_tokens: int = 12) -> list[str]:
        """The model's greedy answer to each prompt about the image at the same position."""
        answers: list[str] = []
        for start in range(0, len(prompts), _BATCH):
            rows = slice(start, start + _BATCH)
            inputs = self._inputs(prompts[rows], features[rows])
            written = self._model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
            answers += self._tokenizer.batch_decode(
                written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
        return answers

    def _inputs(self, prompts: Sequence[str], features: torch.Tensor) -> dict[str, Any]:
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        texts = [self._rendered(prompt, features.shape[1]) for prompt in prompts]
        inputs = dict(self._tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False))
        inputs.pop("token_type_ids", None)
        return {**inputs, "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)}}

    def _render(self, prompt: str, n_image_tokens: int) -> str:
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        text: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return text.replace(self._processor.image_token, self._processor.image_token * n_image_tokens)


NEAR = (Round("colour", ("kind", "gender")), Round("kind", ("colour", "gender")), Round("gender", ("kind", "colour")))
"""Rounds of near misses; there are as many of other statements."""

FIELDS = ("article", "colour", "gender", "usage", "season", "pattern", "material")
BALANCED = ("gender", "usage", "season")

MAX_SENTENCE_TOKENS = 120
N_EXPLANATIONS = 200

_STOP_WORDS = {
    "a", "and", "as", "asked", "be", "but", "cannot", "did", "doubt", "fits", "for", "in", "is", "it", "listing",
    "are", "by", "filed", "like", "made", "match", "matches", "mentions", "more", "of", "probably", "size", "tell",
    "tells", "than", "these", "they", "this", "under", "use", "does", "has", "comes", "open", "leave", "neither", "nor",
    "looks", "not", "nothing", "photo", "says", "shows", "so", "the", "to", "told", "want", "whether", "which", "with",
    "you",
}  # fmt: skip
"""Words of sentences and facts that do not count as values, though some values contain them."""


def evaluate(evaluator: Evaluator, rows: LabelledRows, *, boxes: Boxes | None = None, seed: int = 0) -> Report:
    """Every measure for which some rows have labels. ``boxes`` are those of
    drawn rows. Blocks."""
    features = evaluator.image_features([decode(image) for image in rows.images])
    figures = judging(evaluator, rows, features, random.Random(seed))
    for field in FIELDS:
        figures |= _reading(evaluator, rows.products, features, field)
    if boxes:
        figures |= _localization(evaluator, rows.products, features, boxes)
    return Report(len(rows.products), figures)


def explaining(
    evaluator: Evaluator, lexicon: Lexicon, *, n: int = N_EXPLANATIONS, seed: int = 0
) -> Mapping[str, float]:
    """Explanations of made-up verdicts, over a blank image, which must not matter: the share that names only values of
    their facts, and the share of the requirements that they name."""
    rng = random.Random(seed)
    drawn = [draw_verdicts(lexicon, rng) for _ in range(n)]
    facts = [[fact(verdict) for verdict in verdicts] for verdicts in drawn]
    written = evaluator.answer(_blank(evaluator, n), [explanation_prompt(some) for some in facts], MAX_SENTENCE_TOKENS)
    known = (
        frozenset(word for values in lexicon.values.values() for value in values for word in _words(value))
        - _STOP_WORDS
    )
    supported = [
        _mentions(sentence, known) <= _mentions(" ".join(some), known)
        for sentence, some in zip(written, facts, strict=True)
    ]
    named = [
        verdict.requirement.words in sentence.lower()
        for sentence, verdicts in zip(written, drawn, strict=True)
        for verdict in verdicts
    ]
    return {"explanations, all mentions supported": mean(supported), "explanations, requirements named": mean(named)}


def judging(evaluator: Judge, rows: LabelledRows, features: torch.Tensor, rng: random.Random) -> dict[str, float]:
    """Statements that are as often true as false, half of the false ones nearly true; and the same of a blank image."""
    shops = [rows.source] * len(rows.products)
    near = draw_statements(rows.products, shops, rng, NEAR)
    far = draw_statements(rows.products, shops, rng, (Round(),) * len(NEAR))
    asked = [(at, judged) for statements in (near, far) for at, some in enumerate(statements) for judged in some]
    if not asked:
        return {}
    asked_features = features[[at for at, _ in asked]]
    texts = [judged.text for _, judged in asked]
    truth = np.array([judged.status is Status.MET for _, judged in asked])
    is_near = np.arange(len(asked)) < sum(map(len, near))
    probabilities = evaluator.judge(asked_features, texts)
    figures = {
        "claims, balanced accuracy": balanced_accuracy(probabilities, truth),
        "claims, AUC": area_under_curve(probabilities, truth),
        "claims, AUC of a blank picture": area_under_curve(_judge_blindly(evaluator, texts), truth),
    }
    if is_near.any():
        figures["near misses, balanced accuracy"] = balanced_accuracy(probabilities[is_near], truth[is_near])
    return figures | _whole_and_parts(evaluator, asked_features, [judged for _, judged in asked], probabilities)


def _whole_and_parts(
    evaluator: Judge, asked_features: torch.Tensor, asked: Sequence[JudgedStatement], whole: NDArray[np.float64]
) -> dict[str, float]:
    """Whether a phrase of three values is better asked as a whole, or as the product of its values asked one by one."""
    rows = [row for row, judged in enumerate(asked) if len(judged.statement) == 3]
    if not rows:
        return {}
    texts = [value for row in rows for _, value in asked[row].statement]
    parts = evaluator.judge(asked_features[[row for row in rows for _ in range(3)]], texts).reshape(-1, 3).prod(axis=1)
    truth = np.array([asked[row].status is Status.MET for row in rows])
    return {
        "phrases of three, AUC as a whole": area_under_curve(whole[rows], truth),
        "phrases of three, AUC in parts": area_under_curve(parts, truth),
        "phrases of three, AUC of both": area_under_curve(parts * whole[rows], truth),
    }


def _reading(
    evaluator: Evaluator, products: Sequence[LabelledProduct], features: torch.Tensor, field: str
) -> dict[str, float]:
    """How often a label is read off the image, by greedy decoding over the whole vocabulary."""
    labels = {at: fields_of(product)[field] for at, product in enumerate(products) if field in fields_of(product)}
    if len(set(labels.values())) < 2:
        return {}
    rows, right = list(labels), list(labels.values())
    read = [answer.strip() for answer in evaluator.answer(features[rows], [field_prompt(field)] * len(rows))]
    hits = [same(said, label) for said, label in zip(read, right, strict=True)]
    figures = {f"{field}, accuracy": mean(hits)}
    if field in BALANCED:
        figures[f"{field}, balanced accuracy"] = mean_recall(hits, right)
    if field == "colour":
        figures["colour, family"] = mean(
            [same_base_colour(said, label) for said, label in zip(read, right, strict=True)]
        )
    return figures


def _localization(
    evaluator: Evaluator, products: Sequence[LabelledProduct], features: torch.Tensor, boxes: Boxes
) -> dict[str, float]:
    """Mean overlap of the boxes of drawn things, whole articles and their parts; none given counts as none."""
    asked = [(at, name, box) for at, product in enumerate(products) for name, box in boxes[product.sku].items()]
    rows = [at for at, _, _ in asked]
    written = evaluator.answer(features[rows], [localization_prompt(name) for _, name, _ in asked])
    given = [read_box(text) for text in written]
    overlaps = [box.overlap(found) if found else 0.0 for (_, _, box), found in zip(asked, given, strict=True)]
    whole = [value for (at, name, _), value in zip(asked, overlaps, strict=True) if name == products[at].kinds[0]]
    return {"boxes, mean IoU": mean(overlaps), "boxes of whole articles, mean IoU": mean(whole)}


def _judge_blindly(evaluator: Judge, texts: Sequence[str]) -> NDArray[np.float64]:
    """P(yes) of each statement about a blank image; each text is judged once."""
    once = sorted(set(texts))
    places = {text: at for at, text in enumerate(once)}
    judged: NDArray[np.float64] = evaluator.judge(_blank(evaluator, len(once)), once)[[places[text] for text in texts]]
    return judged


def _blank(evaluator: Judge, n: int) -> torch.Tensor:
    return evaluator.image_features([Image.new("RGB", (64, 80), "white")]).expand(n, -1, -1)


def _mentions(text: str, known: Collection[str]) -> set[str]:
    """The words of a text that are words of known values."""
    return {word for word in _words(text) if word in known}


def _words(text: str) -> list[str]:
    return "".join(character if character.isalnum() else " " for character in text.lower()).split()
