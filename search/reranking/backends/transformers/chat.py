"""Prompts in a model's own chat template, with untrusted text unable to act as control tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, cast

from vitrina.search.reranking.backends.dialects import (
    MAX_CACHED_PROMPTS,
    PLACEHOLDER_IMAGE,
    Prompt,
    cleaned,
    messages_of,
)
from vitrina.search.reranking.prompts import INSTRUCTIONS
from vitrina.search.types.errors import RerankerError

Inputs = dict[str, Any]
"""Tensors by a model's argument names; the first dimension counts prompts, or images."""

_END_THINKING = "{%- if add_generation_prompt %}{{ '\\n</think>\\n\\n' }}{%- endif %}"


class ChatTemplate:
    """A processor with its chat template. Not thread-safe, since tokenizers hold their padding as state.

    The template is tried out first: if it takes no system message, the instructions go into the user message, and if
    it makes the model think first, the thought is closed at once. Raises RerankerError without a template.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.tokenizer.padding_side = "left"  # the answer follows the last token of every row
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.template = _template_of(processor)
        self.control_tokens = _control_tokens(processor)
        self._sanitizing: Mapping[str, bool] = {}
        self.takes_system_messages = self._shows_instructions()
        if self.render(Prompt(("Well?",))).rstrip().endswith("<think>"):
            self.template += _END_THINKING
        self._sanitizing = self._sanitizing_options()
        self._cached_tokens = lru_cache(maxsize=MAX_CACHED_PROMPTS)(self._tokens)

    def clean(self, text: str, max_tokens: int) -> str:
        """Remove this tokenizer's control tokens from a text, and cut it to a number of tokens."""
        encode = partial(self.tokenizer.encode, add_special_tokens=False)
        decode = partial(self.tokenizer.decode, skip_special_tokens=True)
        return cleaned(text, max_tokens, encode, decode, self.control_tokens)

    def inputs(self, prompts: Sequence[Prompt]) -> Inputs:
        """Return the model's inputs, padded on the left, on the CPU. Either all prompts have an image or none has."""
        batch = self.processor.apply_chat_template(
            [self._messages(prompt) for prompt in prompts],
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
            **self._settings,
            **self._sanitizing,
        )
        return dict(batch)

    def tokens(self, prompt: Prompt) -> list[int]:
        """Return token ids with an image's placeholder as the template writes it, not yet as long as the image; the
        same for every image."""
        return list(self._cached_tokens(prompt.layout, prompt.instructions))

    def render(self, prompt: Prompt) -> str:
        """Return the prompt as text. Never tokenize it: trusted and untrusted text cannot be distinguished in it."""
        rendered = self.processor.apply_chat_template(self._messages(prompt), tokenize=False, **self._settings)
        return cast("str", rendered)

    def _tokens(self, layout: tuple[str | None, ...], instructions: str) -> tuple[int, ...]:
        prompt = Prompt(tuple(PLACEHOLDER_IMAGE if part is None else part for part in layout), instructions)
        tokens = self.tokenizer.apply_chat_template(
            self._messages(prompt), tokenize=True, return_dict=False, **self._settings, **self._sanitizing
        )
        return tuple(cast("list[int]", tokens))

    @property
    def switches(self) -> Mapping[str, bool]:
        """What the template is told: not to think, where it has a switch for that."""
        return {"enable_thinking": False} if "enable_thinking" in self.template else {}

    @property
    def _settings(self) -> Mapping[str, Any]:
        """The template's arguments."""
        return {"chat_template": self.template, "add_generation_prompt": True, **self.switches}

    def _messages(self, prompt: Prompt) -> list[dict[str, Any]]:
        return messages_of(prompt, takes_system_messages=self.takes_system_messages)

    def _sanitizing_options(self) -> Mapping[str, bool]:
        """Let transformers, too, treat control tokens in messages as plain text where it can: since 5.23, but not for
        Idefics3, whose processor then fails. ``clean`` removes them in either case."""
        self._sanitizing = {"sanitize_control_tokens": True}
        try:
            self.inputs([Prompt((PLACEHOLDER_IMAGE, "Well?"))])
        except (TypeError, ValueError, NotImplementedError):
            return {}
        return self._sanitizing

    def _shows_instructions(self) -> bool:
        """Whether the template shows a system message beside an image: some refuse it, some drop it."""
        import jinja2

        self.takes_system_messages = True
        try:
            return INSTRUCTIONS in self.render(Prompt((PLACEHOLDER_IMAGE, "Well?")))
        except (jinja2.TemplateError, TypeError, ValueError):
            return False


def _template_of(processor: Any) -> str:
    template = processor.chat_template or processor.tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not template:
        raise RerankerError(
            "The model has no chat template.",
            remedy="Choose a variant tuned to follow instructions, or put a chat_template.jinja in its folder.",
        )
    return cast("str", template)


def _control_tokens(processor: Any) -> frozenset[str]:
    """Every token that catalog text must not produce: special ones, and placeholders of images and the like."""
    tokenizer = processor.tokenizer
    added = tokenizer.added_tokens_decoder.values()
    marked = {token.content for token in added if token.special or not token.content.isalnum()}
    placeholders = (getattr(processor, f"{kind}_token", None) for kind in ("image", "video", "audio"))
    return frozenset({*marked, *tokenizer.all_special_tokens, *(token for token in placeholders if token)})
