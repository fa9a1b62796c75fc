"""The embedded vision-language model by itself: what it tells from an image alone, and its explanations."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.catalogs import Figure, Indexed, indexed, labelled_items
from recipes.encoder.corpus import LabelledRows, read_rows
from recipes.encoder.images import decode
from recipes.reranker.evaluation import NEAR, Evaluator, Truths, evaluate
from recipes.reranker.grounding import read_grounding_data
from recipes.reranker.model import load
from recipes.reranker.statements import Round, draw_statements
from vitrina.evaluation.judged_search import MEASURING_DEADLINE_S
from vitrina.evaluation.judgements import sample_queries
from vitrina.evaluation.label_queries import QueryTemplate, label_queries
from vitrina.search.analysis.spelling import key, split
from vitrina.search.encoders.base import Encoder
from vitrina.search.reranking.backends.model_folders import EMBEDDED, EMBEDDED_FOLDER
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.catalog_evidence import CatalogEvidence
from vitrina.search.reranking.fusion import CARD_FILE, FusionWeights, probability, read_fusion_weights
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.reranking.verdicts import status_of
from vitrina.search.types.answer import Hit
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import Item
from vitrina.search.types.query import MAX_EXPLAIN_MS, Query, RerankOptions
from vitrina.search.types.requirement import Author, Evidence, Status, Verdict

_CLAUSES = re.compile(r"[.;]+(?:\s|$)")
_WISH = re.compile(r"\b(?:did|do) not want\b[^,]*$")
_REPORT = re.compile(r"\blisting says\b[^,]*$|\bin the photo it looks\b[^,]*$|\bphoto (?:looks|does not look)\b[^,]*$")
_OPEN = re.compile(
    r"\bwhether\b|\bcannot be told\b|\bleave open\b|\bbut the photo does not look\b"
    r"|\bin doubt\b|\bas to\b|\bmay\b|\bunclear\b|\bunknown\b"
)
_DENIED = re.compile(r"\b(?:not|no|never|without|isn't|doesn't|nor)\b(?:(?!\bbut\b)[^,])*$")


class Stance(StrEnum):
    """What a text says of a value that it names."""

    SO = "so"
    NOT_SO = "not so"
    OPEN = "open"
    REPORTED = "reported"
    """As what listing or photo say, or as the shopper's wish."""


@dataclass(frozen=True, slots=True)
class Named:
    """A value in a text, in the spelling that was looked for."""

    value: str
    stance: Stance


def values_named(text: str, values: Sequence[str]) -> Iterator[Named]:
    """Every mention of these values, the longest where one is part of another; of several spellings of one value the
    last given."""
    spelt = {key(split(value)): value for value in values}
    longest = max((len(split(value)) for value in values), default=0)
    for clause in _CLAUSES.split(text):
        words = [(match.start(), match.group()) for match in re.finditer(r"[\w'-]+", clause)]
        at = 0
        while at < len(words):
            n_words, value = _longest(words, at, spelt, longest)
            if value is not None:
                yield Named(value, stance_in(clause, words[at][0]))
            at += n_words


def stance_in(clause: str, start: int) -> Stance:
    """What a clause says of the word that starts there."""
    before = clause[:start].lower()
    if _WISH.search(before) or _REPORT.search(before):
        return Stance.REPORTED
    if _OPEN.search(clause.lower()):
        return Stance.OPEN
    return Stance.NOT_SO if _DENIED.search(before) else Stance.SO


def _longest(words: list[tuple[int, str]], at: int, spelt: dict[str, str], longest: int) -> tuple[int, str | None]:
    for n_words in range(min(longest, len(words) - at), 0, -1):
        value = spelt.get(key(split(" ".join(word for _, word in words[at : at + n_words]))))
        if value is not None:
            return n_words, value
    return 1, None


TEMPLATES = (
    "{colour} {article} for {gender}",
    "{colour} {article}",
    "{usage} {article} for {gender}",
    "{season} {colour} {article}",
)
N_QUERIES = 15
"""Of each template, drawn from those that at least one product answers; what else is found is not all that was asked,
so that there is something to deny."""

FIELDS = ("article", "subcategory", "category", "colour", "gender", "usage", "season")

HALLUCINATED, COVERED, AGREEING = 0.05, 0.95, 0.99


