"""Calibrating a tuned encoder: its confidences, fitted on the held-out rows as small catalogs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from vitrina.evaluation.calibration import fit_calibration, new_cohort
from vitrina.evaluation.samples import CalibrationSample, Example, calibration_samples
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.late_interaction import EncodedText, encoded_texts
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.images.decode import decode_image
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import Calibration, Cohort
from vitrina.search.types.item import WORD, IndexedItem, Item, embedding_text
from vitrina.search.types.models import Vectors
from vitrina.search.types.query import Query
from vitrina.tuning.encoder.captions import CaptionTable, field_of, words
from vitrina.tuning.encoder.validation import embed_images
from vitrina.tuning.rows import TuningRow, hash_fraction

OUT_OF_CATALOG_TEXTS: tuple[str, ...] = (
    # kitchen and household appliances
    "espresso machine", "washing machine", "fridge freezer", "induction hob", "stand mixer", "waffle iron",
    "rice cooker", "tumble dryer", "sewing machine", "dehumidifier",
    # computers and electronics
    "desktop computer", "optical mouse", "smart television", "mobile phone with 128 gb", "video projector",
    "network switch", "digital camera", "game console", "walkie talkie", "record player",
    # furniture
    "leather armchair", "coffee table", "wardrobe with sliding doors", "chest of drawers", "standing desk",
    "four-poster bed", "shoe cabinet", "kitchen island", "futon", "hammock",
    # tools and hardware
    "angle grinder", "screwdriver set", "chainsaw", "workbench", "tape measure", "welding helmet", "nail gun",
    "wood glue", "pressure washer", "hex keys",
    # vehicles and their parts
    "racing bicycle", "quad bike", "windscreen wipers", "spark plugs", "child car seat", "trailer hitch",
    "outboard motor", "snow chains", "car stereo", "tractor",
    # sport and outdoors
    "rowing machine", "kettlebell", "climbing rope", "sleeping bag", "table tennis table", "ice hockey stick",
    "cross-country skis", "archery bow", "trampoline", "surfboard",
    # music
    "electric guitar", "church organ", "cello", "trumpet", "clarinet reeds", "accordion", "studio microphone",
    "synthesizer", "ukulele", "music stand",
    # animals
    "dog bed", "cat flap", "aquarium", "bird seed", "reptile terrarium", "dog biscuits", "horse blanket",
    "chicken coop", "flea collar", "goldfish bowl",
    # garden
    "leaf blower", "lawn sprinkler", "garden shed", "pruning shears", "compost bin", "rose bush", "garden gnome",
    "swimming pool pump", "rain barrel", "fence panels",
    # office, school and books
    "document scanner", "filing cabinet", "hole punch", "flip chart", "sticky notes", "photocopier paper",
    "label maker", "world atlas", "cookery book", "sheet of postage stamps",
    # babies and toys
    "high chair", "baby bottle steriliser", "stair gate", "model railway", "teddy bear", "water pistol", "kite",
    "playpen", "chess set", "toy kitchen",
    # building, health and the rest
    "shower cabin", "toilet seat", "cement", "roof tiles", "electric meter", "hearing aid",
    "walking frame", "fire extinguisher", "telescope", "heat pump",
)  # fmt: skip
"""What a shop of clothes or groceries does not sell. No encoder is trained on these texts."""

N_TEXTS, N_PHOTOS, N_OUT_OF_CATALOG = 240, 100, 80
"""Queries of each kind at most."""

SHOWN_SHARE = 1 / 6
"""Rows kept out of the small catalog, so that their photos are new to it as a shopper's are."""


CATALOG_KINDS = ((True, False), (False, True), (True, True))
"""Whether a catalog has images, and whether it has words: shops have only images, only words, or both."""


@dataclass(frozen=True, slots=True)
class CalibrationCatalog:
    """Held-out items with their embeddings; ``is_indexed``, bool (n,), says which of them the small catalogs hold.

    Each has one image: ``image_ids`` name them, ``images`` (n, d) embed them. ``texts`` are the items' words, embedded.
    """

    items: Sequence[Item]
    image_ids: Sequence[str]
    images: Vectors
    texts: Sequence[EncodedText]
    is_indexed: NDArray[np.bool_]

    def entries(self, *, with_images: bool, with_words: bool) -> list[IndexedItem]:
        """The indexed items, with nothing but their images, nothing but their words, or both."""
        none = np.empty((0, self.images.shape[1]), np.float32)
        return [
            IndexedItem(
                item=self.items[at] if with_words else Item(self.items[at].sku),
                content_hash=self.items[at].sku,
                image_ids=(self.image_ids[at],) if with_images else (),
                vectors={
                    "image": self.images[at : at + 1] if with_images else none,
                    **(self.texts[at].rows if with_words else {}),
                },
            )
            for at in np.flatnonzero(self.is_indexed).tolist()
        ]

    def samples(
        self,
        encoder: Encoder,
        examples: Sequence[Example],
        cohort: Cohort,
        kinds: Sequence[tuple[bool, bool]] = CATALOG_KINDS,
    ) -> Iterator[CalibrationSample]:
        """Put the same queries to a catalog of each kind. Blocks."""
        for with_images, with_words in kinds:
            entries = self.entries(with_images=with_images, with_words=with_words)
            with temporary_engine(encoder, entries, cohort) as engine:
                yield from calibration_samples(engine, examples)


