"""Fitting a blend: how much a reranker's answers count, from queries whose answers are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from vitrina.evaluation.calibration import RIDGE, Example, key_of, log_loss, split_half, targets
from vitrina.evaluation.metrics import measure
from vitrina.search.reranking.base import CandidateImages, Deadline, Probabilities, Reranker
from vitrina.search.reranking.catalog_evidence import CatalogEvidence
from vitrina.search.reranking.fusion import FusionWeights, logit, probability
from vitrina.search.reranking.statements import Statements, statements_of
from vitrina.search.retrieval.engine import SearchEngine
from vitrina.search.store.images import ImageStore
from vitrina.search.types.item import Item
from vitrina.search.types.query import UNHURRIED_S
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.parser import requirements_of

Array = NDArray[np.float64]

DEPTH = 20
"""Candidates looked at of each query, as many as a search looks at by default."""

FREE_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""How much requirements may count that the catalog has no values for; the first where it makes no difference."""

MIN_QUERIES = 20
"""Queries without which nothing is fitted."""


@dataclass(frozen=True, slots=True)
class FusionSample:
    """One query's n best hits as retrieval left them and as a reranker sees them, with its m requirements.

    ``key`` is the same for the same query on any catalog. ``scores`` (n,) are the retrieval's, best first; ``whole``
    (n,) and ``parts`` (n, m) are P(yes) of the phrase and of each requirement, NaN where it was not asked. ``wanted``
    (m,) says which are wanted, and ``is_free`` (m,) for which the catalog has no values; ``truth`` (n, m) is 1 where a
    requirement's words are true of the product, 0 where they are not, NaN where nobody knows. ``relevant`` (n,) says
    which hits are right.
    """

    key: str
    scores: Array
    whole: Array
    parts: Array
    wanted: NDArray[np.bool_]
    is_free: NDArray[np.bool_]
    truth: Array
    relevant: NDArray[np.bool_]


def fusion_samples(
    engine: SearchEngine,
    images: ImageStore,
    reranker: Reranker,
    examples: Iterable[Example],
    facts: Mapping[str, Item] | None = None,
) -> Iterator[FusionSample]:
    """Have a reranker look at the best hits of each example's words. Blocks, on the GPU where the reranker has one.

    ``facts`` say by sku what is true of the products, where the catalog itself does not. Queries that ask for nothing
    that shows, and those whose hits have no opened, are left out. Raises what ``SearchEngine.search`` raises, and
    RerankerError.
    """
    vocabulary = engine.vocabulary.current()
    for example in examples:
        requirements = requirements_of(example.query, vocabulary)
        statements = statements_of(example.query, requirements)
        opened = CandidateImages(images, reranker.capabilities.image_side_px)
        found = engine.search(replace(example.query, limit=DEPTH, offset=0)).hits
        seen = [(hit, candidate) for hit in found if (candidate := opened.candidate(hit.stored))]
        if not statements.asked or not seen:
            continue
        yes = reranker.judge([candidate for _, candidate in seen], statements.asked, Deadline.within(UNHURRIED_S))
        items = [(facts or {}).get(hit.stored.item.sku, hit.stored.item) for hit, _ in seen]
        yield FusionSample(
            key=key_of(example.query),
            scores=np.array([hit.score for hit, _ in seen]),
            whole=of_statement(yes, statements, statements.whole),
            parts=np.stack(
                [of_statement(yes, statements, statements.of.get(each, "")) for each in requirements], axis=1
            ),
            wanted=np.array([each.wanted for each in requirements]),
            is_free=np.array([each.is_free for each in requirements]),
            truth=np.array([[truth_of(item, each) for each in requirements] for item in items]),
            relevant=np.array([item.sku in example.relevant for item in items]),
        )


def of_statement(yes: Probabilities, statements: Statements, statement: str) -> Array:
    """P(yes) of one claim, shape (n,); NaN where it was not asked."""
    if statement not in statements.asked:
        return np.full(len(yes), np.nan)
    return yes[:, statements.asked.index(statement)].astype(np.float64)


def truth_of(item: Item, requirement: Requirement) -> float:
    """1 where an item's field has what a requirement's words name, 0 where it has something else, NaN where no field
    says."""
    if requirement.is_free or not CatalogEvidence(item).values(requirement.field):
        return np.nan
    return float(CatalogEvidence(item).on(requirement).logit > 0)


def fit_measured_fusion(candidates: Sequence[FusionSample], where: str) -> FusionWeights:
    """A blend fitted to all the looks, whose ``source`` says what one fitted to half of them did for the other half.
    Raises ValueError for fewer than ``MIN_QUERIES``."""
    fitted, others = split_half(candidates)
    source = f"{len(candidates):,} queries on {where}"
    if len(fitted) >= MIN_QUERIES and others:
        measured = rerank_lift(fit_fusion(fitted), others)
        source += (
            f"; fitted to one half, nDCG@10 among the {DEPTH} best of {measured.n_queries} others went from "
            f"{measured.before:.3f} to {measured.after:.3f}"
        )
    return fit_fusion(candidates, source)


