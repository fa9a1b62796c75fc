"""Folders of encoders: the names that they are loaded by, their fingerprint, and the card beside the weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import LOCAL_PREFIX

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
HUB_PREFIX = "hf-hub:"
CARD_FILE = "vitrina.json"
"""The card beside a model: what Vitrina measured about it. Not part of the fingerprint."""

KNOWN_NAMES = (
    f"Use '{EMBEDDED}', '{LOCAL_PREFIX}FOLDER' with an open_clip folder, 'MODEL/WEIGHTS' as in "
    f"'ViT-B-16-SigLIP/webli', or '{HUB_PREFIX}ORGANISATION/MODEL'."
)

FINGERPRINTED_SUFFIXES = {".safetensors", ".bin", ".pth", ".json", ".txt", ".model", ".onnx"}


def full_name(name: str) -> str:
    """The name to load an encoder by, for one as the user typed it, which may be the path of a folder."""
    is_path = name != EMBEDDED and not name.startswith((LOCAL_PREFIX, HUB_PREFIX)) and Path(name).expanduser().is_dir()
    if is_path or name.startswith(LOCAL_PREFIX):
        return f"{LOCAL_PREFIX}{Path(name.removeprefix(LOCAL_PREFIX)).expanduser().resolve()}"
    return name


def identity_name(name: str) -> str:
    """The name that an encoder's identity has: a folder's with its absolute path."""
    folder = encoder_folder(name)
    return f"{LOCAL_PREFIX}{folder}" if folder and name != EMBEDDED else name


def encoder_folder(name: str) -> Path | None:
    """The folder that ``name`` stands for, or None if it names no folder. Raises EncoderError where the folder holds no
    encoder."""
    if name == EMBEDDED:
        folder = EMBEDDED_FOLDER
    elif name.startswith(LOCAL_PREFIX):
        folder = Path(name.removeprefix(LOCAL_PREFIX)).expanduser().resolve()
    else:
        return None
    if not (folder / "open_clip_config.json").is_file():
        raise EncoderError(f"There is no encoder in {folder}: it holds no open_clip_config.json.", remedy=KNOWN_NAMES)
    return folder


def fingerprint_of(folder: Path) -> str:
    """SHA-256 over the configuration, weight and tokenizer files; the readme and ``vitrina.json`` may change."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in FINGERPRINTED_SUFFIXES and path.name != CARD_FILE:
            digest.update(f"{path.name}:{path.stat().st_size}:".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
