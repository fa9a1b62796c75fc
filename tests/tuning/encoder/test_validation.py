from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import COLOURS, FakeEncoder, make_image, png
from vitrina.evaluation.label_queries import QueryTemplate
from vitrina.search.store.images import ImageStore
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import Item
from vitrina.tuning.encoder.calibration import calibrate
from vitrina.tuning.encoder.captions import CaptionTable
from vitrina.tuning.encoder.validation import MAX_QUERIES, EncoderValidation, embed_images
from vitrina.tuning.rows import TuningRow


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    store = ImageStore(tmp_path / "pictures.db")
    yield store
    store.close()


def row(store: ImageStore, n: int, *colours: str, **attributes: str) -> TuningRow:
    image_ids = tuple(store.put(png(make_image(colour, noise=n))) for colour in colours)
    return TuningRow(Item(f"sku-{n}", attributes=attributes), image_ids)


def table(rows: list[TuningRow], *templates: str) -> CaptionTable:
    return CaptionTable(rows, [QueryTemplate(name) for name in templates])


def test_an_encoder_that_knows_its_colours_scores_1_and_one_that_does_not_scores_less(store: ImageStore) -> None:
    rows = [row(store, n, colour, colour=colour) for n, colour in enumerate([*COLOURS] * 3)]
    wrong = [row(store, n, colour, colour=colour[::-1]) for n, colour in enumerate([*COLOURS] * 3)]
    captions, others = table(rows, "colour"), table(wrong, "colour")
    right = EncoderValidation(rows, captions, store, seed=0).score(FakeEncoder())
    assert right.ndcg == pytest.approx(1)
    assert right.n_queries == {"colour": len(COLOURS)}
    assert EncoderValidation(wrong, others, store, seed=0).score(FakeEncoder()).ndcg < 0.8


def test_a_row_is_found_by_its_best_image(store: ImageStore) -> None:
    rows = [row(store, 0, "green", "red", colour="red"), row(store, 1, "blue", colour="blue")]
    rows += [row(store, 2 + n, "yellow", colour="yellow") for n in range(3)]
    assert EncoderValidation(rows, table(rows, "colour"), store, seed=0).score(FakeEncoder()).ndcg == pytest.approx(1)


def test_templates_count_alike_however_many_queries_they_have(store: ImageStore) -> None:
    rows = [row(store, n, "red", name=f"thing {n}", colour="red" if n else "blue") for n in range(MAX_QUERIES + 20)]
    validation = EncoderValidation(rows, table(rows, "name", "colour"), store, seed=0)
    score = validation.score(FakeEncoder())
    assert score.n_queries == {"name": MAX_QUERIES, "colour": 2}
    assert score.ndcg == pytest.approx(np.mean([score.by_template["name"], score.by_template["colour"]]))


def test_captions_that_fit_every_row_ask_nothing(store: ImageStore) -> None:
    rows = [row(store, n, "red", gender="unisex") for n in range(5)]
    with pytest.raises(InputError, match="make no query"):
        EncoderValidation(rows, table(rows, "gender"), store, seed=0)


def test_images_are_embedded_in_order(store: ImageStore) -> None:
    encoder = FakeEncoder()
    ids = [store.put(png(make_image(colour))) for colour in COLOURS]
    expected = encoder.encode_images([make_image(colour) for colour in COLOURS])
    np.testing.assert_allclose(embed_images(encoder, store, ids), expected, atol=1e-5)


def test_a_calibration_is_surer_of_what_is_there_than_of_what_is_not(store: ImageStore) -> None:
    rows = [
        row(store, n, colour, colour=colour, article=("mug", "scarf")[n // 12], number=f"number {n}")
        for n, colour in enumerate([*COLOURS] * 4)
    ]
    captions = table(rows, "colour", "article", "{colour} {article}", "number")
    calibration = calibrate(FakeEncoder(), rows, captions, store, facets=["colour", "article"], seed=0)
    assert {str(kind) for kind in calibration.curves} >= {"text", "image"}
    assert "24 rows held out" in calibration.source
    for curve in calibration.curves.values():
        assert 0 <= curve.no_match_confidence < 1
        assert any(weight > 0 for weight in curve.weights.values())