def fit_fusion(candidates: Sequence[FusionSample], source: str = "") -> FusionWeights:
    """The likeliest blend: P(yes) made comparable by Platt's method on single requirements, then the weights that put
    right hits before wrong ones, retrieval's being 1.

    Catalogs' fields have no part in it: the reranker is weighed by what it sees. Raises ValueError for fewer than
    ``MIN_QUERIES``.
    """
    if len(candidates) < MIN_QUERIES:
        raise ValueError(f"{len(candidates)} queries are too few to fit a blend to; it takes {MIN_QUERIES}")
    platt = replace(fit_platt(candidates), source=source)
    tried = [replace(platt, free=free) for free in FREE_SHARES]
    found = [fit_weights([(fusion_features(each, query), query.relevant) for query in candidates]) for each in tried]
    fusion_weights, (_, (retrieval, whole, parts)) = min(
        zip(tried, found, strict=True), key=lambda fitted: fitted[1][0]
    )
    if retrieval <= 0:
        return replace(fusion_weights, retrieval=0.0, whole=rounded(whole), parts=rounded(parts))
    return replace(fusion_weights, whole=rounded(whole / retrieval), parts=rounded(parts / retrieval))


def fit_platt(candidates: Sequence[FusionSample]) -> FusionWeights:
    """A blend whose slope and intercept make P(yes) true (Platt 1999): fitted to every requirement whose truth is
    known."""
    asked = np.concatenate([each.parts.ravel() for each in candidates])
    truth = np.concatenate([each.truth.ravel() for each in candidates])
    known = ~np.isnan(asked) & ~np.isnan(truth)
    if not known.any() or np.ptp(truth[known]) == 0:
        return FusionWeights()
    columns = np.column_stack([np.ones(known.sum()), logit(asked[known])])
    solution = minimize(
        log_loss,
        np.array([0.0, 1.0]),
        (columns, targets(truth[known] > 0)),
        method="L-BFGS-B",
        jac=True,
        bounds=[(None, None), (0.0, None)],
    )
    intercept, slope = map(rounded, solution.x)
    return FusionWeights(slope=slope, intercept=intercept)


def fusion_features(fusion_weights: FusionWeights, candidates: FusionSample) -> Array:
    """What a blend's weights are for, of each hit, shape (n, 3), catalogs' fields left out."""
    return fusion_weights.evidence(
        candidates.scores, candidates.whole, met_by_images(fusion_weights, candidates), candidates.is_free
    )


def met_by_images(fusion_weights: FusionWeights, candidates: FusionSample) -> Array:
    """How probable each requirement is by the look alone, shape (n, m)."""
    shown = fusion_weights.image_logit(candidates.parts)
    return np.nan_to_num(probability(np.where(candidates.wanted, shown, -shown)), nan=0.5)


def fit_weights(queries: Sequence[tuple[Array, NDArray[np.bool_]]]) -> tuple[float, Array]:
    """The least loss, and the weights, none below 0, that put right hits before wrong ones in the logistic sense
    (RankNet, Burges et al. 2005), each query counting the same. ``queries`` are evidence and relevance."""
    apart = [differences(found, relevant) for found, relevant in queries if relevant.any() and not relevant.all()]
    if not apart:
        return 0.0, np.array([1.0, 0.0, 0.0])
    pairs = np.concatenate(apart)
    shares = np.concatenate([np.full(len(each), 1 / len(each) / len(apart)) for each in apart])

    def loss(weights: Array) -> tuple[float, Array]:
        margins = pairs @ weights
        pull = RIDGE * weights
        wrong = 1 / (1 + np.exp(margins))
        return float(shares @ np.logaddexp(0, -margins) + pull @ weights / 2), -pairs.T @ (shares * wrong) + pull

    start = np.array([1.0, 0.1, 0.1])
    solution = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=[(0.0, None)] * 3)
    return float(solution.fun), np.asarray(solution.x)


def differences(found: Array, relevant: NDArray[np.bool_]) -> Array:
    """The evidence of each right hit less that of each wrong one, shape (pairs, 3)."""
    return np.asarray((found[relevant][:, None] - found[~relevant][None]).reshape(-1, found.shape[1]))


def rounded(number: float) -> float:
    return round(float(number), 4)


@dataclass(frozen=True, slots=True)
class RerankLift:
    """How well the ``DEPTH`` best hits are ordered, by retrieval alone and by a blend: nDCG@10 among these hits, the
    mean over queries that have something right among them."""

    n_queries: int
    before: float
    after: float


def rerank_lift(fusion_weights: FusionWeights, candidates: Sequence[FusionSample]) -> RerankLift:
    """Measure a blend on queries that it was not fitted to."""
    told = [each for each in candidates if each.relevant.any()]
    if not told:
        return RerankLift(0, np.nan, np.nan)
    grades = [{str(at): int(right) for at, right in enumerate(each.relevant)} for each in told]
    before, after = (
        float(measure([list(map(str, order)) for order in orders], grades)["ndcg@10"].mean())
        for orders in ([range(len(each.relevant)) for each in told], [order_of(fusion_weights, each) for each in told])
    )
    return RerankLift(len(told), before, after)


def order_of(fusion_weights: FusionWeights, candidates: FusionSample) -> list[int]:
    """The hits' positions as the blend orders them."""
    totals = fusion_weights.totals(fusion_features(fusion_weights, candidates))
    order: list[int] = np.argsort(-totals, kind="stable").tolist()
    return order
