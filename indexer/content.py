"""What an item amounts to: its content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields

from search.item import Item

ITEM_FIELDS = tuple(field.name for field in fields(Item))


def content_hash(item: Item, image_digests: Sequence[str]) -> str:
    """SHA-256 (hex) over everything a shop says of an item: equal exactly when nothing changed."""
    stated = {field: getattr(item, field) for field in ITEM_FIELDS}
    said = json.dumps([stated, list(image_digests)], sort_keys=True, ensure_ascii=False, default=dict)
    return hashlib.sha256(said.encode()).hexdigest()
