"""Word pieces: what an encoder's head makes of them, in both runtimes, and how texts are compared by them."""

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder
from vitrina.search.encoders.base import EMBEDDED, EMBEDDED_FOLDER, Runtime
from vitrina.search.encoders.batching import BatchingEncoder, ComputeSlots
from vitrina.search.encoders.late_interaction import (
    HEAD_FILE,
    PIECES_SCALE,
    EncodedText,
    PieceEncoder,
    PieceHead,
    encoded_texts,
    late_interaction,
)
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.errors import EncoderError

TEXTS = ["skipping rope", "Jump Rope for kids, 2.4 m", "", "a lamp that does not dazzle " * 30]


@pytest.fixture(scope="module")
def embedded() -> PieceEncoder:
    encoder = load_encoder(EMBEDDED, device="cpu")
    assert isinstance(encoder, PieceEncoder)
    return encoder


def unit_rows(n: int, width: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rows = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_each_piece_of_a_query_finds_the_nearest_of_a_text() -> None:
    asked = EncodedText(np.zeros(4, np.float32), unit_rows(3, 8, 0), np.array([0.5, 0.3, 0.2], np.float32))
    texts = [unit_rows(n, 8, seed) for seed, n in enumerate((1, 5, 2), start=1)]
    stored = [np.rint(text * PIECES_SCALE).astype(np.int8) for text in texts]
    assert asked.pieces is not None
    assert asked.weights is not None
    expected = [sum(asked.weights * (asked.pieces @ text.T).max(axis=1)) for text in texts]
    np.testing.assert_allclose(late_interaction(asked, stored), expected, atol=0.02)
    assert late_interaction(asked, []).shape == (0,)
    assert late_interaction(EncodedText(asked.vector), stored).tolist() == [0, 0, 0]


def test_the_embedded_encoder_knows_what_pieces_mean(embedded: PieceEncoder) -> None:
    asked, *texts = embedded.encode_pieces(["skipping rope", "Jump Rope", "Rope Light", "Climbing Harness"])
    pieces = [text.stored_pieces for text in texts]
    found = late_interaction(asked, [each for each in pieces if each is not None])
    assert found.argmax() == 0


def test_pieces_come_with_the_same_vectors(embedded: PieceEncoder) -> None:
    found = embedded.encode_pieces(TEXTS)
    np.testing.assert_array_equal(np.stack([each.vector for each in found]), embedded.encode_texts(TEXTS))
    for each in found:
        assert each.pieces is not None
        assert each.weights is not None
        assert len(each.pieces) == len(each.weights)
        np.testing.assert_allclose(np.linalg.norm(each.pieces, axis=1), 1, atol=1e-5)
    assert [each.stored_pieces is None for each in found] == [False, False, True, False]
    assert found[0].weights is not None
    assert sum(found[0].weights) == pytest.approx(1)
    assert embedded.encode_pieces([]) == []


def test_pytorch_gives_the_same_pieces(embedded: PieceEncoder) -> None:
    torch_encoder = load_encoder(EMBEDDED, device="cpu", runtime=Runtime.TORCH, exact=True)
    assert isinstance(torch_encoder, PieceEncoder)
    for one, other in zip(embedded.encode_pieces(TEXTS), torch_encoder.encode_pieces(TEXTS), strict=True):
        assert one.pieces is not None
        assert other.pieces is not None
        np.testing.assert_allclose(one.pieces, other.pieces, atol=1e-3)
        assert one.weights is not None
        assert other.weights is not None
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-3)
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-3)


def test_searches_that_share_a_batch_get_their_own_pieces(embedded: PieceEncoder) -> None:
    shared = BatchingEncoder(load_encoder(EMBEDDED, device="cpu"), ComputeSlots(2))
    for one, other in zip(shared.encode_pieces(TEXTS), embedded.encode_pieces(TEXTS), strict=True):
        np.testing.assert_array_equal(one.pieces, other.pieces)
    assert len(shared.encode_pieces(TEXTS * 5)) == 5 * len(TEXTS)


def test_an_encoder_without_a_head_has_no_pieces(encoder: FakeEncoder) -> None:
    for found in (
        encoded_texts(encoder, ["red mug"]),
        BatchingEncoder(encoder, ComputeSlots(1)).encode_pieces(["red mug"]),
    ):
        assert found[0].pieces is None
        assert found[0].stored_pieces is None
        np.testing.assert_array_equal(found[0].vector, encoder.encode_texts(["red mug"])[0])


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert PieceHead.read(tmp_path) is None
    head = PieceHead(unit_rows(4, 6, 0), unit_rows(1, 6, 1)[0], 0.25)
    head.write(tmp_path)
    found = PieceHead.read(tmp_path)
    assert found is not None
    assert found.bias == 0.25
    np.testing.assert_allclose(found.vectors, head.vectors, atol=1e-3)
    (tmp_path / HEAD_FILE).write_bytes(b"no tensors")
    with pytest.raises(EncoderError, match="cannot be read"):
        PieceHead.read(tmp_path)


def test_the_shipped_head_is_small() -> None:
    assert (EMBEDDED_FOLDER / HEAD_FILE).stat().st_size < 100_000
