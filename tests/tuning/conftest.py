"""A small boutique, drawn and indexed, and small models of every class that open_clip has."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.boutique.catalog import product
from recipes.boutique.render import render
from tests.fakes import FakeEncoder, blank_catalog
from tests.search.encoders.conftest import write_tiny_encoder
from vitrina.search.encoders.base import Runtime
from vitrina.search.encoders.open_clip import OpenClipEncoder, create_untrained
from vitrina.search.encoders.registry import load_encoder, open_index_version
from vitrina.search.store.images import image_id_of
from vitrina.search.store.store import Store
from vitrina.search.types.item import IndexedItem, Item
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.model_folder import write_weights

SIDE_PX = 40


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A home with 160 products of the boutique. Nothing may be written to it."""
    yield from opened_shop(tmp_path_factory.mktemp("boutique"), 160)


@pytest.fixture(scope="session")
def corner_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A home with just enough of them to be tuned on."""
    yield from opened_shop(tmp_path_factory.mktemp("corner"), 64)


def opened_shop(folder: Path, n: int) -> Iterator[Store]:
    (folder / "catalog.db").write_bytes(blank_catalog())
    store = Store(folder)
    put_products(store, n)
    yield store
    store.close()


def put_products(store: Store, n: int) -> None:
    """Draw the first products of the boutique and commit them, embedded by nobody in particular.

    The shop has its own names for colours, which no encoder knows: "eulb yvan" is navy blue.
    """
    encoder, entries = FakeEncoder(), []
    none = np.empty((0, encoder.identity.dimension), np.float32)
    for index in range(n):
        drawn = product(index)
        file = io.BytesIO()
        render(drawn, size=SIDE_PX).image.save(file, "PNG")
        own = {**drawn.attributes, "colour": drawn.attributes["colour"][::-1]}
        item = Item(drawn.sku, drawn.title, drawn.description, own)
        image_id = store.images.put(file.getvalue())
        assert image_id == image_id_of(file.getvalue())
        entries.append(IndexedItem(item, drawn.sku, (image_id,), {"image": none, "text": none}))
    store.catalog.commit(open_index_version(store, encoder), entries)


@pytest.fixture(scope="session")
def write_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes an open_clip folder with random weights, of a class: ``timm``, ``clip`` or ``siglip``."""

    def write(kind: str) -> Path:
        folder = tmp_path_factory.mktemp("models") / kind
        write_tiny_encoder(folder)
        if kind != "timm":
            configuration = json.loads((folder / "open_clip_config.json").read_text())
            configuration["model_cfg"] = CONFIGURATIONS[kind]
            (folder / "open_clip_config.json").write_text(json.dumps(configuration))
            torch.manual_seed(0)
            write_weights(folder, create_untrained(folder))
            for path in folder.glob("*token*.json") if kind == "clip" else ():
                path.unlink()
        return folder

    return write


CONFIGURATIONS = {
    "clip": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "siglip": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 300,
            "hf_tokenizer_name": "tokenizer.json",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 64,
            "heads": 2,
            "layers": 1,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
        },
    },
}
"""ViT-B-32 and ViT-B-16-SigLIP in open_clip's own terms, with everything made small."""


def loaded(folder: Path) -> OpenClipEncoder:
    encoder = load_encoder(f"{LOCAL_PREFIX}{folder}", device="cpu", runtime=Runtime.TORCH, exact=True)
    assert isinstance(encoder, OpenClipEncoder)
    return encoder
