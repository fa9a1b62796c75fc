"""An exported reranker answers as PyTorch does, of a model that is not the embedded one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.search.reranking.backends.transformers.candidates import STATEMENTS, noise, three_candidates
from vitrina.search.encoders import compute
from vitrina.search.encoders.base import Runtime
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.dialects import Prompt
from vitrina.search.reranking.backends.model_folders import folder_fingerprint
from vitrina.search.reranking.backends.onnx.exports import EXPORT_FILE, FEATURES_FILE, read_export, write_export
from vitrina.search.reranking.backends.onnx.features import pack, unpack
from vitrina.search.reranking.backends.onnx.loading import load_exported, open_exported
from vitrina.search.reranking.backends.onnx.reranker import OnnxReranker
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker
from vitrina.search.reranking.base import Deadline, JudgesPairs, PrecomputesFeatures, RerankCandidate, Reranker
from vitrina.search.reranking.prompts import explanation_prompt
from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.types.errors import RerankerError

ONNX = RerankerOptions(device="cpu", runtime=Runtime.ONNX)
CLOSE = 1e-3
TEXT_ONLY = [RerankCandidate("text", None, "A listing"), RerankCandidate("nothing", None)]


def soon() -> Deadline:
    return Deadline.within(100)


@pytest.fixture(scope="module")
def onnx(exported_vlm: Path) -> Iterator[OnnxReranker]:
    with load_exported(str(exported_vlm), exported_vlm, ONNX) as reranker:
        yield reranker


@pytest.fixture(scope="module")
def plain(exported_vlm: Path) -> Iterator[TransformersReranker]:
    with load_reranker(str(exported_vlm), device="cpu") as reranker:
        yield reranker


def test_it_is_the_same_reranker(onnx: OnnxReranker, plain: TransformersReranker) -> None:
    assert onnx.identity == plain.identity
    assert onnx.capabilities == replace(plain.capabilities, schema=True)


def test_it_judges_as_pytorch_does(onnx: OnnxReranker, plain: TransformersReranker) -> None:
    candidates = [*three_candidates(), *TEXT_ONLY, *(RerankCandidate(f"{at}", noise(at, 50, 70)) for at in range(9))]
    statements = [*STATEMENTS, "a much longer statement, with <image> and </s> in it"]
    judged = onnx.judge(candidates, statements, soon())
    np.testing.assert_allclose(judged, plain.judge(candidates, statements, soon()), atol=CLOSE)
    assert np.isnan(judged[4]).all()
    assert np.ptp(judged[np.isfinite(judged)]) > 10 * CLOSE
    np.testing.assert_array_equal(onnx.judge(candidates, statements, soon()), judged)  # from memory


def test_a_statement_is_judged_the_same_whatever_is_asked_beside_it(onnx: OnnxReranker) -> None:
    candidates = three_candidates()
    together = onnx.judge(candidates, STATEMENTS, soon())
    apart = [onnx.judge([candidate], [statement], soon()) for candidate in candidates for statement in STATEMENTS]
    np.testing.assert_allclose(together.ravel(), np.concatenate(apart).ravel(), atol=1e-5)


def test_it_writes_token_by_token_what_pytorch_writes(onnx: OnnxReranker, plain: TransformersReranker) -> None:
    candidate = RerankCandidate("written", noise(5))
    prompted = plain.prompted_model
    prompt = Prompt((noise(5), explanation_prompt(["colour navy: met"])))
    with torch.inference_mode():
        (given,) = prompted.prompt_inputs([candidate], share=True)
        assert given is not None
        inputs = prompted.inputs([given], [prompt])
        expected = prompted.model.generate(**inputs, max_new_tokens=24)[0, inputs["input_ids"].shape[1] :].tolist()
    before, text = onnx._split(prompt)
    assert before is not None
    prefix = onnx._prefixes([candidate], before, {})[candidate.key]
    stop = onnx._chat.format.stop
    written = list(islice(onnx._vlm.generate(prefix, text, stop), 24))
    assert written == expected[: len(written)]
    assert len(written) == 24 or expected[len(written)] in stop
    assert len(set(written)) > 3


def test_what_it_writes_is_plain_text(onnx: OnnxReranker) -> None:
    text = "".join(onnx.write(RerankCandidate("written", noise(5)), ["colour navy: met"], soon()))
    assert 0 < len(text) <= 280
    assert not set(text) & set('"\\\n')
    assert "<image>" not in text


def test_boxes_are_those_of_pytorch(onnx: OnnxReranker, plain: TransformersReranker) -> None:
    candidate = RerankCandidate("box", noise(7))
    assert onnx.locate(candidate, "shirt", soon()) == plain.locate(candidate, "shirt", soon())


def test_without_time_nothing_is_judged_or_written(onnx: OnnxReranker) -> None:
    late = Deadline.within(0.0)
    assert np.isnan(onnx.judge(three_candidates(), STATEMENTS, late)).all()
    assert list(onnx.write(three_candidates()[0], ["colour navy: met"], late)) == []
    assert onnx.locate(three_candidates()[0], "shirt", late) is None


def test_an_image_that_cannot_be_opened_has_no_answer(onnx: OnnxReranker) -> None:
    candidates = [RerankCandidate("gone", lambda: None), RerankCandidate("there", noise(3))]
    gone, there = onnx.judge(candidates, STATEMENTS, soon())
    assert np.isnan(gone).all()
    assert np.isfinite(there).all()
    assert list(onnx.write(candidates[0], ["colour navy: met"], soon())) == []


def test_nothing_asked_is_nothing_answered(onnx: OnnxReranker) -> None:
    assert onnx.judge(three_candidates(), [], soon()).shape == (3, 0)
    assert onnx.judge([], STATEMENTS, soon()).shape == (0, 2)
    assert list(onnx.write(three_candidates()[0], [], soon())) == []


def unopenable() -> Image.Image | None:
    pytest.fail("An image was opened.")


@pytest.mark.parametrize("order", [(Runtime.ONNX, Runtime.TORCH), (Runtime.TORCH, Runtime.ONNX)])
def test_both_runtimes_share_cached_features(exported_vlm: Path, tmp_path: Path, order: tuple[Runtime, ...]) -> None:
    def opened(runtime: Runtime) -> AbstractContextManager[Reranker]:
        return open_exported(str(exported_vlm), replace(ONNX, runtime=runtime, features=tmp_path / "features"))

    images = [RerankCandidate(f"{at}", noise(at)) for at in range(10)]
    with opened(order[0]) as first:
        assert isinstance(first, PrecomputesFeatures)
        assert first.caches_features
        assert first.precompute_features([*images, RerankCandidate("gone", lambda: None)]) == 10
        expected = first.judge(images, STATEMENTS, soon())
    with opened(order[1]) as second:
        known = [RerankCandidate(each.key, unopenable) for each in images]
        np.testing.assert_allclose(second.judge(known, STATEMENTS, soon()), expected, atol=CLOSE)


def test_new_features_are_cached_by_a_search(exported_vlm: Path, tmp_path: Path) -> None:
    with open_exported(str(exported_vlm), replace(ONNX, features=tmp_path / "features")) as first:
        first.judge([RerankCandidate("one", noise(1))], STATEMENTS, soon())
    [file] = (tmp_path / "features").glob("*.db")
    assert list(FeatureCache(file).get(["one", "two"])) == ["one"]


def test_damaged_features_are_computed_again(
    exported_vlm: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = replace(ONNX, features=tmp_path / "features")
    images = [RerankCandidate("one", noise(1))]
    with open_exported(str(exported_vlm), options) as first:
        assert isinstance(first, PrecomputesFeatures)
        first.precompute_features(images)
        expected = first.judge(images, STATEMENTS, soon())
    [file] = (tmp_path / "features").glob("*.db")
    FeatureCache(file).put({"one": pack(np.zeros((2, 3), np.float32), 7) or b""})
    with open_exported(str(exported_vlm), options) as second:
        np.testing.assert_allclose(second.judge(images, STATEMENTS, soon()), expected, atol=CLOSE)
    assert "are damaged" in caplog.text


def test_features_are_packed_unless_they_are_large() -> None:
    features = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    np.testing.assert_allclose(unpack(pack(features, 7) or b"", (5, 8)), features, rtol=1e-3)
    assert pack(np.zeros((1000, 100), np.float32), 7) is None
    large = np.full((1, 2), 1e6, np.float32)  # beyond half precision
    np.testing.assert_array_equal(unpack(pack(large, 7) or b"", (1, 2)), large)
    with pytest.raises(ValueError, match="finite"):
        unpack(pack(np.full((1, 2), np.nan, np.float32), 7) or b"", (1, 2))


def test_an_export_is_used_without_a_gpu(exported_vlm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for has_driver, kind in ((False, OnnxReranker), (True, TransformersReranker)):
        monkeypatch.setattr(compute, "can_load", lambda _, found=has_driver: found)
        with open_by_name(str(exported_vlm), RerankerOptions()) as reranker:
            assert isinstance(reranker, kind)


def test_without_an_export_pytorch_runs_it(exported_vlm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported_vlm, tmp_path / "model", ignore=shutil.ignore_patterns("onnx"))
    assert folder_fingerprint(folder) == folder_fingerprint(exported_vlm)
    with open_by_name(str(folder), ONNX) as reranker:
        assert isinstance(reranker, TransformersReranker)


def test_an_export_of_other_weights_is_not_used(
    exported_vlm: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(exported_vlm, tmp_path / "model")
    (folder / "generation_config.json").write_text((folder / "generation_config.json").read_text() + "\n")
    with pytest.raises(RerankerError, match="made from other files") as raised:
        open_exported(str(folder), ONNX)
    assert f"vitrina reranker export {folder}" in raised.value.remedy
    with open_exported(str(folder), RerankerOptions(device="cpu")) as reranker:
        assert isinstance(reranker, TransformersReranker)
    assert "PyTorch runs the reranker" in caplog.text


@pytest.mark.parametrize("file", [FEATURES_FILE, EXPORT_FILE])
def test_a_damaged_export_is_not_used(exported_vlm: Path, tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(exported_vlm, tmp_path / "model")
    (folder / file).write_bytes((folder / file).read_bytes()[:-9])
    with pytest.raises(RerankerError, match=Path(file).name):
        open_exported(str(folder), ONNX)


def test_a_text_that_becomes_a_control_token_is_refused(exported_vlm: Path, tmp_path: Path) -> None:
    """As of a template that puts together what was cleaned apart."""
    folder = shutil.copytree(exported_vlm, tmp_path / "model")
    export = read_export(folder, folder_fingerprint(folder))
    joining = export.chat.template.replace("{{ part.text }}", "{{ part.text | replace('‹', '<') | replace('›', '>') }}")
    assert joining != export.chat.template
    write_export(folder, replace(export, chat=replace(export.chat, template=joining)))
    with open_exported(str(folder), ONNX) as reranker:
        assert np.isfinite(reranker.judge([RerankCandidate("one", noise(1))], ["navy"], soon())).all()
        with pytest.raises(RerankerError, match="control tokens"):
            reranker.judge([RerankCandidate("one", noise(1))], ["navy</s>"], soon())


def test_pairs_of_several_queries_are_judged_together(onnx: OnnxReranker) -> None:
    assert isinstance(onnx, JudgesPairs)
    candidates = [RerankCandidate(f"{at}", noise(at)) for at in range(4)]
    pairs = [(candidates[0], "navy"), (candidates[1], "a shirt"), (candidates[0], "a shirt"), (candidates[2], "navy")]
    alone = [onnx.judge([candidate], [statement], soon())[0, 0] for candidate, statement in pairs]
    np.testing.assert_allclose(onnx.judge_pairs(pairs, soon()), alone, atol=1e-5)
