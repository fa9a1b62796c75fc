"""Small shops with queries whose answers are known: what ranking and confidences are fitted to.

Rows held out from the encoder's training become catalogs written in several styles, as strangers' shops are: in fields,
in prose, in titles alone. Their labels, tags, brands and what WordNet says of their kinds say which items answer a
query. Each source is one shop, in whatever styles: what is fitted to some is measured on the others.
"""

from __future__ import annotations

import csv
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.images import decode
from recipes.encoder.labels import LABELS, LabelledProduct, singular
from recipes.encoder.queries import LabelQueries, kept_apart, out_of_catalog
from recipes.encoder.sources import is_measured, read_sources
from vitrina.evaluation.samples import Example
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.late_interaction import encoded_texts
from vitrina.search.store.images import image_id_of
from vitrina.search.types.item import WORD, Item, embedding_text
from vitrina.search.types.query import Query
from vitrina.tuning.encoder.calibration import CATALOG_KINDS, OUT_OF_CATALOG_TEXTS, CalibrationCatalog

MAX_ROWS = 600
N_LABELS, N_PHOTOS = 60, 40
N_QUERIES = 40
"""Queries of each other kind that a shop answers; fewer where it has fewer rows."""

N_OUT_OF_CATALOG = 40
"""Labels, and photos, of other shops that a shop is asked for in vain, besides ``OUT_OF_CATALOG_TEXTS``."""

MAX_RELEVANT = 25
"""A tag of more rows says little of them."""

SIZES, N_SIZED = (100, 1_000, 10_000), 120
"""Rows of shops that differ in nothing else, and the labels that each is asked for."""

SHOWN_ONE_IN = 6
"""Rows kept out of the catalog, so that their photos are new to it as a shopper's are."""


@dataclass(frozen=True, slots=True)
class SmallShop:
    """A small catalog and queries whose answers are known, by its skus; those without an answer are off-catalog.

    ``source`` is the file that the rows are from, ``style`` how its items are written. ``is_indexed`` says which rows
    the catalog holds. ``has_new_images``: no encoder was trained on its images.
    """

    source: str
    style: str
    items: Sequence[Item]
    images: Sequence[bytes]
    is_indexed: Sequence[bool]
    examples: Sequence[Example]
    has_new_images: bool

    @property
    def guises(self) -> tuple[tuple[bool, bool], ...]:
        """Whether a catalog has images, and whether it has words: images that an encoder was trained on tell
        nothing."""
        return CATALOG_KINDS if self.has_new_images else ((False, True),)

    def catalog(self, encoder: Encoder) -> CalibrationCatalog:
        """The catalog, embedded as the indexer would. Blocks."""
        return catalog_of(encoder, self.items, self.images, self.is_indexed)


def catalog_of(
    encoder: Encoder, items: Sequence[Item], images: Sequence[bytes], is_indexed: Sequence[bool]
) -> CalibrationCatalog:
    """Items with one image each, embedded as the indexer would. Blocks."""
    return CalibrationCatalog(
        items,
        [image_id_of(image) for image in images],
        encoder.encode_images([decode(image) for image in images]),
        encoded_texts(encoder, [embedding_text(item) for item in items]),
        np.array(is_indexed, np.bool_),
    )


