"""Pictures as a model has seen them once: their features, and what stands for them in a prompt."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from vitrina.search.reranking.backends.transformers.chat import ChatTemplate, Inputs, Prompt
from vitrina.search.reranking.base import IMAGE_SIDE_PX

if TYPE_CHECKING:
    import torch

MIN_SIDE_PX = 32
MAX_RATIO = 16
"""Slimmer pictures are padded: Qwen's processors refuse sides in a ratio of 200, and some of the others take a picture
three pixels high for one that has its colours first."""

_GRIDS = ("image_grid_thw",)
"""What a forward pass still has to know of pictures whose features it is given: Qwen's positions depend on it."""

_TOKEN_KINDS = ("mm_token_type_ids", "token_type_ids")


def fitted(image: Image.Image, max_pixels: int) -> Image.Image:
    """The picture in RGB with at most so many pixels, and on white where it is slimmer than ``MAX_RATIO`` allows."""
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
    """One picture after the vision tower.

    ``features`` is what ``get_image_features`` gave for it alone. In a prompt, the tokens ``placeholder`` that the
    template writes become ``expansion``, as long as the picture needs; ``kinds`` are the expansion's token types.
    """

    features: Any
    grids: Inputs
    placeholder: tuple[int, ...]
    expansion: tuple[int, ...]
    kinds: Inputs

    @property
    def n_bytes(self) -> int:
        """What keeping it costs, the features above all."""
        tensors = [*_tensors(list(self.features.values())), *self.grids.values(), *self.kinds.values()]
        return 8 * len(self.expansion) + sum(int(tensor.nbytes) for tensor in tensors)


class FeatureMemory:
    """The pictures seen last, up to a number of bytes. Not safe in several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._seen: OrderedDict[str, ImageFeatures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def get(self, key: str) -> ImageFeatures | None:
        """The picture of that key, if it is still there."""
        if key in self._seen:
            self._seen.move_to_end(key)
        return self._seen.get(key)

    def put(self, key: str, seen: ImageFeatures) -> None:
        """Keep a picture, and forget those that were not asked for the longest."""
        if seen.n_bytes > self._max_bytes or key in self._seen:
            return
        self._seen[key] = seen
        self._n_bytes += seen.n_bytes
        while self._n_bytes > self._max_bytes:
            _, forgotten = self._seen.popitem(last=False)
            self._n_bytes -= forgotten.n_bytes


def takes_features(model: Any) -> bool:
    """Whether a model can be given pictures as features; mllama cannot, whose text attends to tiles."""
    return hasattr(model, "get_image_features") and "mm_encoder_outputs" in inspect.signature(model.forward).parameters


def enough_px(processor: Any) -> int:
    """The longer side, in pixels, of pictures that show a model all that it can see: a power of two, twice what they
    are reduced to where each is one view of a fixed size; else, and at most, ``IMAGE_SIDE_PX``."""
    replica = processor.image_processor(images=[Image.new("RGB", (448, 448))], return_tensors="pt").get("pixel_values")
    if replica is None or replica.ndim != 4 or len(replica) != 1:  # (1, channels, height, width); others cut it up
        return IMAGE_SIDE_PX
    side_px = 2 * int(max(replica.shape[2:]))
    return min(IMAGE_SIDE_PX, 1 << (side_px - 1).bit_length())


def compute_features(model: Any, chat: ChatTemplate, prompts: Sequence[Prompt]) -> list[ImageFeatures]:
    """Run the vision tower over the one picture of each prompt."""
    batch = chat.inputs(prompts)
    wanted = inspect.signature(model.get_image_features).parameters
    features = model.get_image_features(
        **placed({name: value for name, value in batch.items() if name in wanted}, model), return_dict=True
    )
    if len(features.pooler_output) != len(prompts):  # cut into crops, of which no telling whose is which
        return [seen for prompt in prompts for seen in compute_features(model, chat, [prompt])]
    return [_seen(batch, row, chat.tokens(prompt), _only(features, row)) for row, prompt in enumerate(prompts)]


def assembled(chat: ChatTemplate, prompts: Sequence[Prompt], images: Sequence[ImageFeatures]) -> Inputs:
    """What the model takes for prompts about pictures it has seen, padded on the left, on the CPU but the features."""
    import torch

    rows = [_expanded(chat.tokens(prompt), seen) for prompt, seen in zip(prompts, images, strict=True)]
    width = max(len(row["input_ids"]) for row in rows)
    filled = {
        name: torch.stack(
            [_padded(row[name], width, chat.tokenizer.pad_token_id * (name == "input_ids")) for row in rows]
        )
        for name in rows[0]
    }
    grids = {name: torch.cat([seen.grids[name] for seen in images]) for name in images[0].grids}
    return {**filled, **grids, "mm_encoder_outputs": {"image": _together([seen.features for seen in images])}}


def placed(inputs: Inputs, model: Any) -> Inputs:
    """The tensors on the model's device, numbers with a fraction in its precision."""
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        if hasattr(value, "is_floating_point")
        else value
        for name, value in inputs.items()
    }


