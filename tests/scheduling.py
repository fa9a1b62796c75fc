"""Which tests pytest-xdist runs in one worker."""

from xdist.scheduler.loadfile import LoadFileScheduling

GROUPS = {
    "tests/recipes/reranker/": "a trained reranker",
    "tests/search/encoders/test_onnx.py": "an exported encoder",
    "tests/search/encoders/test_runtime.py": "an exported encoder",
    "tests/api/test_encoder_export_command.py": "an exported encoder",
    "tests/search/reranking/backends/onnx/": "an exported reranker",
    "tests/tuning/encoder/": "a drawn shop",
    "tests/e2e/page/": "a browser",
}
"""Files and folders, by the fixture that they share; the tests of any other file are a group of their own."""


class FixtureScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Tests that share a fixture which takes seconds run in one worker, so that it is made once."""

    def _split_scope(self, nodeid: str) -> str:
        return next(
            (group for start, group in GROUPS.items() if nodeid.startswith(start)), super()._split_scope(nodeid)
        )
