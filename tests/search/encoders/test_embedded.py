"""The encoder in the package: it loads with plain open_clip, it is small, and it knows what it sees."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
from PIL import Image

from recipes.boutique.export import write_parquet
from recipes.encoder.recipe import MAX_ENCODER_BYTES
from vitrina.search.encoders.base import EMBEDDED_FOLDER, BesideImages, Encoder, beside_image
from vitrina.search.encoders.registry import load_catalog_encoder, load_encoder, open_index_version
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import QueryKind


@pytest.fixture(scope="module")
def embedded() -> Encoder:
    return load_encoder(device="cpu")


def test_it_fits_in_the_package() -> None:
    n_bytes = sum(path.stat().st_size for path in EMBEDDED_FOLDER.rglob("*") if path.is_file())
    assert n_bytes < MAX_ENCODER_BYTES


def test_both_names_load_the_same_encoder(embedded: Encoder) -> None:
    again = load_encoder("embedded", device="cpu")
    assert again is embedded  # shared while somebody uses it
    assert embedded.identity.name == "embedded"
    assert embedded.calibration is not None
    assert 0 < embedded.calibration.curves[QueryKind.TEXT].no_match_confidence < 1


def test_a_store_that_has_a_copy_shares_it(embedded: Encoder, store: Store) -> None:
    open_index_version(store, embedded)
    assert store.models.source_of(embedded.identity) != "embedded"
    assert load_catalog_encoder(store, partial(load_encoder, device="cpu")) is embedded


def test_plain_open_clip_computes_the_same(embedded: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EMBEDDED_FOLDER)  # the text tower's architecture is read from the working directory
    name = "local-dir:."
    model, _, transform = open_clip.create_model_and_transforms(name)
    model.eval()
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8))
    image = model.encode_image(transform(photo)[None], normalize=True).detach().numpy()
    text = model.encode_text(open_clip.get_tokenizer(name)(["Red Mug"]), normalize=True).detach().numpy()
    np.testing.assert_allclose(embedded.encode_images([photo]), image, atol=1e-4)
    np.testing.assert_allclose(embedded.encode_texts(["Red Mug"]), text, atol=1e-4)


def test_case_and_whitespace_do_not_matter(embedded: Encoder) -> None:
    one, other = embedded.encode_texts(["navy linen shirt", "  NAVY  Linen shirt "])
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_it_finds_new_drawings_by_what_they_show(embedded: Encoder, tmp_path: Path) -> None:
    write_parquet(tmp_path / "drawn.parquet", 44, seed=5)
    rows = pq.read_table(tmp_path / "drawn.parquet").to_pylist()
    images = embedded.encode_images([Image.open(io.BytesIO(row["image"])).convert("RGB") for row in rows])
    articles = sorted({row["article"] for row in rows})
    best = (embedded.encode_texts(articles) @ images.T).argmax(axis=1)
    right = [rows[index]["article"] == article for article, index in zip(articles, best, strict=True)]
    assert np.mean(right) > 0.6


def test_texts_have_dimensions_of_their_own_beside_those_of_images() -> None:
    encoder = load_encoder("embedded")
    beside_images = BesideImages(encoder)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8))
    texts, image = encoder.encode_texts(["red mug", "a cup to drink from"]), encoder.encode_images([photo])
    assert beside_images.dimension < encoder.identity.dimension
    assert texts[:, image[0] == 0].any()
    np.testing.assert_allclose(np.linalg.norm(beside_images.encode_texts(["red mug"]), axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        beside_images.encode_texts(["red mug"]) @ beside_images.encode_images([photo]).T,
        beside_image(texts[:1], image[0]) @ image.T,
        atol=1e-6,
    )
    cosines, whole = (
        beside_images.encode_texts(["red mug", "a cup to drink from"]) @ beside_images.encode_images([photo]).T,
        texts @ image.T,
    )
    assert (np.abs(cosines) > np.abs(whole)).all()  # a part of a text's length is in its own dimensions


def test_an_encoder_without_such_dimensions_keeps_all() -> None:
    texts = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(beside_image(texts, np.full(3, 0.5, np.float32)), texts)
    np.testing.assert_array_equal(beside_image(texts, np.array([1, 0, 0], np.float32)), np.diag([1.0, 0, 0]))
