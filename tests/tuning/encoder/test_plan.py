from dataclasses import replace

import pytest
import torch

from vitrina.search.types.errors import InputError
from vitrina.tuning import Loss
from vitrina.tuning.encoder.corpus import EncoderPlan, batch_size_for
from vitrina.tuning.lora import SMALL_MODEL


def model(*, bias: bool = False, large: bool = False) -> torch.nn.Module:
    model = torch.nn.Module()
    size = SMALL_MODEL + 1 if large else 4
    model.register_parameter("weight", torch.nn.Parameter(torch.empty(size, device="meta" if large else "cpu")))
    if bias:
        model.register_parameter("logit_bias", torch.nn.Parameter(torch.tensor(-10.0)))
    return model


def test_the_loss_is_the_models_own_unless_another_is_asked_for() -> None:
    assert EncoderPlan().loss_of(model()) is Loss.CLIP
    assert EncoderPlan().loss_of(model(bias=True)) is Loss.SIGLIP
    assert EncoderPlan(loss=Loss.CLIP).loss_weights(model(bias=True)).softmax == 1
    assert EncoderPlan().loss_weights(model(bias=True)).sigmoid == 1


def test_steps_suit_the_model_and_the_catalog() -> None:
    small, large = EncoderPlan().schedule(model(), 10_000), EncoderPlan().schedule(model(large=True), 10_000)
    assert small.learning_rate > 10 * large.learning_rate
    assert EncoderPlan(lora_rank=4).schedule(model(large=True), 10_000).learning_rate > large.learning_rate
    assert EncoderPlan(learning_rate=0.5).schedule(model(), 100).learning_rate == 0.5
    assert [batch_size_for(n) for n in (40, 300, 600, 1_000_000)] == [32, 32, 64, 128]
    assert EncoderPlan(batch_size=500).schedule(model(), 100).batch_size == 100


def test_only_small_models_are_trained_by_thread_replicas() -> None:
    whole = replace(EncoderPlan(), batch_size=128)
    assert whole.schedule(model(), 1000).n_parts == min(16, torch.get_num_threads())
    assert whole.schedule(model(large=True), 1000).n_parts == 1
    assert replace(whole, lora_rank=2).schedule(model(), 1000).n_parts == 1


@pytest.mark.parametrize("wrong", [{"held_out": 0.0}, {"held_out": 1.0}, {"learning_rate": 0.0}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        EncoderPlan(**wrong)  # type: ignore[arg-type]
