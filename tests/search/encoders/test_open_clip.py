import contextlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tests.fakes import CALIBRATION
from tests.search.encoders.conftest import write_tiny_encoder
from vitrina.search.encoders import open_clip as adapter
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.open_clip import OpenClipEncoder, precision
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.errors import EncoderError

TEXTS = ["navy linen shirt", "red mug", "", "قميص أحمر 👕 " * 40]


def make_images(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (40, 30 + i, 3), dtype=np.uint8)) for i in range(n)]


@pytest.fixture(scope="module")
def encoder(tiny_folder: Path) -> Encoder:
    return load_encoder(f"local-dir:{tiny_folder}", device="cpu", exact=True)


def test_vectors_are_unit_rows(encoder: Encoder) -> None:
    for vectors in (encoder.encode_images(make_images(3)), encoder.encode_texts(TEXTS)):
        assert vectors.dtype == np.float32
        assert vectors.shape[1] == encoder.identity.dimension == 16
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.encode_images([]).shape == (0, 16)
    assert encoder.encode_texts([]).shape == (0, 16)


def test_a_batch_equals_its_rows_one_by_one(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    images, texts = encoder.encode_images(make_images(5)), encoder.encode_texts(TEXTS)
    for image, vector in zip(make_images(5), images, strict=True):
        np.testing.assert_allclose(encoder.encode_images([image])[0], vector, atol=1e-4)
    for text, vector in zip(TEXTS, texts, strict=True):
        np.testing.assert_allclose(encoder.encode_texts([text])[0], vector, atol=1e-4)
    monkeypatch.setattr(adapter, "_BATCH_SIZE", 2)
    np.testing.assert_allclose(encoder.encode_images(make_images(5)), images, atol=1e-4)


def test_it_is_what_plain_open_clip_computes(encoder: Encoder, tiny_folder: Path) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny_folder}")
    model.eval()
    with torch.no_grad():
        images = model.encode_image(torch.stack([transform(image) for image in make_images(3)]), normalize=True)
        texts = model.encode_text(tokenizer(TEXTS), normalize=True)
    np.testing.assert_allclose(encoder.encode_images(make_images(3)), images.numpy(), atol=1e-4)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-4)


def test_threads_get_their_own_rows(encoder: Encoder) -> None:
    texts = [f"red mug {i}" for i in range(24)]
    expected = encoder.encode_texts(texts)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: encoder.encode_texts([text])[0], texts))
    np.testing.assert_allclose(rows, expected, atol=1e-4)


def test_the_fingerprint_follows_weights_and_preprocessing_alone(tiny_folder: Path, tmp_path: Path) -> None:
    def fingerprint(folder: Path) -> str:
        return load_encoder(f"local-dir:{folder}").identity.fingerprint

    original = fingerprint(tiny_folder)
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    (copy / "README.md").write_text("another card")
    (copy / "vitrina.json").write_text('{"calibration": null}')
    assert fingerprint(copy) == original
    config = copy / "open_clip_config.json"
    config.write_text(config.read_text().replace('"bicubic"', '"bilinear"'))
    assert fingerprint(copy) != original
    write_tiny_encoder(tmp_path / "retrained", seed=1)
    assert fingerprint(tmp_path / "retrained") != original


def test_a_models_own_hash_follows_its_weights(tiny_folder: Path) -> None:
    model = open_clip.create_model(f"local-dir:{tiny_folder}")
    before = adapter._hash_model(model, {"size": 32})
    assert adapter._hash_model(model, {"size": 32}) == before
    assert adapter._hash_model(model, {"size": 64}) != before
    with torch.no_grad():
        model.logit_scale += 1
    assert adapter._hash_model(model, {"size": 32}) != before


def test_the_calibration_is_read_from_beside_the_model(encoder: Encoder, tiny_folder: Path, tmp_path: Path) -> None:
    assert encoder.calibration == CALIBRATION
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    (copy / "vitrina.json").write_text("{")
    with pytest.raises(EncoderError, match="damaged"):
        load_encoder(f"local-dir:{copy}")
    (copy / "vitrina.json").unlink()
    assert load_encoder(f"local-dir:{copy}").calibration is None


def test_the_name_of_a_folder_does_not_depend_on_where_it_was_loaded(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_folder.parent)
    assert load_encoder("local-dir:tiny").identity.name == f"local-dir:{tiny_folder.resolve()}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("local-dir:/no/such/folder", "no open_clip_config.json"),
        ("nonsense", "knows no model 'nonsense'"),
        ("ViT-B-32", "has no weights ''; it has: openai"),
        ("ViT-B-32/nothing", "has no weights 'nothing'"),
        ("ViT-B-16-SigLIPP/webli", "close names: ViT-B-16-SigLIP"),
    ],
)
def test_an_encoder_that_is_not_there_is_answered_with_what_works(name: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message) as raised:
        load_encoder(name)
    assert "local-dir:FOLDER" in raised.value.remedy
    assert "embedded" in raised.value.remedy


def test_a_folder_without_weights_is_refused_rather_than_random(tiny_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    (copy / "open_clip_model.safetensors").unlink()
    with pytest.raises(EncoderError, match="could not be loaded"):
        load_encoder(f"local-dir:{copy}")


def test_devices_that_are_not_there_are_named(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EncoderError, match="finds no GPU"):
        load_encoder(f"local-dir:{tiny_folder}", device="cuda")
    with pytest.raises(EncoderError, match="'tpu' is no device"):
        load_encoder(f"local-dir:{tiny_folder}", device="tpu")


def test_bfloat16_on_cuda_and_for_training_where_the_cpu_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, torch.dtype]] = []

    def autocast(device_type: str, dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
        asked.append((device_type, dtype))
        return contextlib.nullcontext()

    monkeypatch.setattr(torch, "autocast", autocast)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    precision(torch.device("cpu"))
    assert asked == []
    precision(torch.device("cuda", 0))
    precision(torch.device("cpu"), trains=True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    precision(torch.device("cpu"), trains=True)
    assert asked == [("cuda", torch.bfloat16), ("cpu", torch.bfloat16)]


@pytest.mark.parametrize(("capability", "kind"), [("avx512_bf16", torch.bfloat16), ("avx512_f", torch.float32)])
def test_images_are_embedded_in_bfloat16_where_the_cpu_computes_in_it(
    encoder: Encoder, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capability: str, kind: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    usual = load_encoder(f"local-dir:{tiny_folder}", device="cpu")
    assert isinstance(usual, OpenClipEncoder)
    assert next(usual.model.visual.parameters()).dtype is kind
    assert usual.identity == encoder.identity, "one may embed the catalog and the other the queries"
    images, texts = usual.encode_images(make_images(3)), usual.encode_texts(TEXTS)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, encoder.encode_images(make_images(3)), atol=0.02)
    np.testing.assert_array_equal(texts, encoder.encode_texts(TEXTS))
