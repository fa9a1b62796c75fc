from dataclasses import replace

import pytest
import torch

from search.errors import InputError
from training.tuning.choices import Loss
from training.tuning.plan import Plan, batch_size_for
from training.tuning.towers import SMALL_MODEL


def model(*, bias: bool = False, large: bool = False) -> torch.nn.Module:
    model = torch.nn.Module()
    size = SMALL_MODEL + 1 if large else 4
    model.register_parameter("weight", torch.nn.Parameter(torch.empty(size, device="meta" if large else "cpu")))
    if bias:
        model.register_parameter("logit_bias", torch.nn.Parameter(torch.tensor(-10.0)))
    return model


def test_the_loss_is_the_models_own_unless_another_is_asked_for() -> None:
    assert Plan().loss_of(model()) is Loss.CLIP
    assert Plan().loss_of(model(bias=True)) is Loss.SIGLIP
    assert Plan(loss=Loss.CLIP).mix(model(bias=True)).softmax == 1
    assert Plan().mix(model(bias=True)).sigmoid == 1


def test_steps_suit_the_model_and_the_catalog() -> None:
    small, large = Plan().schedule(model(), 10_000), Plan().schedule(model(large=True), 10_000)
    assert small.learning_rate > 10 * large.learning_rate
    assert Plan(lora_rank=4).schedule(model(large=True), 10_000).learning_rate > large.learning_rate
    assert Plan(learning_rate=0.5).schedule(model(), 100).learning_rate == 0.5
    assert [batch_size_for(n) for n in (40, 300, 600, 1_000_000)] == [32, 32, 64, 128]
    assert Plan(batch_size=500).schedule(model(), 100).batch_size == 100


def test_only_small_models_are_trained_in_parts_side_by_side() -> None:
    whole = replace(Plan(), batch_size=128)
    assert whole.schedule(model(), 1000).n_parts == min(16, torch.get_num_threads())
    assert whole.schedule(model(large=True), 1000).n_parts == 1
    assert replace(whole, lora_rank=2).schedule(model(), 1000).n_parts == 1


@pytest.mark.parametrize("wrong", [{"set_aside": 0.0}, {"set_aside": 1.0}, {"learning_rate": 0.0}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Plan(**wrong)  # type: ignore[arg-type]
