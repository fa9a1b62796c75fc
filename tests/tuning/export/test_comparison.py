"""What is said of two runtimes."""

import numpy as np
import pytest
from PIL import Image

from tests.fakes import FakeEncoder
from vitrina.search.types.models import Vectors
from vitrina.tuning.export.encoder import compare, measure_paces, share_kept, take_turns

IMAGES = [Image.new("RGB", (8, 8), (index * 7 % 256, index * 31 % 256, index * 3)) for index in range(40)]
TEXTS = [f"text {index}" for index in range(20)]


class Turned(FakeEncoder):
    """An encoder whose image vectors are noise."""

    def encode_pixels(self, batch: object) -> Vectors:
        noise = np.random.default_rng(0).standard_normal((len(IMAGES), self.identity.dimension))
        return np.asarray(noise / np.linalg.norm(noise, axis=1, keepdims=True), dtype=np.float32)


def test_an_encoder_agrees_with_itself() -> None:
    agreement = compare(FakeEncoder(), FakeEncoder(), IMAGES, TEXTS)
    assert agreement.min_image_cosine == pytest.approx(1)
    assert agreement.min_text_cosine == pytest.approx(1)
    assert agreement.kept_for_texts == agreement.kept_for_images == 1


def test_noise_is_told_from_agreement() -> None:
    agreement = compare(FakeEncoder(), Turned(), IMAGES, TEXTS)
    assert agreement.mean_image_cosine < 0.9
    assert agreement.min_image_cosine <= agreement.mean_image_cosine
    assert agreement.kept_for_texts < 0.6
    assert agreement.kept_for_images < 0.6


def test_the_share_kept_counts_the_nearest_alone() -> None:
    before = np.array([[4, 3, 2, 1], [1, 2, 3, 4]], dtype=np.float32)
    after = np.array([[3, 4, 1, 2], [4, 3, 2, 1]], dtype=np.float32)
    assert share_kept(before, after, n=2) == pytest.approx(0.5)
    assert share_kept(before, after, n=9) == 1


def test_each_takes_its_turn() -> None:
    order: list[str] = []
    take_turns([lambda: order.append("one"), lambda: order.append("other")], n_runs=2)
    assert order == ["one", "other"] * 3


def test_paces_are_of_each_encoder() -> None:
    encoder = FakeEncoder()
    paces = measure_paces([encoder, encoder], [encoder.prepare(image) for image in IMAGES[:2]], TEXTS[:3])
    assert len(paces) == 2
    assert all(min(pace.images_per_s, pace.texts_per_s, pace.query_ms) > 0 for pace in paces)
