"""Every family loads from its folder alone and does all that it can."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from tests.search.reranking.backends.transformers import tiny
from tests.search.reranking.backends.transformers.candidates import STATEMENTS, three_candidates
from tests.search.reranking.backends.transformers.conftest import FolderOf, Opened
from vitrina.search.reranking.backends.dialects import PLAIN
from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker
from vitrina.search.reranking.base import Deadline, Scoring
from vitrina.search.types.models import RerankerIdentity

WITH_BOXES = {"qwen2-vl", "qwen2.5-vl", "qwen3-vl", "fast-vlm"}
SILENT = {"qwen3-vl-reranker"}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_family_judges_writes_and_locates(family: str, opened: Opened) -> None:
    reranker, candidates, deadline = opened(family), three_candidates(), Deadline.within(100)

    together = reranker.judge(candidates, STATEMENTS, deadline)
    apart = [
        [reranker.judge([candidate], [statement], deadline)[0, 0] for statement in STATEMENTS]
        for candidate in candidates
    ]
    assert together.shape == (3, 2)
    assert ((together > 0) & (together < 1)).all()
    assert len(np.unique(together)) > 1, "a model that sees and reads gives several answers"
    np.testing.assert_allclose(together, apart, atol=1e-4)

    written = "".join(reranker.write(candidates[0], ["colour: navy blue: met"], deadline))
    assert bool(written) == (family not in SILENT)

    box = reranker.locate(candidates[0], "navy blue", deadline)
    assert box is None or 0 <= box.left < box.right <= 1


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_family_says_what_it_can_do(family: str, opened: Opened) -> None:
    reranker = opened(family)
    can = reranker.capabilities
    assert can.scoring is Scoring.LOGITS
    assert can.writes == (family not in SILENT)
    assert can.boxes == (family in WITH_BOXES)
    assert reranker.shares_images == (family != "llama-3.2-vision")


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_features_judge_as_pixels_do(family: str, opened: Opened) -> None:
    reranker, candidates = opened(family), three_candidates()[:1]
    with reranker._exclusive(Deadline.within(100)):
        pixels = reranker._scores(candidates, STATEMENTS, share=False)
    np.testing.assert_allclose(reranker.judge(candidates, STATEMENTS, Deadline.within(100)), pixels, atol=1e-4)


@pytest.mark.parametrize("family", ["qwen3-vl", "gemma-3", "idefics3", "llama-3.2-vision"])
def test_a_family_judges_in_the_precision_of_gpus(family: str, folder_of: FolderOf, opened: Opened) -> None:
    processor = transformers.AutoProcessor.from_pretrained(folder_of(family))
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder_of(family), dtype=torch.bfloat16)
    half = TransformersReranker(model.eval(), processor, RerankerIdentity(family, ""), PLAIN)
    assert half.capabilities == opened(family).capabilities
    assert half.shares_images == opened(family).shares_images
    assert np.isfinite(half.judge(three_candidates(), STATEMENTS, Deadline.within(100))).all()
