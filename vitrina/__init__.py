"""Vitrina: multimodal semantic search for product catalogs, by words, by image, or by both.

::

    import vitrina

    with vitrina.open_store("shop") as shop:
        shop.index("products.csv")
        answer = shop.search("navy linen shirt", without="striped", filters={"price_cents": {"lt": 6000}})
        for hit in answer.hits:
            print(hit.rank, round(hit.score, 2), hit.item.sku, hit.title)

This module is the whole public API; everything else in the package may change from version to version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from io import BytesIO
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from PIL import Image

from vitrina.search.types.answer import Answer, Hit, RerankStatus, Signals, Suggestion
from vitrina.search.types.errors import VitrinaError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import Item, StoredItem, Variant
from vitrina.search.types.query import Query, RerankOptions, Weights, sort_order
from vitrina.search.types.rank_explanation import FailedFilter, PartRank, Placement, RankExplanation
from vitrina.search.types.requirement import Explanation, Requirement, Verdict

if TYPE_CHECKING:
    from vitrina.evaluation.run import Run
    from vitrina.indexer.pipeline import IndexingProgress
    from vitrina.search.encoders.base import Encoder
    from vitrina.search.engine import SearchEngine
    from vitrina.search.reranking.pipeline import RerankPipeline

__all__ = [
    "Answer",
    "Explanation",
    "FailedFilter",
    "Hit",
    "Item",
    "OpenStore",
    "PartRank",
    "Placement",
    "RankExplanation",
    "Requirement",
    "RerankOptions",
    "RerankStatus",
    "Signals",
    "StoredItem",
    "Suggestion",
    "Variant",
    "Verdict",
    "VitrinaError",
    "Weights",
    "open_store",
]

AnyImage = Image.Image | Path | str | bytes
"""An image as pixels, as the path of a file, or as a file's bytes."""


def open_store(
    folder: Path | str, *, encoder: str | None = None, reranker: str | None = None, device: str = "auto"
) -> OpenStore:
    """Open the store in a folder, or make one there.

    ``encoder`` is ``embedded``, a folder, ``MODEL/PRETRAINED`` of open_clip or ``hf-hub:NAME``; without it the store's
    own is taken, in a new store the embedded one. ``reranker`` takes what ``VITRINA_RERANKER`` takes, without it the
    embedded one. Both are loaded when they are first needed, on ``device``: ``auto``, ``cpu`` or ``cuda``.

    Raises VitrinaError where the folder cannot be made or what is in it cannot be read.
    """
    return OpenStore(Path(folder), encoder=encoder, reranker=reranker, device=device)


