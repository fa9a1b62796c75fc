"""Calibration samples: the signals of a query's best hits, and which are relevant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import COLOURS, FakeEncoder, make_entry, make_image, png
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.samples import SAMPLE_DEPTH, SIGNALS, Example, calibration_samples, example_of, key_of, usable
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import Cohort, PageSignal, QueryKind, Signal
from vitrina.search.types.query import Query


@pytest.fixture
def engine(store: Store, encoder: FakeEncoder) -> SearchEngine:
    """Forty red to white things with words and images, one with words alone, one with an image alone."""
    colours = list(COLOURS)
    entries = [
        make_entry(encoder, f"{n}", f"{colours[n % 6]} thing {n}", images=[make_image(colours[n % 6], noise=n)])
        for n in range(40)
    ]
    entries.append(make_entry(encoder, "words", "red words"))
    entries.append(make_entry(encoder, "picture", images=[make_image("red", noise=99)]))
    store.catalog.commit(open_index_version(store, encoder), entries)
    return SearchEngine.open(store, encoder)


def column(signals: np.ndarray[tuple[int, ...], np.dtype[np.float64]], signal: Signal) -> list[float]:
    return [float(value) for value in signals[:, SIGNALS.index(signal)]]


def test_signals_and_relevance_run_along_the_hits(engine: SearchEngine, encoder: FakeEncoder) -> None:
    wanted = frozenset({"0", "6", "words"})
    (sampled,) = calibration_samples(engine, [Example(Query("red"), wanted)])
    hits = engine.search(Query("red", limit=SAMPLE_DEPTH)).hits
    assert sampled.kind == QueryKind.TEXT
    assert sampled.answerable
    assert sampled.signals.shape == (SAMPLE_DEPTH, len(SIGNALS))
    assert sampled.relevant.tolist() == [hit.stored.item.sku in wanted for hit in hits]
    vector = encoder.encode_texts(["red"])[0]
    for at, hit in enumerate(hits):
        title = hit.stored.item.title
        assert column(sampled.signals, Signal.ALL_WORDS)[at] == ("red" in title)
        said, other = ("red" in title), ("red" not in title)
        images = engine.replica.indexes["image"].rows_of(np.array([hit.stored.id])).vectors
        cosine = float((images @ vector).max(initial=-1.0)) if len(images) else 0.0
        assert column(sampled.signals, Signal.TEXT_TO_IMAGE)[at] == pytest.approx(cosine * other, abs=1e-5)
        assert column(sampled.signals, Signal.TEXT_TO_IMAGE_SAID)[at] == pytest.approx(cosine * said, abs=1e-5)
        assert column(sampled.signals, Signal.NO_IMAGE_SAID)[at] == (hit.stored.item.sku == "words")
        assert column(sampled.signals, Signal.NO_IMAGE)[at] == 0
        assert column(sampled.signals, Signal.NO_TEXT)[at] == (hit.stored.item.sku == "picture")
        expected = float(encoder.encode_texts([title])[0] @ vector) if title else 0.0
        assert column(sampled.signals, Signal.TEXT_TO_TEXT)[at] == pytest.approx(expected, abs=1e-5)
    assert column(sampled.signals, Signal.IMAGE_TO_IMAGE) == [0.0] * SAMPLE_DEPTH


def test_with_a_cohort_a_page_tells_which_names_it_shares(engine: SearchEngine, encoder: FakeEncoder) -> None:
    named = engine.uncalibrated(Cohort.of(encoder.encode_texts(["red", "blue", "green", "teapot"])))
    (text,) = calibration_samples(named, [Example(Query("red things"), frozenset({"0"}))])
    assert set(text.page) == set(PageSignal)
    assert text.page[PageSignal.WORDS] == max(column(text.signals[:10], Signal.SOME_WORDS))
    (photo,) = calibration_samples(named, [Example(Query(images=(make_image("red"),)), frozenset({"0"}))])
    assert photo.page[PageSignal.SAME_NAMES] > -1
    (without,) = calibration_samples(engine, [Example(Query("red things"), frozenset({"0"}))])
    assert PageSignal.NAMES not in without.page


def test_a_name_typed_exactly_is_a_signal(engine: SearchEngine) -> None:
    (sampled,) = calibration_samples(engine, [Example(Query("blue thing 2"), frozenset({"2"}))])
    assert column(sampled.signals, Signal.NAME) == [1.0] + [0.0] * (SAMPLE_DEPTH - 1)
    assert column(sampled.signals, Signal.ALL_WORDS)[0] == 1.0
    assert sampled.relevant.tolist() == [True] + [False] * (SAMPLE_DEPTH - 1)


def test_an_item_that_asks_is_not_found(engine: SearchEngine) -> None:
    (sampled,) = calibration_samples(engine, [Example(Query(skus=("7",)), frozenset({"7", "1"}))])
    assert sampled.kind == QueryKind.IMAGE
    assert max(column(sampled.signals, Signal.IMAGE_TO_IMAGE)) < 1 - 1e-6


def test_kinds_and_keys(engine: SearchEngine) -> None:
    red = make_image("red")
    queries = [Query("red"), Query("RED"), Query("red", images=(red,)), Query(images=(red,)), Query(skus=("1",))]
    sampled = list(calibration_samples(engine, [Example(query, frozenset()) for query in queries]))
    kinds = [QueryKind.TEXT, QueryKind.TEXT, QueryKind.BOTH, QueryKind.IMAGE, QueryKind.IMAGE]
    assert [each.kind for each in sampled] == kinds
    assert not any(each.answerable for each in sampled)
    assert sampled[0].key == sampled[1].key
    assert len({each.key for each in sampled}) == 4
    assert key_of(Query(images=(red,))) != key_of(Query(images=(make_image("blue"),)))


def test_judged_queries_become_examples(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(make_image("red")))
    asked = JudgedQuery("q", "k", {"a": 2, "b": 0}, text="red", image=photo)
    example = example_of(asked)
    assert example.relevant == {"a"}
    assert example.query.text == "red"
    assert len(example.query.images) == 1
    own = example_of(JudgedQuery("q", "k", {"a": 1, "b": 1}, sku="a"))
    assert own.relevant == {"b"}
    assert own.query.skus == ("a",)


def test_a_query_judged_to_have_no_answer_tells_and_one_whose_answers_are_gone_does_not() -> None:
    here, gone, none = (JudgedQuery(name, "k", judged, text=name) for name, judged in
                        (("here", {"a": 1, "z": 1}), ("gone", {"z": 1}), ("none", {"a": 0})))  # fmt: skip
    assert usable([here, gone, none], {"a"}) == [here, none]
