"""Which values the encoder finds nearest to an item's picture."""

from __future__ import annotations

from tests.fakes import COLOURS, FakeEncoder, make_entry, make_image
from vitrina.search.audit.fields import NearestValues
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.prompts import MAX_VALUES_TRIED
from vitrina.search.store.store import Store


def test_the_first_image_counts_and_names_are_embedded_once(store: Store) -> None:
    encoder = FakeEncoder("counting")
    many = [make_entry(encoder, f"thing {n}", attributes={"colour": f"shade {n}"}) for n in range(20)]
    plain = [make_entry(encoder, colour, attributes={"colour": colour.title()}) for colour in COLOURS]
    both = make_entry(encoder, "both", images=[make_image("yellow"), make_image("blue")], attributes={"colour": "Red"})
    store.catalog.commit(open_index_version(store, encoder), [*many, *plain, both])
    engine = SearchEngine.open(store, encoder)
    suggestions = NearestValues(engine.encoder, engine.replica, engine.parser.vocabulary.current())
    shown, bare = store.catalog.item("both"), store.catalog.item("thing 3")
    vectors = suggestions.vectors([bare, shown])
    assert set(vectors) == {shown.id}
    n_texts = encoder.n_texts
    nearest = suggestions.nearest("colour", vectors[shown.id])
    assert nearest[0] == "yellow"
    assert len(set(nearest)) == MAX_VALUES_TRIED
    assert encoder.n_texts == n_texts + 26
    assert suggestions.nearest("colour", vectors[shown.id]) == nearest
    assert encoder.n_texts == n_texts + 26
    assert suggestions.nearest("colour", None) == []
