"""What an item amounts to: its content hash, and the words that are embedded."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import fields

from search.catalog.words import attribute_words
from search.item import Item

ITEM_FIELDS = tuple(field.name for field in fields(Item))

WORD = re.compile(r"\w+")

MAX_WORDS_CHARS = 1000
"""Far more than any text tower's context; keeps a 100,000-character description from being tokenised whole."""


def content_hash(item: Item, image_digests: Sequence[str]) -> str:
    """SHA-256 (hex) over everything a shop says of an item: equal exactly when nothing changed."""
    stated = {field: getattr(item, field) for field in ITEM_FIELDS}
    said = json.dumps([stated, list(image_digests)], sort_keys=True, ensure_ascii=False, default=dict)
    return hashlib.sha256(said.encode()).hexdigest()


def item_words(item: Item) -> str:
    """The text of an item to embed: title, attribute values the title does not name, description; cut to length."""
    title = f" {' '.join(WORD.findall(item.title.casefold()))} "
    values = attribute_words(item.attributes).split("; ")
    named = [value for value in values if f" {' '.join(WORD.findall(value.casefold()))} " not in title]
    said = [item.title, " ".join(named), item.description]
    return ". ".join(part for part in said if part)[:MAX_WORDS_CHARS]
