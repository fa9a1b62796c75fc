"""The device that models run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.errors import StateError

if TYPE_CHECKING:
    import torch


def device_of(name: str, error: type[StateError]) -> torch.device:
    """The device of that name; ``auto`` is the GPU where there is one. Raises ``error`` for one that is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and not name.startswith("cuda"):
        raise error(f"'{name}' is no device.", remedy="Use 'auto', 'cpu', 'cuda' or 'cuda:N'.")
    if name != "cpu" and not torch.cuda.is_available():
        raise error(
            f"Device '{name}' was asked for and PyTorch finds no GPU.",
            remedy="Use 'auto' or 'cpu', or mend the driver.",
        )
    return torch.device(name)
