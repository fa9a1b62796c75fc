"""Which fields a page offers as facets, and in which order."""

from __future__ import annotations

from tests.fakes import FakeEncoder, make_entry
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.retrieval.facets import facets_of
from vitrina.search.store.catalog import Catalog


def test_what_shoppers_choose_by_comes_first_and_what_tells_nothing_apart_not_at_all(
    catalog: Catalog, encoder: FakeEncoder
) -> None:
    entries = [
        make_entry(
            encoder,
            f"{n}",
            "Tee",
            attributes={
                "weight_grams": 100 + n % 3,
                "condition": "New",
                "is_organic": True,
                "google_gender": ("Men", "Women")[n % 2],
                "Brand": ("Acorn", "Birch")[n % 2],
                "colour": f"shade {n}" if n else (),
                "code": f"C{n}",
            },
        )
        for n in range(30)
    ]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    index = FacetIndex(catalog)
    with catalog.reading() as reader:
        item_ids = reader.facets.matching(())
    shown = [each.field for each in facets_of(catalog, index, (), lambda _: item_ids).fields]
    assert shown == ["colour", "Brand", "google_gender", "is_organic", "weight_grams"]
    asked = facets_of(catalog, index, (), lambda _: item_ids, ["condition"]).fields
    assert [each.field for each in asked] == ["condition"]
