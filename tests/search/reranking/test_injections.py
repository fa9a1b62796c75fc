"""Injections: whatever stands in a catalog or on its photos, no verdict moves.

Through the whole search, from the catalog file to the explanations, over the boutique.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recipes.boutique.catalog import product
from recipes.boutique.render import render
from tests.fakes import FakeEncoder, MemorySource, make_image
from tests.search.reranking.backends.conftest import colour_of
from tests.search.reranking.backends.model_server import MODEL, ModelServer, serving
from tests.search.reranking.backends.transformers import tiny
from tests.search.reranking.injections import DRAWN, INJECTIONS, harmless, planted_everywhere, printed
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources.base import ImageReference, Record
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.model_folders import EMBEDDED
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Probabilities, RerankCandidate, Reranker
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Hit
from vitrina.search.types.item import Item
from vitrina.search.types.models import RerankerIdentity
from vitrina.search.types.query import Query, RerankOptions
from vitrina.search.types.requirement import Status, Verdict
from vitrina.search.understanding.catalog_attributes import item_values

FEW = {name: {product(number).attributes[name] for number in range(10)} for name in ("article", "colour")}
NUMBERS = tuple(
    islice(
        (number for number in count() if all(product(number).attributes[name] in FEW[name] for name in FEW)),
        len(INJECTIONS),
    )
)
"""Products of the boutique, an injection each. Of few articles and colours: a picture that contradicts its listing is
held against twelve values at most, so that of more of them it would be other ones in another order."""

N_PAGE = 20
FEW_EXPLAINED = 3
QUERIES = ("beige linen t-shirt, striped", "black leather boots for women, goes with almost everything")
QUOTATION = re.compile(r'"(?:[^"\\]|\\.)*"')


def drawing(number: int, side_px: int) -> Image.Image:
    return render(product(number), size=side_px).image


def item_of(number: int) -> Item:
    drawn = product(number)
    return Item(drawn.sku, drawn.title, drawn.description, drawn.attributes, drawn.price_cents, drawn.currency)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def indexed(folder: Path, items: Sequence[Item], photos: Sequence[bytes]) -> Store:
    """A home with these items, one photo each."""
    store = Store(folder)
    records = [
        Record(f"memory:{item.sku}", item, (ImageReference(data=photo),))
        for item, photo in zip(items, photos, strict=True)
    ]
    Indexer(store, FakeEncoder(), Fetcher()).run(MemorySource(records))
    assert store.catalog.count("items") == len(items)
    return store


@dataclass
class Overheard:
    """A reranker, and all that it is asked. It writes nothing: what it is told decides what it would write."""

    inner: Reranker
    shown: set[tuple[str, str, str]] = field(default_factory=set)
    answered: dict[tuple[str, str], float] = field(default_factory=dict)
    told: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def identity(self) -> RerankerIdentity:
        return self.inner.identity

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    @property
    def fusion_weights(self) -> FusionWeights | None:
        return self.inner.fusion_weights

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        answers = self.inner.judge(candidates, statements, deadline)
        self.shown |= {
            (candidate.key, candidate.listing, statement) for candidate in candidates for statement in statements
        }
        for candidate, row in zip(candidates, answers.tolist(), strict=True):
            self.answered |= {
                (candidate.key, statement): answer for statement, answer in zip(statements, row, strict=True)
            }
        return answers

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        self.told.add((candidate.key, candidate.listing, *facts))
        return iter(())

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        return self.inner.locate(candidate, statement, deadline)


Hits = Mapping[tuple[str, str], Hit]


def asked(store: Store, reranker: Reranker, texts: Sequence[str] = QUERIES, n_explained: int = N_PAGE) -> Hits:
    """Every item's hit for each query, by the query and the sku, looked at; the first of each page explained. The
    answers count, whatever the model's own weights say."""
    weights = replace(reranker.fusion_weights or FusionWeights(), whole=0.15, parts=0.15)
    budget = RerankOptions(top=100, explain=n_explained, explain_ms=60_000)
    found: dict[tuple[str, str], Hit] = {}
    with RerankPipeline(store.images, reranker, weights, deadline_s=600.0) as stage:
        engine = SearchEngine.open(store, FakeEncoder()).with_reranker(stage)
        for text in texts:
            for offset in range(0, store.catalog.count("items"), N_PAGE):
                answer = engine.search(Query(text, limit=N_PAGE, offset=offset), budget)
                assert answer.requirements
                assert answer.rerank_note == ""
                found |= {(text, hit.stored.item.sku): hit for hit in answer.hits}
    return found


