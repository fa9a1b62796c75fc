"""Packing: all tasks about an image in one sequence, so that the image is encoded once.

The tasks follow the image one after the other. Each attends to the image and itself only, and its positions start right
after the image: for the decoder it is as if each had been asked by itself, as in a search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from recipes.reranker.tasks import TrainingTask
from recipes.reranker.template import ANSWER, IMAGE

_PADDING = -1
_PREFIX = 0


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """The tasks about each image of a batch: b sequences of at most l tokens, t of which are to be predicted.

    ``tokens`` and ``positions`` int64 (b, l); ``mask`` bool (b, 1, l, l), true where a row may attend to a column;
    ``places`` int64 (t,), where in the flattened sequences a token is predicted; ``targets`` int64 (t,) these tokens;
    ``weights`` float32 (t,) what each weighs.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


@dataclass(slots=True)
class _Sequence:
    """The tasks about one image as lists. ``blocks`` numbers the task that a token belongs to."""

    tokens: list[int]
    positions: list[int]
    blocks: list[int]
    blind: list[bool]
    places: list[int]
    targets: list[int]
    weights: list[float]


class Packer:
    """Turns the tasks about images into tensors, for one tokenizer and number of image tokens."""

    def __init__(self, tokenizer: Any, n_image_tokens: int) -> None:
        self._prefix = [tokenizer.bos_token_id, *[tokenizer.convert_tokens_to_ids(IMAGE)] * n_image_tokens]
        self._answer = tokenizer.convert_tokens_to_ids(ANSWER)
        self._pad, self._end = tokenizer.pad_token_id, tokenizer.eos_token_id
        self._encode: Callable[[str], list[int]] = lru_cache(maxsize=100_000)(
            lambda text: tokenizer.encode(text, add_special_tokens=False)
        )

    def pack(self, samples: Sequence[Sequence[TrainingTask]]) -> PackedBatch:
        """The tasks about each image, padded on the right to the longest sequence."""
        rows = [self._sequence(tasks) for tasks in samples]
        length = max(len(row.tokens) for row in rows)
        blocks = _padded([row.blocks for row in rows], length, _PADDING)
        blind = _padded([row.blind for row in rows], length, 0).bool()
        return PackedBatch(
            tokens=_padded([row.tokens for row in rows], length, self._pad),
            positions=_padded([row.positions for row in rows], length, 0),
            mask=_mask(blocks, blind),
            places=torch.tensor([at * length + place for at, row in enumerate(rows) for place in row.places]),
            targets=torch.tensor([target for row in rows for target in row.targets]),
            weights=torch.tensor([weight for row in rows for weight in row.weights]),
        )

    def _sequence(self, tasks: Sequence[TrainingTask]) -> _Sequence:
        n = len(self._prefix)
        row = _Sequence([*self._prefix], [*range(n)], [_PREFIX] * n, [False] * n, [], [], [])
        for block, task in enumerate(tasks, start=1):
            prompt = [*self._encode(task.prompt), self._answer]
            targets = [*self._encode(task.answer), self._end]
            tokens = prompt + targets[:-1]
            first = len(row.tokens)
            start = 1 if task.blind else n  # without an image a prompt follows the start token
            row.tokens += tokens
            row.positions += range(start, start + len(tokens))
            row.blocks += [block] * len(tokens)
            row.blind += [task.blind] * len(tokens)
            row.places += range(first + len(prompt) - 1, first + len(tokens))
            row.targets += targets
            row.weights += [task.weight] * len(targets)
        return row


def _mask(blocks: torch.Tensor, blind: torch.Tensor) -> torch.Tensor:
    """Which token may attend to which; (b, l) to (b, 1, l, l). Padding attends to padding, since a row must attend to
    something."""
    length = blocks.shape[1]
    same = blocks[:, :, None] == blocks[:, None, :]
    prefix = (blocks == _PREFIX)[:, None, :]
    image = prefix & (torch.arange(length) > 0)  # all of the prefix but the start token
    allowed = same | (prefix & ~(image & blind[:, :, None]))
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return (allowed & causal)[:, None]


def _padded(rows: Sequence[Sequence[int | bool]], length: int, filler: int) -> torch.Tensor:
    return torch.tensor([[*map(int, row), *[filler] * (length - len(row))] for row in rows])