def in_fields(product: LabelledProduct, sku: str, goes_with: str = "") -> Item:
    """A product as its shop's catalog describes it, and what it ``goes_with``, if anything."""
    kinds = zip(("article", "subcategory", "category"), product.kinds, strict=False)
    labels = ((label, product.label(label)) for label in LABELS)
    pairs = (*kinds, *labels, ("goes with", goes_with))
    return Item(sku, product.title, product.description, {field: value for field, value in pairs if value})


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun of WordNet: other words for it, what it is a kind of, and its gloss."""

    synonyms: Sequence[str]
    hypernyms: Sequence[str]
    gloss: str


class Nouns:
    """The nouns of things that have one meaning as a thing that is sold."""

    SOLD = frozenset({"artifact", "food", "plant", "animal"})

    def __init__(self, path: Path) -> None:
        meanings: dict[str, list[Noun]] = defaultdict(list)
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["lexname"] in self.SOLD:
                    noun = Noun(row["synonyms"].split(", "), row["hypernyms"].split("; "), short(row["gloss"]))
                    for name in noun.synonyms:
                        meanings[name.lower()].append(noun)
        self._by_name = {name: nouns[0] for name, nouns in meanings.items() if len(nouns) == 1}

    def of(self, kind: str) -> tuple[str, Noun] | None:
        """The noun that a kind of product is, or else that its last word is."""
        for phrase in (singular(kind.lower()), kind.lower()):
            for name in (phrase, phrase.split()[-1]):
                if name in self._by_name:
                    return name, self._by_name[name]
        return None


def model_name(product: LabelledProduct, sku: str) -> str:
    """A title that does not say what a product is, where a field does: its own without the words of its kinds."""
    kinds = {singular(word) for kind in product.kinds for word in WORD.findall(kind.casefold())}
    words = [word for word in product.title.split() if singular(word.casefold()) not in kinds]
    return " ".join(words) or f"No. {sku}"


MAX_GLOSS_WORDS = 12


def short(gloss: str) -> str:
    """The first part of a gloss, without what stands in brackets."""
    return " ".join(re.sub(r"\([^)]*\)", "", gloss.split(";")[0]).split()[:MAX_GLOSS_WORDS])


def by_nouns(products: Sequence[LabelledProduct], nouns: Nouns, rng: random.Random) -> Iterator[tuple[str, set[str]]]:
    """Synonyms, hypernyms and glosses of the kinds that a shop sells, with the skus of what they are true of."""
    by_name: dict[str, set[str]] = defaultdict(set)
    found: dict[str, Noun] = {}
    for at, product in enumerate(products):
        for kind in product.kinds[:1] or (product.title,):
            if (known := nouns.of(kind)) is not None:
                by_name[known[0]].add(str(at))
                found[known[0]] = known[1]
    by_hypernym: dict[str, set[str]] = defaultdict(set)
    for name, noun in found.items():
        others = [other for other in noun.synonyms if other.lower() != name]
        if others:
            yield rng.choice(others).lower(), by_name[name]
        yield noun.gloss, by_name[name]
        for hypernym in noun.hypernyms:
            by_hypernym[hypernym.split(",")[0]] |= by_name[name]
    yield from by_hypernym.items()


def by_tags(products: Sequence[LabelledProduct]) -> Iterator[tuple[str, set[str]]]:
    """Tags that the titles do not mention: a query by a tag uses other words than the item."""
    by_tag: dict[str, set[str]] = defaultdict(set)
    for at, product in enumerate(products):
        for tag in product.description.split(", "):
            if 2 < len(tag) < 30 and tag.casefold() not in product.title.casefold():
                by_tag[tag].add(str(at))
    yield from ((tag, skus) for tag, skus in by_tag.items() if len(skus) <= MAX_RELEVANT)


def by_brand(products: Sequence[LabelledProduct]) -> Iterator[tuple[str, set[str]]]:
    """The first word of titles with a kind of product, and a colour: ``casio watches``, ``puma black shoes``."""
    by_query: dict[str, set[str]] = defaultdict(set)
    for at, product in enumerate(products):
        if product.kinds and len(product.title.split()) > 2:
            brand, kind = product.title.split()[0], singular(product.kinds[0].lower())
            by_query[f"{brand} {kind}".lower()].add(str(at))
            if product.colour:
                by_query[f"{brand} {product.colour} {kind}".lower()].add(str(at))
    yield from by_query.items()


def by_title_words(products: Sequence[LabelledProduct], rng: random.Random) -> Iterator[tuple[str, set[str]]]:
    """Two words of a title, as a shopper remembers them, and every item whose title has both."""
    words = [set(WORD.findall(product.title.casefold())) for product in products]
    for own in words:
        long = sorted(word for word in own if len(word) > 2)
        if len(long) > 2:
            pair = rng.sample(long, 2)
            skus = {str(at) for at, other in enumerate(words) if other.issuperset(pair)}
            if len(skus) <= MAX_RELEVANT:
                yield " ".join(pair), skus


Answers = Iterable[tuple[str, set[str]]]


def examples(answers: Answers, held: Sequence[bool], rng: random.Random, n: int = N_QUERIES) -> list[Example]:
    """Some queries, with those of their answers that the catalog holds; those that it has none for are left out."""
    usable = [
        (text, skus) for text, all_skus in answers if text and (skus := {sku for sku in all_skus if held[int(sku)]})
    ]
    return [Example(Query(text), frozenset(skus)) for text, skus in rng.sample(usable, min(n, len(usable)))]


def in_prose(product: LabelledProduct, sku: str, goes_with: str, nouns: Nouns, rng: random.Random) -> Item:
    """A product in sentences, with no field but a category: its labels, now and then what its kind is, and what it
    ``goes_with``, if anything."""
    kind = singular(product.kinds[0].lower()) if product.kinds else product.title
    said = [product.description] if product.description else []
    adjectives = " ".join(value.lower() for value in (product.colour, product.pattern, product.material) if value)
    gender = f" for {product.gender.lower()}" if product.gender else ""
    said.append(f"This {adjectives} {kind}{gender} is a new arrival.".replace("  ", " "))
    if product.usage or product.season:
        said.append(
            f"Made for {product.usage.lower() or 'every'} days{f' in {product.season}' if product.season else ''}."
        )
    if (known := nouns.of(kind)) is not None and rng.random() < 0.5:
        said.append(f"A {known[0]}: {known[1].gloss}.")
    if goes_with:
        said.append(f"It goes well with a {goes_with}.")
    rng.shuffle(said)
    return Item(sku, product.title, " ".join(said), {"category": product.kinds[-1]} if product.kinds else {})


Source = tuple[LabelledRows, bool]
"""Rows, and whether no encoder was trained on their images."""

LABELLED = ("fashion-train", "grocery-train", "clothing-train", "caltech101-products", "caltech101-other")
TAGGED = ("emoji-objects", "openclipart-objects", "sweethome3d-icons")


def read_small_sources(data: Path, work: Path, seed: int = 0) -> Iterator[Source]:
    """The rows that the shops are made of: of labelled files those held out from every encoder's training; of tagged
    ones these, and all rows for their words alone."""
    for rows in read_sources(data, work, lambda _: None):
        if rows.source in LABELLED + TAGGED:
            rows = unmeasured(rows)
            yield sampled(rows.split()[1], seed), True
            if rows.source in TAGGED:
                yield sampled(rows, seed), False


def unmeasured(rows: LabelledRows) -> LabelledRows:
    """The rows of nothing that the encoder is measured on."""
    return rows.where([not is_measured(rows, product) for product in rows.products])


def sampled(rows: LabelledRows, seed: int) -> LabelledRows:
    """``MAX_ROWS`` of the rows."""
    some = set(random.Random(seed).sample(range(len(rows.products)), min(MAX_ROWS, len(rows.products))))
    return rows.where([at in some for at in range(len(rows.products))])


def shops(data: Path, work: Path, seed: int = 0) -> Iterator[SmallShop]:
    """Every shop in each of its styles."""
    sources = list(read_small_sources(data, work, seed))
    nouns = Nouns(data / "words" / "wordnet31_product_nouns.tsv")
    for rows, has_new_images in sources:
        others = [other for other, is_new in sources if is_new and other.source != rows.source]
        yield from shops_of(rows, others, nouns, has_new_images=has_new_images, seed=seed)


def shops_of(
    rows: LabelledRows, others: Sequence[LabelledRows], nouns: Nouns, *, has_new_images: bool, seed: int
) -> Iterator[SmallShop]:
    """The shop of some rows in each of the styles that suit it."""
    rng, products = random.Random(seed), rows.products
    held = most_of(products, seed)
    is_tagged = rows.source in TAGGED
    labels = LabelQueries(rows, np.array(held), seed)
    asked = [] if is_tagged else list(labels.by_text(N_LABELS))
    if has_new_images and not is_tagged:
        asked += [*labels.by_photo(N_PHOTOS), *labels.by_both(N_PHOTOS)]
    asked += examples(by_nouns(products, nouns, rng), held, rng)
    asked += examples(by_tags(products), held, rng) if is_tagged else []
    asked += examples(by_brand(products), held, rng)
    asked += examples(by_title_words(products, rng), held, rng)

    def shop(style: str, items: Sequence[Item]) -> SmallShop:
        away = off_catalog(rows, others, seed)
        return SmallShop(rows.source, style, items, rows.images, held, [*asked, *away], has_new_images)

    titles = [Item(str(at), product.title) for at, product in enumerate(products)]
    if is_tagged or rows.source == "fashion-train":
        yield shop("titles", titles)
    if not is_tagged:
        apart = [product for other in kept_apart(rows, others) for product in other.products]
        said = [
            (product, str(at), companion(rng.choice([products, apart or products]), rng))
            for at, product in enumerate(products)
        ]
        yield shop("fields", [in_fields(*each) for each in said])
        yield shop("names", [replace(in_fields(*each), title=model_name(*each[:2])) for each in said])
        yield shop("prose", [in_prose(*each, nouns, rng) for each in said])


def sized_shops(data: Path, work: Path, seed: int = 0) -> Iterator[SmallShop]:
    """The same shop with ever more rows, for their words alone: what is near to a query says less among many."""
    sources = [rows for rows in read_sources(data, work, lambda _: None) if rows.source in LABELLED]
    rows = next(each for each in sources if each.source == LABELLED[0])
    others = [sampled(unmeasured(each).split()[1], seed) for each in sources]
    order = random.Random(seed).sample(range(len(rows.products)), len(rows.products))
    for n in SIZES:
        some = set(order[:n])
        part = rows.where([at in some for at in range(len(rows.products))])
        asked = LabelQueries(part, np.full(len(part.products), True), seed).by_text(N_SIZED)
        labels, _ = out_of_catalog(part, others, N_OUT_OF_CATALOG, seed)
        away = [Example(Query(text), frozenset()) for text in (*OUT_OF_CATALOG_TEXTS[::2], *labels)]
        items = [in_fields(product, str(at)) for at, product in enumerate(part.products)]
        held = [True] * len(items)
        yield SmallShop(rows.source, f"{n:,} rows", items, part.images, held, [*asked, *away], False)


def companion(products: Sequence[LabelledProduct], rng: random.Random) -> str:
    """What a product goes with: the colour and the kind of one of some products, or nothing."""
    other = rng.choice(products)
    if not other.kinds or rng.random() < 0.5:
        return ""
    return " ".join(filter(None, (other.colour.lower(), singular(other.kinds[0].lower()))))


def most_of(products: Sequence[LabelledProduct], seed: int) -> list[bool]:
    """Which of the products a catalog holds: all but one in ``SHOWN_ONE_IN``."""
    rng = random.Random(seed)
    return [rng.randrange(SHOWN_ONE_IN) != 0 for _ in products]


def off_catalog(rows: LabelledRows, others: Sequence[LabelledRows], seed: int) -> list[Example]:
    """What other shops sell, in words, in photos and in both; nothing that a product is said to be by a word, though
    some may be said to go with it."""
    own = [in_fields(product, "") for product in rows.products]
    known = {word for item in own for word in WORD.findall(embedding_text(item).casefold())}
    labels, photos = out_of_catalog(rows, others, N_OUT_OF_CATALOG, seed)
    texts = [text for text in (*OUT_OF_CATALOG_TEXTS[::2], *labels) if known.isdisjoint(WORD.findall(text.casefold()))]
    shown = [decode(photo) for photo in photos]
    queries = [Query(text) for text in texts] + [Query(images=(photo,)) for photo in shown]
    queries += [Query(text, images=(photo,)) for text, photo in zip(labels, shown, strict=False)]
    return [Example(query, frozenset()) for query in queries]
