"""Synthetic stores of any size, filled by bulk inserts: generated rows, and vectors spread as the encoder's own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Table, text, update

from vitrina.search.encoders.base import BesideImages, Encoder, beside_image, unit_rows
from vitrina.search.encoders.late_interaction import encoded_texts
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.store.database import (
    clock,
    embeddings,
    facets,
    identifiers,
    images,
    item_terms,
    items,
    text_settings,
)
from vitrina.search.store.items import embedding_rows, item_columns
from vitrina.search.store.sql import insert_rows
from vitrina.search.store.store import Store
from vitrina.search.store.terms import term_rows
from vitrina.search.types.filters import facet_number, facet_value
from vitrina.search.types.identifiers import compact, folded
from vitrina.search.types.item import IndexedItem, Item, ItemVectors, Modality, embedding_text
from vitrina.search.types.models import Vectors

COLOURS = [
    "black",
    "white",
    "navy",
    "blue",
    "red",
    "grey",
    "brown",
    "green",
    "beige",
    "pink",
    "olive",
    "yellow",
    "orange",
    "purple",
    "teal",
    "silver",
    "gold",
]
ARTICLES = [
    "shirt",
    "dress",
    "shoes",
    "jacket",
    "jeans",
    "sweater",
    "skirt",
    "boots",
    "sandals",
    "backpack",
    "watch",
    "belt",
    "scarf",
    "hat",
    "gloves",
    "socks",
    "lamp",
    "chair",
    "table",
    "sofa",
    "rug",
    "mug",
    "kettle",
    "pan",
    "knife",
    "blender",
    "headphones",
    "speaker",
    "keyboard",
    "mouse",
    "monitor",
    "printer",
    "camera",
    "tripod",
    "tent",
    "bicycle",
    "helmet",
    "racket",
    "ball",
    "mat",
    "drill",
    "hammer",
    "saw",
    "ladder",
    "paint",
    "hose",
    "puzzle",
    "doll",
    "robot",
]
STYLES = [
    "striped",
    "plain",
    "checked",
    "floral",
    "leather",
    "cotton",
    "wool",
    "linen",
    "slim",
    "classic",
    "sporty",
    "casual",
    "formal",
    "vintage",
]
GENDERS = ("men", "women", "unisex", "boys", "girls")
MATERIALS = ["cotton", "wool", "leather", "steel", "plastic", "wood", "glass", "linen", "polyester", "silk"]
SYLLABLES = [
    "ba",
    "co",
    "du",
    "fe",
    "gi",
    "ka",
    "lo",
    "mu",
    "ne",
    "po",
    "ra",
    "si",
    "to",
    "vu",
    "wa",
    "xe",
    "yo",
    "za",
    "tri",
    "bra",
    "clo",
    "dra",
]

N_BRANDS = 800
N_TEXT_WORDS = 6000
DESCRIPTION_WORDS = 18
N_MEANINGS = 3000
"""Different things that items are: each item is a variation of one of them."""

VARIATION: Mapping[Modality, float] = {"text": 0.45, "image": 0.7}
"""How far items of one meaning lie apart, relative to how far the meanings do."""

ROWS_PER_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an item is: a title without its brand, and its fields."""

    title: str
    fields: Mapping[str, str]


