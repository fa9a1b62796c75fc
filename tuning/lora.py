"""Which weights of a model are trained: whole towers, or low-rank adapters (LoRA, arXiv 2106.09685) through PEFT."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from vitrina.search.types.errors import InputError, MissingDependencyError
from vitrina.tuning import TunedTower

SMALL_MODEL = 20_000_000
"""Parameters up to which a model counts as small: on a CPU thread replicas train it, and it tolerates large steps.
The embedded encoder has 4 million, ViT-B-32 has 151 million."""


def tower_of(name: str) -> TunedTower | None:
    """The tower that a parameter or module of an open_clip model belongs to, by its name; None for what both share."""
    if name in ("logit_scale", "logit_bias"):
        return None
    return TunedTower.IMAGE if name.startswith("visual") else TunedTower.TEXT


def unfreeze(model: torch.nn.Module, frozen: TunedTower | None) -> None:
    """Train every parameter except those of one tower."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.is_floating_point() and (frozen is None or tower_of(name) is not frozen))


def n_parameters(model: torch.nn.Module, *, trained: bool = False) -> int:
    """The number of a model's parameters, or of those that are trained."""
    return sum(each.numel() for each in model.parameters() if each.requires_grad or not trained)


def is_small(model: torch.nn.Module) -> bool:
    return n_parameters(model) <= SMALL_MODEL


MERGED_ALREADY = "All adapters are already merged"
"""PEFT's warning about an attention's projection, which the attention itself has merged already."""

OLD_NAME = "`is_gradient_checkpointing` is deprecated"
"""A deprecation that PEFT 0.21 triggers in transformers 5.23."""

UNTOUCHED = "text_projection"
"""open_clip treats anything here that is not a ``torch.nn.Linear``, such as an adapter, as a matrix."""


class Adapters:
    """Adapters instead of full training: only they require gradients. The model is changed in place.

    They are added to the modules of these names. Raises MissingDependencyError without PEFT.
    """

    def __init__(self, model: torch.nn.Module, names: Sequence[str], rank: int) -> None:
        peft = load_peft()
        config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=list(names), lora_dropout=0.0, bias="none")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", OLD_NAME, FutureWarning)
            self._adapted: Any = peft.get_peft_model(model, config)
        self._layers: list[Any] = [model.get_submodule(name) for name in names]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The adapters' own weights, by name."""
        return {name: weight.detach() for name, weight in self._adapted.named_parameters() if weight.requires_grad}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load the adapters' weights. Raises KeyError or RuntimeError if they are another model's."""
        with torch.no_grad():
            for name, weight in self.state_dict().items():
                weight.copy_(state[name])

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Within it, the weights are those that ``merge`` would leave, and several threads may use the model: PEFT's
        attention changes its weights in every forward pass otherwise."""
        for layer in self._layers:  # PEFT's own way visits the linear layer within an attention twice, and warns
            layer.merge()
        try:
            yield
        finally:
            for layer in self._layers:
                layer.unmerge()

    def merge(self) -> None:
        """Merge the adapters into the weights for good; the model is then a plain one again."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", MERGED_ALREADY)
            self._adapted.merge_and_unload()


def adapt(model: torch.nn.Module, rank: int, frozen: TunedTower | None) -> Adapters:
    """Adapters for an open_clip model, on every linear layer, every convolution without groups and every attention of
    ``torch.nn``, in both towers or in the one that is not ``frozen``. Raises InputError where there are none."""
    names = adaptable(model, frozen)
    if not names:
        raise InputError(
            "There is nothing in the model that LoRA could adapt: no linear layer, convolution or attention.",
            remedy="Train without --lora, or freeze the other tower.",
        )
    return Adapters(model, names, rank)


def adaptable(model: torch.nn.Module, frozen: TunedTower | None) -> list[str]:
    """The modules that PEFT can adapt and merge again, by name."""
    names: list[str] = []
    for name, module in model.named_modules():
        parent = name.rpartition(".")[0]
        within_attention = parent in names and isinstance(model.get_submodule(parent), torch.nn.MultiheadAttention)
        if name.endswith(UNTOUCHED) or within_attention or tower_of(name) is frozen:
            continue
        if is_adaptable(module):
            names.append(name)
    return names


def is_adaptable(module: torch.nn.Module) -> bool:
    if isinstance(module, torch.nn.Conv2d):
        return module.groups == 1  # PEFT cannot merge grouped ones
    if isinstance(module, torch.nn.MultiheadAttention):
        return bool(module._qkv_same_embed_dim)
    return isinstance(module, torch.nn.Linear)


def load_peft() -> Any:
    """The ``peft`` package. Raises MissingDependencyError."""
    try:
        import peft
    except ImportError as error:
        raise MissingDependencyError(
            "LoRA needs the package peft.", remedy="Install it: pip install 'vitrina[train]'"
        ) from error
    return peft


def adaptable_layers(model: Any, *, image_tower: bool) -> list[str]:
    """The names of the linear layers of the language model, its attention's and its MLP's, and with ``image_tower`` of
    everything before it; never of the vocabulary's.

    Families name them ``q_proj``, ``qkv_proj``, ``gate_up_proj`` or otherwise, but they are in the same place in all:
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
            remedy="Start from another model: --from.",
        )
    return names


def takes_adapter(module: torch.nn.Module, is_inside: bool, *, image_tower: bool) -> bool:
    if is_inside:
        return isinstance(module, torch.nn.Linear)
    return image_tower and is_adaptable(module) and not isinstance(module, torch.nn.MultiheadAttention)
