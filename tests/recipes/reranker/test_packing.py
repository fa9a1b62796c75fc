"""PackedBatch questions get the answers that each gets by itself, and that the processor's own prompts get."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor

from recipes.encoder.images import decode
from recipes.reranker import template
from recipes.reranker.packing import PackedBatch, Packer
from recipes.reranker.tasks import TrainingTask
from recipes.reranker.trainer import TaskBatch, _divided, features_of, read_packed
from tests.recipes.reranker.conftest import TINY, Made, make_image
from vitrina.search.encoders.base import Preprocessing
from vitrina.search.reranking import prompts

TASKS = [
    TrainingTask(template.asked("red shirts for men"), "yes"),
    TrainingTask(template.read("colour"), "navy blue"),
    TrainingTask(template.told(["colour navy: met"]), "It fits navy.", blind=True),
    TrainingTask(template.asked("blue mugs"), "no", 0.5),
]
SHORT = [TrainingTask(template.read("gender"), "men")]


@pytest.fixture(scope="module")
def packer(made: Made) -> Packer:
    return Packer(made.processor.tokenizer, TINY.n_image_tokens)


def predictions(made: Made, packed: PackedBatch, pixels: torch.Tensor) -> torch.Tensor:
    """Logits wherever a token is to be predicted, (t, vocabulary)."""
    with torch.inference_mode():
        hidden = read_packed(made.model, features_of(made.model, pixels), packed)
        logits: torch.Tensor = made.model.lm_head(hidden.flatten(0, 1)[packed.places])
    return logits


def pixels(n: int = 1) -> torch.Tensor:
    return torch.randn(n, 3, *TINY.image_size, generator=torch.Generator().manual_seed(0))


def test_packed_questions_are_answered_as_if_each_were_asked_alone(made: Made, packer: Packer) -> None:
    visible = pixels(2)
    together = predictions(made, packer.pack([TASKS, SHORT]), visible)
    alone = [predictions(made, packer.pack([[task]]), visible[:1]) for task in TASKS]
    alone += [predictions(made, packer.pack([[task]]), visible[1:]) for task in SHORT]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=0)


def test_blind_tasks_do_not_depend_on_the_image_and_the_others_do(made: Made, packer: Packer) -> None:
    one, other = (predictions(made, packer.pack([TASKS]), visible) for visible in (pixels(), -pixels()))
    blind = torch.tensor([task.blind for task in TASKS for _ in range(n_targets(made, task))])
    torch.testing.assert_close(one[blind], other[blind], atol=1e-5, rtol=0)
    assert not torch.allclose(one[~blind], other[~blind], atol=1e-5)


def test_targets_are_the_answers_and_the_end(made: Made, packer: Packer) -> None:
    packed = packer.pack([TASKS])
    tokenizer = made.processor.tokenizer
    assert tokenizer.decode(packed.targets) == "".join(f"{task.answer}</s>" for task in TASKS)
    assert packed.weights.tolist()[-2:] == [0.5, 0.5]


def test_packed_is_what_the_processor_and_the_model_make_of_an_image_file(made: Made, packer: Packer) -> None:
    image = decode(make_image("red", 7)).resize((50, 70))
    content = [{"type": "image", "image": image}, {"type": "text", "text": prompts.question("red shirts for men", "A")}]
    messages = [
        {"role": "system", "content": [{"type": "text", "text": prompts.INSTRUCTIONS}]},
        {"role": "user", "content": content},
    ]
    inputs = made.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert int((inputs["input_ids"] == made.model.config.image_token_id).sum()) == TINY.n_image_tokens
    with torch.inference_mode():
        whole = made.model(**inputs).logits[:, -1]
    packed = predictions(made, packer.pack([TASKS[:1]]), inputs["pixel_values"])
    torch.testing.assert_close(packed[:1], whole, atol=1e-4, rtol=0)


def test_pixels_are_those_of_the_encoders_own_preprocessing(made: Made) -> None:
    image = decode(make_image("red", 7)).resize((50, 70))
    own = Preprocessing(TINY.image_size, (0.5,) * 3, (0.5,) * 3, resize_mode="squash")(image)
    by_torchvision, by_pil = (
        AutoImageProcessor.from_pretrained(made.folder, backend=backend)([image], return_tensors="np")["pixel_values"][
            0
        ]
        for backend in ("torchvision", "pil")
    )
    np.testing.assert_allclose(by_pil, own, atol=1e-5)
    # torchvision rounds a few levels in a thousand the other way
    np.testing.assert_allclose(by_torchvision, own, atol=1.01 / 127.5)


def test_a_batch_divided_in_two_keeps_every_target(made: Made, packer: Packer) -> None:
    samples = [random.Random(at).sample(TASKS, 2) for at in range(5)]
    visible, packed = pixels(5), packer.pack(samples)
    whole = predictions(made, packed, visible).gather(1, packed.targets[:, None]).flatten()
    parts = list(_divided(TaskBatch(visible, packed), 2))
    of_parts = [predictions(made, part, mine).gather(1, part.targets[:, None]).flatten() for mine, part in parts]
    torch.testing.assert_close(torch.cat(of_parts).sort().values, whole.sort().values, atol=1e-4, rtol=0)


def n_targets(made: Made, task: TrainingTask) -> int:
    return len(made.processor.tokenizer.encode(task.answer, add_special_tokens=False)) + 1


def test_a_grey_image_is_prepared_too(made: Made) -> None:
    prepared = made.processor.image_processor([Image.new("L", (20, 20), 128)], return_tensors="pt")["pixel_values"]
    assert prepared.shape == (1, 3, *TINY.image_size)