class OpenStore:
    """A catalog with its images and indexes in one folder: index into it, search it, measure it.

    Close it, or use it as a context manager. Every method blocks, may be called from any thread, uses the GPU where
    ``device`` allows, and raises VitrinaError, whose message says what to do. What other processes index into the
    same folder is found by the next search.
    """

    def __init__(self, folder: Path, *, encoder: str | None, reranker: str | None, device: str) -> None:
        from vitrina.api.settings import Settings, open_store

        given = {"store": folder, "encoder": encoder, "reranker": reranker, "device": device}
        self._settings = Settings.model_validate({name: value for name, value in given.items() if value is not None})
        self._store = open_store(self._settings)
        self._opened = ExitStack()
        self._opened.callback(self._store.close)
        self._lock = RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the store, and the reranker if one was opened. Closing twice is fine."""
        self._opened.close()

    def __len__(self) -> int:
        """How many items the catalog has."""
        return self._store.catalog.counts()["items"]

    def index(
        self,
        source: Path | str,
        *,
        columns: Mapping[str, str] | None = None,
        on_progress: Callable[[IndexingProgress], None] = lambda _: None,
        sync: bool = False,
        shown_only: bool = False,
    ) -> IndexingProgress:
        """Index a catalog file (CSV, Excel, JSONL, Parquet, feed, zip, ...) or a folder of images; returns the counts.

        ``columns`` says which column feeds which field, as in ``{"sku": "ArticleNumber"}``, where the names are not
        recognised. Rows that have not changed are skipped. A bad row never stops a run: it goes to a dead-letter file,
        which the result names. ``on_progress`` is called after each batch. With ``sync`` items that are no longer in
        the source are deleted, except if they are more than a fifth of it; the result counts them as ``gone`` and
        ``n_deleted``. With ``shown_only`` what the shop does not show (drafts, archived, switched off) is left out.
        While another process indexes into the store, this one waits. Downloads images that the catalog links to.
        """
        from vitrina.indexer.fetch import Fetcher
        from vitrina.indexer.pipeline import Indexer
        from vitrina.indexer.sources import open_source
        from vitrina.indexer.uploads import unpacked

        name = str(Path(source).expanduser().absolute())
        with unpacked(str(source)) as location:
            opened = open_source(location, dict(columns or {}), shown_only=shown_only)
            with self._store.importing(), Fetcher() as fetcher:
                indexer = Indexer(self._store, self._encoder, fetcher)
                return indexer.run(opened, on_progress, name=name, on_gone=lambda gone: sync and not gone.is_doubtful)

    def search(
        self,
        text: str = "",
        *,
        image: AnyImage | Sequence[AnyImage] = (),
        like: str | None = None,
        without: str = "",
        filters: Mapping[str, object] | None = None,
        weights: Weights | None = None,
        limit: int = 10,
        offset: int = 0,
        min_confidence: float = 0.0,
        sort: str = "relevance",
        rerank: RerankOptions | bool = False,
        collapse: bool = True,
        correct: bool = True,
    ) -> Answer:
        """Find items by words, by one or more images, by the likeness to another item (``like``, its sku, which is not
        found itself), or by any of these together; by none of them, list every item that passes the filters.

        ``without`` says what to avoid. ``filters`` has the JSON form of the HTTP API, as in ``{"colour": ["navy",
        "blue"], "price_cents": {"lt": 6000}, "gender": {"not": "women"}}``. ``min_confidence``, 0 to 1, leaves out hits
        that are less likely to be relevant. ``sort`` is ``relevance``, ``price_asc``, ``price_desc``, ``newest``, or a
        field's numbers, as in ``rating:desc`` or ``year:asc``. With ``rerank`` a vision-language model judges the best
        hits requirement by requirement, reorders and explains them within a deadline. With ``collapse`` an item is a
        hit once, with the variant that fits; without, its variants are hits one by one. With ``correct``
        words that seem to be mistyped are read as what they are likely to mean.
        """
        shown = (limit, offset, min_confidence, sort, collapse, correct)
        query = _query(text, image, like, without, filters, weights, *shown)
        if rerank is False:
            return self._engine().search(query)
        options = RerankOptions() if rerank is True else rerank
        return self._engine().with_reranker(self._reranker).search(query, options)

    def suggest(self, text: str, *, limit: int = 8) -> tuple[Suggestion, ...]:
        """What a text whose last word is typed in part may become, as below a search box: values, words of titles, and
        both together, each with how many items have all of it, kinds of things first and then what most have; nothing
        that no item has. Takes milliseconds, and longer the first time."""
        return self._engine().suggest(text, limit)

    def explain(
        self,
        sku: str,
        text: str = "",
        *,
        image: AnyImage | Sequence[AnyImage] = (),
        like: str | None = None,
        without: str = "",
        filters: Mapping[str, object] | None = None,
        weights: Weights | None = None,
        limit: int = 10,
        offset: int = 0,
        min_confidence: float = 0.0,
        sort: str = "relevance",
        rerank: RerankOptions | bool = False,
    ) -> RankExplanation:
        """Why an item is, or is not, among the hits of a search: any item of the catalog, also one that was not found.

        All but ``sku`` is as in ``search``. The result's ``sentence`` says why; with ``rerank`` ranks are those after
        reranking, and the item's photo is judged, too. Raises NotFoundError where the catalog has none of that sku.
        """
        from vitrina.search.rank_explanation import explain_rank

        query = _query(text, image, like, without, filters, weights, limit, offset, min_confidence, sort)
        if rerank is False:
            return explain_rank(self._engine(), query, sku)
        options = RerankOptions() if rerank is True else rerank
        return explain_rank(self._engine().with_reranker(self._reranker), query, sku, options, is_reranked=True)

    def item(self, sku: str) -> StoredItem:
        """One item. Raises NotFoundError, a VitrinaError, where the catalog has none of that sku."""
        return self._store.catalog.item(sku)

    def images(self, sku: str) -> list[Image.Image]:
        """An item's images, RGB, main image first; none if it has only text. Raises NotFoundError as ``item`` does."""
        from vitrina.search.images.decode import decode_image

        return [decode_image(self._store.images.read(each)).pixels for each in self.item(sku).image_ids]

    def illustrate(self, sku: str, *texts: str, side_px: int = 512) -> Image.Image:
        """An item's main image in panels, RGB, each with the region where one of the texts fits best: the reranker's
        box if it gives one, else a map of the encoder's scores, which says where and not whether.

        ``side_px`` is a panel's longer side. Raises NotFoundError as ``item`` does and where the item has no image, and
        QueryError for more than four texts.
        """
        from vitrina.api.illustrations import Illustrations, parse_statements

        image_id = next(iter(self.item(sku).image_ids), "")
        reranker = None if self._settings.reranker == "off" else self._reranker.reranker
        drawn = Illustrations().draw(
            self._store.images, image_id, parse_statements(texts), side_px, self._encoder, reranker
        )
        return Image.open(BytesIO(drawn.jpeg)).convert("RGB")

    def delete(self, *skus: str) -> list[str]:
        """Remove items; returns the skus that were there."""
        return self._store.catalog.delete(skus)

    def evaluate(self, judgements: Path | str, *, queries: Path | str | None = None) -> Run:
        """Measure the search on judged queries: JSON lines, or TREC qrels with a file of ``queries``.

        Returns nDCG, recall, precision and more with confidence intervals, and each query's ranking.
        """
        from vitrina.evaluation.judged_search import search_all
        from vitrina.evaluation.judgements import read_judgements
        from vitrina.evaluation.run import RunInfo, make_run

        judged = read_judgements(Path(judgements), None if queries is None else Path(queries))
        found = search_all(self._engine(), judged, lambda _: None)
        return make_run(RunInfo(self._encoder.identity.name, len(self)), judged, found)

    def _engine(self) -> SearchEngine:
        """The engine, with its index caught up with the catalog."""
        with self._lock:
            self._opened_engine.replica.catch_up()
            return self._opened_engine

    @cached_property
    def _opened_engine(self) -> SearchEngine:
        from vitrina.search.engine import SearchEngine

        return SearchEngine.open(self._store, self._encoder)

    @cached_property
    def _encoder(self) -> Encoder:
        from vitrina.api.settings import encoder_for

        return encoder_for(self._store, self._settings)

    @cached_property
    def _reranker(self) -> RerankPipeline:
        from vitrina.api.rerankers import needed_reranker, open_reranker
        from vitrina.search.reranking.pipeline import RerankPipeline

        needed_reranker(self._settings)
        with self._lock:
            reranker = open_reranker(self._settings, self._opened)
            return self._opened.enter_context(RerankPipeline.open(self._store, reranker))


