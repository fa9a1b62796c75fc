import pytest
import torch

from vitrina.search.types.errors import InputError
from vitrina.tuning import TunedTower
from vitrina.tuning.lora import adapt, adaptable, n_parameters, unfreeze


class Model(torch.nn.Module):
    """Towers with one layer of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3),
            torch.nn.Conv2d(4, 4, 3, groups=4),
            torch.nn.BatchNorm2d(4),
            torch.nn.Flatten(),
            torch.nn.Linear(16, 8),
        )
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.logit_scale = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.visual(pixels)[:, None]
        mixed: torch.Tensor = self.attention(rows, rows, rows, need_weights=False)[0]
        return mixed


def model() -> Model:
    torch.manual_seed(0)
    return Model()


PIXELS = torch.linspace(-1, 1, 2 * 3 * 36).reshape(2, 3, 6, 6)


def test_adapters_sit_on_whatever_can_be_merged_again() -> None:
    assert adaptable(model(), None) == ["visual.0", "visual.4", "attention"]
    assert adaptable(model(), TunedTower.TEXT) == ["visual.0", "visual.4"]
    assert adaptable(model(), TunedTower.IMAGE) == ["attention"]


def test_only_the_adapters_are_trained() -> None:
    whole = model()
    n_before = n_parameters(whole)
    adapt(whole, 2, None)
    assert 0 < n_parameters(whole, trained=True) < n_before
    assert not whole.logit_scale.requires_grad


def test_merging_leaves_the_plain_model_with_the_same_outputs() -> None:
    plain, tuned = model().eval(), model().eval()
    adapters = adapt(tuned, 2, None)
    torch.testing.assert_close(tuned(PIXELS), plain(PIXELS))
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    expected = tuned(PIXELS).detach()
    assert not torch.allclose(expected, plain(PIXELS), atol=1e-3)
    with adapters.merged():
        torch.testing.assert_close(tuned(PIXELS), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(tuned(PIXELS), expected, atol=1e-4, rtol=1e-4)
    adapters.merge()
    assert set(tuned.state_dict()) == set(plain.state_dict())
    torch.testing.assert_close(tuned(PIXELS), expected, atol=1e-4, rtol=1e-4)


def test_a_model_without_anything_to_adapt_is_refused() -> None:
    with pytest.raises(InputError, match="nothing in the model that LoRA could adapt"):
        adapt(torch.nn.Embedding(3, 3), 2, None)


def test_a_frozen_tower_is_not_trained_and_the_temperature_is() -> None:
    whole = model()
    unfreeze(whole, TunedTower.IMAGE)
    assert not any(parameter.requires_grad for parameter in whole.visual.parameters())
    assert whole.logit_scale.requires_grad
    assert whole.attention.in_proj_weight.requires_grad
