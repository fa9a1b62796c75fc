"""The lexicon: short lists of words that say how a field's values are spoken of, and how nouns are counted.

Set by judgement, from the fields and values of common shop platforms. A word that is missing here is said in a way that
holds for any word: ``its style is boho``, ``filed under kitchen``, a singular with an article.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vitrina.search.analysis.spelling import stem


def words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


def stems_of(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


PAIRS: Final = words_of(
    """
    boots bottoms boxers breeches briefs brogues capris cargos chinos chopsticks clogs cufflinks culottes curtains
    drapes dumbbells dungarees earbuds earphones earrings espadrilles flats galoshes gloves glasses goggles headphones
    heels jeans jeggings joggers jodhpurs knickers leggings lenses loafers mittens moccasins mules overalls oxfords
    panties pants pliers plimsolls pumps pyjamas pajamas sandals scissors shears shoes shorts skates skis slacks
    slippers sneakers socks spectacles stilettos stockings sunglasses sweatpants tights trainers trousers
    trunks tweezers
    underpants wedges wellingtons binoculars
    berries bolts candles capsules clothes cookies crisps fittings flowers grapes keys nails noodles nuts parts screws
    seeds stairs stickers supplies tools utensils vitamins washers wipes
    """
)
"""What is worn in pairs or sold by the pack, in the form in which people speak of one product of that kind."""

SINGLE_IN_S: Final = words_of("atlas canvas christmas gas lens news series species")

MASSES: Final = words_of(
    """
    apparel art baggage beauty bedding bread butter cement cheese china cleaning clothing coffee conduit cosmetics
    cutlery decking decor decoration deodorant drywall electronics equipment fabric fencing fertiliser fertilizer
    flooring food
    fruit furniture garlic gear glue grass gravel grout hardware honey hosiery insulation jewellery jewelry juice
    laundry lighting lingerie lotion luggage lumber machinery makeup meat medicine merchandise milk mist moulding
    molding mulch
    music oil osb paint paper pasta pegboard perfume plumbing plywood polish polyurethane porcelain produce putty rice
    romex roofing rope salt sand sealant shampoo shelving siding soap software soil stain stationery steel storage
    string sugar sunscreen tape tea timber toothpaste underwear varnish wallpaper water wax wine wire wood wool yarn
    yoghurt yogurt
    """
)

IN_IE: Final = words_of("beanies bikies birdies booties brownies canoes cookies hoodies movies onesies pies ties")
"""Plurals that lose nothing but their ``s``."""

QUALIFIERS: Final = words_of("general specific name value main primary label text default en attribute 1 2 3 01")
"""Words around the name of a field that people leave out: ``style_general``, ``colour_group_name``."""


UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{
            unit: unit
            for unit in ["cm", "mm", "m", "km", "g", "kg", "mg", "lb", "oz", "ml", "cl", "l", "bar", "psi", "rpm"]
        },
        "in": "inches",
        "inch": "inches",
        "inches": "inches",
        "ft": "feet",
        "lbs": "lb",
        "px": "pixels",
        "w": "W",
        "kw": "kW",
        "v": "V",
        "mah": "mAh",
        "gb": "GB",
        "tb": "TB",
        "mb": "MB",
        "hz": "Hz",
        "db": "dB",
    }
)
"""Units that the names of fields end with, as they are written behind a number: ``width_cm``."""

KINDS: Final = frozenset(
    {"article", "type", "kind", "item", "product", "class", "object", "garment", "furniture"}
    | {f"{thing} {kind}" for thing in ("article", "product", "item") for kind in ("type", "kind", "class")}
    | {"garment type", "clothing type", "furniture type"}
)
"""Names of fields whose values are kinds of things."""

STYLES: Final = frozenset({"style", "silhouette", "model", "design"})
"""Names of fields whose values are kinds of things in some shops, and manners in others."""

STYLE_KINDS: Final = stems_of(
    """
    hoodie jacket shirt tshirt tee blouse sweater jumper cardigan coat dress skirt gown vest blazer suit tunic polo
    sweatshirt top bag backpack boot shoe sneaker sandal hat cap belt scarf watch lamp chair table sofa desk bed rug
    jean trouser shorts pant legging sock parka anorak poncho kimono romper jumpsuit bikini
    """
)
"""The kinds of things that such fields hold."""

DESCRIPTIONS: Final = stems_of("colour shade hue farbe couleur colore kleur pattern print")
MATERIALS: Final = stems_of("material fabric textile matière fibre")
AUDIENCES: Final = stems_of("gender sex audience")
SEASONS: Final = stems_of("season")
PURPOSES: Final = stems_of("usage use occasion purpose activity sport")
BRANDS: Final = stems_of("brand manufacturer maker vendor designer label")
SIZES: Final = stems_of("size")
CATEGORIES: Final = stems_of(
    "category subcategory department collection section group tag taxonomy breadcrumb path room"
)
"""The last words of names of fields, by what their values are."""

PEOPLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "man": "men",
        "woman": "women",
        "boy": "boys",
        "girl": "girls",
        "kid": "kids",
        "child": "children",
        "baby": "babies",
        "infant": "infants",
        "toddler": "toddlers",
        "teen": "teens",
        "adult": "adults",
        "lady": "ladies",
        "gent": "gents",
        "gentleman": "gentlemen",
        "male": "males",
        "female": "females",
        "men": "men",
        "women": "women",
        "people": "people",
        "pet": "pets",
        "dog": "dogs",
        "cat": "cats",
    }
)
"""Whom things are for: the plural of each stem."""

EVERYBODY: Final = frozenset({"unisex", "neutral", "ungendered"})

MANNERS: Final = words_of("casual formal ethnic elegant everyday festive sporty smart dressy classic versatile")
"""Purposes that are adjectives: ``it is casual``, but ``it is for travel``."""

ACTIVITIES: Final = words_of("travel work home yoga football golf tennis cricket outdoor school office")

ADJECTIVE_ENDINGS: Final = (
    *("ed", "less", "proof", "free", "able", "ible", "ic", "al", "ant", "ent", "ive", "ous", "ful", "some"),
    *("resistant", "friendly"),
)

NO_THINGS: Final = stems_of("eye lip hair skin body nail sport light home essential electronics optic men women good")
"""Plurals that name a department, not what is sold in it."""

ACRONYMS: Final = words_of("led tv usb hdmi lcd pvc pc uv osb dvd cd mdf diy hepa oled afci gfci ac dc sae npt rgb")
