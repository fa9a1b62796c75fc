from __future__ import annotations

import pytest
import torch

from tests.search.reranking.backends.transformers import tiny
from vitrina.search.types.errors import InputError
from vitrina.tuning.lora import adaptable_layers

SEVEN = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_language_model_of_every_family_is_found(family: str) -> None:
    model, _ = tiny.FAMILIES[family]()
    names = adaptable_layers(model, image_tower=False)
    assert {name.rpartition(".")[2] for name in names} == SEVEN
    assert not any("vis" in name or "projector" in name or "connector" in name for name in names)
    more = set(adaptable_layers(model, image_tower=True)) - set(names)
    assert more
    assert not any(name.endswith(("lm_head", *SEVEN)) and "language_model" in name for name in more)


def test_a_model_without_linear_layers_is_told() -> None:
    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = torch.nn.Embedding(2, 2)

        def get_decoder(self) -> torch.nn.Module:
            return self.decoder

        def get_output_embeddings(self) -> None:
            return None

    with pytest.raises(InputError, match="could adapt nothing in a Bare"):
        adaptable_layers(Bare(), image_tower=True)
