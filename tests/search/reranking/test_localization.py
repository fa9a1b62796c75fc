"""Where a claim shows: boxes from a reranker, heatmaps from an encoder."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from recipes.boutique.catalog import product
from recipes.boutique.render import render
from tests.fakes import SIDE_PX, FakeEncoder, make_image
from tests.search.reranking.shops import ColourReranker
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.base import Box, Capabilities, Deadline, RerankCandidate, Scoring
from vitrina.search.reranking.localization import WINDOWS, Heatmap, regions, relevance
from vitrina.search.types.errors import RerankerError

BOX = Box(0.1, 0.2, 0.6, 0.7)


@pytest.fixture(scope="module")
def embedded() -> Encoder:
    return load_encoder("embedded", device="cpu")


def two_sides(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def brightest(heatmap: Heatmap) -> tuple[float, float]:
    """Where a heatmap is highest, across and down, as parts of the picture."""
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    return (column + 0.5) / heatmap.shape[1], (row + 0.5) / heatmap.shape[0]


class SharpEyes(ColourReranker):
    """Gives one box for every claim but those on ``mug``, and fails at ``dress``."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(Scoring.LOGITS, boxes=True)

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        if statement == "dress":
            raise RerankerError("It cannot look.", remedy="Mend it.")
        return None if statement == "mug" else BOX


def brute_force(encoder: FakeEncoder, image: Image.Image, statement: str) -> Heatmap:
    """Place by place, the windows one by one: by how much each matches better than the worst, how varied it is, and how
    near its middle the place is; stretched from 0 to 1."""
    side = image.width
    text = encoder.encode_texts([statement])[0]
    cosines: dict[tuple[float, float, float], float] = {}
    variety: dict[tuple[float, float, float], float] = {}
    for n_a_side, part in WINDOWS:
        starts = [at * (1 - part) / (n_a_side - 1) for at in range(n_a_side)]
        for left, top in itertools.product(starts, starts):
            edges = int(left * side), int(top * side), round((left + part) * side), round((top + part) * side)
            crop = image.crop(edges)
            cosines[left, top, part] = float(encoder.encode_images([crop])[0] @ text)
            variety[left, top, part] = float(np.asarray(crop, np.float64).std(axis=(0, 1)).mean())
    most_varied, worst = max(variety.values()), min(cosines.values())
    found = np.zeros((64, 64))
    for n_a_side, part in WINDOWS:
        own, together = np.zeros((64, 64)), np.zeros((64, 64))
        for row, column in np.ndindex(64, 64):
            for left, top in itertools.product([at * (1 - part) / (n_a_side - 1) for at in range(n_a_side)], repeat=2):
                away = np.hypot((column + 0.5) / 64 - left - part / 2, (row + 0.5) / 64 - top - part / 2)
                nearness = np.exp(-0.5 * (away / (0.25 * part)) ** 2)
                counts = 0.5 + min(0.5, variety[left, top, part] / most_varied)
                own[row, column] += nearness * counts * (cosines[left, top, part] - worst)
                together[row, column] += nearness
        found += own / together.max()
    return np.asarray((found - found.min()) / (found.max() - found.min()), np.float32)


def test_relevance_is_what_each_place_is_on_its_own(encoder: FakeEncoder) -> None:
    rng = np.random.default_rng(0)
    side = round(SIDE_PX / min(part for _, part in WINDOWS))  # so large that it is looked at as it is
    image = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    for statement, heatmap in zip(("red", "blue"), relevance(encoder, image, ["red", "blue"]), strict=True):
        np.testing.assert_allclose(heatmap, brute_force(encoder, image, statement), atol=1e-4)


def test_each_half_of_an_image_is_what_it_is(encoder: FakeEncoder) -> None:
    image = two_sides(make_image("red", size=(40, 60)), make_image("green", size=(40, 60)))
    red, green = relevance(encoder, image, ["red", "green"])
    assert red.dtype == np.float32
    assert red.shape == (48, 64)
    assert (red.min(), red.max()) == (0, 1)
    assert red[:, :32].mean() > 3 * red[:, 32:].mean()
    assert green[:, 32:].mean() > 3 * green[:, :32].mean()
    assert brightest(red)[0] < 0.4 < 0.6 < brightest(green)[0]


def test_the_embedded_encoder_finds_drawings(embedded: Encoder) -> None:
    """Of each two drawings side by side, each is looked for where it is; of 24, at most one may be missed."""
    products = [product(index, seed=3) for index in range(24)]
    drawings = [render(each, size=128).image for each in products]
    n_found = 0
    for left in range(0, 24, 2):
        statements = [str(each.attributes["article"]) for each in products[left : left + 2]]
        first, second = relevance(embedded, two_sides(drawings[left], drawings[left + 1]), statements)
        n_found += int(brightest(first)[0] < 0.5) + int(brightest(second)[0] > 0.5)
    assert n_found >= 23


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3000, 2000)])
def test_images_of_any_shape(encoder: FakeEncoder, size: tuple[int, int]) -> None:
    heatmap = relevance(encoder, Image.new("RGB", size, "navy"), ["blue"])[0]
    assert max(heatmap.shape) == 64
    assert min(heatmap.shape) >= 1
    assert not heatmap.any()  # which none that is not finite would pass


def test_a_box_where_the_reranker_gives_one_else_a_heatmap(
    encoder: FakeEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    candidate = RerankCandidate("key", two_sides(make_image("red"), make_image("blue")))
    statements = ["red", "mug", "dress", "red"]
    found = regions(candidate, statements, encoder, SharpEyes(), Deadline.within(60))
    assert [region.statement for region in found] == statements
    assert [region.box for region in found] == [BOX, None, None, BOX]
    assert [region.is_fallback for region in found] == [False, False, True, False]
    assert [region.heatmap is None for region in found] == [True, False, False, True]
    assert "It cannot look." in caplog.text


def test_without_boxes_or_time_all_are_heatmaps(encoder: FakeEncoder) -> None:
    candidate = RerankCandidate("key", make_image("red"))
    for reranker, seconds in ((None, 60), (ColourReranker(), 60), (SharpEyes(), 0)):
        found = regions(candidate, ["red"], encoder, reranker, Deadline.within(seconds))
        assert found[0].box is None
        assert found[0].heatmap is not None


def test_nothing_to_show(encoder: FakeEncoder) -> None:
    assert regions(RerankCandidate("key", None, "Red mug"), ["red"], encoder, None, Deadline.within(60)) == []
    assert regions(RerankCandidate("key", make_image("red")), [], encoder, None, Deadline.within(60)) == []
    assert relevance(encoder, make_image("red"), []) == []
