"""Prompts of an exported model, rendered and tokenized without transformers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from vitrina.search.reranking.backends.dialects import (
    MAX_CACHED_PROMPTS,
    PLACEHOLDER_IMAGE,
    Prompt,
    cleaned,
    messages_of,
)
from vitrina.search.reranking.backends.onnx.exports import TOKENIZER_FILE, ChatFormat

if TYPE_CHECKING:
    import jinja2

Tokens = tuple[int, ...]


class ExportedChat:
    """A model's chat template and tokenizer; the same token ids as ``ChatTemplate``, which the export checks on a set
    of prompts. Safe in several threads.

    The template runs in jinja2's sandbox. Untrusted text can produce no control token: ``clean`` removes them, and a
    prompt that nevertheless has other control tokens than an innocuous one of its layout is refused.
    """

    def __init__(self, folder: Path, chat: ChatFormat) -> None:
        self.format = chat
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._template = _compiled(chat.template)
        self._control_tokens = frozenset(chat.control_tokens)
        self._control_ids = frozenset(self._tokenizer.get_added_tokens_decoder())
        self._lock = Lock()
        self._cached_tokens = lru_cache(maxsize=MAX_CACHED_PROMPTS)(self._tokens)

    def clean(self, text: str, max_tokens: int) -> str:
        """Remove this tokenizer's control tokens from a text, and cut it to a number of tokens."""
        return cleaned(text, max_tokens, self._encode, self._tokenizer.decode, self._control_tokens)

    def tokens(self, prompt: Prompt) -> Tokens:
        """Token ids with one placeholder for an image; the same for every image. Raises ValueError for a prompt that
        untrusted text has given other control tokens."""
        return self._cached_tokens(prompt.layout, prompt.instructions)

    def decode(self, tokens: Iterator[int]) -> Iterator[str]:
        """The text of token ids in pieces, without control tokens; bytes of a character wait for the rest of it."""
        stream = DecodeStream(skip_special_tokens=True)
        for token in tokens:
            if piece := stream.step(self._tokenizer, token):
                yield piece

    def tokens_of(self, character: str) -> NDArray[np.bool_]:
        """Which tokens are text of characters that a pattern matches, control tokens left out; shape (vocabulary,)."""
        pattern = re.compile(f"{character}+")
        texts = (self._tokenizer.decode([token]) for token in range(self._tokenizer.get_vocab_size()))
        allowed = [
            token not in self._control_ids and pattern.fullmatch(text) is not None for token, text in enumerate(texts)
        ]
        return np.array(allowed, dtype=bool)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _tokens(self, layout: tuple[str | None, ...], instructions: str) -> Tokens:
        tokens = self._rendered(layout, instructions)
        innocuous = self._rendered(tuple(None if part is None else "well" for part in layout), instructions)
        if self._controls(tokens) != self._controls(innocuous):
            raise ValueError("A text in the prompt produces control tokens.")
        return tokens

    def _controls(self, tokens: Tokens) -> list[int]:
        return [token for token in tokens if token in self._control_ids]

    def _rendered(self, layout: tuple[str | None, ...], instructions: str) -> Tokens:
        prompt = Prompt(tuple(PLACEHOLDER_IMAGE if part is None else part for part in layout), instructions)
        messages = messages_of(prompt, takes_system_messages=self.format.takes_system_messages)
        with self._lock:
            text = self._template.render(messages=messages, add_generation_prompt=True, **self.format.variables)
        return tuple(self._encode(text))


def split_at(tokens: Tokens, placeholder: int) -> tuple[Tokens | None, Tokens]:
    """What precedes and what follows the image of a prompt; None and all of it without an image. Raises ValueError for
    several."""
    n_images = tokens.count(placeholder)
    if n_images > 1:
        raise ValueError(f"The image's placeholder occurs {n_images} times in a prompt, not once.")
    if not n_images:
        return None, tokens
    at = tokens.index(placeholder)
    return tokens[:at], tokens[at + 1 :]


def _compiled(template: str) -> jinja2.Template:
    """The template in a sandbox, with what transformers gives templates."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(template)


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
