"""Token ids from a ``tokenizer.json`` alone, without the seconds that importing transformers and torch takes."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TokenIds = NDArray[np.int64]
"""Shape (n, context length), padded."""

Tokenize = Callable[[Sequence[str]], TokenIds]

TOKENIZER_FILE = "tokenizer.json"


class PlainTokenizer:
    """open_clip's ``HFTokenizer`` for a folder with a ``tokenizer.json``; the export checks that the ids are equal."""

    def __init__(self, folder: Path, context_length: int, pad_id: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._tokenizer.enable_truncation(context_length)
        self._tokenizer.enable_padding(length=context_length, pad_id=pad_id)

    def __call__(self, texts: Sequence[str]) -> TokenIds:
        """Shape (len(texts), context length); texts are cut to the context length."""
        encodings = self._tokenizer.encode_batch_fast([clean(text) for text in texts])
        return np.array([encoding.ids for encoding in encodings], dtype=np.int64)


def clean(text: str) -> str:
    """Mended encoding, no HTML entities, single spaces: open_clip's ``_clean_whitespace``."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return " ".join(text.split())  # nothing to mend, and most of the time that cleaning takes
    import ftfy

    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
