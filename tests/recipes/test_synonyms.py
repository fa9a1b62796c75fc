"""The recipe of the synonyms: common senses of what shops sell, and nothing else."""

from __future__ import annotations

from pathlib import Path

from recipes.synonyms import (
    MAX_NARROWER,
    MORE,
    categories_below,
    grouped,
    make_lines,
    make_synsets,
    names_asked_for,
    names_in,
    read_more,
    read_queries,
    spellings,
    synonyms_of,
)
from vitrina.search.analysis.language import Language
from vitrina.search.analysis.synonyms import Thesaurus

SYNSETS = [
    ("artifact", "sofa, couch, lounge", "seat"),
    ("artifact", "sofa bed, couch", "bed"),
    ("artifact", "telephone, phone", "equipment"),
    ("artifact", "earphone, earpiece, headphone, phone", "transducer"),
    ("artifact", "catapult, launcher", "device"),
    ("animal", "jersey, cow", "cattle"),
]
ROWS = [dict(zip(("lexname", "synonyms", "hypernyms"), row, strict=True)) for row in SYNSETS]
SOLD = frozenset({"sofa", "headphone", "phone"})


def test_what_is_sold_has_synonyms_by_its_usual_meaning() -> None:
    found = grouped(synonyms_of(make_synsets(ROWS), SOLD))
    assert found["sofa"] == ["couch", "lounge"]
    assert found["couch"] == ["sofa", "lounge"]
    assert found["phone"] == ["telephone"]
    assert "phone" not in found["headphone"]
    assert not {"catapult", "jersey", "launcher"} & set(found)


def test_a_category_that_lists_things_names_each() -> None:
    assert names_in("Sofas & Couches") == ["sofa", "couch"]
    assert names_in("Baby & Toddler Furniture") == []
    assert list(categories_below([["Shoes"], ["Shoes", "Boots"], ["Hats & Caps", "Caps"]])) == [("sho", "boot")]


def test_what_shoppers_call_a_category_is_a_name_of_it(tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    turners = "# Kitchen > Turners\n= Spatula, Steel\n\negg flipper\nturns eggs"
    file.write_text(f"About it.\n\n{turners}\n\n# Pears\n= Pear\nconference\n", encoding="utf-8")
    queries = read_queries(file)
    assert queries == [("Turners", "egg flipper"), ("Pears", "conference")]
    several = [
        ("Canes & Walking Sticks", "gran's prop"),
        ("Baby & Toddler Sets", "tots"),
        ("Charms & Pendants", "locket"),
    ]
    no_names = [
        ("Grinders", "mill for coffee"),
        ("Grinders", "coffee stuff"),
        ("Bags", "tote"),
        ("Bags", "shopping pal"),
    ]
    categories = [["Turners"], ["Pears"], ["Conference Tables"], ["Grinders"], ["Totes"], ["Bags"]]
    found = list(names_asked_for([*queries, *several, *no_names], categories, {"flipper", "prop", "stuff"}))
    assert found == [("egg flipper", "turner"), ("gran prop", "cane")]


def test_lines_have_keys_and_spellings() -> None:
    spelled = spellings(["Running Shoes", "Sneakers", "Boots"])
    lines = list(make_lines({"sneaker": ["running sho"]}, {"sho": ["boot"]}, {"wet foot": ["boot"]}, spelled))
    assert lines == ["sho\t\tboots", "sneaker\trunning shoes", "wet foot\t\t\tboots"]


def test_what_shops_call_one_thing_ships_under_each_name() -> None:
    shipped, (groups, kinds) = Thesaurus(Language("en")), read_more(MORE.read_text(encoding="utf-8"))
    assert len(groups) > 150
    lost = [name for group in groups for name in group.sources if not shipped.synonyms(name)]
    assert not lost
    assert ("flashlight",) in [each.words for each in shipped.synonyms(("torch",))]
    assert ("crib",) in [each.words for each in shipped.synonyms(("cot",))]
    assert ("wine", "rioja") in kinds
    assert ("rioja",) in [each.words for each in shipped.synonyms(("wine",))]


def test_kinds_of_our_own_are_kept_whatever_their_number() -> None:
    kinds = [f"kind{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    spelled = dict(zip(kinds, kinds, strict=True))
    assert len(next(make_lines({}, {"thing": kinds}, {}, spelled)).split("|")) == MAX_NARROWER
    assert next(make_lines({}, {}, {}, spelled, {"thing": kinds})) == f"thing\t\t{'|'.join(kinds)}"
