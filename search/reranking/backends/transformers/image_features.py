"""Image features: the vision tower's output, computed once, and the tokens for it in a prompt."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache
from PIL import Image

from vitrina.search.reranking.backends.dialects import Prompt
from vitrina.search.reranking.backends.transformers.chat import ChatTemplate, Inputs
from vitrina.search.reranking.base import IMAGE_SIDE_PX

if TYPE_CHECKING:
    import torch

MIN_SIDE_PX = 32
MAX_RATIO = 16
"""Narrower images are padded: Qwen's processors refuse sides in a ratio of 200, and some others take an image that is
three pixels high for one in channels-first order."""

_GRIDS = ("image_grid_thw",)
"""Still needed by a forward pass that is given features: Qwen's positions depend on it."""

_TOKEN_KINDS = ("mm_token_type_ids", "token_type_ids")


def fit_image(image: Image.Image, max_pixels: int) -> Image.Image:
    """Convert an image to RGB, reduce it to ``max_pixels``, and pad it with white if narrower than ``MAX_RATIO``."""
    image = image if image.mode == "RGB" else image.convert("RGB")
    longest = max(image.size)
    scale = min(1.0, (max_pixels / (image.width * image.height)) ** 0.5, (max_pixels * MAX_RATIO) ** 0.5 / longest)
    if scale < 1:
        size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    narrowest = max(MIN_SIDE_PX, max(image.size) // MAX_RATIO)
    if min(image.size) >= narrowest:
        return image
    canvas = Image.new("RGB", (max(image.width, narrowest), max(image.height, narrowest)), "white")
    canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
    return canvas


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """One image after the vision tower.

    ``features`` is the output of ``get_image_features`` for it alone. In a prompt, the template's ``placeholder``
    tokens are replaced by ``expansion``, as long as the image needs; ``kinds`` are the expansion's token types.
    """

    features: Any
    grids: Inputs
    placeholder: tuple[int, ...]
    expansion: tuple[int, ...]
    kinds: Inputs

    @property
    def n_bytes(self) -> int:
        """Its size in memory, mostly that of the features."""
        tensors = [*_flattened(list(self.features.values())), *self.grids.values(), *self.kinds.values()]
        return 8 * len(self.expansion) + sum(int(tensor.nbytes) for tensor in tensors)


class FeatureMemory(LRUCache[str, ImageFeatures]):
    """The image features used last, up to ``max_bytes``; features larger than that are not stored. Not thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, getsizeof=lambda features: features.n_bytes)

    def put(self, key: str, features: ImageFeatures) -> None:
        """Store an image's features, and evict those that were not used for the longest."""
        if features.n_bytes <= self.maxsize:
            self[key] = features


def accepts_features(model: Any) -> bool:
    """Whether a model accepts image features; mllama, whose text attends to tiles, does not."""
    return hasattr(model, "get_image_features") and "mm_encoder_outputs" in inspect.signature(model.forward).parameters


def max_useful_side_px(processor: Any) -> int:
    """Return the longer side, in pixels, beyond which a model makes no use of an image: for processors that reduce it
    to a fixed size twice that size, as a power of two; else, and at most, ``IMAGE_SIDE_PX``."""
    sample = Image.new("RGB", (448, 448))
    pixel_values = processor.image_processor(images=[sample], return_tensors="pt").get("pixel_values")
    if pixel_values is None or pixel_values.ndim != 4 or len(pixel_values) != 1:  # (1, channels, height, width)
        return IMAGE_SIDE_PX
    side_px = 2 * int(max(pixel_values.shape[2:]))
    return min(IMAGE_SIDE_PX, 1 << (side_px - 1).bit_length())


def compute_features(model: Any, chat: ChatTemplate, prompts: Sequence[Prompt]) -> list[ImageFeatures]:
    """Run the vision tower on the one image of each prompt."""
    batch = chat.inputs(prompts)
    wanted = inspect.signature(model.get_image_features).parameters
    features = model.get_image_features(
        **to_model({name: value for name, value in batch.items() if name in wanted}, model), return_dict=True
    )
    if len(features.pooler_output) != len(prompts):  # cut into crops that cannot be attributed to images
        return [image for prompt in prompts for image in compute_features(model, chat, [prompt])]
    return [
        _features_of(batch, row, chat.tokens(prompt), _row_features(features, row))
        for row, prompt in enumerate(prompts)
    ]


def assemble_inputs(chat: ChatTemplate, prompts: Sequence[Prompt], images: Sequence[ImageFeatures]) -> Inputs:
    """Return the model's inputs for prompts with image features, padded on the left, all but the features on the
    CPU."""
    import torch

    rows = [_with_expansion(chat.tokens(prompt), image) for prompt, image in zip(prompts, images, strict=True)]
    width = max(len(row["input_ids"]) for row in rows)
    filled = {
        name: torch.stack(
            [_padded(row[name], width, chat.tokenizer.pad_token_id * (name == "input_ids")) for row in rows]
        )
        for name in rows[0]
    }
    grids = {name: torch.cat([image.grids[name] for image in images]) for name in images[0].grids}
    return {**filled, **grids, "mm_encoder_outputs": {"image": _batch_features([image.features for image in images])}}


def to_model(inputs: Inputs, model: Any) -> Inputs:
    """Move tensors to the model's device, floating-point ones to its precision."""
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        if hasattr(value, "is_floating_point")
        else value
        for name, value in inputs.items()
    }


