"""A shop of plain red and blue things, whose images alone tell them apart, and judgements of what was asked there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes import COLOURS, FakeEncoder, blank_catalog
from tests.search.reranking.backends.transformers import tiny
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.item import IndexedItem, Item, ItemVectors

ASKED = ("red", "blue")
PHRASES = (
    *("{}", "{} one", "all {}", "in {}", "{} thing", "{} please", "some {}", "{} item", "{} look", "only {}"),
    *("very {}", "{} gift", "my {}", "{} piece", "any {}", "{} stuff", "new {}", "{} ones", "nice {}", "the {}"),
)
N_ITEMS = 40


@pytest.fixture(scope="session")
def colour_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A home with things of two colours, whose encoder sees green ones. Nothing may be written to it."""
    folder = tmp_path_factory.mktemp("colours")
    (folder / "catalog.db").write_bytes(blank_catalog())
    store = Store(folder)
    put_things(store)
    yield store
    store.close()


def put_things(store: Store) -> None:
    encoder, entries = FakeEncoder(), []
    for index in range(N_ITEMS):
        image = patch(ASKED[index % 2], index)
        file = io.BytesIO()
        image.save(file, "PNG")
        vectors: ItemVectors = {
            "image": encoder.encode_images([patch("green", index)]),
            "text": encoder.encode_texts([]),
        }
        item = Item(sku_of(index), f"Thing {index}")
        entries.append(IndexedItem(item, sku_of(index), (store.images.put(file.getvalue()),), vectors))
    store.catalog.commit(open_index_version(store, encoder), entries)


def patch(colour: str, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(-25, 26, (32, 32, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8))


def sku_of(index: int) -> str:
    return f"thing-{index}"


@pytest.fixture(scope="session")
def judged() -> list[JudgedQuery]:
    """Every phrase in both colours. Some of what is wrong was judged so, the rest is for the search to find."""
    queries = []
    for at, colour in enumerate(ASKED):
        grades = {sku_of(index): 1 for index in range(N_ITEMS) if index % 2 == at}
        grades |= {sku_of(index): 0 for index in range(8) if index % 2 != at}
        texts = [phrase.format(colour) for phrase in PHRASES]
        queries += [JudgedQuery(text, "judged", grades, text=text) for text in texts]
    return queries


@pytest.fixture(scope="session")
def engine(colour_shop: Store) -> SearchEngine:
    return SearchEngine.open(colour_shop, FakeEncoder())


BRIEF = """{%- for message in messages if message.role == 'user' -%}
{%- for part in message.content -%}
{%- if part.type == 'image' %}<image>{% else %}{{ part.text.split('wants: ')[-1].split('\\n')[0] }}{% endif -%}
{%- endfor -%}{%- endfor -%}
{%- if add_generation_prompt %} yes or no{% endif -%}"""
"""A template that leaves a prompt's statement alone, as our own model's does: a tenth of the tokens."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LLaVA with random weights that reads short prompts."""
    return brief_llava(tmp_path_factory.mktemp("vlm"))


def brief_llava(parent: Path) -> Path:
    folder = tiny.save("llava", parent)
    (folder / "chat_template.jinja").write_text(BRIEF, encoding="utf-8")
    return folder