def status(verdicts: Sequence[Verdict]) -> list[object]:
    return [(verdict.requirement.name, verdict.status, verdict.evidence, verdict.catalog_value) for verdict in verdicts]


def assert_nothing_moved(before: Hits, after: Hits) -> None:
    """Standings, evidence and explanations are the same, and probabilities but for the last bits of a float, since a
    model takes hits in another order in other batches."""
    assert before.keys() == after.keys()
    for at, hit in before.items():
        assert status(after[at].verdicts) == status(hit.verdicts), at
        assert [verdict.probability for verdict in after[at].verdicts] == pytest.approx(
            [verdict.probability for verdict in hit.verdicts], abs=1e-5
        ), at
        assert after[at].explanation == hit.explanation, at
        assert hit.explanation is not None
        assert hit.explanation.text


WORDS_PX = 64
PHOTO_PX = 224


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """The boutique as it is, and with an injection in each place of each item."""
    items = [item_of(number) for number in NUMBERS]
    hostile = [planted_everywhere(item, at) for at, item in enumerate(items)]
    photos = [png(drawing(number, WORDS_PX)) for number in NUMBERS]
    folder = tmp_path_factory.mktemp("shops")
    clean, injected = indexed(folder / "clean", items, photos), indexed(folder / "hostile", hostile, photos)
    with closing(clean), closing(injected):
        yield clean, injected


@pytest.fixture(scope="module")
def photo_shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """The boutique with harmless words on its photos, and with injections.

    The pixels are others than without words, so each photo is held against one with words of the same length, in the
    same colours, at the same place.
    """
    folder = tmp_path_factory.mktemp("photos")
    items = [item_of(number) for number in NUMBERS[: len(DRAWN)]]
    drawings = [drawing(number, PHOTO_PX) for number in NUMBERS[: len(DRAWN)]]
    pair = [
        indexed(
            folder / kind,
            items,
            [png(printed(shown, words(text))) for shown, text in zip(drawings, DRAWN.values(), strict=True)],
        )
        for kind, words in (("harmless", harmless), ("hostile", str))
    ]
    yield pair[0], pair[1]
    for store in pair:
        store.close()


@pytest.fixture(scope="module")
def model() -> Iterator[Reranker]:
    """The model that ships with the package."""
    with open_by_name(EMBEDDED, RerankerOptions(device="cpu")) as model:
        yield model


@pytest.fixture(scope="module")
def _server() -> Iterator[ModelServer]:
    with serving(colour_of) as server:
        yield server


@pytest.fixture
def server(_server: ModelServer) -> Iterator[ModelServer]:
    _server.reset()
    yield _server
    _server.reset()


@contextmanager
def opened(server: ModelServer) -> Iterator[Reranker]:
    from vitrina.search.reranking.backends.openai import OpenAIReranker

    with ExitStack() as closing:
        yield closing.enter_context(OpenAIReranker(f"{server.address}/v1", MODEL))


def texts_sent(server: ModelServer) -> set[str]:
    """What a server was asked, less the pictures."""
    return {text for body in server.bodies for text in texts_in(body["messages"])}


