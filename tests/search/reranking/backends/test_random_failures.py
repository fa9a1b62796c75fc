"""Whatever a server does, a judgement comes in time, in shape, and holds nothing but probabilities and gaps."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from tests.fakes import COLOURS, make_image
from tests.search.reranking.backends.model_server import MODEL, Abilities, ModelServer, Trap
from vitrina.search.reranking.backends.openai import OpenAIReranker
from vitrina.search.reranking.base import Deadline, RerankCandidate
from vitrina.search.types.errors import RerankerError

N_REQUESTS = 1_000
DEADLINE_S = 0.25
LATE_S = 5.0
"""Far more than an answer is late where the machine has nothing else to do."""

WAYS = {
    "log probabilities": Abilities(),
    "decisions": Abilities(logprobs=False, schema_field=None, decisions=True),
    "grades in a schema": Abilities(logprobs=False),
    "grades in words": Abilities(logprobs=False, schema_field=None),
}
CANDIDATES = [RerankCandidate(colour, make_image(colour), f"A {colour} mug") for colour in COLOURS] * 3


@pytest.mark.parametrize("way", WAYS)
def test_a_thousand_requests_to_a_server_that_fails_at_random(server: ModelServer, way: str) -> None:
    seeded = random.Random(way)
    traps = [trap for trap in Trap if trap not in (Trap.NONE, Trap.TOO_MANY_FOR_LONG)]
    server.reset(abilities=WAYS[way])
    n_judgements = n_found = n_missing = 0
    with OpenAIReranker(f"{server.address}/v1", MODEL, n_parallel=12) as reranker:
        server.requests.clear()
        server.trap = lambda: seeded.choice(traps) if seeded.random() < 0.4 else Trap.NONE
        while len(server.requests) < N_REQUESTS / len(WAYS):
            start = time.monotonic()
            try:
                found = reranker.judge(CANDIDATES, ["red", "blue"], Deadline.within(DEADLINE_S))
            except RerankerError:
                found = np.full((len(CANDIDATES), 2), np.nan, np.float32)
            assert time.monotonic() - start < DEADLINE_S + LATE_S
            assert found.shape == (len(CANDIDATES), 2)
            assert found.dtype == np.float32
            known = found[~np.isnan(found)]
            assert ((known >= 0.0) & (known <= 1.0)).all()
            n_judgements, n_found, n_missing = (
                n_judgements + 1,
                n_found + known.size,
                n_missing + found.size - known.size,
            )
        server.trap = lambda: Trap.NONE
        server.released.set()
        after = reranker.judge(CANDIDATES, ["red"], Deadline.within(20))
    assert n_found
    assert n_missing
    assert (after[:, 0] > 0.5).tolist() == [candidate.key == "red" for candidate in CANDIDATES]
