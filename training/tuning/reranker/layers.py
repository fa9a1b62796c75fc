"""The layers that LoRA adapts in a vision-language model, whatever its family."""

from __future__ import annotations

from typing import Any

import torch

from search.errors import InputError
from training.tuning.lora import is_adaptable


def adaptable(model: Any, *, image_tower: bool) -> list[str]:
    """The names of the linear layers of the language model, its attention's and its MLP's, and with ``image_tower`` of
    everything before it; never of the vocabulary's.

    Families name them ``q_proj``, ``qkv_proj``, ``gate_up_proj`` or otherwise; where they stand is the same in all:
    transformers knows a model's decoder. Raises InputError where there are none.
    """
    decoder = model.get_decoder()
    inside = next(name for name, module in model.named_modules() if module is decoder)
    head = model.get_output_embeddings()
    names = [
        name
        for name, module in model.named_modules()
        if module is not head and takes_adapter(module, name.startswith(f"{inside}."), image_tower=image_tower)
    ]
    if not names:
        raise InputError(
            f"LoRA could adapt nothing in a {type(model).__name__}: its language model has no linear layer.",
            remedy="Begin with another model: --from.",
        )
    return names


def takes_adapter(module: torch.nn.Module, is_inside: bool, *, image_tower: bool) -> bool:
    if is_inside:
        return isinstance(module, torch.nn.Linear)
    return image_tower and is_adaptable(module) and not isinstance(module, torch.nn.MultiheadAttention)
