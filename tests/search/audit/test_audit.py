"""An audit: listings that their pictures contradict, in catalogs whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, picture, png
from tests.search.reranking.shops import SimpleEyes, fill
from vitrina.search.audit.audit import Audit, Audited, AuditSummary, LabelError, Outcome
from vitrina.search.reranking.base import Deadline, Probabilities, RerankCandidate, Reranker
from vitrina.search.reranking.statements import MAX_VALUES_TRIED
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.item import AttributeValue, IndexedItem


@dataclass
class Firm(SimpleEyes):
    """Says the same of every picture: P(yes) by claim, even odds where there is none."""

    says: Mapping[str, float] = field(default_factory=dict)

    def judge(self, looks: Sequence[RerankCandidate], claims: Sequence[str], deadline: Deadline) -> Probabilities:
        return np.array([[self.says.get(claim, 0.5) for claim in claims] for _ in looks], np.float32)


class Careful(SimpleEyes):
    """Gives no answer about a picture that cannot be opened, as rerankers must."""

    def judge(self, looks: Sequence[RerankCandidate], claims: Sequence[str], deadline: Deadline) -> Probabilities:
        answers = super().judge(looks, claims, deadline)
        answers[[look.image is None for look in looks]] = np.nan
        return answers


@dataclass
class Fragile(SimpleEyes):
    """Breaks where it is shown one of these pictures."""

    breaks_at: frozenset[str] = frozenset()

    def judge(self, looks: Sequence[RerankCandidate], claims: Sequence[str], deadline: Deadline) -> Probabilities:
        if any(look.key in self.breaks_at for look in looks):
            raise RerankerError("Out of memory.", remedy="Take a smaller model.")
        return super().judge(looks, claims, deadline)


def audit(home: Store, encoder: FakeEncoder, eyes: Reranker, *fields: str) -> dict[str, Audited]:
    """What becomes of each item, by sku."""
    engine = home.open_engine(encoder)
    with home.open_stage(eyes) as stage:
        auditing = Audit(engine, stage, engine.vocabulary.current(), fields)
        return {audited.sku: audited for audited in auditing.of(home.catalog.all_items())}


def found(audited: Mapping[str, Audited]) -> dict[str, LabelError]:
    return {sku: only for sku, each in audited.items() for only in each.contradictions}


def shot(encoder: FakeEncoder, home: Store, sku: str, shows: str, **attributes: AttributeValue) -> IndexedItem:
    """An item with a picture of one colour."""
    shown = picture(shows, noise=len(sku) + ord(sku[-1]))
    home.images.put(png(shown))
    return make_entry(encoder, sku, f"The {sku}", pictures=[shown], attributes=attributes)


def commit(home: Store, encoder: FakeEncoder, *entries: IndexedItem) -> None:
    home.catalog.commit(home.open_space(encoder), entries)


def test_what_is_listed_wrong_is_found_with_what_it_looks_like_and_nothing_else(
    home: Store, encoder: FakeEncoder
) -> None:
    fill(home, encoder)
    audited = audit(home, encoder, SimpleEyes(), "colour", "article")
    wrong = found(audited)
    assert {sku: (each.field, each.listed, each.looks) for sku, each in wrong.items()} == {
        "item-5": ("colour", "Black", "White"),
        "item-6": ("colour", "White", "Red"),
    }
    assert wrong["item-5"].listed_probability < 0.1
    assert wrong["item-5"].looks_probability > 0.9
    assert wrong["item-5"].image_id == home.catalog.item("item-5").image_ids[0]
    assert {sku for sku, each in audited.items() if each.outcome is Outcome.NO_PICTURE} == {
        "item-8",
        "item-17",
        "item-26",
        "item-35",
    }
    looked = [each for each in audited.values() if each.outcome is Outcome.LOOKED]
    assert len(looked) == 32
    assert {each.checked for each in looked} in ({("colour", "article")}, {("article", "colour")})


def test_no_more_is_asked_than_what_is_listed_and_what_a_doubtful_one_may_be(home: Store, encoder: FakeEncoder) -> None:
    fill(home, encoder)
    eyes = SimpleEyes()
    audit(home, encoder, eyes, "colour", "article")
    n_colours = 6
    assert eyes.n_judged == 2 * 32 + 2 * (n_colours - 1)
    assert len(eyes.asked) <= 4 + n_colours + 3


def test_the_right_one_of_many_values_is_suggested_by_the_encoder(home: Store, encoder: FakeEncoder) -> None:
    many = [
        shot(encoder, home, f"thing-{letter}", "green", article=f"thing {letter}") for letter in "abcdefghijklmnopqrst"
    ]
    wrong = shot(encoder, home, "wrong", "red", article="zz Blue")
    unseen = replace(
        shot(encoder, home, "unseen", "red", article="zz Blue"),
        vectors={"image": encoder.encode_images([]), "text": encoder.encode_texts([])},
    )
    commit(home, encoder, *many, wrong, unseen, shot(encoder, home, "right", "red", article="zz Red"))
    assert len(many) > MAX_VALUES_TRIED
    told = found(audit(home, encoder, SimpleEyes(), "article"))
    assert {sku: (each.listed, each.looks) for sku, each in told.items()} == {"wrong": ("zz Blue", "zz Red")}


def test_several_values_are_wrong_only_where_the_picture_shows_none_of_them(home: Store, encoder: FakeEncoder) -> None:
    commit(
        home,
        encoder,
        shot(encoder, home, "striped", "red", colour=("Red", "White")),
        shot(encoder, home, "mistaken", "red", colour=("Green", "White")),
    )
    told = found(audit(home, encoder, SimpleEyes(), "colour"))
    assert {sku: (each.listed, each.looks) for sku, each in told.items()} == {"mistaken": ("Green, White", "Red")}


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"blue": 0.02, "navy blue": 0.98}, {"navy": None, "plain": None}),
        ({"blue": 0.98, "navy blue": 0.02}, {"navy": "Blue", "plain": None}),
        ({"blue": 0.02, "navy blue": 0.02, "black": 0.98}, {"navy": "Black", "plain": "Black"}),
        ({"blue": 0.02, "navy blue": 0.02}, {"navy": None, "plain": None}),
    ],
)
def test_a_value_that_the_listed_one_includes_contradicts_nothing(
    home: Store, encoder: FakeEncoder, says: Mapping[str, float], told: Mapping[str, str | None]
) -> None:
    commit(
        home,
        encoder,
        shot(encoder, home, "plain", "blue", colour="Blue"),
        shot(encoder, home, "navy", "blue", colour="Navy Blue"),
        make_entry(encoder, "other", "Other", attributes={"colour": "Black"}),
    )
    wrong = found(audit(home, encoder, Firm(says=says), "colour"))
    assert {sku: wrong[sku].looks if sku in wrong else None for sku in ("navy", "plain")} == told


def test_what_cannot_be_looked_at_is_told_apart(home: Store, encoder: FakeEncoder) -> None:
    lost = make_entry(encoder, "lost", "Lost", pictures=[picture("red", noise=77)], attributes={"colour": "Red"})
    commit(
        home,
        encoder,
        lost,
        shot(encoder, home, "fine", "red", colour="Red"),
        shot(encoder, home, "silent", "red", size="M"),
        shot(encoder, home, "empty", "red", colour="n/a"),
        make_entry(encoder, "bare", "Bare", attributes={"colour": "Red"}),
    )
    audited = audit(home, encoder, Careful(), "colour")
    assert {sku: each.outcome for sku, each in audited.items()} == {
        "lost": Outcome.UNREADABLE,
        "fine": Outcome.LOOKED,
        "silent": Outcome.NO_VALUE,
        "empty": Outcome.NO_VALUE,
        "bare": Outcome.NO_PICTURE,
    }
    assert [each.checked for each in audited.values() if each.outcome is not Outcome.LOOKED] == [()] * 4


def test_a_picture_that_breaks_the_model_costs_no_other_item(home: Store, encoder: FakeEncoder) -> None:
    fill(home, encoder)
    bad = home.catalog.item("item-0").image_ids[0]
    audited = audit(home, encoder, Fragile(breaks_at=frozenset({bad})), "colour", "article")
    assert [sku for sku, each in audited.items() if each.outcome is Outcome.FAILED] == ["item-0"]
    assert set(found(audited)) == {"item-5", "item-6"}


def test_a_reranker_that_fails_always_ends_the_audit(home: Store, encoder: FakeEncoder) -> None:
    def broken(deadline: Deadline) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    fill(home, encoder)
    eyes = SimpleEyes(before=broken)
    with pytest.raises(RerankerError, match="several times in a row"):
        audit(home, encoder, eyes, "colour")
    assert len(eyes.asked) < 10


def test_the_surest_comes_first(home: Store, encoder: FakeEncoder) -> None:
    commit(home, encoder, shot(encoder, home, "a", "red", colour="Blue", article="Mug"))
    commit(home, encoder, make_entry(encoder, "b", "B", attributes={"colour": "Red", "article": "Vase"}))
    says = {"blue": 0.05, "red": 0.95, "mug": 0.001, "vase": 0.999}
    tally = AuditSummary(("colour", "article"))
    for audited in audit(home, encoder, Firm(says=says), "colour", "article").values():
        tally.add(audited)
    assert [each.field for each in tally.contradictions()] == ["article", "colour"]
    assert [each.looks for each in tally.contradictions("colour")] == ["Red"]
    assert tally.checked == {"article": 1, "colour": 1}
    assert (tally.n_items, tally.outcomes[Outcome.NO_PICTURE]) == (2, 1)
