"""Copies of encoders in a store: complete, up to date, and only of encoders that are in use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vitrina.search.encoders.base import fingerprint_of
from vitrina.search.encoders.registry import keep_copy
from vitrina.search.store.store import ModelStore, Store
from vitrina.search.types.errors import StorageError
from vitrina.search.types.models import EncoderIdentity


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the files of an encoder; nothing here loads it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text("{}")
    (folder / "open_clip_model.safetensors").write_bytes(bytes(range(256)))
    return folder.resolve()


@pytest.fixture
def kept(store: Store) -> ModelStore:
    return store.models


def identity_of(folder: Path) -> EncoderIdentity:
    return EncoderIdentity(f"local-dir:{folder}", fingerprint_of(folder), 16)


def copy_of(kept: ModelStore, identity: EncoderIdentity) -> Path:
    return Path(kept.source_of(identity).removeprefix("local-dir:"))


def test_a_folder_is_copied_and_survives_its_original(store: Store, kept: ModelStore, model: Path) -> None:
    (model / "more").mkdir()
    (model / "more" / "file").write_text("in a folder")
    identity = identity_of(model)
    assert kept.source_of(identity) == identity.name
    keep_copy(store, identity)
    shutil.rmtree(model)
    copy = copy_of(kept, identity)
    assert copy.parent == kept.folder
    assert fingerprint_of(copy) == identity.fingerprint
    assert (copy / "more" / "file").read_text() == "in a folder"
    keep_copy(store, identity)  # the original is gone, the copy stays
    assert fingerprint_of(copy) == identity.fingerprint


def test_what_is_not_part_of_the_fingerprint_is_brought_up_to_date(store: Store, kept: ModelStore, model: Path) -> None:
    identity = identity_of(model)
    keep_copy(store, identity)
    weights = copy_of(kept, identity) / "open_clip_model.safetensors"
    inode = weights.stat().st_ino
    (model / "vitrina.json").write_text("{}")
    keep_copy(store, identity)
    assert (copy_of(kept, identity) / "vitrina.json").read_text() == "{}"
    assert weights.stat().st_ino == inode  # concurrent readers of the weights are not disturbed
    assert not list(kept.folder.rglob("*.part"))


def test_a_folder_that_holds_another_encoder_by_now_is_not_copied_over(
    store: Store, kept: ModelStore, model: Path
) -> None:
    identity = identity_of(model)
    keep_copy(store, identity)
    (model / "open_clip_model.safetensors").write_bytes(b"retrained")
    keep_copy(store, identity)
    assert fingerprint_of(copy_of(kept, identity)) == identity.fingerprint


def test_an_encoder_without_a_folder_is_left_where_it_is(store: Store, kept: ModelStore) -> None:
    identity = EncoderIdentity("ViT-B-16-SigLIP/webli", "f" * 64, 768)
    keep_copy(store, identity)
    assert kept.source_of(identity) == identity.name
    assert not kept.folder.exists()


def test_others_are_discarded(store: Store, kept: ModelStore, model: Path) -> None:
    first = identity_of(model)
    keep_copy(store, first)
    (model / "open_clip_model.safetensors").write_bytes(b"retrained")
    second = identity_of(model)
    keep_copy(store, second)
    kept.discard_others([second])
    assert kept.source_of(first) == first.name
    assert copy_of(kept, second).is_dir()


def test_a_disk_that_refuses_is_told(tmp_path: Path, model: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be copied"):
        ModelStore(tmp_path / "file").keep(identity_of(model), model)
