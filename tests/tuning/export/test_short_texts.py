"""A text graph takes short texts, also of a model that contains its text tower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir
import pytest
import torch
from onnxruntime import InferenceSession
from open_clip import CLIP

from vitrina.search.encoders.exports import Tokens
from vitrina.tuning.export.encoder import export_text

CONTEXT, END = 12, 49


@pytest.fixture(scope="module")
def whole() -> CLIP:
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}
    text = {"context_length": CONTEXT, "vocab_size": END + 1, "width": 16, "heads": 2, "layers": 1}
    return CLIP(8, vision, text).eval().requires_grad_(False)


@pytest.mark.slow
def test_a_cut_text_has_the_vector_of_the_whole(whole: CLIP, tmp_path: Path) -> None:
    onnx_ir.save(export_text(whole, Tokens(CONTEXT, True, 0, may_be_cut=True), has_head=False), tmp_path / "text.onnx")
    session = InferenceSession(tmp_path / "text.onnx")
    for length in (2, 5, CONTEXT):
        padded = torch.zeros(3, CONTEXT, dtype=torch.long)
        padded[:, :length] = torch.randint(3, END, (3, length))
        padded[:, length - 1] = END
        (vectors,) = session.run(None, {session.get_inputs()[0].name: padded[:, :length].numpy()})
        np.testing.assert_allclose(vectors, whole.encode_text(padded), atol=1e-5)