@contextmanager
def temporary_engine(
    encoder: Encoder, entries: Sequence[IndexedItem], cohort: Cohort | None = None
) -> Iterator[SearchEngine]:
    """A search engine over some items, in a temporary store; with a cohort to sample page signals for a calibration."""
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.catalog.commit(open_index_version(store, encoder), entries)
        engine = SearchEngine.open(store, encoder)
        yield engine if cohort is None else engine.uncalibrated(cohort)
        store.close()


def calibrate(
    encoder: Encoder,
    rows: Sequence[TuningRow],
    table: CaptionTable,
    store: ImageStore,
    *,
    facets: Sequence[str],
    seed: int,
) -> Calibration:
    """Fit a calibration on held-out rows; a kind of query with too few of them gets no curve. Blocks.

    ``facets`` are the fields that shoppers name; the one that says what an item is makes the queries by photo.
    """
    catalog = CalibrationCatalog(
        items=[row.item for row in rows],
        image_ids=[row.image_ids[0] for row in rows],
        images=embed_images(encoder, store, [row.image_ids[0] for row in rows]),
        texts=encoded_texts(encoder, [embedding_text(row.item) for row in rows]),
        is_indexed=np.array([is_indexed(row) for row in rows], dtype=np.bool_),
    )
    examples = [*by_text(rows, table, seed), *by_photo(rows, store, facets, seed), *out_of_catalog(rows)]
    cohort = new_cohort(encoder)
    return fit_calibration(
        list(catalog.samples(encoder, examples, cohort)),
        f"{len(rows):,} rows held out from tuning, as images, as words and as both",
        cohort=cohort,
    )


def is_indexed(row: TuningRow) -> bool:
    """Whether the small catalogs hold a row."""
    return hash_fraction(f"shown {row.item.sku}") >= SHOWN_SHARE


def by_text(rows: Sequence[TuningRow], table: CaptionTable, seed: int) -> Iterator[Example]:
    """Captions that are true of some rows of the small catalog."""
    rows_by_text = table.rows_by_text()
    captions = list(rows_by_text)
    for caption in random.Random(seed).sample(captions, min(N_TEXTS, len(captions))):
        relevant = frozenset(rows[at].item.sku for at in rows_by_text[caption] if is_indexed(rows[at]))
        if relevant:
            yield Example(Query(table.texts[caption]), relevant)


def by_photo(rows: Sequence[TuningRow], store: ImageStore, facets: Sequence[str], seed: int) -> Iterator[Example]:
    """Photos, which items of the same kind answer; and photos with a text, "like this, in red". None if no field says
    what an item is."""
    kind = field_of("kind", facets)
    if kind is None:
        return
    rng = random.Random(seed)
    shown = rng.sample(list(rows), min(N_PHOTOS, len(rows)))
    others = [field for field in facets if field != kind]
    for row in shown:
        alike = [each for each in rows if is_indexed(each) and values(each, kind) & values(row, kind)]
        if not alike:
            continue
        photo = decode_image(store.read(row.image_ids[0])).pixels
        yield Example(Query(images=(photo,)), frozenset(each.item.sku for each in alike))
        combined = [(field, value) for field in others for value in sorted(values(rng.choice(alike), field))]
        if combined:
            field, value = rng.choice(combined)
            right = frozenset(each.item.sku for each in alike if value in values(each, field))
            yield Example(Query(value, images=(photo,)), right)


def values(row: TuningRow, field: str) -> set[str]:
    """A row's values of a field, in lower case."""
    return {value for value in words(row.item.attributes.get(field, ())) if value.strip()}


def out_of_catalog(rows: Sequence[TuningRow]) -> list[Example]:
    """Queries for what other shops sell, if no row has any word of them."""
    known = {word for row in rows for word in WORD.findall(embedding_text(row.item).casefold())}
    unknown = [text for text in OUT_OF_CATALOG_TEXTS if known.isdisjoint(WORD.findall(text))]
    return [Example(Query(text), frozenset()) for text in unknown[:N_OUT_OF_CATALOG]]
