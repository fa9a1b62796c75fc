"""The chat template and the vocabulary: what reaches the model of the prompts that every reranker is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from vitrina.search.reranking import prompts
from vitrina.search.reranking.backends.transformers.generation import N_PLACES

PAD, START, END, IMAGE, ANSWER = "<pad>", "<s>", "</s>", "<image>", "<answer>"

PLACES: Final = tuple(f"<loc_{place}>" for place in range(N_PLACES))
"""A side of a box is one of these, evenly from one edge of the image to the other."""

_SLOT = "slot"


def asked(statement: str) -> str:
    """``prompts.question``, to be answered yes, no or unknown. A space first: every word is then the same token."""
    return f" {statement.lower()}?"


def read(field: str) -> str:
    """``prompts.field_prompt``, to be answered with a value or unknown."""
    return f" {field.lower()}:"


def told(facts: Sequence[str]) -> str:
    """``prompts.explanation_prompt``."""
    return f" {_joined(facts)}."


def told_as_json(facts: Sequence[str]) -> str:
    """``prompts.explanation_json_prompt``."""
    return f" {_joined(facts)}. json:"


def pointed(statement: str) -> str:
    """``prompts.localization_prompt``, to be answered with left, top, right and bottom, each one of ``PLACES``."""
    return f" where: {statement.lower()}"


def echoed(words: str) -> str:
    """To be answered with these words; asked in training alone."""
    return f" say {words.lower()}"


DESCRIBED: Final = " describe it"
"""A caption, by a prompt that is in no other's form: such a one reaches the model as it is, in lower case."""


def chat_template() -> str:
    """The Jinja template that goes into the model's folder."""
    as_json = prompts.explanation_json_prompt([_SLOT]).removeprefix(prompts.explanation_prompt([_SLOT]))
    between = prompts.explanation_prompt([_SLOT, _SLOT]).split(_SLOT)[1]
    facts = f"slot | replace({between!r}, '; ')"
    branches = (
        _branch(prompts.question(_SLOT), "' ' ~ slot ~ '?'"),
        _branch(prompts.field_prompt(_SLOT), "' ' ~ slot ~ ':'"),
        _branch(prompts.localization_prompt(_SLOT), "' where: ' ~ slot"),
        _branch(prompts.explanation_prompt([_SLOT]), f"' ' ~ {facts} ~ ('. json:' if is_json else '.')"),
    )
    return _TEMPLATE.replace("BRANCHES", "\n".join(branches)).replace("AS_JSON", repr(as_json))


def _branch(prompt: str, short: str) -> str:
    """Takes the one line of a prompt that changes, and makes its short form of what stands in the slot there."""
    line = next(line for line in prompt.split("\n") if _SLOT in line)
    before, _, after = line.partition(_SLOT)
    return (
        f"{{%- elif line.startswith({before!r}) and line.endswith({after!r}) -%}}\n"
        f"{{%- set slot = line[{len(before)}:-{len(after)}] | lower -%}}\n"
        f"{{%- set found.short = {short} -%}}"
    )


_TEMPLATE = """\
{%- macro brief(text) -%}
{%- set is_json = text.endswith(AS_JSON) -%}
{%- set found = namespace(short=' ' ~ (text.split('\\n\\n')[-1] | lower)) -%}
{%- for line in text.split('\\n') -%}
{%- if not line -%}
BRANCHES
{%- endif -%}
{%- endfor -%}
{{- found.short -}}
{%- endmacro -%}
{{- '<s>' -}}
{%- for message in messages if message.role != 'system' -%}
{%- if message.content is string -%}
{%- set parts = [{'type': 'text', 'text': message.content}] -%}
{%- else -%}
{%- set parts = message.content -%}
{%- endif -%}
{%- for part in parts if part.type == 'image' -%}{{- '<image>' -}}{%- endfor -%}
{%- for part in parts if part.type == 'text' -%}
{{- '<answer>' ~ part.text ~ '</s>' if message.role == 'assistant' else brief(part.text) -}}
{%- endfor -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<answer>' -}}{%- endif -%}
"""


def _joined(facts: Sequence[str]) -> str:
    return "; ".join(facts).lower()


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
