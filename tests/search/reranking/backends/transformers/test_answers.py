from __future__ import annotations

import pytest
import torch

from vitrina.search.reranking.backends.dialects import AnswerTokens
from vitrina.search.types.errors import RerankerError


class FakeTokenizer:
    """SentencePiece-like: a low line is a space before a word."""

    def __init__(self, *tokens: str) -> None:
        self._vocabulary = {token: index for index, token in enumerate(tokens)}

    def get_vocab(self) -> dict[str, int]:
        return self._vocabulary

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return "".join(tokens).replace("▁", " ")


def test_every_way_to_say_yes_counts_and_no_other_word() -> None:
    answers = AnswerTokens.of(FakeTokenizer("yes", "▁Yes", "yesterday", "▁no", "NO", "not", "<no>", "▁yes▁"))
    assert answers.yes == (0, 1, 7)
    assert answers.no == (3, 4)


def test_a_model_trained_on_two_tokens_is_read_at_these() -> None:
    assert AnswerTokens.exactly(FakeTokenizer("▁yes", "yes", "no", "No")) == AnswerTokens(yes=(1,), no=(2,))
    assert AnswerTokens.exactly(FakeTokenizer("▁yes", "▁no")) == AnswerTokens(yes=(0,), no=(1,))


@pytest.mark.parametrize(("tokens", "missing"), [(("y", "es", "no"), "yes"), (("yes", "n", "o"), "no")])
def test_a_tokenizer_without_yes_or_no_is_refused(tokens: tuple[str, ...], missing: str) -> None:
    with pytest.raises(RerankerError, match=f"no single token for '{missing}'"):
        AnswerTokens.of(FakeTokenizer(*tokens))


def test_the_probability_is_the_share_of_yes_among_both() -> None:
    logits = torch.randn(5, 20, generator=torch.Generator().manual_seed(0)) * 4
    answers = AnswerTokens(yes=(3, 7), no=(0, 11, 19))
    all_words = logits.softmax(dim=-1)
    yes, no = all_words[:, [3, 7]].sum(dim=-1), all_words[:, [0, 11, 19]].sum(dim=-1)
    torch.testing.assert_close(answers.probability(logits), yes / (yes + no))
    torch.testing.assert_close(answers.probability(logits.bfloat16()), yes / (yes + no), atol=0.01, rtol=0.05)
