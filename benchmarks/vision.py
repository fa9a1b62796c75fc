"""The embedded vision-language model by itself: what it tells from an image alone, beside a blank one."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.catalogs import Figure
from recipes.encoder.corpus import LabelledRows, read_rows
from recipes.encoder.images import decode
from recipes.reranker.evaluation import NEAR, Evaluator, Truths, evaluate
from recipes.reranker.grounding import read_grounding_data
from recipes.reranker.model import load
from recipes.reranker.statements import Round, draw_statements
from vitrina.search.encoders.base import Encoder
from vitrina.search.reranking.backends.transformers.loading import EMBEDDED_FOLDER
from vitrina.search.reranking.fusion import CARD_FILE, FusionWeights, probability, read_fusion_weights
from vitrina.search.reranking.verdicts import status_of
from vitrina.search.types.requirement import Evidence, Status

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


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
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
