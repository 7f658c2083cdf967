"""A short run of `make chaos`: faults at random, the far end's own log is the truth."""

from pathlib import Path

from tests.chaos.run import run
from tests.chaos.truth import COUNTS


async def test_six_faults_lose_nothing_and_call_nobody_twice(tmp_path: Path) -> None:
    """Issue 4, FL-02, TL-06: programs and servers killed, links cut: no task dialed twice, no cap passed, every answered
    call once in the history, card, voice, recording and result of one call, every recording with its call."""
    result = await run(tmp_path / "house", kills=6, seed=10)
    assert result.verdict.complaints == []
    assert {result.figures[name] for name in COUNTS} == {0}
    assert result.figures["tasks"] >= 50
    assert sum(result.figures["kills"].values()) == 6
    assert result.figures["slowest_recovery_s"] <= 30
