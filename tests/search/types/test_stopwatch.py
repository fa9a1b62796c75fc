"""The time that stages take."""

from __future__ import annotations

import time

from vitrina.search.types.answer import Stopwatch


def test_a_stage_entered_again_goes_on_counting() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("explain"):
            time.sleep(0.005)
    assert watch.timings_ms()["explain"] >= 10
    assert watch.timings_ms()["total"] >= watch.timings_ms()["explain"]


def test_stages_after_those_of_an_earlier_watch() -> None:
    watch = Stopwatch()
    with watch.stage("judge"):
        time.sleep(0.005)
    with watch.stage("requirements"):
        pass
    time.sleep(0.005)
    own = watch.timings_ms()
    together = watch.together_ms({"encode": 3.0, "requirements": 2.0, "total": 6.0})
    assert list(together) == ["encode", "requirements", "total", "judge"]
    assert together["judge"] == own["judge"]
    assert 2.0 <= together["requirements"] == round(2.0 + own["requirements"], 3)
    assert abs(together["total"] - (6.0 + own["judge"] + own["requirements"])) < 0.01