def _query(
    text: str,
    image: AnyImage | Sequence[AnyImage],
    like: str | None,
    without: str,
    filters: Mapping[str, object] | None,
    weights: Weights | None,
    limit: int,
    offset: int,
    min_confidence: float,
    sort: str,
    collapse: bool = True,
    correct: bool = True,
) -> Query:
    """The query of a search. Raises QueryError, FilterError and ImageError."""
    return Query(
        text=text,
        images=_images_of(image),
        skus=() if like is None else (like,),
        exclude_skus=() if like is None else (like,),
        without=without,
        filters=parse_filters(filters or {}),
        weights=weights or Weights(),
        limit=limit,
        offset=offset,
        min_confidence=min_confidence,
        sort=sort_order(sort),
        collapse=collapse,
        correct=correct,
    )


def _images_of(image: AnyImage | Sequence[AnyImage]) -> tuple[Image.Image, ...]:
    """The images of a query, upright RGB. Raises ImageError for one that cannot be read."""
    several = [image] if isinstance(image, Image.Image | Path | str | bytes) else image
    return tuple(map(_image_of, several))


def _image_of(image: AnyImage) -> Image.Image:
    from vitrina.evaluation.judged_search import read_image
    from vitrina.search.images.decode import decode_image

    if isinstance(image, Image.Image):
        return image
    return decode_image(image).pixels if isinstance(image, bytes) else read_image(Path(image))
