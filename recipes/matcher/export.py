"""The matcher's graphs: tower and head for ONNX Runtime, their weights as float16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim

from recipes.matcher.model import MODEL_WIDTH, N_MODEL_PLACES, N_PLACES, SIDE, MatchHead, MatchTower
from vitrina.search.reranking.matcher import HEAD_FILE, TOWER_FILE

SMALL = 256
"""Numbers of a weight that is not worth rounding."""


class TokensOfImages(torch.nn.Module):
    """From pixels, what the vision-language model's tower made of the image, and the encoder's vector, to image
    tokens."""

    def __init__(self, tower: MatchTower, head: MatchHead) -> None:
        super().__init__()
        self.tower, self.head = tower, head

    def forward(self, pixels: torch.Tensor, features: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        return self.head.image_tokens([self.tower(pixels), features, vectors[:, None]])


class JudgeOfTokens(torch.nn.Module):
    """From image tokens, and phrases, to logits."""

    def __init__(self, head: MatchHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, tokens: torch.Tensor, texts: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
        return self.head.judge(tokens, texts, owners)


ANY_NUMBER = Dim.DYNAMIC


def write_features(path: Path, tower: MatchTower) -> None:
    """Write the graph from pixels to features, which the head is trained on. Blocks for ten seconds and more."""
    _write(path, tower, (_PIXELS,), ["pixels"], ["features"], ({0: ANY_NUMBER},))


def write_matcher(folder: Path, tower: MatchTower, head: MatchHead, text_width: int) -> None:
    """Write both graphs of a matcher. Blocks for ten seconds and more."""
    shown = (_PIXELS, torch.zeros(3, N_MODEL_PLACES, MODEL_WIDTH), torch.zeros(3, text_width))
    sizes = ({0: ANY_NUMBER}, {0: ANY_NUMBER}, {0: ANY_NUMBER})
    given = ["pixels", "features", "vectors"]
    _write(folder / TOWER_FILE, TokensOfImages(tower, head), shown, given, ["tokens"], sizes)
    tokens = torch.zeros(3, N_PLACES + N_MODEL_PLACES + 1, head.width)
    example = (tokens, torch.zeros(7, text_width), torch.zeros(7, dtype=torch.int64))
    _write(folder / HEAD_FILE, JudgeOfTokens(head), example, ["tokens", "texts", "owners"], ["logits"], sizes)


_PIXELS = torch.zeros(3, 3, SIDE, SIDE)


def _write(
    path: Path,
    model: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    shapes: Any,
) -> None:
    import onnx_ir

    program = torch.onnx.export(
        model.eval(),
        example,
        input_names=inputs,
        output_names=outputs,
        dynamic_shapes=shapes,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise TypeError("torch.onnx.export gave no program")
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces of this machine
    proto = onnx_ir.to_proto(program.model)
    _round_weights(proto.graph)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(proto.SerializeToString(deterministic=True))
    partial.replace(path)


def _round_weights(graph: Any) -> None:
    """Keep large weights as float16, each behind a cast to float32, which ONNX Runtime does once, when it loads."""
    import onnx

    casts = []
    for initializer in graph.initializer:
        weight = onnx.numpy_helper.to_array(initializer)
        if weight.dtype != np.float32 or weight.size < SMALL:
            continue
        name = initializer.name
        initializer.CopyFrom(onnx.numpy_helper.from_array(weight.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
