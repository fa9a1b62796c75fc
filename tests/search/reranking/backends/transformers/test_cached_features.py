"""What a model saw of pictures outlives its process, and is worth what the pictures are."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.modeling_outputs import BaseModelOutputWithPooling

from tests.search.reranking.backends.transformers.candidates import STATEMENTS, noise
from tests.search.reranking.backends.transformers.conftest import FolderOf, Opened
from vitrina.search.reranking.backends.cached_features import MAX_IMAGE_BYTES
from vitrina.search.reranking.backends.model_folders import identity_of
from vitrina.search.reranking.backends.transformers.cached_features import pack, unpack
from vitrina.search.reranking.backends.transformers.image_features import ImageFeatures
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker
from vitrina.search.reranking.base import Deadline, OpenImage, PrecomputesFeatures, RerankCandidate
from vitrina.search.store.feature_cache import FeatureCache

CPU = torch.device("cpu")
SAME = 1e-4
"""Half precision on disk moves P(yes) by less, and from picture to picture it differs by ten times as much."""


@pytest.fixture(scope="module")
def folder(folder_of: FolderOf) -> Path:
    return folder_of("fast-vlm")


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return tmp_path / "features"


@contextmanager
def opened_with(folder: Path, features: Path) -> Iterator[TransformersReranker]:
    with load_reranker(str(folder), device="cpu", features=features) as reranker:
        yield reranker


@contextmanager
def counted(reranker: TransformersReranker) -> Iterator[list[int]]:
    """How many pictures each run of the vision tower gets."""
    runs: list[int] = []
    tower = reranker.prompted_model.model.model.vision_tower
    handle = tower.register_forward_pre_hook(lambda _, given: runs.append(len(given[0])))
    try:
        yield runs
    finally:
        handle.remove()


def soon() -> Deadline:
    return Deadline.within(100)


def unopenable() -> Image.Image | None:
    pytest.fail("A picture was opened.")


def candidates(*numbers: int, image: OpenImage | None = None) -> list[RerankCandidate]:
    return [RerankCandidate(f"picture {number}", image or noise(number, 60, 80)) for number in numbers]


def features_of(values: torch.Tensor, length: int = 3) -> ImageFeatures:
    return ImageFeatures(
        features=BaseModelOutputWithPooling(pooler_output=values),
        grids={"image_grid_thw": torch.tensor([[1, 2, 3]])},
        placeholder=(7,),
        expansion=(7,) * length,
        kinds={"token_type_ids": torch.ones(length, dtype=torch.int64)},
    )


def test_an_image_comes_back_as_it_was() -> None:
    before = features_of(torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0)))
    data = pack(before)
    assert data is not None
    after = unpack(data, CPU, torch.float32)
    torch.testing.assert_close(after.features.pooler_output, before.features.pooler_output, rtol=1e-3, atol=1e-4)
    assert after.features.pooler_output.dtype is torch.float32
    assert (after.placeholder, after.expansion) == (before.placeholder, before.expansion)
    assert after.grids["image_grid_thw"].tolist() == [[1, 2, 3]]
    assert after.kinds["token_type_ids"].tolist() == [1, 1, 1]


def test_numbers_too_large_for_half_precision_are_kept_whole() -> None:
    data = pack(features_of(torch.tensor([[[1e6, -3e38, 1.0]]])))
    assert data is not None
    assert unpack(data, CPU, torch.float32).features.pooler_output.tolist() == [[[1e6, pytest.approx(-3e38), 1.0]]]


def test_large_images_and_those_in_several_tensors_are_not_kept() -> None:
    half_bytes = torch.zeros(1, 1, MAX_IMAGE_BYTES // 2)
    assert pack(features_of(half_bytes)) is None
    assert pack(features_of(half_bytes[:, :, :-100])) is not None
    several = BaseModelOutputWithPooling(pooler_output=[torch.zeros(3, 8)])
    assert pack(replace(features_of(torch.zeros(1)), features=several)) is None


def test_the_next_to_open_the_model_neither_opens_an_image_nor_runs_its_tower(folder: Path, features: Path) -> None:
    with opened_with(folder, features) as first:
        assert isinstance(first, PrecomputesFeatures)
        assert first.caches_features
        before = first.judge(candidates(1, 2, 3), STATEMENTS, soon())
    with opened_with(folder, features) as second, counted(second) as runs:
        after = second.judge(candidates(1, 2, 3, image=unopenable), STATEMENTS, soon())
        written = list(second.write(candidates(2, image=unopenable)[0], ["met"], soon()))
        second.locate(candidates(3, image=unopenable)[0], "navy", soon())
    assert runs == []
    assert written
    assert (np.ptp(before, axis=0) > 10 * SAME).all(), "pictures that look the same to the model show nothing"
    np.testing.assert_allclose(after, before, atol=SAME)


def test_known_and_new_images_in_one_batch(folder: Path, features: Path, opened: Opened) -> None:
    with opened_with(folder, features) as first:
        first.judge(candidates(1, 3), STATEMENTS, soon())
    with opened_with(folder, features) as second, counted(second) as runs:
        known = {candidate.key: candidate for candidate in candidates(1, 3, image=unopenable)}
        mixed = [known.get(candidate.key, candidate) for candidate in candidates(1, 2, 3, 4)]
        answers = second.judge(mixed, STATEMENTS, soon())
    assert sum(runs) == 2
    np.testing.assert_allclose(answers, opened("fast-vlm").judge(candidates(1, 2, 3, 4), STATEMENTS, soon()), atol=SAME)


def test_features_are_precomputed_before_any_question(folder: Path, features: Path, opened: Opened) -> None:
    with opened_with(folder, features) as first:
        assert first.precompute_features([*candidates(1, 2), RerankCandidate("gone", lambda: None)]) == 2
    with opened_with(folder, features) as second:
        answers = second.judge(candidates(1, 2, image=unopenable), STATEMENTS, soon())
    np.testing.assert_allclose(answers, opened("fast-vlm").judge(candidates(1, 2), STATEMENTS, soon()), atol=SAME)


def test_another_model_sees_for_itself(folder: Path, features: Path, tmp_path: Path) -> None:
    with opened_with(folder, features) as first:
        first.judge(candidates(1), STATEMENTS, soon())
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    template = copy / "chat_template.jinja"
    template.write_text(f"{template.read_text()} ")
    with opened_with(copy, features) as other, counted(other) as runs:
        other.judge(candidates(1), STATEMENTS, soon())
    assert runs == [1]
    assert len(list(features.glob("*.db"))) == 2


def test_an_identity_can_be_told_without_opening_the_model(folder: Path, opened: Opened) -> None:
    assert identity_of(str(folder), folder) == opened("fast-vlm").identity
    assert identity_of(str(folder), folder, max_pixels=10_000) != opened("fast-vlm").identity


@pytest.mark.parametrize("family", ["llava", "qwen2-vl"])
def test_families_whose_images_come_in_parts_keep_none(family: str, folder_of: FolderOf, features: Path) -> None:
    with opened_with(folder_of(family), features) as reranker:
        assert not reranker.caches_features
        assert reranker.precompute_features(candidates(1)) == 0
        assert np.isfinite(reranker.judge(candidates(1), STATEMENTS, soon())).all()
    assert not features.exists()


def test_without_a_place_nothing_is_kept(opened: Opened) -> None:
    assert not opened("fast-vlm").caches_features


def test_a_damaged_row_is_computed_again_and_replaced(
    folder: Path, features: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened_with(folder, features) as first:
        before = first.judge(candidates(1, 2, 3), STATEMENTS, soon())
    (path,) = features.glob("*.db")
    store = FeatureCache(path)
    whole = store.get(["picture 3"])["picture 3"]
    not_a_number = pack(features_of(torch.tensor([[[float("nan")]]])))
    assert not_a_number is not None
    store.put({"picture 1": b"nothing of the kind", "picture 2": not_a_number, "picture 3": whole[:-7]})
    with opened_with(folder, features) as second, counted(second) as runs:
        np.testing.assert_allclose(second.judge(candidates(1, 2, 3), STATEMENTS, soon()), before, atol=SAME)
    assert sum(runs) == 3
    assert "damaged" in caplog.text
    assert store.get(["picture 3"]) == {"picture 3": whole}
    store.close()


def test_a_damaged_file_costs_no_search_anything(
    folder: Path, features: Path, caplog: pytest.LogCaptureFixture, opened: Opened
) -> None:
    features.mkdir()
    (features / f"{opened('fast-vlm').identity.key}.db").write_bytes(b"no database at all" * 1000)
    with caplog.at_level(logging.DEBUG, "vitrina.search.reranking"), opened_with(folder, features) as reranker:
        answers = reranker.judge(candidates(1, 2), STATEMENTS, soon())
        reranker.judge(candidates(3), STATEMENTS, soon())
    np.testing.assert_allclose(answers, opened("fast-vlm").judge(candidates(1, 2), STATEMENTS, soon()), atol=SAME)
    told = [record.levelno for record in caplog.records if "delete it" in record.message]
    assert told.count(logging.WARNING) == 1
    assert len(told) == 4


def test_a_search_does_not_wait_for_a_locked_file(
    folder: Path, features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.search.store.feature_cache.BUSY_TIMEOUT_S", 60.0)
    with opened_with(folder, features) as reranker:
        reranker.judge(candidates(1), STATEMENTS, soon())
    (path,) = features.glob("*.db")
    holder = sqlite3.connect(path, isolation_level=None)
    with opened_with(folder, features) as reranker:
        holder.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        answers = reranker.judge([*candidates(1, image=unopenable), *candidates(2)], STATEMENTS, soon())
        took_s = time.monotonic() - started
        holder.close()
    assert np.isfinite(answers).all()
    assert took_s < 50
    store = FeatureCache(path)
    assert store.missing(["picture 1", "picture 2"]) == []
    store.close()


def test_images_that_cannot_be_opened_are_no_answer_and_cost_the_others_nothing(opened: Opened) -> None:
    reranker = opened("fast-vlm")
    gone = RerankCandidate("gone", lambda: None)
    answers = reranker.judge([*candidates(1), gone, *candidates(2)], STATEMENTS, soon())
    assert np.isnan(answers[1]).all()
    np.testing.assert_allclose(answers[[0, 2]], reranker.judge(candidates(1, 2), STATEMENTS, soon()), atol=1e-5)
    assert gone.is_blank
    assert list(reranker.write(gone, ["met"], soon())) == []
    assert reranker.locate(gone, "navy", soon()) is None


def test_it_uses_no_more_than_twice_its_input_size(opened: Opened) -> None:
    assert opened("fast-vlm").capabilities.image_side_px == 256
    assert opened("qwen2-vl").capabilities.image_side_px == 512


def test_closing_twice_and_asking_after_it(folder: Path, features: Path) -> None:
    with opened_with(folder, features) as reranker:
        reranker.judge(candidates(1), STATEMENTS, soon())
    assert np.isfinite(reranker.judge(candidates(1, 2), STATEMENTS, soon())).all()
    reranker.close()
