from pathlib import Path

import pytest

from vitrina.tuning.encoder.validation import EncoderScore
from vitrina.tuning.run_directory import History, draw


def score(ndcg: float) -> EncoderScore:
    return EncoderScore(ndcg, {"colour": ndcg}, {"colour": 3})


def history(start: float, *scores: float) -> History[EncoderScore]:
    return History(score(start), [[3.0, 2.0]] * len(scores), [score(each) for each in scores])


@pytest.mark.parametrize(
    ("start", "scores", "best"),
    [(0.5, (), None), (0.5, (0.4, 0.5), None), (0.5, (0.6, 0.7, 0.7), 1), (0.5, (0.4, 0.6, 0.5), 1)],
)
def test_the_best_epoch_is_the_first_highest_above_the_start(
    start: float, scores: tuple[float, ...], best: int | None
) -> None:
    assert history(start, *scores).best == best


@pytest.mark.parametrize(
    ("scores", "is_stale"),
    [((0.4,), False), ((0.4, 0.45), True), ((0.4, 0.6), False), ((0.6, 0.55, 0.6), True), ((0.6, 0.5, 0.61), False)],
)
def test_it_is_stale_when_patience_brought_nothing(scores: tuple[float, ...], is_stale: bool) -> None:
    assert history(0.5, *scores).is_stale(2) is is_stale


def test_it_is_kept_and_read_back_and_cut(tmp_path: Path) -> None:
    written = history(0.5, 0.6, 0.7)
    written.write(tmp_path / "history.json")
    read = History.read(tmp_path / "history.json", EncoderScore)
    assert read == written
    read.cut(1)
    assert read == history(0.5, 0.6)


def test_it_is_drawn(tmp_path: Path) -> None:
    draw(history(0.5, 0.6, 0.7, 0.65), tmp_path / "loss.svg", "nDCG@10")
    drawn = (tmp_path / "loss.svg").read_text()
    assert "<svg" in drawn
