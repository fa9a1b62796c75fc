"""The model as a search asks it: prompt by prompt, through its own processor and template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from search.reranking.backends.transformers.answers import Answers
from search.reranking.prompts import question

Truths = NDArray[np.float64]

_BATCH = 256


class Examinee:
    """A model and its processor, asked about pictures it has seen once.

    ``model`` may be any that ``AutoModelForImageTextToText`` loads from the recipe's folder, on the CPU.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model.eval()
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._answers = Answers.of(self._tokenizer)
        self._rendered = lru_cache(maxsize=100_000)(self._render)  # the template takes a millisecond

    @torch.inference_mode()
    def see(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Features of each picture, (n, image tokens, width)."""
        parts = []
        for start in range(0, len(pictures), _BATCH):
            pixels = self._processor.image_processor(list(pictures[start : start + _BATCH]), return_tensors="pt")
            parts.append(self._model.get_image_features(pixels["pixel_values"], return_dict=True).pooler_output)
        return torch.cat(parts)

    @torch.inference_mode()
    def judge(self, features: torch.Tensor, claims: Sequence[str]) -> Truths:
        """P(yes) of each claim about the picture at the same position, shape (n,)."""
        order = sorted(range(len(claims)), key=lambda at: len(claims[at]))
        probabilities = np.empty(len(claims))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            inputs = self._inputs([question(claims[row]) for row in rows], features[rows])
            logits = self._model(**inputs, use_cache=False, logits_to_keep=1).logits[:, -1]
            probabilities[rows] = self._answers.probability(logits).numpy()
        return probabilities

    @torch.inference_mode()
    def answer(self, features: torch.Tensor, prompts: Sequence[str], max_tokens: int = 12) -> list[str]:
        """What the model writes for each prompt about the picture at the same position, always the likeliest token."""
        answers: list[str] = []
        for start in range(0, len(prompts), _BATCH):
            rows = slice(start, start + _BATCH)
            inputs = self._inputs(prompts[rows], features[rows])
            written = self._model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
            answers += self._tokenizer.batch_decode(
                written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
        return answers

    def _inputs(self, prompts: Sequence[str], features: torch.Tensor) -> dict[str, Any]:
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        texts = [self._rendered(prompt, features.shape[1]) for prompt in prompts]
        inputs = dict(self._tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False))
        inputs.pop("token_type_ids", None)
        return {**inputs, "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)}}

    def _render(self, prompt: str, n_image_tokens: int) -> str:
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        text: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return text.replace(self._processor.image_token, self._processor.image_token * n_image_tokens)