def _features_of(batch: Inputs, row: int, tokens: list[int], features: Any) -> ImageFeatures:
    present = batch["attention_mask"][row].bool()
    expanded = batch["input_ids"][row][present].tolist()
    kinds = {name: batch[name][row][present] for name in _TOKEN_KINDS if name in batch}
    start, end = _changed_range(tokens, expanded) if tokens != expanded else _token_range(kinds)
    stop = len(expanded) - (len(tokens) - end)
    return ImageFeatures(
        features=features,
        grids={name: batch[name][row : row + 1] for name in _GRIDS if name in batch},
        placeholder=tuple(tokens[start:end]),
        expansion=tuple(expanded[start:stop]),
        kinds={name: kind[start:stop].clone() for name, kind in kinds.items()},
    )


def _changed_range(tokens: Sequence[int], expanded: Sequence[int]) -> tuple[int, int]:
    """The range of tokens that the processor replaced: at least one token long."""
    same = (left == right for left, right in zip(tokens, expanded, strict=False))
    start = next((index for index, equal in enumerate(same) if not equal), len(tokens))
    start = max(0, min(start, len(tokens)) - 1)
    room = len(tokens) - start - 1
    backwards = zip(reversed(tokens), reversed(expanded), strict=False)
    n_behind = next((index for index, (left, right) in enumerate(backwards) if left != right), room)
    return start, len(tokens) - min(n_behind, room)


def _token_range(kinds: Inputs) -> tuple[int, int]:
    """The range of the image's tokens by their types, if its placeholder is as long as itself; else empty."""
    marked = [index for kind in kinds.values() for index in kind.nonzero().flatten().tolist()]
    return (min(marked), max(marked) + 1) if marked else (0, 0)


def _with_expansion(tokens: list[int], image: ImageFeatures) -> dict[str, torch.Tensor]:
    """A prompt's row with the image in its place. Raises ValueError if the placeholder is not in it once."""
    import torch

    length = len(image.placeholder)
    starts = [at for at in range(len(tokens) - length + 1) if tuple(tokens[at : at + length]) == image.placeholder]
    if not length:
        starts = [0]
    if len(starts) != 1:
        raise ValueError(f"The image's placeholder occurs {len(starts)} times in a prompt, not once.")
    before, behind = tokens[: starts[0]], tokens[starts[0] + length :]
    row = torch.tensor([*before, *image.expansion, *behind])
    kinds = {
        name: torch.cat([kind.new_zeros(len(before)), kind, kind.new_zeros(len(behind))])
        for name, kind in image.kinds.items()
    }
    return {"input_ids": row, "attention_mask": torch.ones_like(row), **kinds}


def _padded(row: torch.Tensor, width: int, filler: int) -> torch.Tensor:
    import torch

    return torch.cat([row.new_full((width - len(row),), filler), row])


def _row_features(features: Any, row: int) -> Any:
    """The features of one image of several, copied, since a view would keep all of them in memory."""
    # timm's output class requires the last hidden state, if only as None
    parts: dict[str, Any] = {"last_hidden_state": None, "pooler_output": _row_of(features.pooler_output, row)}
    if deep := features.get("deepstack_features"):  # Qwen3-VL: one more set for each of a few layers
        parts["deepstack_features"] = [_row_of(layer, row) for layer in deep]
    return type(features)(**parts)


def _row_of(values: Any, row: int) -> Any:
    return values[row : row + 1].clone() if hasattr(values, "clone") else [values[row].clone()]


def _batch_features(features: Sequence[Any]) -> Any:
    """The features of several images in the shape of one batch."""
    parts: dict[str, Any] = {
        "last_hidden_state": None,
        "pooler_output": _concatenated([one.pooler_output for one in features]),
    }
    if deep := features[0].get("deepstack_features"):
        layers = range(len(deep))
        parts["deepstack_features"] = [
            _concatenated([one.deepstack_features[layer] for one in features]) for layer in layers
        ]
    return type(features[0])(**parts)


def _concatenated(values: Sequence[Any]) -> Any:
    import torch

    if hasattr(values[0], "clone"):
        return torch.cat(list(values))
    return [tensor for value in values for tensor in value]


def _flattened(values: Any) -> list[Any]:
    """Every tensor of nested lists."""
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _flattened(value)]
    return [values]
