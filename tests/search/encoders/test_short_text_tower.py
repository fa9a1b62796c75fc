"""Cutting texts to their length changes no vector, and is left alone where it would."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from open_clip import CLIP
from open_clip.transformer import TextTransformer

from vitrina.search.encoders.open_clip import ShortTextTower
from vitrina.search.encoders.registry import load_encoder

CONTEXT, END = 12, 49


def tower(**options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    settings: dict[str, object] = {"context_length": CONTEXT, "vocab_size": 50, "width": 16, "heads": 2, "layers": 2}
    made: torch.nn.Module = TextTransformer(**{**settings, "output_dim": 8, **options})
    return made.eval()


def tokens(lengths: list[int]) -> torch.Tensor:
    """Texts of these many tokens, the end token included, padded with zeros."""
    torch.manual_seed(1)
    padded = torch.randint(3, END, (len(lengths), CONTEXT))
    for row, length in zip(padded, lengths, strict=True):
        row[length - 1] = END
        row[length:] = 0
    return padded


@pytest.mark.parametrize("options", [{}, {"pool_type": "eos", "eos_id": END}])
@pytest.mark.parametrize("lengths", [[1], [2, 3, 5], [CONTEXT, 1], [4] * 3])
def test_a_cut_text_has_the_vector_of_the_whole(options: dict[str, object], lengths: list[int]) -> None:
    whole = tower(**options)
    causal = ShortTextTower.of(SimpleNamespace(text=whole))
    assert causal is not None
    with torch.inference_mode():
        assert causal.lengths(tokens(lengths)).tolist() == lengths
        np.testing.assert_allclose(causal(tokens(lengths)), whole(tokens(lengths)), atol=1e-5)


def test_the_tower_sees_no_more_than_the_longest_text() -> None:
    whole = tower()
    received: list[int] = []
    whole.get_submodule("token_embedding").register_forward_pre_hook(
        lambda _, given: received.append(given[0].shape[1])
    )
    causal = ShortTextTower.of(SimpleNamespace(text=whole))
    assert causal is not None
    causal(tokens([2, 5, 3]))
    assert received == [5]


def test_threads_with_texts_of_other_lengths_do_not_meet() -> None:
    whole = tower()
    causal = ShortTextTower.of(SimpleNamespace(text=whole))
    assert causal is not None
    batches = [tokens([1 + i % CONTEXT]) for i in range(48)]
    with torch.inference_mode():
        expected = [whole(batch).numpy() for batch in batches]

    def run(batch: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return causal(batch).numpy()

    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_allclose(np.stack(list(pool.map(run, batches))), np.stack(expected), atol=1e-5)


@pytest.mark.parametrize(
    "options", [{"no_causal_mask": True}, {"embed_cls": True}, {"pool_type": "last"}, {"pool_type": "first"}]
)
def test_other_towers_get_the_whole_context(options: dict[str, object]) -> None:
    assert ShortTextTower.of(SimpleNamespace(text=tower(**options))) is None


@pytest.mark.parametrize("pool_type", ["argmax", "eos"])
def test_a_model_that_contains_its_text_tower_takes_short_texts_too(pool_type: str) -> None:
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}
    text = {"context_length": CONTEXT, "vocab_size": 50, "width": 16, "heads": 2, "layers": 2, "pool_type": pool_type}
    whole = CLIP(8, vision, text | ({"eos_id": END} if pool_type == "eos" else {})).eval()
    short = ShortTextTower.of(whole)
    assert short is not None
    received: list[int] = []
    whole.token_embedding.register_forward_pre_hook(lambda _, given: received.append(given[0].shape[1]))
    for lengths in ([2, 5, 3], [CONTEXT, 1], [4]):
        with torch.inference_mode():
            np.testing.assert_allclose(short(tokens(lengths)), whole.encode_text(tokens(lengths)), atol=1e-5)
    assert received == [5, CONTEXT, CONTEXT, CONTEXT, 4, CONTEXT]
    torch.autograd.backward(short(tokens([2, 5])).sum())
    assert whole.positional_embedding.grad is not None
    assert whole.positional_embedding.grad[:5].abs().sum() > 0
    assert whole.positional_embedding.shape == (CONTEXT, 16)


def test_models_without_a_text_tower_of_their_own_get_the_whole_context() -> None:
    assert ShortTextTower.of(SimpleNamespace()) is None
    assert ShortTextTower.of(SimpleNamespace(text=torch.nn.Linear(1, 1))) is None


def test_texts_keep_their_places_whatever_their_lengths(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(f"local-dir:{tiny_folder}", device="cpu")
    texts = [" ".join(["navy", "linen", "shirt", "for", "men"][: 1 + i % 5]) for i in range(70)]
    together = encoder.encode_texts(texts)
    monkeypatch.setattr(encoder, "_short_text", None)
    np.testing.assert_allclose(together, encoder.encode_texts(texts), atol=1e-5)
