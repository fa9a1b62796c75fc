"""Print 200 explanations over four catalogs, to be read: ``python -m benchmarks.explanations --data FOLDER``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pyarrow.parquet as pq
import typer

from benchmarks.catalogs import indexed
from recipes.boutique.export import N_PRODUCTS, SIZE, write_parquet
from vitrina.evaluation.judged_search import MEASURING_DEADLINE_S
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.model_folders import EMBEDDED
from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.search.reranking.explanations.english import find_english_fault
from vitrina.search.reranking.explanations.generation import explain
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.types.query import Query, RerankOptions
from vitrina.search.types.requirement import Author, Explanation, Verdict

OUT = Path(__file__).parent.parent / "docs" / "explanations.md"

N_ROWS = 400
"""Of each catalog, drawn by chance: enough that something fits each query, and something does not."""

RANKS = (1, 2, 4, 8, 16)
"""Which hits are explained: the best, and some that leave something to be denied."""

EXPLAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class ExplainedCatalog:
    """Rows of a Parquet file, some columns under the names that a shop gives them, or without a file the demo's
    boutique; and what its shoppers ask for."""

    name: str
    path: Path | None
    queries: Sequence[str]
    names: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ("source", "licence", "description")


@dataclass(frozen=True, slots=True)
class PrintedExplanation:
    """One explanation, and what it explains."""

    query: str
    rank: int
    verdicts: tuple[Verdict, ...]
    explanation: Explanation


def catalogs(data: Path) -> tuple[ExplainedCatalog, ...]:
    """The demo's boutique, and three whose rows lie in ``data``; ten queries of each."""
    fashion = {
        "article": "style_general",
        "colour": "baseColour",
        "subcategory": "subCategory",
        "usage": "usage_general",
    }
    return (
        ExplainedCatalog(
            "The demo's boutique",
            None,
            (
                *(
                    "white sneakers for women",
                    "navy hoodie for men",
                    "striped cotton t-shirt",
                    "leather handbag by Nomi",
                ),
                *("black boots, not leather", "summer dress in green", "red scarf with fringes", "casual jeans"),
                *("beige linen trousers", "sports watch for a beach party"),
            ),
        ),
        ExplainedCatalog(
            "Fashion",
            data / "fashion-train.parquet",
            (
                *("navy tshirts for men", "casual shoes for women not brown", "red saree", "formal shirts"),
                *("black or brown handbags for women", "sports shoes for running", "sunglasses for men"),
                *("summer kurtas in pink", "silver watches", "green jackets with a hood"),
            ),
            names=fashion,
        ),
        ExplainedCatalog(
            "DIY",
            data / "zava-diy-products.parquet",
            (
                *("cordless drill", "angle grinder", "white interior paint", "screws for drywall", "garden hose"),
                *("copper pipe", "tool box with wheels", "wrenches, not a set", "outdoor lighting", "saw for wood"),
            ),
            names={"article": "product_type"},
        ),
        ExplainedCatalog(
            "Furniture",
            data / "sweethome3d-renders.parquet",
            (
                *(
                    "chair for the kitchen",
                    "white desk lamp",
                    "sofa",
                    "wooden table",
                    "bed for a child",
                    "garden bench",
                ),
                *("bookcase not white", "refrigerator", "bathroom washbasin", "outdoor plant"),
            ),
            names={"article": "tags"},
        ),
    )


def explained(encoder: Encoder, reranker: Reranker, catalog: ExplainedCatalog) -> Iterator[PrintedExplanation]:
    """The explanations of some hits of each of a catalog's queries."""
    with TemporaryDirectory() as folder, indexed(encoder, source_of(catalog, Path(folder))) as shop:
        stage = RerankPipeline.open(shop.store, reranker, deadline_s=MEASURING_DEADLINE_S)
        with stage:
            engine = shop.engine.with_reranker(stage)
            for text in catalog.queries:
                answer = engine.search(Query(text, limit=RANKS[-1]), RerankOptions(top=RANKS[-1], explain=0))
                images = stage.candidate_images()
                for hit in answer.hits:
                    if hit.rank not in RANKS or not hit.verdicts:
                        continue
                    candidate = images.candidate(hit.stored) or RerankCandidate(hit.stored.item.sku, None)
                    said = explain(reranker, candidate, hit.verdicts, Deadline.within(EXPLAIN_S))
                    yield PrintedExplanation(text, hit.rank, hit.verdicts, said)


def source_of(catalog: ExplainedCatalog, folder: Path) -> Path:
    """The file to index, written into a folder."""
    file = folder / "rows.parquet"
    if catalog.path is None:
        write_parquet(file, N_PRODUCTS, size=SIZE)
        return file
    table = pq.read_table(catalog.path)
    rows = random.Random(0).sample(range(table.num_rows), min(N_ROWS, table.num_rows))
    table = table.take(rows).drop_columns([name for name in catalog.left_out if name in table.schema.names])
    pq.write_table(table.rename_columns([catalog.names.get(name, name) for name in table.schema.names]), file)
    return file


def written(found: Mapping[str, Sequence[PrintedExplanation]]) -> str:
    """The explanations as Markdown, by catalog and query."""
    everything = [each for some in found.values() for each in some]
    n_model = sum(each.explanation.written_by is Author.MODEL for each in everything)
    introduction = (
        f"{len(everything)} explanations over {len(found)} catalogs, written to be read by `python -m "
        f"benchmarks.explanations --data FOLDER`: of the hits at ranks {', '.join(map(str, RANKS))}. "
        f"{n_model} are in the embedded model's own words (marked *model*), the others by template."
    )
    lines = ["# Explanations", "", introduction]
    for name, some in found.items():
        lines += ["", f"## {name}"]
        for query in dict.fromkeys(each.query for each in some):
            lines += ["", f"**{query}**", ""]
            lines += [f"- {line(each)}" for each in some if each.query == query]
    return "\n".join(lines) + "\n"


def line(one: PrintedExplanation) -> str:
    return one.explanation.text + (" *model*" if one.explanation.written_by is Author.MODEL else "")


def run(
    data: Annotated[Path, typer.Option(help="The folder of the Parquet files.")],
    out: Annotated[Path, typer.Option(help="Where the explanations go.")] = OUT,
) -> None:
    """Print the explanations and write them down; exits non-zero if the check finds poor English in one."""
    encoder = load_encoder(None)
    with open_by_name(EMBEDDED, RerankerOptions(device="cpu")) as reranker:
        found = {catalog.name: list(explained(encoder, reranker, catalog)) for catalog in catalogs(data)}
    text = written(found)
    out.write_text(text, encoding="utf-8")
    typer.echo(text)
    faults = [
        f"{fault}: {each.explanation.text}"
        for some in found.values()
        for each in some
        if (fault := find_english_fault(each.explanation.text, each.verdicts))
    ]
    typer.echo("\n".join(faults), err=True)
    if faults:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
