"""The vocabulary: a byte-level BPE learnt from the training texts, saved as an open_clip folder expects it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

PAD, START, END = "<pad>", "<start_of_text>", "<end_of_text>"
VOCABULARY_SIZE = 5000
"""Titles of fashion-train take 1.18 tokens a word, measured; 0.8 M of the model's parameters."""


def train_vocabulary(texts: Iterable[str], folder: Path, *, context_length: int, size: int = VOCABULARY_SIZE) -> int:
    """Learn a BPE of at most ``size`` tokens, write ``tokenizer.json`` and its configuration; return its exact size.

    Texts are lowercased and stripped of accents. The end token has the highest id, because open_clip's text tower
    pools at the highest id it sees.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1,
        min_frequency=2,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_configuration(folder, context_length)
    return int(tokenizer.get_vocab_size())


def _write_configuration(folder: Path, context_length: int) -> None:
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "pad_token": PAD,
        "bos_token": START,
        "eos_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration, indent=1) + "\n", encoding="utf-8")