@dataclass(frozen=True, slots=True)
class Read:
    """One explanation, parsed: which values that it asserts are false of the product, which requirements it names, and
    for which of those it agrees with the verdict."""

    false: tuple[bool, ...]
    named: tuple[bool, ...]
    agreeing: tuple[bool, ...]
    is_models: bool


def measure_explanations(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``: as shops have it, and with the catalog's fields hidden from the reranker."""
    with indexed(encoder, data / "fashion-validation.parquet") as catalog:
        for listings, how in ((True, "listings and pictures"), (False, "pictures alone, listings hidden")):
            yield from figures(list(explanations(catalog, listings=listings)), how)


def figures(found: Sequence[Read], how: str) -> Iterator[Figure]:
    false = [each for read in found for each in read.false]
    named = [each for read in found for each in read.named]
    agreeing = [each for read in found for each in read.agreeing]
    by_model = np.mean([read.is_models for read in found])
    told = f"fashion-validation, {how}; {len(found)} explanations, {by_model:.0%} in the model's own words"
    yield Figure("hallucinated attributes (CHAIR-i)", np.mean(false).item(), HALLUCINATED, "at most", how=told)
    yield Figure("requirements that explanations name", np.mean(named).item(), COVERED, how=told)
    yield Figure("verdict and sentence agree", np.mean(agreeing).item(), AGREEING, how=told)


def explanations(catalog: Indexed, *, listings: bool) -> Iterator[Read]:
    """The first five hits of every query, explained, and read again."""
    items = {item.sku: item for item in labelled_items(catalog.rows)}
    values = {value for item in items.values() for field in FIELDS for value in CatalogEvidence(item).values(field)}
    queries = sample_queries(
        label_queries(items.values(), [QueryTemplate(name) for name in TEMPLATES], 1), N_QUERIES, seed=0
    )
    budget = RerankOptions(explain_ms=MAX_EXPLAIN_MS)
    reranker = load_reranker(EMBEDDED, device="cpu")
    with RerankPipeline.open(catalog.store, reranker, uses_catalog=listings, deadline_s=MEASURING_DEADLINE_S) as stage:
        engine = catalog.engine.with_reranker(stage)
        for query in queries:
            for hit in engine.search(Query(query.text), budget).hits[: budget.explain]:
                yield read(hit, items[hit.stored.item.sku], values)


def read(hit: Hit, item: Item, values: set[str]) -> Read:
    """Hold an explained hit against its verdicts and against the product's labels."""
    assert hit.explanation is not None
    asked = {verdict.requirement.words: verdict for verdict in hit.verdicts}
    mentions = list(values_named(hit.explanation.text, [*sorted(values), *asked]))
    return Read(
        false=tuple(
            not is_true(item, each.value, asked.get(each.value)) for each in mentions if each.stance is Stance.SO
        ),
        named=tuple(any(each.value == words for each in mentions) for words in asked),
        agreeing=tuple(
            any(each.stance in stances_of(asked[each.value]) for each in mentions if each.value == words)
            for words in asked
            if any(each.value == words for each in mentions)
        ),
        is_models=hit.explanation.written_by is Author.MODEL,
    )


def is_true(item: Item, value: str, verdict: Verdict | None) -> bool:
    """Whether the product's labels bear out what an explanation says of it."""
    if verdict is not None:
        return CatalogEvidence(item).on(verdict.requirement).logit > 0
    return facet_value(value) in {held for field in FIELDS for held in CatalogEvidence(item).values(field)}


def stances_of(verdict: Verdict) -> tuple[Stance, ...]:
    """How a text may speak of a requirement's words, its verdict being what it is."""
    if verdict.disagreement:
        return (Stance.OPEN, Stance.REPORTED)
    if verdict.status is Status.UNKNOWN:
        return (Stance.OPEN,)
    return (Stance.SO,) if (verdict.status is Status.MET) is verdict.requirement.wanted else (Stance.NOT_SO,)


N_DRAWINGS = 500
DRAWING_SEED = 9000
"""The seed of drawings that nothing was trained on."""

FASHION: Mapping[str, float] = {
    "claims, balanced accuracy": 0.88,
    "article, accuracy": 0.82,
    "colour, accuracy": 0.66,
    "colour, family": 0.78,
    "gender, balanced accuracy": 0.70,
    "usage, balanced accuracy": 0.50,
}
"""What issue 4 asks for."""

BLANK = "claims, AUC of a blank picture"
AT_CHANCE = 0.52
BOXES = 0.6
FLIPPED = 0.9
EVEN = 0.5

Asked = tuple[int, str]
"""The position of an image, and a statement about it."""


def measure_vision(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, and boxes on drawings of a seed of their own."""
    evaluator = Evaluator(*load(EMBEDDED_FOLDER))
    rows = read_rows(data / "fashion-validation.parquet")
    report = evaluate(evaluator, rows)
    how = f"fashion-validation, {report.n_rows:,} pictures, nothing but the picture"
    for name, bound in FASHION.items():
        yield Figure(f"VLM, {name}", report.figures[name], bound, how=how)
    yield Figure(f"VLM, {BLANK}", report.figures[BLANK], AT_CHANCE, "at most", how="the same claims, a white picture")
    yield from flipped(evaluator, rows)
    yield from boxes(evaluator)


def flipped(evaluator: Evaluator, rows: LabelledRows) -> Iterator[Figure]:
    """Of statements that a search calls met, how many it calls contradicted once one attribute or the image is another;
    and how often P(yes) falls from above one half to below it."""
    fusion_weights = read_fusion_weights(EMBEDDED_FOLDER / CARD_FILE) or FusionWeights()
    features = evaluator.image_features([decode(image) for image in rows.images])
    for name, pairs, how in (
        ("one attribute flipped", flipped_statements(rows), "the same picture, one value of the claim exchanged"),
        ("picture swapped", swapped_images(rows), "the same claim, a picture of another product, drawn by chance"),
    ):
        before, after = (
            evaluator.judge(features[[place for place, _ in asked]], [statement for _, statement in asked])
            for asked in zip(*pairs, strict=True)
        )
        met, contradicted = (
            statuses(fusion_weights, before) == Status.MET,
            statuses(fusion_weights, after) == Status.CONTRADICTED,
        )
        above = before >= EVEN
        raw = (after[above] < EVEN).mean()
        told = f"{how}; of {met.sum():,} claims met; by P(yes) alone {raw:.3f} of {above.sum():,} above one half"
        yield Figure(f"VLM, verdict flips with {name}", float(contradicted[met].mean()), FLIPPED, how=told)


def statuses(fusion_weights: FusionWeights, yes: Truths) -> NDArray[np.str_]:
    """A search's verdicts on statements by the image alone, from P(yes), shape (n,)."""
    probabilities = probability(fusion_weights.image_logit(yes))
    return np.array([status_of(float(each), Evidence.IMAGE) for each in probabilities])


def flipped_statements(rows: LabelledRows) -> list[tuple[Asked, Asked]]:
    """A true statement about an image, and one that another product of its kind makes false in a single field."""
    statements = draw_statements(rows.products, [rows.source] * len(rows.products), random.Random(0), NEAR)
    return [
        ((place, true.text), (place, false.text))
        for place, some in enumerate(statements)
        for true, false in zip(some[::2], some[1::2], strict=True)
    ]


def swapped_images(rows: LabelledRows) -> list[tuple[Asked, Asked]]:
    """A true statement about an image, and the same about an image of which it is false."""
    statements = draw_statements(rows.products, [rows.source] * len(rows.products), random.Random(0), (Round(),))
    false_of: dict[str, list[int]] = defaultdict(list)
    for place, some in enumerate(statements):
        for judged in some[1::2]:
            false_of[judged.text].append(place)
    return [
        ((place, judged.text), (false_of[judged.text].pop(), judged.text))
        for place, some in enumerate(statements)
        for judged in some[::2]
    ]


def boxes(evaluator: Evaluator) -> Iterator[Figure]:
    """How well drawn things are pointed at, articles and their parts, in drawings of a seed of their own."""
    with TemporaryDirectory() as folder:
        rows, places = read_grounding_data(Path(folder), N_DRAWINGS, lambda line: None, seed=DRAWING_SEED)
    figures = evaluate(evaluator, rows, boxes=places).figures
    how = f"{N_DRAWINGS} rendered scenes"
    yield Figure("VLM, boxes, mean IoU", figures["boxes, mean IoU"], BOXES, how=f"{how}, articles and their parts")
    whole = figures["boxes of whole articles, mean IoU"]
    yield Figure("VLM, boxes of whole articles, mean IoU", whole, BOXES, how=how)
