"""An exported encoder computes what PyTorch computes, from the same weights, without PyTorch."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrina.search.encoders.base import Encoder, Runtime
from vitrina.search.encoders.onnx import PART_SIZE, OnnxEncoder
from vitrina.search.encoders.open_clip import OpenClipEncoder
from vitrina.search.encoders.registry import load_encoder

TEXTS = ["navy linen shirt", "red mug", "", "Caf&eacute;  MUG", "قميص أحمر 👕 " * 40]
MANY_TEXTS = [" ".join(["navy", "linen", "shirt", "for", "men"][: 1 + i % 5]) for i in range(2 * PART_SIZE + 3)]


def make_images(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (40, 30 + i, 3), dtype=np.uint8)) for i in range(n)]


@pytest.fixture(scope="module")
def torch_encoder(exported_folder: Path) -> Encoder:
    encoder = load_encoder(f"local-dir:{exported_folder}", device="cpu", runtime=Runtime.TORCH, exact=True)
    assert isinstance(encoder, OpenClipEncoder)
    return encoder


@pytest.fixture(scope="module")
def onnx_encoder(exported_folder: Path) -> Encoder:
    encoder = load_encoder(f"local-dir:{exported_folder}", device="cpu")
    assert isinstance(encoder, OnnxEncoder)
    return encoder


def test_it_is_the_same_encoder(onnx_encoder: Encoder, torch_encoder: Encoder) -> None:
    assert onnx_encoder.identity == torch_encoder.identity
    assert onnx_encoder.calibration == torch_encoder.calibration is not None


@pytest.mark.parametrize("n", [0, 1, 3, 2 * PART_SIZE + 1])
def test_images_get_the_same_vectors(onnx_encoder: Encoder, torch_encoder: Encoder, n: int) -> None:
    vectors = onnx_encoder.encode_images(make_images(n))
    assert vectors.dtype == np.float32
    assert vectors.shape == (n, 16)
    np.testing.assert_allclose(vectors, torch_encoder.encode_images(make_images(n)), atol=1e-4)


@pytest.mark.parametrize("texts", [[], ["red mug"], TEXTS, MANY_TEXTS], ids=["none", "one", "odd", "many"])
def test_texts_get_the_same_vectors(onnx_encoder: Encoder, torch_encoder: Encoder, texts: list[str]) -> None:
    vectors = onnx_encoder.encode_texts(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), 16)
    np.testing.assert_allclose(vectors, torch_encoder.encode_texts(texts), atol=1e-4)


def test_threads_get_their_own_rows(onnx_encoder: Encoder) -> None:
    texts = [f"red mug {i}" for i in range(24)]
    expected = onnx_encoder.encode_texts(texts)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: onnx_encoder.encode_texts([text])[0], texts))
    np.testing.assert_allclose(rows, expected, atol=1e-4)


def test_it_starts_without_importing_torch(exported_folder: Path) -> None:
    script = f"""
import sys
from vitrina.search.encoders.registry import load_encoder
load_encoder("local-dir:{exported_folder}", device="cpu").encode_texts(["red mug"])
slow = {{"torch", "open_clip", "transformers"}} & set(sys.modules)
sys.exit(f"imported: {{slow}}" if slow else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def test_the_graphs_leave_the_weights_where_they_are(exported_folder: Path) -> None:
    weights = (exported_folder / "open_clip_model.safetensors").stat().st_size
    added = sum(file.stat().st_size for file in (exported_folder / "onnx").iterdir())
    assert added < 0.4 * weights
