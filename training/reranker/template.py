"""The chat template: what reaches the model of the prompts that every reranker is given.

The prompts of ``search.reranking.prompts`` are written for models that follow instructions. This one was trained on
nothing else, so the template leaves out what never changes, and with it the system message and the catalog's listing: a
model that sees the picture and the claim alone cannot be steered by a listing. The functions here are the short forms
that training writes; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from search.reranking import prompts
from search.reranking.backends.transformers.boxes import N_PLACES

PAD, START, END, IMAGE, ANSWER = "<pad>", "<s>", "</s>", "<image>", "<answer>"

PLACES: Final = tuple(f"<loc_{place}>" for place in range(N_PLACES))
"""A side of a box is one of these, evenly from one edge of the picture to the other."""

_SLOT = "slot"


def asked(claim: str) -> str:
    """``prompts.question``, to be answered yes, no or unknown. A space first: every word is then the same token."""
    return f" {claim.lower()}?"


def read(field: str) -> str:
    """``prompts.reading``, to be answered with a value or unknown."""
    return f" {field.lower()}:"


def told(facts: Sequence[str]) -> str:
    """``prompts.telling``."""
    return f" {_joined(facts)}."


def told_as_json(facts: Sequence[str]) -> str:
    """``prompts.telling_as_json``."""
    return f" {_joined(facts)}. json:"


def pointed(claim: str) -> str:
    """``prompts.pointing``, to be answered with left, top, right and bottom, each one of ``PLACES``."""
    return f" where: {claim.lower()}"


def echoed(words: str) -> str:
    """To be answered with these words; asked in training alone."""
    return f" say {words.lower()}"


DESCRIBED: Final = " describe it"
"""A caption, by a prompt that is in no other's form: such a one reaches the model as it is, in lower case."""


def chat_template() -> str:
    """The Jinja template that goes into the model's folder."""
    as_json = prompts.telling_as_json([_SLOT]).removeprefix(prompts.telling([_SLOT]))
    between = prompts.telling([_SLOT, _SLOT]).split(_SLOT)[1]
    facts = f"slot | replace({between!r}, '; ')"
    branches = (
        _branch(prompts.question(_SLOT), "' ' ~ slot ~ '?'"),
        _branch(prompts.reading(_SLOT), "' ' ~ slot ~ ':'"),
        _branch(prompts.pointing(_SLOT), "' where: ' ~ slot"),
        _branch(prompts.telling([_SLOT]), f"' ' ~ {facts} ~ ('. json:' if is_json else '.')"),
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