def pseudo_words(rng: random.Random, n: int) -> list[str]:
    """Distinct words that no language has."""
    found: dict[str, None] = {}
    while len(found) < n:
        found["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4)))] = None
    return list(found)


def zipf(n: int, exponent: float = 1.0) -> list[float]:
    """The cumulative weights of n things, the k-th as frequent as k to the minus ``exponent``."""
    return list(np.cumsum(np.arange(1, n + 1) ** -exponent))


def meanings(rng: random.Random) -> list[Meaning]:
    found = []
    for _ in range(N_MEANINGS):
        colour, article, style = (
            rng.choices(words, cum_weights=zipf(len(words), 0.7))[0] for words in (COLOURS, ARTICLES, STYLES)
        )
        gender, material = rng.choice(GENDERS), rng.choice(MATERIALS)
        fields = {"colour": colour, "article": article, "gender": gender, "material": material}
        found.append(Meaning(f"{colour} {style} {article} for {gender}", fields))
    return found


class ItemMaker:
    """Makes generated items, the same ones for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.meanings = meanings(self.rng)
        self._brands = pseudo_words(self.rng, N_BRANDS)
        self._words = pseudo_words(self.rng, N_TEXT_WORDS)
        self._of_brands, self._of_words = zipf(N_BRANDS), zipf(N_TEXT_WORDS)

    def make(self, number: int, meaning: Meaning) -> Item:
        """The item of a number; one in a thousand is ``rare``, one in a hundred on ``sale``, one in ten ``new``."""
        rng = self.rng
        brand = rng.choices(self._brands, cum_weights=self._of_brands)[0]
        words = rng.choices(self._words, cum_weights=self._of_words, k=DESCRIPTION_WORDS)
        label = "rare" if number % 1000 == 0 else "sale" if number % 100 == 1 else "new" if number % 10 == 2 else "old"
        half = "even" if number % 2 == 0 else "odd"
        fields = {**meaning.fields, "brand": brand, "label": label, "half": half}
        title = f"{brand.title()} {meaning.title} {rng.choice(words)}"
        return Item(f"V{number:07d}", title, " ".join(words), fields, price_cents=rng.randrange(500, 50_000))


def spread(encoder: Encoder, found: Sequence[Meaning]) -> tuple[Vectors, Vectors]:
    """The meanings' vectors, shape (m, d), and the directions in which they differ, shape (d, d): a random vector times
    these lies as one of them does."""
    centres = encoder.encode_texts([each.title for each in found])
    _, lengths, directions = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)
    return centres, (lengths[:, None] * directions / np.sqrt(len(found))).astype(np.float32)


def fill(store: Store, encoder: Encoder, n_items: int, seed: int = 0) -> None:
    """Fill a new store with ``n_items`` generated items, each with a text and an image vector, and the word
    pieces of a text like its own. Takes about five minutes and 7 GB of disk for a million. The database has no more
    statistics than after an import, which makes none."""
    version_id = open_index_version(store, encoder)
    maker, vectors = ItemMaker(seed), np.random.default_rng(seed)
    centres, directions = spread(encoder, maker.meanings)
    like = ItemMaker(seed)
    encoded = encoded_texts(encoder, [embedding_text(like.make(0, meaning)) for meaning in maker.meanings])
    rows_of_meanings, example = [each.rows for each in encoded], BesideImages(encoder).example
    with store.catalog.database.write() as connection:
        indexes = dropped_indexes(connection, (items, facets, identifiers, images, embeddings))
        for first in range(0, n_items, ROWS_PER_CHUNK):
            numbers = range(first, min(first + ROWS_PER_CHUNK, n_items))
            of_each = vectors.integers(0, N_MEANINGS, len(numbers))
            made = [
                (number + 1, maker.make(number, maker.meanings[at]))
                for number, at in zip(numbers, of_each.tolist(), strict=True)
            ]
            insert_items(connection, made)
            rows: dict[Modality, Vectors] = {}
            for modality, variation in VARIATION.items():
                around = vectors.normal(size=(len(numbers), len(directions))).astype(np.float32) @ directions
                rows[modality] = unit_rows(centres[of_each] + variation * around)
            of_images = beside_image(rows["image"], example)
            embedded: list[tuple[int, ItemVectors]] = [
                (item_id, {**rows_of_meanings[at], "text": words[None], "image": image[None]})
                for (item_id, _), at, words, image in zip(made, of_each.tolist(), rows["text"], of_images, strict=True)
            ]
            found = (row for item_id, each in embedded for row in embedding_rows(version_id, item_id, each, 1))
            insert_rows(connection, embeddings, list(found))
        for statement in indexes:
            connection.execute(text(statement))
        connection.execute(update(clock).values(sequence=1))
        connection.execute(update(text_settings).values(language="en", n_judged=n_items))


def dropped_indexes(connection: Connection, tables: Sequence[Table]) -> list[str]:
    """Drop the tables' indexes; returns the statements that make them again, which is faster after filling them."""
    names = [table.name for table in tables]
    known = connection.execute(text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index'")).all()
    found = [(name, sql) for name, table, sql in known if table in names and sql]
    for name, _ in found:
        connection.execute(text(f'DROP INDEX "{name}"'))
    return [sql for _, sql in found]


def insert_items(connection: Connection, made: Sequence[tuple[int, Item]]) -> None:
    """What ``store.items.insert_parts`` inserts, an image each, without building an ``IndexedItem`` for each row."""
    rows = []
    for item_id, item in made:
        columns = item_columns(IndexedItem(item, "0" * 64, (), {}), 1, None)
        rows.append({"id": item_id, **columns, "attributes": json.dumps(columns["attributes"])})
    insert_rows(connection, items, rows)
    insert_rows(connection, facets, list(facet_rows(made)))
    codes = ((item_id, folded(item.sku)) for item_id, item in made)
    insert_rows(
        connection,
        identifiers,
        [{"item_id": item_id, "value": code, "key": compact(code), "is_sku": True} for item_id, code in codes],
    )
    insert_rows(
        connection, images, [{"item_id": item_id, "position": 0, "image_id": f"{item_id:032x}"} for item_id, _ in made]
    )
    insert_rows(connection, item_terms, term_rows(made))


def facet_rows(made: Sequence[tuple[int, Item]]) -> Iterator[dict[str, object]]:
    for item_id, item in made:
        for field, value in (*item.attributes.items(), ("sku", item.sku), ("price_cents", item.price_cents)):
            assert isinstance(value, str | int)
            number = facet_number(value)
            yield {
                "item_id": item_id,
                "field": field,
                "value": facet_value(value),
                "number": number,
                "variant": None,
            }


def make_store(folder: Path, encoder: Encoder, n_items: int) -> None:
    """Make a store of generated items in a folder."""
    store = Store(folder)
    fill(store, encoder, n_items)
    store.catalog.close()
