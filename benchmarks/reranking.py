"""What reranking adds to retrieval: the same queries, in the order before and in the order after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.catalogs import Indexed, indexed, labelled_items
from benchmarks.figure import Figure
from benchmarks.pictures import PHRASE, TARGETS, Target
from evaluation import metrics
from evaluation.bootstrap import intervals
from evaluation.fields import Template, queries_by
from evaluation.query import sample
from evaluation.reranking import look_at_all
from search.encoders.base import Encoder
from search.reranking.backends.transformers.loading import EMBEDDED, load_reranker
from search.reranking.base import Reranker
from search.reranking.budget import Rerank
from search.reranking.engine import RerankingEngine

LIFT = 0.05
"""What issue 4 asks for on "colour article for gender"; nowhere else may it fall."""

NDCG = "ndcg@10"

N_QUERIES = 150
"""Of each kind at the most, drawn by chance: there are 1,916 titles, with some six claims each about 20 pictures."""


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On every validation file: retrieval and reranker see pictures alone, and know from the shop's fields what the
    words of a query mean. Then on ``fashion-validation`` with all that a shop knows."""
    reranker = load_reranker(EMBEDDED, device="cpu")
    for source, targets in TARGETS.items():
        path = data / f"{source}.parquet"
        with indexed(encoder, path, pictures_alone=True) as pictured, indexed(encoder, path) as worded:
            engine = pictured.engine
            engine.vocabulary = worded.engine.vocabulary
            for target in (target for target in targets if not target.like):
                yield lift(pictured, reranker, source, target, listings=False)
            if source == "fashion-validation":
                for target in (target for target in targets if not target.like):
                    yield lift(worded, reranker, f"{source}, all fields indexed", target, listings=True)


def lift(catalog: Indexed, reranker: Reranker, source: str, target: Target, *, listings: bool) -> Figure:
    """How far nDCG@10 of a set of queries rises, with the 95% interval of the paired difference."""
    queries = sample(
        queries_by(labelled_items(catalog.rows), [Template(target.by)], target.min_rows), N_QUERIES, seed=0
    )
    budget = Rerank(explain=0, listings=listings, unhurried=True)
    with catalog.home.open_stage(reranker) as stage:
        looked = look_at_all(RerankingEngine(catalog.engine, stage), queries, budget, lambda done: None)
    grades = [query.grades for query in queries]
    before = metrics.measure([each.before.skus for each in looked], grades)[NDCG]
    after = metrics.measure([each.after.skus for each in looked], grades)[NDCG]
    gained = intervals((after - before)[:, None], seed=0)[0]
    bound = LIFT if target.by == PHRASE and not listings else 0.0
    seen = "pictures alone" if not listings else "pictures and listings"
    how = (
        f"{source}, {seen}, {len(queries):,} queries: {before.mean():.3f} by retrieval, {after.mean():.3f} reranked, "
        f"95% interval {gained.low:+.3f} to {gained.high:+.3f}"
    )
    return Figure(f"rerank lift of nDCG@10, {target.name}", gained.mean, bound, how=how)
