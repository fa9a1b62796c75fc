"""Composed queries: a photo (or an item) and words, "this, but in red".

What the photo shows is read, and the words replace what they contradict: the query becomes "red, same article, same
gender, like this one". Attributes that the catalog has fields for are read from the photo's nearest neighbours; kinds
and wearers that it has no field for are read with the encoder from the names below, several at once with their shares.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from operator import itemgetter
from types import MappingProxyType

import numpy as np

from vitrina.search.analysis.spelling import split
from vitrina.search.encoders.base import Encoder
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import Item
from vitrina.search.types.models import Vectors
from vitrina.search.types.requirement import Requirement, Source
from vitrina.search.understanding.catalog_attributes import KIND_NAMES, Vocabulary, item_values
from vitrina.search.understanding.colours import COLOURS, colour_of
from vitrina.search.understanding.parser import parse
from vitrina.search.understanding.photo_attributes import MIN_SHARE, PhotoReader, photo_requirement, softmax

ASPECTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "colour": ("colour",),
        "pattern": ("pattern", "print"),
        "kind": KIND_NAMES,
        "wearer": ("gender", "sex", "audience", "department"),
    }
)
"""What a query keeps of a photo unless words say otherwise, in the order in which a phrase names it, with what shops
call the field."""

KIND_LIST = """
t-shirts, polo shirts, shirts, blouses, tops, tank tops, camisoles, tunics, kurtas, sweaters, cardigans, sweatshirts,
hoodies, jackets, blazers, coats, raincoats, vests, waistcoats, dresses, skirts, jeans, trousers, leggings, shorts,
track pants, capris, jumpsuits, suits, tracksuits, saris, shawls, nightdresses, pyjamas, bathrobes, bras, briefs,
boxers, underwear, socks, stockings, tights, swimwear, bikinis, baby clothes, costumes, sports shoes, casual shoes,
formal shoes, boots, sandals, flip flops, slippers, high heels, flat shoes, hats, caps, beanies, scarves, gloves,
ties, belts, sunglasses, glasses, watches, rings, earrings, necklaces, pendants, bracelets, bangles, jewellery sets,
cufflinks, hair accessories, umbrellas, handbags, backpacks, wallets, clutches, suitcases, duffel bags,
messenger bags, laptop bags, tote bags, perfume, deodorant, lipstick, lip gloss, nail polish, eyeliner, mascara,
eyeshadow, foundation, face powder, moisturiser, sunscreen, face wash, shampoo, soap, hair colour, razors,
toothbrushes, makeup brushes, apples, bananas, oranges, lemons, limes, grapefruit, pears, peaches, plums, nectarines,
mangoes, melons, pineapples, grapes, berries, kiwis, avocados, pomegranates, papayas, passion fruit, tomatoes,
potatoes, carrots, onions, garlic, ginger, leeks, cucumbers, peppers, cabbage, lettuce, asparagus, aubergines,
courgettes, mushrooms, beetroot, beans, corn, herbs, juice, milk, oat milk, soy milk, cream, yoghurt, butter, cheese,
eggs, meat, sausages, fish, bread, cakes, biscuits, chocolate, sweets, crisps, nuts, cereal, pasta, rice, flour,
spices, sauces, oil, jam, honey, coffee, tea, beer, soft drinks, wine, spirits, pizza, soup, sofas, armchairs,
chairs, stools, benches, dining tables, coffee tables, desks, beds, mattresses, wardrobes, chests of drawers,
cabinets, bookcases, shelves, mirrors, lamps, ceiling lights, candles, rugs, curtains, blinds, cushions, blankets,
bed linen, towels, clocks, vases, picture frames, posters, plants, flower pots, fireplaces, doors, windows, stairs,
bathtubs, showers, toilets, sinks, taps, bins, baskets, boxes, ovens, cookers, microwaves, refrigerators,
dishwashers, washing machines, vacuum cleaners, irons, kettles, toasters, coffee machines, blenders, mixers, fans,
heaters, air conditioners, pots, pans, knives, cutlery, plates, bowls, cups, mugs, drinking glasses, bottles, jugs,
trays, kitchen scales, cutting boards, phones, tablets, laptops, computers, monitors, keyboards, computer mice,
printers, televisions, speakers, headphones, microphones, cameras, lenses, game consoles, game controllers, chargers,
cables, batteries, radios, record players, projectors, routers, memory cards, calculators, hammers, screwdrivers,
wrenches, pliers, saws, drills, sanders, tape measures, spirit levels, ladders, toolboxes, screws, nails, bolts,
hinges, locks, rope, tape, glue, paint, paint brushes, paint rollers, pipes, valves, wire, switches, sockets,
light bulbs, torches, goggles, work gloves, helmets, shovels, rakes, hoses, watering cans, lawn mowers, wheelbarrows,
fertiliser, seeds, fences, grills, garden furniture, parasols, tents, sleeping bags, camping stoves, balls, rackets,
bats, golf clubs, dumbbells, yoga mats, treadmills, bicycles, skateboards, scooters, skis, snowboards, surfboards,
kayaks, fishing rods, boxing gloves, skates, toys, dolls, stuffed animals, puzzles, board games, building blocks,
toy cars, prams, car seats, cribs, nappies, dog food, cat food, dog leashes, pet beds, aquariums, bird cages,
horse saddles, books, notebooks, pens, pencils, scissors, staplers, envelopes, folders, stickers, greeting cards,
wrapping paper, guitars, pianos, drums, violins, trumpets, car tyres, car parts, motorcycles, cars, trailers,
engine oil, medicine, bandages, thermometers, wheelchairs, crutches, sculptures, fabrics, yarn, sewing machines,
gift cards
"""
KINDS = tuple(re.split(r",\s+", KIND_LIST.strip()))
"""Kinds of thing that shops sell, by common names. The finer ones are where words and pictures tell them apart."""

WEARERS = ("men", "women", "boys", "girls")

COMMON = Vocabulary(
    {
        "colour": tuple(dict.fromkeys(colour.shade for colour in COLOURS.values())),
        "kind": tuple(kind for kind in KINDS if colour_of(split(kind)) is None),
        "wearer": (*WEARERS, "kids"),
    }
)
"""What words name where the catalog has no field for it."""

N_NEIGHBOURS = 10
SHARPNESS = 6.0
"""A neighbour's vote falls by ``e`` for every sixth of a standard deviation that it is less like the photo than the
first is, so that an indexed photo reads as its own item. Of 1,504 fashion rows held out from the embedded encoder's
training, each read from the others: the article of 95%, right in 86%; the gender of 97%, right in 85%."""

N_SAMPLED = 1000
MIN_DEVIATION = 0.02
N_KINDS, N_PHRASES = 8, 4
TEMPERATURE = 0.02
"""Of the kinds, the nearest ``N_KINDS`` are tried with each wearer and with none, and the best ``N_PHRASES`` are asked
for together, by their shares of a softmax."""

KEPT_SHARE = 0.25
"""What is left of the photo's weight where words replace some of what it shows, and the rest is put into words."""


