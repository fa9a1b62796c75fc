"""What an item amounts to: its content hash, and the words that are embedded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from search.catalog.words import attribute_words
from search.item import Item

MAX_WORDS_CHARS = 1000
"""Far more than any text tower's context; keeps a 100,000-character description from being tokenised whole."""


def content_hash(item: Item, image_digests: Sequence[str]) -> str:
    """SHA-256 (hex) over everything a shop says of an item: equal exactly when nothing changed."""
    said = json.dumps([asdict(item), list(image_digests)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()


def item_words(item: Item) -> str:
    """The text of an item to embed: title, attribute values the title does not name, description; cut to length."""
    title = item.title.casefold()
    named = [value for value in attribute_words(item.attributes).split("; ") if value.casefold() not in title]
    said = [item.title, " ".join(named), item.description]
    return ". ".join(part for part in said if part)[:MAX_WORDS_CHARS]
