"""How much of a shift is left, whatever horizon the pacer is told (FL-17, CC-11: the limit holds for others' programs too)."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from dialer.pacing import Observation, Pacer, PacingSettings
from dialer.pacing_account import Account
from dialer.pacing_shift import ShiftClock
from tests.bench.predictive import cut_off, world_of
from tests.bench.stranger import Floor, play

H = 3600.0
SEEN = Observation(
    t=0.0, horizon=math.inf, free=(1.0,) * 4, talking=(60.0,) * 5, wrapping=(9.0,), ringing=(5.0,) * 4, waiting=(), on_break=0,
    logged_in=10, trunks_free=80, live=400, abandoned=5,
)  # fmt: skip


def told(
    clock: ShiftClock, until: float, horizon: Callable[[float], float], answers: int = 1, start: float = 0.0
) -> list[float]:
    """A clock that is told each minute; the moments at which another shift began."""
    minutes = range(int(start // 60), int(until // 60))
    return [60.0 * n for n in minutes if clock.passed(60.0, horizon(60.0 * n) - 60.0 * n, answers)]


def test_a_horizon_that_stands_is_believed() -> None:
    clock = ShiftClock(None)
    assert told(clock, 2 * H, lambda t: 8 * H) == [0.0]
    assert clock.known
    assert clock.ahead() == pytest.approx(6 * H, abs=61)
    assert clock.hour()[0] == 1
    assert clock.hour_from_end()[0] == 7


NO_END: dict[str, Callable[[float], float]] = {
    "never": lambda t: math.inf, "not a number": lambda t: math.nan, "far": lambda t: 90 * 24 * H, "moving": lambda t: t + 8 * H,
}  # fmt: skip


@pytest.mark.parametrize("horizon", NO_END.values(), ids=NO_END)
def test_an_end_that_is_not_known_may_come_soon(horizon: Callable[[float], float]) -> None:
    clock = ShiftClock(None)
    assert told(clock, 3 * H, horizon) == [0.0]
    assert not clock.known
    assert clock.ahead() == 1200.0
    assert clock.hour()[0] == 2


def test_a_horizon_that_flips_begins_no_other_shift() -> None:
    """As when the last lawful moment of the day is another one as soon as another zone's borrowers are on the list."""
    clock = ShiftClock(None)
    assert told(clock, 4 * H, lambda t: 8 * H if t // 60 % 3 else 10 * H) == [0.0]
    assert clock.gone == pytest.approx(4 * H, abs=61)
    assert clock.known


def test_a_night_without_answers_and_another_leader_s_morning_begin_another_shift() -> None:
    clock = ShiftClock(None)
    told(clock, 8 * H, lambda t: 8 * H)
    assert told(clock, 20 * H, lambda t: 8 * H, answers=0, start=8 * H) == []
    assert told(clock, 21 * H, lambda t: 28 * H, start=20 * H) == [20 * H]
    old = ShiftClock([5 * H, 600.0, 4.9 * H, 0.0])
    assert not old.passed(None, 300.0, 0)
    assert old.passed(None, 9 * H, 0)


def test_a_shift_s_own_count_outlives_a_flip() -> None:
    account = Account(None, 0.03, 0.05)
    for t in range(0, 7200, 10):
        account.count(float(t), (28_800 if t // 60 % 2 else 36_000) - t, t // 20, t // 900)
    assert account.of_shift == [359, 7]


@pytest.mark.parametrize("horizon", [math.inf, -math.inf, math.nan, 1e12, -1e12])
def test_any_horizon_is_borne(horizon: float) -> None:
    pacer = Pacer(PacingSettings())
    for t in range(5):
        decision = pacer.decide(replace(SEEN, t=float(t), horizon=horizon))
        assert 0 <= decision.calls <= 80
    assert Pacer(PacingSettings(), pacer.memory()).decide(replace(SEEN, t=5.0, horizon=horizon)).calls >= 0


@pytest.mark.parametrize("end", [lambda t, end: math.inf, lambda t, end: t + H], ids=["never", "moving"])
def test_the_limit_holds_where_nobody_says_when_the_shift_ends(end: Callable[[float, float], float]) -> None:
    world = Floor(name="no end", agents=10, rate=lambda t: 0.25, hours=1.6, told=end)
    played = play(world, 8)
    assert played.share <= 0.03
    assert played.utilisation > 0.7


@pytest.mark.parametrize("seed", [1034, 4020, 1])
def test_who_counts_after_the_first_400_answers_finds_the_promise_kept(seed: int) -> None:
    """FL-17, issue 5: ten agents with talks of 15 s, a shift of ten hours that is looked at after twenty minutes. With the first
    two seeds 15 and 14 of 400 were abandoned while only the shift's end counted."""
    told = cut_off(world_of(agents=10, lines=125, hours=10), seed, 400)
    assert told["live"] >= 400
    assert told["abandon_rate"] <= 0.03
    assert told["utilisation"] > 0.55
