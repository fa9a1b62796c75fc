"""``vitrina encoder export``: an open_clip folder made ready for ONNX Runtime."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

from vitrina.search.encoders.exports import (
    EXPORT_FILE,
    IMAGE_FILE,
    INT8_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
    Export,
    FastTokenizer,
    Graph,
    Tokens,
    write_export,
)
from vitrina.search.encoders.folders import fingerprint_of
from vitrina.search.encoders.open_clip import CausalTower, Tokenizer, load_model
from vitrina.search.encoders.preprocessing import Preprocessing
from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import LOCAL_PREFIX, Pixels
from vitrina.tuning.export.graphs import (
    ANY_NUMBER,
    CutTextTower,
    ImageTower,
    TextTower,
    quantize,
    read_safetensors,
    to_onnx,
    write_graph,
)

PROBES = (
    "navy linen shirt", "  Red MUG ", "", "&amp;lt;b&gt; caf&eacute;", "naïve ÀÉ ß", "seÃ±or", "قميص أحمر 👕",
    "t-shirt, men's: 100% cotton!", "<pad> </s> [CLS] <end_of_text>", "long " * 100,
)  # fmt: skip
"""Texts on which a tokenizer read from ``tokenizer.json`` must give open_clip's ids, to be used in its place."""


def export_encoder(folder: Path) -> Export:
    """Write the float32 graphs into an open_clip folder; its vectors and its fingerprint stay what they are.

    Blocks for a minute. Raises EncoderError where the folder holds no model or one that ONNX cannot express, and
    MissingDependencyError without the extra ``export``.
    """
    model, tokenizer, dimension = load_plain(folder)
    weights = read_safetensors(folder)
    preprocessing = Preprocessing.from_config(model.visual.preprocess_cfg)
    tokens = describe_tokens(folder, model, tokenizer)
    image = to_onnx(ImageTower(model), example_pixels(preprocessing), {0: ANY_NUMBER})
    text = export_text(model, tokens)
    (folder / EXPORT_FILE).unlink(missing_ok=True)  # until both towers are written there is no export
    export = Export(
        fingerprint_of(folder),
        dimension,
        write_graph(image, folder, IMAGE_FILE, weights),
        write_graph(text, folder, TEXT_FILE, weights),
        tokens,
        preprocessing,
    )
    write_export(folder, export)
    return export


def export_int8(folder: Path, target: Path, pixels: Sequence[Pixels]) -> Export:
    """Make ``target`` a copy of the folder whose image tower has 8-bit weights: another encoder, in its own space.

    ``pixels`` are some hundred images of the kind it will see, as the encoder prepares them. Blocks and raises as
    ``export_encoder`` does.
    """
    if target.resolve() == folder.resolve():
        raise EncoderError(
            f"{folder} keeps its own weights; an 8-bit encoder is another one.", remedy="Give it a folder with --out."
        )
    shutil.copytree(folder, target, dirs_exist_ok=True)
    (target / INT8_FILE).unlink(missing_ok=True)
    export = export_encoder(target)
    model, _, _ = load_plain(target)
    whole = to_onnx(ImageTower(model), example_pixels(export.preprocessing), {0: ANY_NUMBER}, fold=True)
    (target / EXPORT_FILE).unlink()
    quantize(whole, target / INT8_FILE, pixels)
    (target / IMAGE_FILE).unlink()
    digest = hashlib.sha256((target / INT8_FILE).read_bytes()).hexdigest()
    export = replace(export, fingerprint=fingerprint_of(target), image=Graph(INT8_FILE, digest, ()))
    write_export(target, export)
    return export


def load_plain(folder: Path) -> tuple[Any, Tokenizer, int]:
    """Model, tokenizer and dimension, as the exporter wants them: on the CPU, in PyTorch's usual memory order."""
    model, tokenizer, dimension = load_model(f"{LOCAL_PREFIX}{folder}", torch.device("cpu"))
    return model.to(memory_format=torch.contiguous_format), tokenizer, dimension


def example_pixels(preprocessing: Preprocessing) -> torch.Tensor:
    return torch.zeros(2, 3, *preprocessing.size)


def export_text(model: Any, tokens: Tokens) -> Any:
    """The text tower, for any number of tokens up to the context length where it may be cut."""
    if not tokens.may_be_cut:
        return to_onnx(TextTower(model), torch.ones(2, tokens.context_length, dtype=torch.long), {0: ANY_NUMBER})
    length = Dim("length", min=2, max=tokens.context_length)
    # neither 1 nor the context length, which the exporter would take for fixed
    example = torch.ones(2, max(2, tokens.context_length // 2), dtype=torch.long)
    return to_onnx(CutTextTower(model), example, {0: ANY_NUMBER, 1: length})


def describe_tokens(folder: Path, model: Any, tokenizer: Tokenizer) -> Tokens:
    """How the runtime is to make tokens, and how short the text tower takes them."""
    expected = tokenizer(list(PROBES)).numpy()  # (n, context length)
    context_length = expected.shape[1]
    pad_id = int(expected[PROBES.index("")][-1])
    is_plain = False
    if (folder / TOKENIZER_FILE).is_file():
        plain = FastTokenizer(folder, context_length, pad_id)(PROBES)
        is_plain = plain.shape == expected.shape and bool((plain == expected).all())
    tower = getattr(model, "text", None)
    may_be_cut = CausalTower.of(model) is not None
    end_id = int(tower.eos_id) if may_be_cut and tower is not None and tower.pool_type == "eos" else None
    return Tokens(context_length, is_plain, pad_id, may_be_cut, end_id)
