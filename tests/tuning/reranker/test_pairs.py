import random
from collections import Counter

from vitrina.tuning.reranker.corpus import MAX_PAIRS_A_QUERY, TuningQuery, duos_of, pairs_of

GRADES = {f"right-{at}": 1 for at in range(20)} | {"judged-wrong": 0}
WISH = TuningQuery("red", GRADES, tuple(sku for sku, grade in GRADES.items() if grade), ("judged-wrong", "mined"), ())
RANDOM_NEGATIVES = ("right-0", "right-1", "any-0", "any-1")


def test_every_statement_is_as_often_right_as_wrong() -> None:
    other = TuningQuery("blue", {"right-3": 1}, ("right-3",), (), ())
    pairs = pairs_of([WISH, other], RANDOM_NEGATIVES, random.Random(0))
    assert Counter((pair.statement, pair.is_relevant) for pair in pairs) == {
        ("red", True): MAX_PAIRS_A_QUERY,
        ("red", False): MAX_PAIRS_A_QUERY,
        ("blue", True): 1,
        ("blue", False): 1,
    }
    assert all(
        one.statement == two.statement and one.is_relevant > two.is_relevant
        for one, two in zip(pairs[::2], pairs[1::2], strict=True)
    )


def test_nothing_relevant_is_ever_called_wrong() -> None:
    wrong = Counter(duo[1].sku for seed in range(50) for duo in duos_of(WISH, RANDOM_NEGATIVES, random.Random(seed)))
    assert set(wrong) == {"judged-wrong", "mined", "any-0", "any-1"}
    assert wrong["judged-wrong"] + wrong["mined"] > wrong["any-0"] + wrong["any-1"] > 0


def test_an_epoch_is_drawn_by_its_rng_alone() -> None:
    first, second, other = (pairs_of([WISH], RANDOM_NEGATIVES, random.Random(seed)) for seed in (1, 1, 2))
    assert first == second != other


def test_where_everything_is_right_there_is_nothing_to_learn() -> None:
    everything = TuningQuery("thing", {"a": 1, "b": 1}, ("a", "b"), (), ())
    assert not list(duos_of(everything, ("a", "b"), random.Random(0)))
