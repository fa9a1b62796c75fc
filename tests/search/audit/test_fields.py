"""Which fields are audited."""

from __future__ import annotations

import pytest

from tests.fakes import FakeEncoder, make_entry
from vitrina.search.audit.fields import AuditedFields, choose_fields
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.store.store import Store
from vitrina.search.types.errors import QueryError
from vitrina.search.types.item import AttributeValue
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary
from vitrina.search.understanding.photo_attributes import MAX_VALUES


def shop(store: Store, encoder: FakeEncoder, n_colours: int = 3) -> None:
    """Items that have a colour of their own each, and more fields."""
    text = "A text that is far too long to be the name of anything"
    fields: dict[str, AttributeValue] = {"material": "Linen", "is_new": True, "notes": text}
    entries = [make_entry(encoder, str(n), attributes=fields | {"colour": f"shade {n}"}) for n in range(n_colours)]
    store.catalog.commit(open_index_version(store, encoder), entries)


def chosen(store: Store, *asked: str) -> AuditedFields:
    return choose_fields(store.catalog, CatalogVocabulary(store.catalog).current(), asked)


def test_what_is_read_off_a_photo_unless_others_are_named(store: Store, encoder: FakeEncoder) -> None:
    shop(store, encoder)
    assert chosen(store) == AuditedFields(("colour",))
    assert chosen(store, "material", "colour", "material").names == ("material", "colour")


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("color", "No item has a field 'color'"),
        ("is_new", "says yes or no"),
        ("notes", "no values that are short names"),
        ("sku", "no values that are short names"),
    ],
)
def test_a_field_that_cannot_be_audited_is_an_error_that_names_others(
    store: Store, encoder: FakeEncoder, field: str, says: str
) -> None:
    shop(store, encoder)
    with pytest.raises(QueryError, match=says) as raised:
        chosen(store, "colour", field)
    assert "colour" in raised.value.remedy
    assert "material" in raised.value.remedy


def test_a_field_of_very_many_values_is_left_out_unless_it_is_named(store: Store, encoder: FakeEncoder) -> None:
    shop(store, encoder, MAX_VALUES + 1)
    store.catalog.commit(
        open_index_version(store, encoder), [make_entry(encoder, "mug", attributes={"article": "Mug"})]
    )
    found = chosen(store)
    assert found.names == ("article",)
    assert "'colour' has 501 values" in found.notes[0]
    with pytest.raises(QueryError, match="501 values"):
        chosen(store, "colour")


def test_without_a_field_that_shows_one_has_to_be_named(store: Store, encoder: FakeEncoder) -> None:
    entries = [make_entry(encoder, "a", attributes={"material": "Linen"})]
    store.catalog.commit(open_index_version(store, encoder), entries)
    with pytest.raises(QueryError, match="no field of colours") as raised:
        chosen(store)
    assert raised.value.remedy == "Name the fields to audit: --field NAME, of material."
