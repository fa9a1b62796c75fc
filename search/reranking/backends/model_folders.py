"""Folders of rerankers in this process: the embedded one, their configuration, and their fingerprint. Imports neither
torch nor transformers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from vitrina.search.reranking.backends.dialects import PromptDialect, dialect_of
from vitrina.search.reranking.fusion import CARD_FILE
from vitrina.search.reranking.matcher import MATCHER_FOLDER, matcher_digest
from vitrina.search.reranking.prompts import digest
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded"
"""The model that ships in the package."""

LOCAL_PREFIX = "local-dir:"

USAGE = (
    "Use a folder in the Hugging Face format, or a name on the hub such as 'Qwen/Qwen3-VL-2B-Instruct'; native are "
    "Qwen2-VL, Qwen2.5-VL, Qwen3-VL, SmolVLM, Idefics3, LLaVA, Llama 3.2 Vision, Pixtral, Gemma 3 and Molmo2."
)

MAX_PIXELS = 448 * 448
"""256 tokens of Qwen2-VL, 196 of Qwen3-VL: a product fills its image, and the time grows with the tokens."""

EXPORT_FOLDER = "onnx"
"""Of a model's folder; an export computes what the model does, and so does not count in its fingerprint."""

_FINGERPRINTED_SUFFIXES = {".safetensors", ".json", ".jinja", ".txt", ".model", ".py"}


def local_folder(name: str) -> Path | None:
    """Return the local folder of a model name; None without one, as for names on the hub."""
    path = EMBEDDED_FOLDER if name == EMBEDDED else Path(name.removeprefix(LOCAL_PREFIX)).expanduser()
    return path.resolve() if path.is_dir() else None


def n_weight_bytes(folder: Path) -> int:
    """Return the size of the weights in a model's folder."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def configuration(name: str, folder: Path) -> dict[str, Any]:
    """Return the configuration as written in a model's folder. Raises RerankerError."""
    path = folder / "config.json"
    if not path.is_file():
        raise RerankerError(f"There is no model in {folder}: it holds no config.json.", remedy=USAGE)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RerankerError(
            f"Reranker '{name}' could not be loaded: {path} cannot be read: {error}",
            remedy="Copy or download it again.",
        ) from error


def identity_of(name: str, folder: Path, *, max_pixels: int = MAX_PIXELS) -> RerankerIdentity:
    """Return the identity of the model in a folder, without loading it: the same whatever runs it. Reads all weights to
    hash them. Raises RerankerError."""
    model_type = str(configuration(name, folder).get("model_type", ""))
    return RerankerIdentity(name, reranker_fingerprint(folder, dialect_of(name, folder, model_type), max_pixels))


def matched_identity(name: str, folder: Path, *, max_pixels: int = MAX_PIXELS) -> RerankerIdentity:
    """As ``identity_of``, of the model and the matcher beside it; of the model alone where there is none."""
    identity = identity_of(name, folder, max_pixels=max_pixels)
    matcher = folder / MATCHER_FOLDER
    if not matcher.is_dir():
        return identity
    both = hashlib.sha256(f"{identity.fingerprint}:{matcher_digest(matcher)}".encode())
    return RerankerIdentity(name, both.hexdigest())


def reranker_fingerprint(folder: Path, dialect: PromptDialect, max_pixels: int) -> str:
    """SHA-256 over weights, configuration, tokenizer and templates, and over prompts and image size."""
    digested = hashlib.sha256(f"{digest()}:{dialect.name}:{max_pixels}:".encode())
    _digest_files(folder, digested)
    return digested.hexdigest()


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 over weights, configuration, tokenizer and templates alone, which an export is made from."""
    digested = hashlib.sha256()
    _digest_files(folder, digested)
    return digested.hexdigest()


def _digest_files(folder: Path, digested: hashlib._Hash) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        is_export = name.parts[0] in (EXPORT_FOLDER, MATCHER_FOLDER)
        if path.suffix in _FINGERPRINTED_SUFFIXES and path.name != CARD_FILE and not is_export:
            digested.update(f"{name.as_posix()}:{path.stat().st_size}:".encode())
            with path.open("rb") as file:
                digested.update(hashlib.file_digest(file, "sha256").digest())
