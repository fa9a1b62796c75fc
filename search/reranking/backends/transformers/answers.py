"""Yes and no among a model's tokens, and the probability between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.errors import RerankerError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Answers:
    """The token ids that say yes, and those that say no."""

    yes: tuple[int, ...]
    no: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any) -> Answers:
        """Every way of a tokenizer to say yes or no in one token: "yes", " Yes", "NO". Raises RerankerError."""
        answers = cls(_tokens_of(tokenizer, "yes"), _tokens_of(tokenizer, "no"))
        if not answers.yes or not answers.no:
            missing = "yes" if not answers.yes else "no"
            raise RerankerError(
                f"The model's tokenizer has no single token for '{missing}', so that no probability can be read.",
                remedy="Choose another model, or one whose vocabulary knows the words yes and no.",
            )
        return answers

    @classmethod
    def exactly(cls, tokenizer: Any) -> Answers:
        """The tokens "yes" and "no" alone, for a model that was trained on these two."""
        vocabulary = tokenizer.get_vocab()
        if "yes" not in vocabulary or "no" not in vocabulary:
            return cls.of(tokenizer)
        return cls((vocabulary["yes"],), (vocabulary["no"],))

    def probability(self, logits: torch.Tensor) -> torch.Tensor:
        """P(yes) given that the answer is yes or no; logits of shape (n, vocabulary) to float32, shape (n,).

        It is the share of the yes tokens in the probability of all of them.
        """
        return self.log_odds(logits).sigmoid()

    def log_odds(self, logits: torch.Tensor) -> torch.Tensor:
        """``logsumexp(yes) - logsumexp(no)``, of the same shapes; what tuning works on."""
        logits = logits.float()
        yes = logits[:, list(self.yes)].logsumexp(dim=-1)
        no = logits[:, list(self.no)].logsumexp(dim=-1)
        return yes - no


def _tokens_of(tokenizer: Any, word: str) -> tuple[int, ...]:
    likely = {token: index for token, index in tokenizer.get_vocab().items() if word in token.lower()}
    says = tokenizer.convert_tokens_to_string
    return tuple(sorted(index for token, index in likely.items() if says([token]).strip().lower() == word))