@dataclass(frozen=True, slots=True)
class Composition:
    """What a photo and words ask for together.

    ``shown`` are the catalog's values that the photo shows and the words do not replace. ``text`` is what full text is
    searched for. ``vector``, a unit vector of shape (d,), is that of the words with what the photo shows, and
    ``photo_share`` the share of its weight that the photo itself keeps, up to 1.
    """

    shown: tuple[Requirement, ...]
    text: str
    vector: Vectors
    photo_share: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a photo shows by the catalog's fields: values ``shown``, of which those in ``kept``, by aspect, are not
    replaced by words."""

    shown: Mapping[str, str]
    kept: Mapping[str, Requirement]


class Composer:
    """Composes queries over one catalog. Safe to call from several threads."""

    def __init__(self, catalog: Catalog, encoder: Encoder, replica: IndexReplica, photos: PhotoReader) -> None:
        self._catalog = catalog
        self._encoder = encoder
        self._replica = replica
        self._photos = photos

    def compose(
        self, text: str, said: Sequence[Requirement], photos: Vectors, items: Sequence[Item], vocabulary: Vocabulary
    ) -> Composition:
        """Compose a text, and ``said``, which it was parsed into, with photos, shape (n, d), and items to resemble.

        What an item lists counts before what its photo shows. Blocks: encodes a few phrases, and once the names of
        kinds. Raises EncoderError.
        """
        photo = photos.mean(axis=0) if len(photos) else None
        lacking = COMMON.fields.keys() - aspect_fields(vocabulary).keys()
        reading = self._read(said, photo, items, vocabulary)
        common = [each for each in parse(text, COMMON) if each.wanted and each.field in lacking]
        phrases = (
            {"": 1.0} if photo is None else self._phrases(photo, reading.kept, aspects_of(said, common, vocabulary))
        )
        asked = " ".join(requirement.words for requirement in said if requirement.wanted) or text
        values = " ".join(requirement.words for requirement in reading.kept.values())
        vectors = self._encoder.encode_texts([" ".join(f"{asked} {values} {phrase}".split()) for phrase in phrases])
        total = np.array([*phrases.values()], np.float32) @ vectors
        is_replaced = any(contradicts(each, reading.shown, vocabulary) for each in said)
        if photo is not None and not is_replaced:
            is_replaced = any(
                self._photos.nearest(photo, COMMON.fields[each.field])[0] not in each.values for each in common
            )
        return Composition(
            tuple(reading.kept.values()),
            f"{text} {values}".strip(),
            np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32),
            1.0 - (1.0 - KEPT_SHARE) * sum(phrases.values()) if is_replaced else 1.0,
        )

    def _read(
        self, said: Sequence[Requirement], photo: Vectors | None, items: Sequence[Item], vocabulary: Vocabulary
    ) -> Reading:
        fields = aspect_fields(vocabulary)
        every = sorted({*fields.values(), *vocabulary.kind_fields})
        listed = {field: values[0] for item in items[:1] for field in every if (values := item_values(item, field))}
        shown = listed if photo is None else self._votes(photo, every) | listed
        kept = {
            aspect: replace(
                photo_requirement(field, shown[field], vocabulary),
                source=Source.ITEM if field in listed else Source.PHOTO,
            )
            for aspect, field in fields.items()
            if field in shown and not any(replaces(each, field, shown, vocabulary) for each in said)
        }
        return Reading(shown, kept)

    def _votes(self, photo: Vectors, fields: Sequence[str]) -> dict[str, str]:
        """The values that the photo's neighbours in the catalog agree on, by field; folded as they compare."""
        index = self._replica.indexes["image"]
        matches = index.search(photo, N_NEIGHBOURS)
        if not fields or not len(matches):
            return {}
        deviation = max(float(np.std(index.sample(N_SAMPLED) @ photo)), MIN_DEVIATION)
        weights = np.exp(SHARPNESS * (matches.scores - matches.scores.max()) / deviation)
        stored = self._catalog.items(matches.item_ids.tolist())
        found: dict[str, str] = {}
        for field in fields:
            votes: defaultdict[str, float] = defaultdict(float)
            for item_id, weight in zip(matches.item_ids.tolist(), weights.tolist(), strict=True):
                for value in item_values(stored[item_id].item, field)[:1] if item_id in stored else ():
                    votes[value] += weight
            value, most = max(votes.items(), key=itemgetter(1), default=("", 0.0))
            if most >= MIN_SHARE * float(weights.sum()):
                found[field] = value
        return found

    def _phrases(self, photo: Vectors, kept: Mapping[str, Requirement], named: Set[str]) -> dict[str, float]:
        """What the photo shows that the catalog has no field for, and that is not ``named``: phrases with shares."""
        kinds = [kept["kind"].words] if "kind" in kept else self._photos.nearest(photo, KINDS, N_KINDS)
        wearers = [kept["wearer"].words] if "wearer" in kept else ["", *WEARERS]
        pairs = [*itertools.product(kinds, wearers)]
        shares = softmax(self._encoder.encode_texts([" ".join(pair).strip() for pair in pairs]) @ photo / TEMPERATURE)
        found: defaultdict[str, float] = defaultdict(float)
        for at in np.argsort(-shares)[:N_PHRASES].tolist():
            words = zip(("kind", "wearer"), pairs[at], strict=True)
            found[" ".join(word for aspect, word in words if word and aspect not in {*kept, *named})] += float(
                shares[at]
            )
        return dict(found)


