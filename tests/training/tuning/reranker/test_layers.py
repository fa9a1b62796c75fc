from __future__ import annotations

import pytest
import torch

from search.errors import InputError
from tests.search.reranking.backends.transformers import tiny
from training.tuning.reranker.layers import adaptable

SEVEN = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_language_model_of_every_family_is_found(family: str) -> None:
    model, _ = tiny.FAMILIES[family]()
    names = adaptable(model, image_tower=False)
    assert {name.rpartition(".")[2] for name in names} == SEVEN
    assert not any("vis" in name or "projector" in name or "connector" in name for name in names)
    more = set(adaptable(model, image_tower=True)) - set(names)
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
        adaptable(Bare(), image_tower=True)
