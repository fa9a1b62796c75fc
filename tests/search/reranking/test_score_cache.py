"""The client's cache of scores."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.fakes import COLOURS, make_image
from tests.search.reranking.shops import ColourReranker
from vitrina.search.reranking.base import Deadline, RerankCandidate
from vitrina.search.reranking.client import RerankClient

COLOUR_NAMES = list(COLOURS)


def image_of(key: str) -> RerankCandidate:
    return RerankCandidate(key, make_image(key))


def judging(client: RerankClient) -> Callable[[str, str], float]:
    return lambda key, statement: float(
        client.judge([key], [statement], image_of, Deadline.within(20)).probabilities[0, 0]
    )


def test_answers_are_cached_by_image_and_statement() -> None:
    model = ColourReranker()
    client = RerankClient(model)
    judge = judging(client)
    for _ in range(2):
        assert judge("red", "red") > 0.5 > judge("red", "blue")
        assert judge("blue", "blue") > 0.5
    assert model.n_judged == 3
    client.close()


def test_what_was_not_asked_for_the_longest_is_forgotten() -> None:
    model = ColourReranker()
    client = RerankClient(model, max_scores=2)
    judge = judging(client)
    for key, n_judged in (("red", 1), ("blue", 2), ("red", 2), ("green", 3), ("red", 3), ("blue", 4)):
        judge(key, "red")
        assert model.n_judged == n_judged
    client.close()


def test_several_threads_get_their_own_answers() -> None:
    client = RerankClient(ColourReranker(), max_scores=5)
    judge = judging(client)
    wrong: list[tuple[str, str]] = []

    def work(start: int) -> None:
        for number in range(start, start + 60):
            key, statement = COLOUR_NAMES[number % 6], COLOUR_NAMES[number // 6 % 6]
            if (judge(key, statement) > 0.5) is not (key == statement):
                wrong.append((key, statement))

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 7, 14, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    client.close()
