"""An audit: listings that their pictures contradict, in catalogs whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, make_image, png
from tests.search.reranking.shops import ColourReranker, fill
from vitrina.search.audit.audit import Audit, AuditSummary, ItemAudit, ItemStatus, LabelError
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.base import Deadline, Probabilities, RerankCandidate, Reranker
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.reranking.prompts import MAX_VALUES_TRIED
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.item import AttributeValue, IndexedItem


@dataclass
class Firm(ColourReranker):
    """Says the same of every picture: P(yes) by claim, even odds where there is none."""

    says: Mapping[str, float] = field(default_factory=dict)

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        return np.array([[self.says.get(statement, 0.5) for statement in statements] for _ in candidates], np.float32)


class Careful(ColourReranker):
    """Gives no answer about a picture that cannot be opened, as rerankers must."""

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        answers = super().judge(candidates, statements, deadline)
        answers[[candidate.pixels is None for candidate in candidates]] = np.nan
        return answers


@dataclass
class Fragile(ColourReranker):
    """Breaks where it is shown one of these pictures."""

    breaks_at: frozenset[str] = frozenset()

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        if any(candidate.key in self.breaks_at for candidate in candidates):
            raise RerankerError("Out of memory.", remedy="Take a smaller model.")
        return super().judge(candidates, statements, deadline)


def audit(store: Store, encoder: FakeEncoder, reranker: Reranker, *fields: str) -> dict[str, ItemAudit]:
    """What becomes of each item, by sku."""
    engine = SearchEngine.open(store, encoder)
    with RerankPipeline.open(store, reranker) as stage:
        auditing = Audit(engine.encoder, engine.replica, stage, engine.parser.vocabulary.current(), fields)
        return {audited.sku: audited for audited in auditing.of(store.catalog.all_items())}


def found(audited: Mapping[str, ItemAudit]) -> dict[str, LabelError]:
    return {sku: only for sku, each in audited.items() for only in each.label_errors}


def shot(encoder: FakeEncoder, store: Store, sku: str, shows: str, **attributes: AttributeValue) -> IndexedItem:
    """An item with a picture of one colour."""
    shown = make_image(shows, noise=len(sku) + ord(sku[-1]))
    store.images.put(png(shown))
    return make_entry(encoder, sku, f"The {sku}", images=[shown], attributes=attributes)


def commit(store: Store, encoder: FakeEncoder, *entries: IndexedItem) -> None:
    store.catalog.commit(open_index_version(store, encoder), entries)


def test_label_errors_are_found_with_the_value_of_the_image_and_nothing_else(
    store: Store, encoder: FakeEncoder
) -> None:
    fill(store, encoder)
    audited = audit(store, encoder, ColourReranker(), "colour", "article")
    wrong = found(audited)
    assert {sku: (each.field, each.catalog_value, each.image_value) for sku, each in wrong.items()} == {
        "item-5": ("colour", "Black", "White"),
        "item-6": ("colour", "White", "Red"),
    }
    assert wrong["item-5"].catalog_probability < 0.1
    assert wrong["item-5"].image_probability > 0.9
    assert wrong["item-5"].image_id == store.catalog.item("item-5").image_ids[0]
    assert {sku for sku, each in audited.items() if each.status is ItemStatus.NO_IMAGE} == {
        "item-8",
        "item-17",
        "item-26",
        "item-35",
    }
    reranked = [each for each in audited.values() if each.status is ItemStatus.AUDITED]
    assert len(reranked) == 32
    assert {each.checked for each in reranked} in ({("colour", "article")}, {("article", "colour")})


def test_only_catalog_values_and_alternatives_of_doubtful_ones_are_asked_about(
    store: Store, encoder: FakeEncoder
) -> None:
    fill(store, encoder)
    reranker = ColourReranker()
    audit(store, encoder, reranker, "colour", "article")
    n_colours = 6
    assert reranker.n_judged == 2 * 32 + 2 * (n_colours - 1)
    assert len(reranker.asked) <= 4 + n_colours + 3


def test_the_right_one_of_many_values_is_suggested_by_the_encoder(store: Store, encoder: FakeEncoder) -> None:
    many = [
        shot(encoder, store, f"thing-{letter}", "green", article=f"thing {letter}") for letter in "abcdefghijklmnopqrst"
    ]
    wrong = shot(encoder, store, "wrong", "red", article="zz Blue")
    unseen = replace(
        shot(encoder, store, "unseen", "red", article="zz Blue"),
        vectors={"image": encoder.encode_images([]), "text": encoder.encode_texts([])},
    )
    commit(store, encoder, *many, wrong, unseen, shot(encoder, store, "right", "red", article="zz Red"))
    assert len(many) > MAX_VALUES_TRIED
    told = found(audit(store, encoder, ColourReranker(), "article"))
    assert {sku: (each.catalog_value, each.image_value) for sku, each in told.items()} == {
        "wrong": ("zz Blue", "zz Red")
    }


def test_several_values_are_wrong_only_where_the_image_shows_none_of_them(store: Store, encoder: FakeEncoder) -> None:
    commit(
        store,
        encoder,
        shot(encoder, store, "striped", "red", colour=("Red", "White")),
        shot(encoder, store, "mistaken", "red", colour=("Green", "White")),
    )
    told = found(audit(store, encoder, ColourReranker(), "colour"))
    assert {sku: (each.catalog_value, each.image_value) for sku, each in told.items()} == {
        "mistaken": ("Green, White", "Red")
    }


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"blue": 0.02, "navy blue": 0.98}, {"navy": None, "plain": None}),
        ({"blue": 0.98, "navy blue": 0.02}, {"navy": "Blue", "plain": None}),
        ({"blue": 0.02, "navy blue": 0.02, "black": 0.98}, {"navy": "Black", "plain": "Black"}),
        ({"blue": 0.02, "navy blue": 0.02}, {"navy": None, "plain": None}),
    ],
)
def test_a_value_that_the_catalog_value_includes_contradicts_nothing(
    store: Store, encoder: FakeEncoder, says: Mapping[str, float], told: Mapping[str, str | None]
) -> None:
    commit(
        store,
        encoder,
        shot(encoder, store, "plain", "blue", colour="Blue"),
        shot(encoder, store, "navy", "blue", colour="Navy Blue"),
        make_entry(encoder, "other", "Other", attributes={"colour": "Black"}),
    )
    wrong = found(audit(store, encoder, Firm(says=says), "colour"))
    assert {sku: wrong[sku].image_value if sku in wrong else None for sku in ("navy", "plain")} == told


def test_items_that_cannot_be_audited_have_a_status_each(store: Store, encoder: FakeEncoder) -> None:
    lost = make_entry(encoder, "lost", "Lost", images=[make_image("red", noise=77)], attributes={"colour": "Red"})
    commit(
        store,
        encoder,
        lost,
        shot(encoder, store, "fine", "red", colour="Red"),
        shot(encoder, store, "silent", "red", size="M"),
        shot(encoder, store, "empty", "red", colour="n/a"),
        make_entry(encoder, "bare", "Bare", attributes={"colour": "Red"}),
    )
    audited = audit(store, encoder, Careful(), "colour")
    assert {sku: each.status for sku, each in audited.items()} == {
        "lost": ItemStatus.UNREADABLE,
        "fine": ItemStatus.AUDITED,
        "silent": ItemStatus.NO_VALUE,
        "empty": ItemStatus.NO_VALUE,
        "bare": ItemStatus.NO_IMAGE,
    }
    assert [each.checked for each in audited.values() if each.status is not ItemStatus.AUDITED] == [()] * 4


def test_an_image_that_breaks_the_model_costs_no_other_item(store: Store, encoder: FakeEncoder) -> None:
    fill(store, encoder)
    bad = store.catalog.item("item-0").image_ids[0]
    audited = audit(store, encoder, Fragile(breaks_at=frozenset({bad})), "colour", "article")
    assert [sku for sku, each in audited.items() if each.status is ItemStatus.FAILED] == ["item-0"]
    assert set(found(audited)) == {"item-5", "item-6"}


def test_a_reranker_that_fails_always_ends_the_audit(store: Store, encoder: FakeEncoder) -> None:
    def broken(deadline: Deadline) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    fill(store, encoder)
    reranker = ColourReranker(before=broken)
    with pytest.raises(RerankerError, match="several times in a row"):
        audit(store, encoder, reranker, "colour")
    assert len(reranker.asked) < 10


def test_the_surest_comes_first(store: Store, encoder: FakeEncoder) -> None:
    commit(store, encoder, shot(encoder, store, "a", "red", colour="Blue", article="Mug"))
    commit(store, encoder, make_entry(encoder, "b", "B", attributes={"colour": "Red", "article": "Vase"}))
    says = {"blue": 0.05, "red": 0.95, "mug": 0.001, "vase": 0.999}
    summary = AuditSummary(("colour", "article"))
    for audited in audit(store, encoder, Firm(says=says), "colour", "article").values():
        summary.add(audited)
    assert [each.field for each in summary.label_errors()] == ["article", "colour"]
    assert [each.image_value for each in summary.label_errors("colour")] == ["Red"]
    assert summary.checked == {"article": 1, "colour": 1}
    assert (summary.n_items, summary.statuses[ItemStatus.NO_IMAGE]) == (2, 1)
