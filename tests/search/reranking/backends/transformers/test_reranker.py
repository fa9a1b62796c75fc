from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.search.reranking.backends.transformers.candidates import STATEMENTS, noise, three_candidates
from tests.search.reranking.backends.transformers.conftest import FolderOf, Opened
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker
from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.search.types.errors import RerankerError


@contextmanager
def _counted(reranker: TransformersReranker) -> Iterator[list[int]]:
    """The number of pictures in each run of the vision tower."""
    runs: list[int] = []
    tower = reranker._model.model.vision_tower
    handle = tower.register_forward_pre_hook(lambda _, given: runs.append(len(given[0])))
    try:
        yield runs
    finally:
        handle.remove()


def _fresh(*names: str) -> list[RerankCandidate]:
    return [RerankCandidate(name, noise(len(name) + index)) for index, name in enumerate(names)]


def test_it_is_a_reranker(llava: TransformersReranker) -> None:
    reranker: Reranker = llava
    assert reranker.identity.name.endswith("llava")


def test_features_are_computed_once_for_many_statements(llava: TransformersReranker) -> None:
    candidates = _fresh("once-a", "once-b")
    with _counted(llava) as runs:
        llava.judge(candidates, [*STATEMENTS, "cotton"], Deadline.within(60))
        llava.judge(candidates, ["linen"], Deadline.within(60))
        list(llava.write(candidates[0], ["met"], Deadline.within(60)))
    assert sum(runs) == 2


def test_features_of_one_key_are_computed_once_a_batch(llava: TransformersReranker) -> None:
    candidate = _fresh("twin")[0]
    with _counted(llava) as runs:
        probabilities = llava.judge([candidate, candidate], STATEMENTS, Deadline.within(60))
    assert sum(runs) == 1
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-5)


def test_without_room_to_remember_the_answers_are_the_same(folder_of: FolderOf, llava: TransformersReranker) -> None:
    forgetful = load_reranker(str(folder_of("llava")), device="cpu", cache_bytes=0)
    candidates, deadline = three_candidates(), Deadline.within(60)
    np.testing.assert_allclose(
        forgetful.judge(candidates, STATEMENTS, deadline), llava.judge(candidates, STATEMENTS, deadline), atol=1e-5
    )


def test_no_time_leaves_every_candidate_unjudged(llava: TransformersReranker) -> None:
    assert np.isnan(llava.judge(three_candidates(), STATEMENTS, Deadline.within(0))).all()


def test_what_the_deadline_cuts_off_are_the_last_candidates(
    llava: TransformersReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = [RerankCandidate(str(row), None, f"Shirt number {row}") for row in range(40)]
    deadline = Deadline.within(600)
    judged, batches = llava._scores, []

    def late(some: Any, statements: Any) -> Any:
        batches.append(len(some))
        if len(batches) == 2:
            object.__setattr__(deadline, "at", 0.0)
        return judged(some, statements)

    monkeypatch.setattr(llava, "_scores", late)
    probabilities = llava.judge(candidates, STATEMENTS, deadline)
    assert batches == [16, 16]
    assert np.isfinite(probabilities[:32]).all()
    assert np.isnan(probabilities[32:]).all()


def test_the_order_of_candidates_with_and_without_images_is_kept(llava: TransformersReranker) -> None:
    candidates = [
        *three_candidates()[:1],
        RerankCandidate("text", None, "Red dress"),
        *three_candidates()[1:],
        RerankCandidate("empty", None, " "),
    ]
    deadline = Deadline.within(60)
    together = llava.judge(candidates, STATEMENTS, deadline)
    for candidate, row in zip(candidates, together, strict=True):
        np.testing.assert_allclose(row, llava.judge([candidate], STATEMENTS, deadline)[0], atol=1e-4)
    assert np.isnan(together[-1]).all()
    assert np.isfinite(together[:-1]).all()


def test_image_listing_and_statement_each_make_a_difference(llava: TransformersReranker) -> None:
    deadline = Deadline.within(60)
    candidates = [
        RerankCandidate("a", noise(1), "Shirt"),
        RerankCandidate("b", noise(2), "Shirt"),
        RerankCandidate("c", noise(1), "Dress"),
    ]
    probabilities = llava.judge(candidates, STATEMENTS, deadline)
    assert len(np.unique(probabilities)) == 6


@pytest.mark.parametrize(("n_candidates", "n_statements"), [(0, 0), (0, 2), (3, 0)])
def test_nothing_asked_is_nothing_answered(llava: TransformersReranker, n_candidates: int, n_statements: int) -> None:
    shape = llava.judge(three_candidates()[:n_candidates], STATEMENTS[:n_statements], Deadline.within(60)).shape
    assert shape == (n_candidates, n_statements)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (2500, 2500)])
