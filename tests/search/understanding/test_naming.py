"""Values go by their own names, synonyms, kinds and parts, and by nothing else."""

from __future__ import annotations

import pytest

from vitrina.search.analysis.spelling import key, split
from vitrina.search.understanding.names import COVERS, SYNONYMS, MatchType, is_proper, names_of


@pytest.mark.parametrize(
    ("value", "name", "match_type"),
    [
        ("Tshirts", "t-shirt", MatchType.SAME),
        ("Tshirts", "tee", MatchType.SYNONYM),
        ("jumper", "sweater", MatchType.SYNONYM),
        ("Rain Jacket", "jackets", MatchType.NARROWER),
        ("Rain Trousers", "pants", MatchType.NARROWER),
        ("Kajal and Eyeliner", "kajal", MatchType.SYNONYM),
        ("Face Wash and Cleanser", "face wash", MatchType.NARROWER),
        ("Face Wash and Cleanser", "cleanser", MatchType.NARROWER),
        ("95% cotton, 5% elastane", "elastane", MatchType.NARROWER),
        ("Decor > Wall Clocks", "clock", MatchType.NARROWER),
        ("Decor>Clocks", "clock", MatchType.NARROWER),
        ("Helmets > Bicycle", "helmet", MatchType.NARROWER),
        ("Helmets > Bicycle", "bicycle helmet", MatchType.SAME),
        ("Wine - Red", "red wine", MatchType.SAME),
        ("Wine \u2013 Red", "wine", MatchType.NARROWER),
        ("Rugs, Wool", "wool rug", MatchType.SAME),
        ("Car seats > Boosters", "car seat", MatchType.NARROWER),
        ("Car seats > Accessories", "accessories", MatchType.NARROWER),
        ("Car seats > Accessories > Mirrors", "mirror", MatchType.NARROWER),
        ("Navy - White", "white", MatchType.NARROWER),
        ("Cats > Dry Food > Kitten", "dry food", MatchType.NARROWER),
        ("Boys", "kids", MatchType.NARROWER),
        ("Unisex", "ladies", MatchType.NARROWER),
        ("striped", "stripes", MatchType.SYNONYM),
    ],
)
def test_names(value: str, name: str, match_type: MatchType) -> None:
    assert names_of(value)[key(split(name))] is match_type


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("no key", "key"),
        ("Car seats > Accessories", "car seat"),
        ("Bike parts > Saddles > Accessories", "saddle"),
        ("Autositze > Handyzubehör", "Autositze"),
        ("16:9", "9 16"),
        ("3 - 6 years", "6 years"),
        ("without pedals", "pedals"),
        ("gluten free", "free"),
        ("World Foods", "food"),
        ("T-shirt", "shirt"),
        ("Power tools > Sanders", "tools"),
        ("top-handle", "handle"),
        ("Personal Care", "care"),
        ("Gift Set", "set"),
        ("8 inch", "inch"),
        ("Filled, 30 kg", "kg"),
        ("Rain Jacket", "rain"),
        ("Women", "men"),
    ],
)
def test_what_is_no_name(value: str, name: str) -> None:
    assert key(split(name)) not in names_of(value)


def test_a_proper_name_goes_by_the_whole_of_it_only() -> None:
    assert names_of("Pilgrim Street", proper=True) == {"pilgrimstreet": MatchType.SAME}
    assert is_proper("brand")
    assert is_proper("Brand Name")
    assert not is_proper("colour")


@pytest.mark.parametrize(
    ("value", "material"),
    [("Oak", "wood"), ("solid oak", "wood"), ("Galvanised steel", "metal"), ("Suede", "leather"), ("Merino", "wool")],
)
def test_a_material_is_of_a_kind(value: str, material: str) -> None:
    assert names_of(value)[material] is MatchType.NARROWER


def test_the_tables_say_nothing_twice() -> None:
    for table in (SYNONYMS, COVERS):
        for kind, others in table.items():
            keys = [key(split(name)) for name in (kind, *others)]
            assert all(keys)
            if table is COVERS:
                assert len(set(keys)) == len(keys)
            assert len(set(others)) == len(others)


def test_nothing_covers_what_covers_it() -> None:
    covers = {key(split(wide)): {key(split(kind)) for kind in kinds} for wide, kinds in COVERS.items()}
    assert not [(wide, kind) for wide, kinds in covers.items() for kind in kinds if wide in covers.get(kind, set())]
