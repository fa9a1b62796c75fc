"""The best candidates are compared word piece by word piece, where the encoder can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import PieceFake, make_entry, make_image
from tests.search.retrieval.test_engine import make_engine, skus
from vitrina.search.engine import SearchEngine
from vitrina.search.retrieval.fusion import UNREAD
from vitrina.search.retrieval.late_interaction import (
    DEPTH,
    HELD_WEIGHT,
    N_HELD,
    NAME_WEIGHT,
    WEIGHT,
    piece_contributions,
)
from vitrina.search.types.answer import Stopwatch
from vitrina.search.types.item import IndexedItem
from vitrina.search.types.query import Query, Weights
from vitrina.search.types.trust import Part


def with_pieces(encoder: PieceFake, entry: IndexedItem) -> IndexedItem:
    """An entry as the indexer makes it."""
    pieces = encoder.encode_pieces([entry.item.title])[0].stored_pieces
    assert pieces is not None
    return replace(entry, vectors={**entry.vectors, "pieces": pieces.reshape(1, -1)})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SearchEngine]:
    encoder = PieceFake("pieces")
    titles = [f"blue couch number{n}" for n in range(DEPTH + 20)] + ["red couch", "red chair", "red cup"]
    entries = [with_pieces(encoder, make_entry(encoder, f"{n}", title)) for n, title in enumerate(titles)]
    entries.append(make_entry(encoder, "photo", images=[make_image("red")]))
    engine = make_engine(tmp_path, encoder, entries)
    yield engine
    engine.catalog.close()


def title(engine: SearchEngine, sku: str) -> str:
    return engine.catalog.item(sku).item.title


def test_a_word_finds_another_that_means_the_same(engine: SearchEngine) -> None:
    answer = engine.search(Query("crimson sofa"))
    assert title(engine, skus(answer)[0]) == "red couch"


def test_candidates_whose_pieces_are_not_read_never_pass_the_others(engine: SearchEngine) -> None:
    ranked = engine.rank(Query("blue couch"))
    pieces, added = ranked.parts[Part.PIECES], ranked.contributions[Part.PIECES]
    assert (added <= 0).all()
    assert added.max() == 0
    np.testing.assert_allclose(added, HELD_WEIGHT * NAME_WEIGHT * (pieces - pieces.max()))
    without = ranked.totals - added
    best = np.lexsort((ranked.item_ids, -without))[:DEPTH]
    others = np.setdiff1d(np.arange(len(ranked.item_ids)), best)
    assert len(others)
    assert (pieces[others] == pieces[best].min()).all()


def test_what_has_no_words_is_neither_lifted_nor_lowered(engine: SearchEngine) -> None:
    ranked = engine.rank(Query("crimson sofa"))
    at = int(np.flatnonzero(ranked.item_ids == engine.catalog.item("photo").id)[0])
    pieces = ranked.parts[Part.PIECES]
    assert pieces.min() < pieces[at] < pieces.max() or pieces[at] == pieces.min()


@pytest.mark.parametrize(
    "query",
    [
        Query(images=(make_image("red"),)),
        Query("red couch", images=(make_image("blue"),)),
        Query("a", weights=Weights(text=0), images=(make_image("red"),)),
    ],
    ids=["image", "both", "no weight"],
)
def test_photos_are_not_judged_by_words(engine: SearchEngine, query: Query) -> None:
    assert not engine.rank(query).contributions[Part.PIECES].any()


def test_names_and_languages_that_were_not_learnt_count_less(engine: SearchEngine) -> None:
    scores = np.array([0.2, 0.7])
    for text, weight in (("a red couch", NAME_WEIGHT), ("a red couch for two", WEIGHT)):
        parsed = engine.parser.parse(Query(text), Stopwatch())
        assert piece_contributions(scores, parsed, is_read=True).tolist() == pytest.approx([-0.5 * weight, 0])
        assert piece_contributions(scores, parsed, is_read=False)[0] == pytest.approx(-0.5 * UNREAD * weight)
        assert piece_contributions(np.empty(0), parsed, is_read=True).shape == (0,)


def test_where_many_hold_all_words_of_a_name_meaning_counts_less(engine: SearchEngine) -> None:
    few, many = engine.rank(Query("red couch")), engine.rank(Query("blue couch"))
    described = engine.rank(Query("blue couch that nobody else would have"))
    for ranked, weight in ((few, 1.0), (many, HELD_WEIGHT), (described, 1.0)):
        z = np.nan_to_num(ranked.by_modality["text"])
        of_text = engine.retriever.weights.of(Part.TEXT, with_images=False)
        has_no_image = np.isnan(ranked.by_modality["image"])
        expected = weight * of_text * z
        np.testing.assert_allclose(ranked.contributions[Part.TEXT][has_no_image], expected[has_no_image], atol=1e-5)
    assert np.count_nonzero(many.parts[Part.ALL_WORDS]) >= N_HELD > np.count_nonzero(few.parts[Part.ALL_WORDS])
