"""The pacer on a floor that is not ours (FL-17, CC-11): `tests/bench/stranger.py` shares no code with the product's simulator.
Short shifts here; `python -m tests.bench.pacing_stranger` plays all worlds for eight hours."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dialer.pacing import Observation, Pacer, PacingSettings
from dialer.pacing_account import Account, pace
from tests.bench.pacing_stranger import broken, worlds
from tests.bench.stranger import Floor, play

OUTCOMES = ("answer", "machine", "comet", "")
SHORT = {
    "5 agents": Floor(name="5 agents", agents=5, rate=lambda t: 0.2, hours=2),
    "blackout": Floor(
        name="blackout", agents=25, rate=lambda t: 0.25, hours=0.7, staff=lambda t: 12 if 900 <= t < 1500 else 25
    ),
    "trunk": Floor(name="trunk", agents=10, rate=lambda t: 0.2, hours=1.2, dead=((1800.0, 2400.0, 25.0),)),
    "steps": Floor(name="steps", agents=10, rate=lambda t: 0.45 if 1500 <= t < 3000 else 0.1, hours=2.2),
    "leaders": Floor(
        name="leaders", agents=10, rate=lambda t: 0.25, hours=1.2, every=0.5, uneven=0.5, handovers=(700.0, 1500.0, 1502.0),
        silent=((2000.0, 2030.0),),
    ),
    "1 %": Floor(name="1 %", agents=10, rate=lambda t: 0.3, hours=1.5, settings=PacingSettings(target_abandon=0.01)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORT)
def test_promises_hold_on_a_stranger_s_floor(name: str) -> None:
    """No shift above its target, no hour above 5 %, calls between none and the free lines, agents busier than one to one."""
    world = SHORT[name]
    played = play(world, 77)
    assert list(broken(world, played)) == []
    assert played.utilisation > (0.5 if name in ("1 %", "trunk") else 0.6)


def test_the_same_stranger_meets_the_same_calls() -> None:
    world = replace(SHORT["5 agents"], hours=0.3)
    assert play(world, 5) == play(world, 5)


def test_all_worlds_of_the_bench_are_worlds() -> None:
    for world in worlds().values():
        assert play(replace(world, hours=0.02), 3).faults == []


def odd(seed: int, steps: int) -> Iterator[Observation]:
    """Legal by the letter: nobody at work, times that jump, counts that fall, outcomes never heard of, a shift that is over."""
    r = random.Random(seed)
    t, live, lost = r.uniform(-1e6, 1e6), r.choice([0, 0, 500, 40_000]), r.choice([0, 3, 900])
    horizon = t + r.choice([-100.0, 0.0, 50.0, 4000.0, 30_000.0, 9e5])
    for _ in range(steps):
        t += r.choice([0.0, 0.5, 1.0, 1.0, 1.0, 31.0, 700.0])
        n = r.choice([0, 0, 1, 5, 200])
        ages = [tuple(r.choice([0.0, 1e-9, 3.0, 77.7, 4e3, 1e6]) for _ in range(r.randint(0, n))) for _ in range(5)]
        live, lost = max(live + r.choice([0, 1, 7, -3, -400]), 0), max(lost + r.choice([0, 0, 1, 9, -2]), 0)
        yield Observation(
            t=t, horizon=horizon, free=ages[0], talking=ages[1], wrapping=ages[2], ringing=ages[3], waiting=ages[4][:5],
            on_break=r.choice([0, 3]), logged_in=r.choice([0, n]), trunks_free=r.choice([0, 0, 1, 40, 10_000]),
            attempts=tuple((r.choice(OUTCOMES), r.choice([0.0, 2.0, 1e5])) for _ in range(r.randint(0, 4))),
            talks=tuple(r.choice([0.0, 1e-3, 90.0, 1e6]) for _ in range(r.randint(0, 2))), wraps=(0.0,) * r.randint(0, 2),
            live=live, abandoned=lost, answer_limit=r.choice([0.0, 2.0, 30.0]), ring_timeout=r.choice([1.0, 25.0, 120.0]),
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_odd_but_legal_input_is_borne_and_steered_one_way(seed: int) -> None:
    pacer = Pacer(PacingSettings(target_abandon=(0.0, 0.01, 0.03, 1.0)[seed % 4]))
    for n, o in enumerate(odd(seed, 40)):
        if n % 4 == 0:
            told = json.loads(json.dumps(pacer.memory()))
            worse = replace(o, abandoned=o.abandoned + 1 + n)
            richer = replace(o, free=(*o.free, 4.0), logged_in=o.logged_in + 1)
            calls = [Pacer(pacer.settings, told).decide(one).calls for one in (worse, o, richer)]
            assert calls == sorted(calls)
        decided = pacer.decide(o)
        assert 0 <= decided.calls <= o.trunks_free
        json.dumps(dict(decided.terms), allow_nan=False)


def test_the_pace_never_falls_with_what_is_left_and_ends_before_the_last_call() -> None:
    for answers in (0.0, 3.0, 80.0, 5000.0):
        paces = [pace(left / 10, answers) for left in range(-50, 400)]
        assert paces == sorted(paces)
        assert all(p == 0 for p in paces[: 50 + 10])
        assert paces[-1] > 0


def _counted(account: Account, *counts: tuple[float, int, int]) -> Account:
    for t, live, abandoned in counts:
        account.count(t, 28_800 - t, live, abandoned)
    return account


def test_an_hour_that_has_had_its_calls_risks_nothing_and_the_next_one_does() -> None:
    """Worst hour ≤ 5 %: four of eighty abandoned are all that an hour of eighty bears; the next hour begins anew."""
    past = [(float(t), t // 36, 4 if t > 1200 else 0) for t in range(0, 3600, 10)]
    account = _counted(Account(None, 0.03, 0.05), *past)
    assert account.steer(2.0).spent
    alone = _counted(Account(None, 0.03, None), *past)
    assert not alone.steer(2.0).spent
    assert not _counted(account, *[(float(t), t // 36, 4) for t in range(3600, 5300, 10)]).steer(2.0).spent


def test_a_shift_keeps_its_own_limit_in_an_account_of_thirty_days() -> None:
    """Thirty good days are no leave for one bad shift, and bad days are made up for."""
    good = _counted(
        Account(None, 0.03, 0.05), *[(float(t), 9000 + t // 20, 30 + t // 400) for t in range(0, 20_000, 20)]
    )
    assert good.steer(1.0).budget > 200
    assert good.steer(1.0).spent  # 5 % of this shift
    bad = _counted(Account(None, 0.03, 0.05), *[(float(t), 9000 + t // 20, 330) for t in range(0, 8000, 20)])
    assert bad.steer(1.0).spent


def test_answers_that_came_while_nobody_counted_are_no_speed() -> None:
    account = _counted(Account(None, 0.03, 0.05), *[(float(t), t // 30, 0) for t in range(3000)])
    before = account.to_come(3600)
    account.count(5.0, 28_800 - 4800, 400, 2)  # another leader half an hour later
    assert account.to_come(3600) < 1.3 * before