def aspect_fields(vocabulary: Vocabulary) -> dict[str, str]:
    """The catalog's field for each aspect that it has one for."""
    found = (
        (aspect, next((f for name in names for f in vocabulary.fields_called(split(name))), ""))
        for aspect, names in ASPECTS.items()
    )
    return {aspect: field for aspect, field in found if field}


def aspects_of(said: Sequence[Requirement], common: Sequence[Requirement], vocabulary: Vocabulary) -> set[str]:
    """The aspects that words name: by the catalog's values, or by those that are ``common``."""
    fields = aspect_fields(vocabulary)
    asked = {each.field for each in said if each.wanted}
    named = {aspect for aspect, field in fields.items() if field in asked}
    return named | {each.field for each in common} | ({"kind"} if asked & vocabulary.kind_fields else set())


def replaces(asked: Requirement, field: str, shown: Mapping[str, str], vocabulary: Vocabulary) -> bool:
    """Whether a requirement of the words takes the place of the value that a photo shows in ``field``.

    Any colour takes the place of a colour. A kind leaves a finer kind in place that it includes: with "shoes", a photo
    of sandals still asks for sandals. What is denied takes away no other value.
    """
    if not asked.wanted:
        return asked.field == field and shown[field] in map(facet_value, asked.values)
    if {asked.field, field} <= vocabulary.kind_fields and asked.field != field:
        return contradicts(asked, shown, vocabulary)
    return asked.field == field


def contradicts(asked: Requirement, shown: Mapping[str, str], vocabulary: Vocabulary) -> bool:
    """Whether a photo that shows these values does not meet a requirement; one on a field that is not read, never."""
    fields = {*aspect_fields(vocabulary).values(), *vocabulary.kind_fields}
    if asked.field not in fields:
        return False
    return (shown.get(asked.field, "") in map(facet_value, asked.values)) is not asked.wanted
