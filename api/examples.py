"""Examples in the API's description: one query's answer, and the same in steps."""

from __future__ import annotations

import json
from typing import Any, Final

_VERDICTS: Final[list[dict[str, Any]]] = [
    {
        "requirement": "colour: navy",
        "field": "colour",
        "words": "navy",
        "wanted": True,
        "standing": "unknown",
        "probability": 0.52,
        "evidence": "both",
        "listed": "Navy Blue",
        "seen": "black",
        "disagreement": "listing says Navy Blue, photo looks black",
    },
    {
        "requirement": "pattern: not striped",
        "field": "pattern",
        "words": "striped",
        "wanted": False,
        "standing": "met",
        "probability": 0.97,
        "evidence": "image",
        "listed": None,
        "seen": None,
        "disagreement": None,
    },
]

_EXPLANATION: Final = {
    "text": "It is not striped. The listing says Navy Blue, but in the photo it looks black.",
    "written_by": "template",
}

_TIMINGS: Final = {"encode": 6.1, "vectors": 1.9, "judge": 412.5, "explain": 96.2, "total": 524.8}

ANSWER: Final[dict[str, Any]] = {
    "hits": [
        {
            "sku": "A-17",
            "title": "Linen Shirt",
            "description": "",
            "attributes": {"colour": "Navy Blue"},
            "price_cents": 4990,
            "currency": "EUR",
            "url": None,
            "image_url": "/v1/images/5f2c?size=512",
            "image_urls": ["/v1/images/5f2c?size=512"],
            "score": 0.81,
            "rank": 1,
            "confidence": 0.74,
            "signals": {"image": 2.1, "text": 1.4, "words": 0.9},
            "verdicts": _VERDICTS,
            "explanation": _EXPLANATION,
            "reranked": "reranked",
            "retrieval_rank": 3,
        }
    ],
    "total_considered": 1,
    "no_good_match": False,
    "encoder": "embedded",
    "timings_ms": _TIMINGS,
    "requirements": [
        {"name": "colour: navy", "field": "colour", "words": "navy", "wanted": True},
        {"name": "pattern: not striped", "field": "pattern", "words": "striped", "wanted": False},
    ],
    "reranked": "reranked",
    "reranker": "Qwen/Qwen3-VL-2B-Instruct",
    "rerank_note": "",
}
"""An answer to ``navy shirt, not striped``."""

_STEPS: Final[dict[str, Any]] = {
    "retrieved": {"hits": ["..."], "reranked": "not_asked"},
    "reranked": {"hits": ["..."], "reranked": "reranked"},
    "explanation": {"rank": 1, "sku": "A-17", "explanation": _EXPLANATION, "timings_ms": _TIMINGS},
    "done": {"timings_ms": _TIMINGS},
}

EVENTS: Final = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in _STEPS.items())
"""The same answer in steps, its hits left out."""
