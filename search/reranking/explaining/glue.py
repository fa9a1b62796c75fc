"""Glue: the words of an explanation that say nothing of a product by themselves.

The lists are closed on purpose. A model that uses another word is not taken at its word; the template stands in.
"""

from __future__ import annotations

FUNCTION_WORDS = frozenset(
    {
        "a", "an", "the", "this", "that", "these", "those", "it", "its", "they", "them", "their", "which", "what",
        "who", "whose", "there", "here", "you", "your", "and", "or", "nor", "neither", "either", "both", "but", "yet",
        "however", "although", "though", "while", "whereas", "so", "as", "than", "then", "also", "too", "well", "is",
        "are", "was", "were", "be", "been", "being", "has", "have", "had", "does", "do", "did", "can", "could", "may",
        "might", "will", "would", "cannot", "not", "no", "never", "without", "none", "nothing", "if", "whether", "in",
        "on", "of", "for", "to", "from", "with", "at", "by", "about", "only", "just", "one", "all", "every", "each",
        "any", "some", "other", "rather", "instead", "because", "since", "therefore", "thus", "hence", "still",
    }
)  # fmt: skip
"""These hold a sentence together; a brand that is called One, or Just, is not meant by them."""

PLAIN_WORDS = frozenset(
    {
        # what is spoken of, and where it was found out
        "item", "product", "piece", "article", "requirement", "requirements", "aspect", "respect", "detail", "request",
        "search", "query", "wish", "wishes", "shopper", "listing", "catalog", "catalogue", "photo", "photograph",
        "picture", "image", "description", "information", "evidence",
        # how it stands to what was asked for
        "fit", "fits", "match", "matches", "matched", "matching", "meet", "meets", "met", "suit", "suits", "satisfies",
        "satisfied", "fulfils", "fulfilled", "asked", "ask", "asking", "want", "wanted", "requested", "wished", "like",
        "need", "needed", "looking", "desired", "contradicted", "contradicts", "differs", "different", "right", "wrong",
        "good", "full", "fully", "exact", "exactly", "perfect", "perfectly", "completely", "entirely", "clearly",
        # how it is known
        "look", "looks", "appear", "appears", "appearing", "seem", "seems", "show", "shows", "shown", "see", "seen",
        "visible", "say", "says", "said", "stated", "states", "listed", "described", "mentioned", "specified",
        "confirmed", "confirm", "confirms", "verified", "determined", "established", "known", "unknown", "clear",
        "unclear", "certain", "uncertain", "sure", "unsure", "tell", "told", "judge", "judged", "doubt", "comes",
        "come", "made", "lacks", "lack", "lacking", "missing", "absent", "true", "case",
    }
)  # fmt: skip
"""These are glue as long as no value of the catalog is called so."""

VERBS = frozenset(
    {
        "is", "are", "was", "were", "be", "has", "have", "had", "does", "do", "did", "can", "could", "cannot", "may",
        "might", "will", "would", "fit", "fits", "match", "matches", "matched", "meets", "met", "suits", "satisfies",
        "fulfils", "looks", "appears", "seems", "shows", "says", "states", "confirms", "contradicts", "differs",
        "lacks", "comes",
    }
)  # fmt: skip
"""A clause with none of them is a part of the one before."""

DENYING = frozenset({"not", "no", "never", "without", "none", "nothing", "nor", "neither", "lacks", "lack", "lacking"})
DENYING_BEFORE = frozenset({"missing", "absent", "contradicted", "contradicts", "differs", "different", "wrong"})
"""These deny what stands before them: ``navy is missing``."""

OPEN = frozenset(
    {"whether", "if", "cannot", "could", "may", "might", "unknown", "unclear", "uncertain", "unsure", "doubt"}
    | {"information", "evidence"}
)
"""A clause with one of them leaves open what it speaks of."""

OPEN_WHEN_DENIED = frozenset(
    {"say", "said", "stated", "mentioned", "specified", "confirmed", "confirm", "verified", "determined", "clear"}
    | {"established", "known", "certain", "sure", "tell", "told", "judge", "judged", "clearly"}
)

FULFILLED = frozenset({"met", "satisfied", "fulfilled", "matched", "right", "true", "case", "so"})
"""After ``not`` these deny what stands before."""

SWEEPING = frozenset({"all", "every", "each", "full", "fully", "exact", "exactly", "perfect", "perfectly"}) | {
    "completely",
    "entirely",
    "both",
}
"""These speak of every requirement at once."""
