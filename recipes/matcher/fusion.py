"""Fitting how the matcher and the vision-language model judge together: ``python -m recipes.matcher.fusion --data
FOLDER``."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import minimize

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.images import decode
from recipes.matcher.recipe import some_rows
from recipes.matcher.sources import UNSEEN, MatchCorpus
from recipes.reranker.evaluation import NEAR
from recipes.reranker.statements import Round, draw_statements
from vitrina.search.encoders.base import EMBEDDED
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.backends import RerankerOptions
from vitrina.search.reranking.backends.model_folders import EMBEDDED_FOLDER
from vitrina.search.reranking.backends.onnx.loading import load_exported
from vitrina.search.reranking.base import Deadline, JudgesPairs, Pair, RerankCandidate
from vitrina.search.reranking.fusion import logit
from vitrina.search.reranking.matcher import CARD_FILE, MATCHER_FOLDER, AnswerFusion, Matcher
from vitrina.search.types.requirement import Status
from vitrina.tuning.model_folder import write_json
from vitrina.tuning.reranker.validation import area_under_curve, balanced_accuracy

N_ROWS = 300
"""Of each source at the most."""

RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """What both say of the same statements about a source's held-out images: P(yes), float (n,), and the truth."""

    source: str
    matched: NDArray[np.float32]
    said: NDArray[np.float32]
    truths: NDArray[np.bool_]


def judged_pairs(rows: LabelledRows, matcher: Matcher, model: JudgesPairs) -> JudgedPairs:
    """Near misses and others, each as often true as false, judged by both. Blocks."""
    rng, shops = random.Random(1), [rows.source] * len(rows.products)
    drawn = [draw_statements(rows.products, shops, rng, rounds) for rounds in (NEAR, (Round(),) * len(NEAR))]
    asked = [(at, judged) for some in drawn for at, each in enumerate(some) for judged in each]
    candidates = [RerankCandidate(f"{rows.source} {at}", decode(image)) for at, image in enumerate(rows.images)]
    tokens = np.concatenate([matcher.image_tokens([decode(image)]) for image in rows.images])
    texts, owners = [judged.text for _, judged in asked], np.array([at for at, _ in asked], np.int64)
    starts = range(0, len(asked), 512)
    matched = [matcher.judge_pairs(tokens, texts[start : start + 512], owners[start : start + 512]) for start in starts]
    pairs: list[Pair] = [(candidates[at], judged.text) for at, judged in asked]
    said = [model.judge_pairs(pairs[start : start + 512], Deadline.within(600)) for start in starts]
    truths = np.array([judged.status is Status.MET for _, judged in asked])
    return JudgedPairs(rows.source, np.concatenate(matched), np.concatenate(said), truths)


def fit_answer_fusion(sources: Sequence[JudgedPairs]) -> AnswerFusion:
    """The logistic regression of the truth on both logits; every source counts the same."""
    features = np.concatenate([np.stack([logit(each.matched), logit(each.said)], axis=1) for each in sources])
    truths = np.concatenate([each.truths for each in sources])
    weights = np.concatenate([np.full(len(each.truths), 1 / len(each.truths)) for each in sources]) / len(sources)

    def loss(given: NDArray[np.float64]) -> float:
        logits = features @ given[:2] + given[2]
        return float(weights @ np.logaddexp(0, np.where(truths, -logits, logits)) + RIDGE * given @ given)

    found = minimize(loss, np.array([1.0, 0.0, 0.0]), bounds=[(0, None), (0, None), (None, None)]).x
    return AnswerFusion(*(round(float(each), 4) for each in found))


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    work: Annotated[Path, typer.Option(help="The working folder of the matcher's recipe.")] = Path("build/matcher"),
    folder: Annotated[Path, typer.Option(help="The matcher's folder, whose card takes the answer_fusion.")] = (
        EMBEDDED_FOLDER / MATCHER_FOLDER
    ),
) -> None:
    """Fit on rows held out from training; what it gives in each source is that of a fit to the others."""
    matcher = Matcher.open(folder, load_encoder(EMBEDDED).encode_texts, n_threads=2)
    judged = []
    with load_exported(EMBEDDED, EMBEDDED_FOLDER, RerankerOptions()) as model:
        for part in MatchCorpus.read(data, work, typer.echo).held_out:
            judged.append(judged_pairs(some_rows(part, N_ROWS), matcher, model))
            typer.echo(f"{part.source}: {len(judged[-1].truths)} statements")
    learnt = [each for each in judged if each.source != UNSEEN and len(each.truths)]
    for each in judged:
        others = fit_answer_fusion([other for other in learnt if other.source != each.source])
        typer.echo(line(each, others))
    answer_fusion = fit_answer_fusion(learnt)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    write_json(folder / CARD_FILE, card | {"answer_fusion": asdict(answer_fusion)})
    typer.echo(str(answer_fusion))


def line(judged: JudgedPairs, answer_fusion: AnswerFusion) -> str:
    """Balanced accuracy and AUC of each, and of both."""
    told = {
        "matcher": judged.matched,
        "model": judged.said,
        "both": answer_fusion(judged.matched, judged.said),
    }
    figures = (
        f"{name} {balanced_accuracy(yes, judged.truths):.3f} / {area_under_curve(yes, judged.truths):.3f}"
        for name, yes in ((name, yes.astype(np.float64)) for name, yes in told.items())
    )
    return f"{judged.source}: {', '.join(figures)}"


if __name__ == "__main__":
    typer.run(main)