@pytest.mark.parametrize("family", ["llava", "qwen2.5-vl", "pixtral", "molmo2"])
def test_images_of_any_shape_are_judged(family: str, size: tuple[int, int], opened: Opened) -> None:
    candidate = RerankCandidate(f"shape {size}", noise(0, *size))
    assert np.isfinite(opened(family).judge([candidate], STATEMENTS, Deadline.within(60))).all()


def test_a_text_of_any_length_is_judged(llava: TransformersReranker) -> None:
    candidate = RerankCandidate("long", noise(3), "navy shirt " * 100_000)
    assert np.isfinite(llava.judge([candidate], ["blue " * 100_000], Deadline.within(60))).all()


def test_several_threads_get_the_answers_of_one(llava: TransformersReranker) -> None:
    candidates = three_candidates()
    alone = llava.judge(candidates, STATEMENTS, Deadline.within(60))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: llava.judge(candidates, STATEMENTS, Deadline.within(60)), range(8)))
    for answer in answers:
        np.testing.assert_allclose(answer, alone, atol=1e-5)


def test_who_cannot_have_the_model_in_time_goes_without(llava: TransformersReranker) -> None:
    with llava._lock:
        assert np.isnan(llava.judge(three_candidates(), STATEMENTS, Deadline.within(0.05))).all()
        assert list(llava.write(three_candidates()[0], ["met"], Deadline.within(0.05))) == []


def test_writing_nothing_or_too_late_is_no_text(llava: TransformersReranker) -> None:
    assert list(llava.write(three_candidates()[0], [], Deadline.within(60))) == []
    assert list(llava.write(three_candidates()[0], ["met"], Deadline.within(0))) == []


def test_a_model_that_fails_is_a_reranker_error_and_gives_the_model_back(
    llava: TransformersReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = three_candidates()[0]
    with monkeypatch.context() as broken:
        broken.setattr(llava._model.model.language_model, "forward", _fail)
        with pytest.raises(RerankerError, match="out of memory"):
            llava.judge([candidate], STATEMENTS, Deadline.within(60))
        with pytest.raises(RerankerError, match="out of memory"):
            list(llava.write(candidate, ["met"], Deadline.within(60)))
    assert np.isfinite(llava.judge([candidate], STATEMENTS, Deadline.within(60))).all()


def test_answers_that_are_no_numbers_are_an_error(llava: TransformersReranker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(llava._answers), "probability", lambda _, logits: logits[:, 0] * float("nan"))
    with pytest.raises(RerankerError, match="not a number"):
        llava.judge(three_candidates(), STATEMENTS, Deadline.within(60))


def test_a_box_is_measured_in_the_familys_way(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = {}
    for family in ("qwen2-vl", "qwen2.5-vl"):
        reranker = opened(family)
        monkeypatch.setattr(reranker, "_generate", lambda *_: iter(["[0, 0, 28, 14]"]))
        boxes[family] = reranker.locate(RerankCandidate("box", noise(0, 56, 56)), "navy", Deadline.within(60))
    thousandths, pixels = boxes.values()
    assert thousandths
    assert pixels
    assert (thousandths.right, thousandths.bottom) == (0.028, 0.014)
    assert (pixels.right, pixels.bottom) == (0.5, 0.25)


def test_a_reader_who_leaves_frees_the_model(llava: TransformersReranker) -> None:
    pieces = llava.write(three_candidates()[0], ["met"], Deadline.within(600))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    done = threading.Event()
    llava._writer.submit(done.set)
    assert done.wait(60)


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("out of memory")
