"""A matcher beside a vision-language model: who answers what, what is kept, and what fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.fakes import make_image
from tests.search.reranking.shops import ColourReranker
from vitrina.search.reranking.backends.matched import MatchedReranker, pack, unpack
from vitrina.search.reranking.base import Deadline, JudgesPairs, PrecomputesFeatures, RerankCandidate
from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

SOON = 30.0


class Writer(ColourReranker):
    """Writes, and says when it is closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@dataclass
class LightMatcher:
    """Sees how red an image is, and calls it so."""

    attended: list[int] = field(default_factory=list)
    fails: bool = False

    def image_tokens(self, images: Sequence[Image.Image]) -> NDArray[np.float16]:
        self.attended.append(len(images))
        reds = [np.asarray(image, np.float32)[..., 0].mean() / 255 for image in images]
        return np.array(reds, np.float16)[:, None, None]

    def judge_pairs(
        self, tokens: NDArray[np.float16], statements: Sequence[str], owners: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        if self.fails:
            raise RuntimeError("out of memory")
        reds = tokens[owners, 0, 0].astype(np.float32)
        answers: NDArray[np.float32] = np.where([each == "red" for each in statements], reds, 1 - reds)
        return answers


def opened(matcher: LightMatcher, features: FeatureCache | None = None) -> tuple[MatchedReranker, Writer]:
    writer = Writer(writes="A red thing.")
    made = MatchedReranker(
        matcher,  # type: ignore[arg-type]
        writer,
        RerankerIdentity("matched", "1" * 64),
        cache_bytes=1 << 20,
        features=features,
    )
    return made, writer


def candidates() -> list[RerankCandidate]:
    return [
        RerankCandidate("red", make_image("red")),
        RerankCandidate("none", None),
        RerankCandidate("gone", lambda: None),
        RerankCandidate("black", make_image("black")),
    ]


def test_the_matcher_judges_and_the_model_writes() -> None:
    reranker, writer = opened(LightMatcher())
    with reranker:
        judged = reranker.judge(candidates(), ["red", "not so"], Deadline.within(SOON))
        assert judged[0, 0] > 0.7 > 0.3 > judged[3, 0]
        assert np.isnan(judged[1:3]).all()
        assert writer.n_judged == 0
        assert "".join(reranker.write(candidates()[0], ["colour red: met"], Deadline.within(SOON))) == "A red thing."
        assert isinstance(reranker, JudgesPairs)
        assert isinstance(reranker, PrecomputesFeatures)
    assert writer.is_closed


def test_the_tokens_of_an_image_are_computed_once() -> None:
    matcher = LightMatcher()
    reranker, _ = opened(matcher)
    with reranker:
        first = reranker.judge(candidates(), ["red"], Deadline.within(SOON))
        again = reranker.judge(candidates(), ["red"], Deadline.within(SOON))
    np.testing.assert_array_equal(first, again)
    assert sum(matcher.attended) == 2


def test_a_later_process_finds_the_tokens(tmp_path: Path) -> None:
    path = tmp_path / "features" / "matched.db"
    reranker, _ = opened(LightMatcher(), FeatureCache(path))
    with reranker:
        assert reranker.caches_features
        assert reranker.precompute_features(candidates()) == 2
    matcher = LightMatcher()
    later, _ = opened(matcher, FeatureCache(path))

    def open_image() -> Image.Image:
        raise AssertionError("it is opened")

    with later:
        judged = later.judge([RerankCandidate("red", open_image)], ["red"], Deadline.within(SOON))
    assert judged[0, 0] > 0.7
    assert matcher.attended == []


@pytest.mark.parametrize("damage", [lambda data: data[:5], lambda data: b"\x00\x00" + data[2:], lambda data: b""])
def test_damaged_features_are_computed_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    cache = FeatureCache(tmp_path / "features" / "matched.db")
    cache.put({"red": damage(pack(np.ones((25, 4), np.float16)))})
    matcher = LightMatcher()
    reranker, _ = opened(matcher, cache)
    with reranker:
        judged = reranker.judge(candidates()[:1], ["red"], Deadline.within(SOON))
    assert np.isfinite(judged).all()
    assert matcher.attended == [1]


def test_what_is_packed_is_unpacked() -> None:
    tokens = np.arange(50, dtype=np.float16).reshape(25, 2)
    np.testing.assert_array_equal(unpack(pack(tokens)), tokens)


def test_a_deadline_that_has_passed_is_kept() -> None:
    matcher = LightMatcher()
    reranker, _ = opened(matcher)
    with reranker:
        assert np.isnan(reranker.judge(candidates(), ["red"], Deadline.within(0))).all()
    assert matcher.attended == []


def test_a_matcher_that_fails_says_so() -> None:
    reranker, _ = opened(LightMatcher(fails=True))
    with reranker, pytest.raises(RerankerError, match="out of memory"):
        reranker.judge(candidates(), ["red"], Deadline.within(SOON))
