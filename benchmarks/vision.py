"""What the embedded reranker tells from an image alone, and where it points."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.catalogs import Figure
from recipes.encoder.corpus import LabelledRows, read_rows
from recipes.encoder.images import decode
from recipes.matcher.recipe import MatchEvaluator
from recipes.matcher.sources import MatchCorpus
from recipes.reranker.evaluation import NEAR, Evaluator, Truths, evaluate, judging
from recipes.reranker.grounding import read_grounding_data
from recipes.reranker.model import load
from recipes.reranker.statements import Round, draw_statements, same
from recipes.reranker.tasks import fields_of
from vitrina.search.encoders.base import Encoder
from vitrina.search.reranking.backends.model_folders import EMBEDDED_FOLDER
from vitrina.search.reranking.backends.onnx.loading import embedded_vlm
from vitrina.search.reranking.fusion import CARD_FILE, FusionWeights, probability, read_fusion_weights
from vitrina.search.reranking.matcher import MATCHER_FOLDER, Matcher
from vitrina.search.reranking.verdicts import status_of
from vitrina.search.types.requirement import Evidence, Status
from vitrina.tuning.reranker.validation import mean, mean_recall, same_base_colour

N_DRAWINGS = 500
DRAWING_SEED = 9000
"""The seed of drawings that nothing was trained on."""

BALANCED, AUC = "claims, balanced accuracy", "claims, AUC"
BLANK = "claims, AUC of a blank picture"

STATEMENTS: Mapping[str, Mapping[str, float]] = {
    "fashion-validation": {BALANCED: 0.93, "near misses, balanced accuracy": 0.90},
    "grocery-validation": {BALANCED: 0.85},
    "clothing-validation": {BALANCED: 0.85},
}
UNSEEN_AUC = 0.85
FIELDS = {"article": 0.86, "colour": 0.70, "gender": 0.82, "usage": 0.66}
BASE_COLOUR = 0.80
FLIPPED, SWAPPED = 0.93, 0.97
BOXES = 0.70
"""What is asked for."""

AT_CHANCE = 0.52
EVEN = 0.5

Asked = tuple[int, str]
"""The position of an image, and a statement about it."""


def measure_vision(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Statements about the images of validation files and of classes that nothing was learnt from, fields read off
    them, and boxes on drawings of a seed of their own."""
    judge = MatchEvaluator(Matcher.open(EMBEDDED_FOLDER / MATCHER_FOLDER, encoder, embedded_vlm().features))
    for source, bounds in STATEMENTS.items():
        rows = read_rows(data / f"{source}.parquet")
        features = judge.image_features([decode(image) for image in rows.images])
        figures = judging(judge, rows, features, random.Random(0))
        how = f"{source}, {len(rows.products):,} pictures, nothing but the picture"
        for name, bound in bounds.items():
            yield Figure(name, figures[name], bound, how=how)
        yield Figure(
            BLANK, figures[BLANK], AT_CHANCE, "at most", how=f"the same claims as of {source}, a white picture"
        )
        if source == "fashion-validation":
            yield from fields_read(judge, rows, features)
            yield from flipped(judge, rows, features)
    yield unseen_classes(judge, data)
    yield from boxes()


def unseen_classes(judge: MatchEvaluator, data: Path) -> Figure:
    """Statements about images of the classes that nothing was learnt from."""
    rows = MatchCorpus.open_sets(data).unseen
    features = judge.image_features([decode(image) for image in rows.images])
    figures = judging(judge, rows, features, random.Random(0))
    how = f"{len(rows.products):,} pictures of 25 classes that nothing was learnt from; balanced accuracy "
    return Figure(AUC, figures[AUC], UNSEEN_AUC, how=f"{how}{figures[BALANCED]:.3f}")


def fields_read(judge: MatchEvaluator, rows: LabelledRows, features: torch.Tensor) -> Iterator[Figure]:
    """How often a field's likeliest value is the label, of all values that the file has."""
    for field, bound in FIELDS.items():
        fields = [fields_of(product) for product in rows.products]
        labels = {at: some[field] for at, some in enumerate(fields) if field in some}
        values, right, shown = sorted(set(labels.values())), list(labels.values()), features[list(labels)]
        yes = np.stack([judge.judge(shown, [value] * len(shown)) for value in values], axis=1)
        read = [values[best] for best in yes.argmax(axis=1)]
        hits = [same(said, label) for said, label in zip(read, right, strict=True)]
        how = f"fashion-validation, {len(labels):,} pictures, the likeliest of {len(values)} values"
        if field in ("gender", "usage"):
            yield Figure(f"{field}, balanced accuracy", mean_recall(hits, right), bound, how=how)
        else:
            yield Figure(f"{field}, accuracy", mean(hits), bound, how=how)
        if field == "colour":
            base_colours = [same_base_colour(said, label) for said, label in zip(read, right, strict=True)]
            yield Figure("colour, family", mean(base_colours), BASE_COLOUR, how=how)


def flipped(judge: MatchEvaluator, rows: LabelledRows, features: torch.Tensor) -> Iterator[Figure]:
    """Of statements that a search calls met, how many it calls contradicted once one attribute or the image is another;
    and how often P(yes) falls from above one half to below it."""
    fusion_weights = read_fusion_weights(EMBEDDED_FOLDER / CARD_FILE) or FusionWeights()
    for name, pairs, bound, how in (
        ("one attribute flipped", flipped_statements(rows), FLIPPED, "the same picture, one value exchanged"),
        ("picture swapped", swapped_images(rows), SWAPPED, "the same claim, a picture of another product by chance"),
    ):
        before, after = (
            judge.judge(features[[place for place, _ in asked]], [statement for _, statement in asked])
            for asked in zip(*pairs, strict=True)
        )
        met, contradicted = (
            statuses(fusion_weights, before) == Status.MET,
            statuses(fusion_weights, after) == Status.CONTRADICTED,
        )
        above = before >= EVEN
        raw = (after[above] < EVEN).mean()
        told = f"{how}; of {met.sum():,} claims met; by P(yes) alone {raw:.3f} of {above.sum():,} above one half"
        yield Figure(f"verdict flips with {name}", float(contradicted[met].mean()), bound, how=told)


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


def boxes() -> Iterator[Figure]:
    """How well the vision-language model points at drawn things, articles and their parts."""
    with TemporaryDirectory() as folder:
        rows, places = read_grounding_data(Path(folder), N_DRAWINGS, lambda line: None, seed=DRAWING_SEED)
    figures = evaluate(Evaluator(*load(EMBEDDED_FOLDER)), rows, boxes=places).figures
    how = f"{N_DRAWINGS} rendered scenes"
    yield Figure("boxes, mean IoU", figures["boxes, mean IoU"], BOXES, how=f"{how}, articles and their parts")
    yield Figure("boxes of whole articles, mean IoU", figures["boxes of whole articles, mean IoU"], BOXES, how=how)