def _seen(batch: Inputs, row: int, tokens: list[int], features: Any) -> ImageFeatures:
    present = batch["attention_mask"][row].bool()
    expanded = batch["input_ids"][row][present].tolist()
    kinds = {name: batch[name][row][present] for name in _TOKEN_KINDS if name in batch}
    start, end = _difference(tokens, expanded) if tokens != expanded else _marked(kinds)
    stop = len(expanded) - (len(tokens) - end)
    return ImageFeatures(
        features=features,
        grids={name: batch[name][row : row + 1] for name in _GRIDS if name in batch},
        placeholder=tuple(tokens[start:end]),
        expansion=tuple(expanded[start:stop]),
        kinds={name: kind[start:stop].clone() for name, kind in kinds.items()},
    )


def _difference(tokens: Sequence[int], expanded: Sequence[int]) -> tuple[int, int]:
    """Which of the tokens became others: at least one, that is where they would have to be searched for."""
    same = (left == right for left, right in zip(tokens, expanded, strict=False))
    start = next((index for index, equal in enumerate(same) if not equal), len(tokens))
    start = max(0, min(start, len(tokens)) - 1)
    room = len(tokens) - start - 1
    backwards = zip(reversed(tokens), reversed(expanded), strict=False)
    n_behind = next((index for index, (left, right) in enumerate(backwards) if left != right), room)
    return start, len(tokens) - min(n_behind, room)


def _marked(kinds: Inputs) -> tuple[int, int]:
    """Where the tokens of a picture are, by their types, whose placeholder is as long as itself; else nowhere."""
    marked = [index for kind in kinds.values() for index in kind.nonzero().flatten().tolist()]
    return (min(marked), max(marked) + 1) if marked else (0, 0)


def _expanded(tokens: list[int], seen: ImageFeatures) -> dict[str, torch.Tensor]:
    """A prompt's row with the picture in its place. Raises ValueError where the placeholder is not in it."""
    import torch

    length = len(seen.placeholder)
    starts = [at for at in range(len(tokens) - length + 1) if tuple(tokens[at : at + length]) == seen.placeholder]
    if not length:
        starts = [0]
    if len(starts) != 1:
        raise ValueError(f"The picture's placeholder stands {len(starts)} times in a prompt, not once.")
    before, behind = tokens[: starts[0]], tokens[starts[0] + length :]
    row = torch.tensor([*before, *seen.expansion, *behind])
    kinds = {
        name: torch.cat([kind.new_zeros(len(before)), kind, kind.new_zeros(len(behind))])
        for name, kind in seen.kinds.items()
    }
    return {"input_ids": row, "attention_mask": torch.ones_like(row), **kinds}


def _padded(row: torch.Tensor, width: int, filler: int) -> torch.Tensor:
    import torch

    return torch.cat([row.new_full((width - len(row),), filler), row])


def _only(features: Any, row: int) -> Any:
    """The features of one picture of several; copies, since a view would keep all of them in memory."""
    # timm's kind of output must be told that there is no last hidden state
    parts: dict[str, Any] = {"last_hidden_state": None, "pooler_output": _row(features.pooler_output, row)}
    if deep := features.get("deepstack_features"):  # Qwen3-VL: one more set for each of a few layers
        parts["deepstack_features"] = [_row(layer, row) for layer in deep]
    return type(features)(**parts)


def _row(values: Any, row: int) -> Any:
    return values[row : row + 1].clone() if hasattr(values, "clone") else [values[row].clone()]


def _together(features: Sequence[Any]) -> Any:
    """The features of several pictures in the shape in which they would have come together."""
    parts: dict[str, Any] = {
        "last_hidden_state": None,
        "pooler_output": _joined([one.pooler_output for one in features]),
    }
    if deep := features[0].get("deepstack_features"):
        layers = range(len(deep))
        parts["deepstack_features"] = [_joined([one.deepstack_features[layer] for one in features]) for layer in layers]
    return type(features[0])(**parts)


def _joined(values: Sequence[Any]) -> Any:
    import torch

    if hasattr(values[0], "clone"):
        return torch.cat(list(values))
    return [tensor for value in values for tensor in value]


def _tensors(values: Any) -> list[Any]:
    """Every tensor in lists in lists."""
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return [values]
