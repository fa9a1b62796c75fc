"""The vocabulary: a byte-level BPE, with single tokens for yes and no and for the places that boxes are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from training.reranker.template import ANSWER, END, IMAGE, PAD, PLACES, START

VOCABULARY_SIZE = 4000

ANSWERS = ("yes", "no", "Yes", "No", "unknown")
"""Learnt as whole words by being repeated. Were they added as tokens, they would be cut out of ``note`` and ``noble``,
and transformers would take them for control tokens in what a shopper typed."""

_REPEATS = 5_000


def train_vocabulary(texts: Iterable[str], size: int = VOCABULARY_SIZE) -> Any:
    """Learn a BPE of at most ``size`` tokens and return it as a ``PreTrainedTokenizerFast``, padding on the left.

    Case is kept: prompts come in lower case already, answers are sentences.
    """
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(PLACES),
        min_frequency=2,
        special_tokens=[PAD, START, END, IMAGE, ANSWER],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(chain(texts, _repeated()), trainer)
    # not special: decoding for people drops special tokens, and with them the box
    tokenizer.add_tokens([AddedToken(place, normalized=False, special=False) for place in PLACES])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
    )


def _repeated() -> Iterator[str]:
    return chain.from_iterable(repeat(answer, _REPEATS) for answer in ANSWERS)
