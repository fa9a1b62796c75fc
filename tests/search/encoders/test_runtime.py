"""Which runtime an encoder gets, and what becomes of exports that cannot be used."""

import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from vitrina.search.encoders import compute
from vitrina.search.encoders.base import Runtime
from vitrina.search.encoders.compute import may_use_gpu
from vitrina.search.encoders.onnx import OnnxEncoder
from vitrina.search.encoders.open_clip import OpenClipEncoder, load_model
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.errors import EncoderError, MissingDependencyError
from vitrina.tuning.export.encoder import export_encoder, export_int8
from vitrina.tuning.model_folder import write_weights


@pytest.fixture
def folder(exported_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported_folder, tmp_path / "encoder")


def other_weights(folder: Path) -> None:
    config = folder / "open_clip_config.json"
    config.write_text(config.read_text().replace('"bicubic"', '"bilinear"'))


def damaged_graph(folder: Path) -> None:
    graph = folder / "onnx" / "image.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])


def missing_graph(folder: Path) -> None:
    (folder / "onnx" / "text.onnx").unlink()


def damaged_description(folder: Path) -> None:
    (folder / "onnx" / "export.json").write_text('{"fingerprint": ')


@pytest.mark.parametrize("harm", [other_weights, damaged_graph, missing_graph, damaged_description])
def test_an_export_that_cannot_be_used_is_left_held_out_with_the_command_that_mends_it(
    folder: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    harm(folder)
    with caplog.at_level(logging.WARNING):
        encoder = load_encoder(f"local-dir:{folder}", device="cpu")
    assert isinstance(encoder, OpenClipEncoder)
    assert f"vitrina encoder export {folder}" in caplog.text
    with pytest.raises(EncoderError) as raised:
        load_encoder(f"local-dir:{folder}", device="cpu", runtime=Runtime.ONNX)
    assert f"vitrina encoder export {folder}" in raised.value.remedy


def test_without_onnx_runtime_pytorch_runs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert isinstance(load_encoder(f"local-dir:{folder}", device="cpu"), OpenClipEncoder)
    assert "pip install onnxruntime" in caplog.text
    with pytest.raises(MissingDependencyError):
        load_encoder(f"local-dir:{folder}", device="cpu", runtime=Runtime.ONNX)


def test_a_folder_without_an_export_says_nothing(tiny_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(load_encoder(f"local-dir:{tiny_folder}", device="cpu"), OpenClipEncoder)
    assert not caplog.text
    with pytest.raises(EncoderError, match="not exported"):
        load_encoder(f"local-dir:{tiny_folder}", device="cpu", runtime=Runtime.ONNX)


def test_a_gpu_goes_to_pytorch(exported_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def driver(found: bool) -> None:
        monkeypatch.setattr(compute, "can_load", lambda _: found)

    driver(False)
    assert may_use_gpu("cuda:1")
    assert not may_use_gpu("auto")
    assert isinstance(load_encoder(f"local-dir:{exported_folder}"), OnnxEncoder)
    driver(True)
    assert may_use_gpu("auto")
    assert not may_use_gpu("cpu")
    assert isinstance(load_encoder(f"local-dir:{exported_folder}"), OpenClipEncoder)


@pytest.mark.slow
def test_eight_bits_make_another_encoder(exported_folder: Path, tmp_path: Path) -> None:
    whole = load_encoder(f"local-dir:{exported_folder}", device="cpu")
    pixels = list(np.random.default_rng(0).uniform(-1, 1, (40, 3, 40, 32)).astype(np.float32))
    export_int8(exported_folder, tmp_path / "int8", pixels)
    int8 = load_encoder(f"local-dir:{tmp_path / 'int8'}", device="cpu")
    assert int8.identity.fingerprint != whole.identity.fingerprint
    cosines = (int8.encode_pixels(pixels) * whole.encode_pixels(pixels)).sum(axis=1)
    assert cosines.min() > 0.95
    assert cosines.max() < 1 - 1e-6
    np.testing.assert_allclose(int8.encode_texts(["red mug"]), whole.encode_texts(["red mug"]), atol=1e-5)
    with pytest.raises(EncoderError, match="8-bit"):
        load_encoder(f"local-dir:{tmp_path / 'int8'}", device="cpu", runtime=Runtime.TORCH)
    assert isinstance(load_encoder(f"local-dir:{tmp_path / 'int8'}", device="cpu", runtime=Runtime.ONNX), OnnxEncoder)


@pytest.mark.slow
def test_weights_in_8_bits_are_read_as_pytorch_reads_them(exported_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported_folder, tmp_path / "eight")
    model, _, _ = load_model(f"local-dir:{folder}", torch.device("cpu"))
    write_weights(folder, model, in_8_bits={"text.token_embedding.weight"})
    export_encoder(folder)
    with_torch = load_encoder(f"local-dir:{folder}", device="cpu", runtime=Runtime.TORCH)
    without = load_encoder(f"local-dir:{folder}", device="cpu", runtime=Runtime.ONNX)
    texts = ["red shirt", "blue shoes for men"]
    np.testing.assert_allclose(without.encode_texts(texts), with_torch.encode_texts(texts), atol=1e-4)
