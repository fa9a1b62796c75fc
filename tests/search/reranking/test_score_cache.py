"""What a reranker said before."""

from __future__ import annotations

import threading

import numpy as np

from vitrina.search.reranking.client import ScoreCache


def test_what_was_answered_is_known_by_model_image_and_statement() -> None:
    judgements = ScoreCache()
    judgements.put("model", ["a", "b"], ["red", "blue"], np.array([[0.1, np.nan], [0.3, 0.4]], np.float32))
    known = judgements.get("model", ["b", "c", "a"], ["blue", "red"])
    np.testing.assert_allclose(known, np.array([[0.4, 0.3], [np.nan, np.nan], [np.nan, 0.1]], np.float32))
    assert np.isnan(judgements.get("another model", ["b"], ["blue"])).all()
    assert len(judgements) == 3


def test_what_was_not_asked_for_the_longest_is_forgotten() -> None:
    judgements = ScoreCache(max_entries=2)
    for key in ("a", "b"):
        judgements.put("model", [key], ["red"], np.array([[0.5]], np.float32))
    judgements.get("model", ["a"], ["red"])
    judgements.put("model", ["c"], ["red"], np.array([[0.5]], np.float32))
    assert np.isnan(judgements.get("model", ["a", "b", "c"], ["red"])).ravel().tolist() == [False, True, False]


def test_nothing_asked() -> None:
    assert ScoreCache().get("model", [], ["red"]).shape == (0, 1)
    assert ScoreCache().get("model", ["a"], []).shape == (1, 0)


def test_several_threads_keep_within_the_limit() -> None:
    judgements = ScoreCache(max_entries=50)

    def work(start: int) -> None:
        for number in range(start, start + 200):
            judgements.put("model", [str(number)], ["red"], np.array([[number % 7 / 7]], np.float32))
            known = judgements.get("model", [str(number), str(number - 3)], ["red"])
            assert np.isnan(known[0, 0]) or known[0, 0] == np.float32(number % 7 / 7)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 100, 1000, 1100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(judgements) == 50