def texts_in(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from texts_in(part)
    elif content.get("type") == "text":
        yield content["text"]
    elif "content" in content:
        yield from texts_in(content["content"])


def test_words_reach_no_model_in_this_process_and_move_no_verdict(shops: tuple[Store, Store], model: Reranker) -> None:
    clean, injected = shops
    plain, hostile = Overheard(model), Overheard(model)
    assert_nothing_moved(asked(clean, plain), asked(injected, hostile))
    catalog_values = {
        value
        for stored in clean.catalog.all_items()
        for field in stored.item.attributes
        for value in item_values(stored.item, field)
    }  # where image and listing are in conflict, some of the other hits' values are tried, which depend on the page
    assert {statement for *_, statement in hostile.shown ^ plain.shown} <= catalog_values
    assert hostile.told == plain.told
    assert {listing for _, listing, _ in hostile.shown} == {""}
    both = hostile.answered.keys() & plain.answered.keys()
    assert [hostile.answered[each] for each in both] == pytest.approx([plain.answered[each] for each in both], abs=1e-5)


@pytest.mark.slow
def test_words_reach_no_server_and_move_no_verdict(shops: tuple[Store, Store], server: ModelServer) -> None:
    clean, injected = shops
    with opened(server) as reranker:
        server.requests.clear()
        plain = asked(clean, reranker)
        prompts = texts_sent(server)
        server.requests.clear()
        assert_nothing_moved(plain, asked(injected, reranker))
    assert texts_sent(server) == prompts


def test_a_listing_that_is_shown_moves_a_model_that_reads_it(model: Reranker, tmp_path: Path) -> None:
    """The tests above can fail: what they keep from the model would move one, though not the embedded one, whose
    template leaves listings out."""
    photo = drawing(0, 64)
    candidates = [RerankCandidate("bare", photo), RerankCandidate("listed", photo, INJECTIONS["plain"])]
    reader = load_reranker(str(tiny.save("llava", tmp_path)), device="cpu")
    bare, catalog_value = reader.judge(candidates, ["beige"], Deadline.within(120))[:, 0]
    assert bare != pytest.approx(catalog_value, abs=1e-5)
    bare, catalog_value = model.judge(candidates, ["beige"], Deadline.within(120))[:, 0]
    assert bare == pytest.approx(catalog_value, abs=1e-5)


def test_a_server_that_is_shown_a_listing_gets_it_as_a_quotation(server: ModelServer) -> None:
    def skeletons(listing: str) -> set[str]:
        server.requests.clear()
        answer = reranker.judge(
            [RerankCandidate(listing[:8], make_image("red"), listing)], ["red"], Deadline.within(60)
        )
        assert np.isfinite(answer).all()
        for text in texts_sent(server):
            assert not re.search(r"[<>|\[\]`\\]|[^\n -~¡-\U0010ffff]", QUOTATION.sub("", text))
        return {QUOTATION.sub('""', text) for text in texts_sent(server)}

    with opened(server) as reranker:
        plain = skeletons("Plain shirt")
        assert any("The catalog says" in text for text in plain)
        for name, text in INJECTIONS.items():
            assert skeletons(text) == plain, name


def test_what_the_asked_field_holds_reaches_a_server_as_a_quotation(server: ModelServer, tmp_path: Path) -> None:
    """A value of the very field is evidence; the model that explains it is told of it, quoted."""
    items = [
        replace(item_of(0), sku=f"item-{number}", attributes={"article": "t-shirt", "colour": text})
        for number, text in enumerate(["navy", *INJECTIONS.values()])
    ]
    store = indexed(tmp_path / "home", items, [png(make_image("red", noise=number)) for number in range(len(items))])
    with opened(server) as reranker:
        server.requests.clear()
        asked(store, reranker, ["navy t-shirt"])
    store.close()
    conflicting = [text for text in texts_sent(server) if "found out" in text]
    assert len(conflicting) > len(INJECTIONS) / 2
    assert len({re.sub(r'""(; "")*', '""', QUOTATION.sub('""', text)) for text in conflicting}) == 1
    for quotation in (found for text in conflicting for found in QUOTATION.findall(text)):
        assert not re.search(r"[<>|\[\]`]", json.loads(quotation))


def test_enough_is_tried() -> None:
    assert len(set(INJECTIONS.values())) >= 30
    assert len(set(DRAWN.values())) >= 30


def test_words_on_photos_talk_the_embedded_model_into_nothing(
    photo_shops: tuple[Store, Store], model: Reranker
) -> None:
    """Other letters are other pixels, so that what cannot be told from a picture at all ("goes with almost everything",
    "leather" of a drawing) wavers: in one verdict of a hundred at most, to the next status, and as a whole to neither
    side."""
    plain, hostile = (asked(store, model, n_explained=0) for store in photo_shops)
    pairs = [pair for at in plain for pair in zip(plain[at].verdicts, hostile[at].verdicts, strict=True)]
    assert len(pairs) > 300
    moved = [{before.status, after.status} for before, after in pairs if after.status is not before.status]
    assert len(moved) <= len(pairs) / 100, moved
    assert {Status.MET, Status.CONTRADICTED} not in moved
    assert np.mean([after.probability - before.probability for before, after in pairs]) == pytest.approx(0, abs=0.005)


def test_words_on_photos_come_out_in_no_explanation(photo_shops: tuple[Store, Store], model: Reranker) -> None:
    hits = asked(photo_shops[1], model, n_explained=FEW_EXPLAINED)
    told = [hit.explanation.text for hit in hits.values() if hit.explanation]
    assert len(told) >= FEW_EXPLAINED * len(QUERIES)
    assert not any(re.search(r"ignor|answer|instruction|\byes\b|assistant", text, re.IGNORECASE) for text in told)


@pytest.mark.slow
def test_words_on_photos_move_no_verdict_of_a_server(photo_shops: tuple[Store, Store], server: ModelServer) -> None:
    with opened(server) as reranker:
        plain, hostile = (asked(store, reranker) for store in photo_shops)
    assert plain
    for at, hit in plain.items():
        assert status(hostile[at].verdicts) == status(hit.verdicts)
        assert hostile[at].explanation == hit.explanation
