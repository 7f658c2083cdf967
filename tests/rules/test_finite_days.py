"""Days with a list that ends (CC-11, FL-17): what is learned of numbers, the law on every dial, and what the order is worth
beside others on the same people. `backoffice simulate --world dialer/simulation/worlds/finite_days.yaml` is the whole list."""

import itertools
import json
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import dialer
from backoffice_core.__main__ import app
from backoffice_core.call_centre.queueing.chances import SAMPLE, Chances, first_beliefs
from dialer.simulation.finite_days import Days, Truth
from dialer.simulation.orders import ORDERS, run_days
from dialer.simulation.world import BadWorld, FiniteWorld, read

SMALL = FiniteWorld(cases=600, agents=1, lines=5, days=2)


@cache
def days(order: str, seed: int) -> dict[str, Any]:
    return run_days(SMALL, order, seed)


def test_a_number_that_never_answers_sinks_and_one_that_did_rises() -> None:
    chances = Chances([0, 0, 0])
    for hour in (10, 14, 18, 10, 14, 18):
        chances.heard(0, hour, "no_answer")
        chances.heard(1, hour, "right_party" if hour == 18 else "no_answer")
    right = chances.right_party()
    assert right[0].max() < 0.6 * right[2].max()
    assert right[1].argmax() in range(17, 21)
    assert right[1, 18] > 1.5 * right[2, 18]


@pytest.mark.parametrize("outcome", ["wrong_number", "invalid"])
def test_a_proven_number_is_given_up(outcome: str) -> None:
    chances = Chances([0, 0])
    chances.heard(0, 12, outcome)
    right = chances.right_party()
    assert right[0].max() < 0.1 * right[1].max()


def test_new_numbers_begin_as_their_like_turned_out() -> None:
    """The night learns how common the kinds are: a group whose numbers are dead is believed less from the start."""
    chances = Chances([0] * 300 + [1] * 300)
    for number in range(290):
        for hour in (11, 16, 19):
            chances.heard(number, hour, "invalid" if hour == 11 else "no_answer")
            chances.heard(300 + number, hour, "right_party" if hour == 19 else "no_answer")
    chances.learn()
    right = chances.right_party()
    assert right[299].max() < 0.5 * right[599].max()


def test_before_the_first_call_older_debts_and_later_numbers_are_believed_less() -> None:
    """A cold start: five buckets × three places in the file, each step worse; after work people are at hand."""
    first = first_beliefs(5, 3)
    right = Chances(range(15), first=first).right_party()
    assert np.allclose(first.sum(axis=1), 1)
    by_bucket = right.max(axis=1).reshape(5, 3)
    assert (np.diff(by_bucket, axis=0) < 0).all()
    assert (np.diff(by_bucket, axis=1) < 0).all()
    assert (right[:, 18] > right[:, 11]).all()


def test_a_first_guess_that_is_wrong_is_given_up_after_a_hundred_calls() -> None:
    """Old debts whose borrowers answer, new ones whose do not: one call to each of some numbers, one night."""
    chances = Chances([0] * 120 + [12] * 120, first=first_beliefs(5, 3))
    before = chances.right_party()
    for number in range(100):
        chances.heard(number, 12, "right_party" if number % 20 == 0 else "no_answer")
        chances.heard(120 + number, 12, "right_party" if number % 3 == 0 else "no_answer")
    chances.learn()
    after = chances.right_party()
    assert before[119, 12] > 1.5 * before[239, 12]
    assert after[239, 12] > 1.25 * after[119, 12]
    assert 0.18 < after[239, 12] < 0.35


def test_a_large_list_is_learned_from_a_part_of_it() -> None:
    """More numbers than SAMPLE: how common the kinds are comes out as from all, and each number keeps what was heard of it."""
    many = 2 * SAMPLE + 1
    chances = Chances([0] * many)
    chances.heard_all([(n, 11 + n % 7, "third_party" if n % 4 == 0 else "no_answer", 1) for n in range(many)])
    chances.learn()
    right, answered = chances.right_party(), chances.answered()
    assert answered[1, 12] == pytest.approx(0.22, abs=0.06)
    assert right[1].max() < 0.1
    assert answered[4].max() > 1.2 * answered[1].max()


def test_the_same_seed_gives_the_same_days() -> None:
    assert days("ours", 11) == run_days(SMALL, "ours", 11)
    assert days("vicidial", 11) != days("vicidial", 12)


def test_people_are_the_same_under_every_order() -> None:
    first, second = Truth(SMALL, 4), Truth(SMALL, 4)
    assert (first.answers == second.answers).all()
    assert (first.party == second.party).all()
    assert (Truth(SMALL, 5).answers.shape != first.answers.shape) or (Truth(SMALL, 5).answers != first.answers).any()


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_no_dial_is_outside_the_law(order: str) -> None:
    """UA 9–20 on working days, ≤ 4 attempts a day and 2 talks; RU ≤ 2 attempts and 1 talk; 2 h apart, whoever orders."""
    truth = Truth(SMALL, 2)
    run = Days(truth, ORDERS[order](SMALL, truth), 2)
    run.run()
    zones = {"UA": (9, 20), "RU": (8, 22)}
    for case, entries in run.law.ledger.items():
        country = truth.country[case]
        dialed = [e for e in entries if e.direction == "outbound"]
        local = [e.at.astimezone(_zone(country)) for e in dialed]
        assert all(zones[country][0] <= at.hour < zones[country][1] and at.weekday() < 5 for at in local)
        assert max(Counter(at.date() for at in local).values(), default=0) <= (2 if country == "RU" else 4)
        talks = Counter(e.at.astimezone(_zone(country)).date() for e in dialed if e.conversation)
        assert max(talks.values(), default=0) <= (1 if country == "RU" else 2)
        by_time = sorted(local)
        assert all((b - a).total_seconds() >= 7200 for a, b in itertools.pairwise(by_time))


def _zone(country: str) -> Any:
    from zoneinfo import ZoneInfo

    from dialer.simulation.finite_days import ZONES

    return ZoneInfo(ZONES[country])


def test_whoever_promised_is_not_called_again() -> None:
    truth = Truth(SMALL, 3)
    order = ORDERS["ours"](SMALL, truth)
    dialed: dict[int, list[bool]] = defaultdict(list)
    heard = order.heard

    def listen(number: int, t: float, outcome: str, *, promise: bool = False, asked: float | None = None) -> None:
        case = int(truth.case_of[number])
        assert True not in dialed[case]
        dialed[case].append(promise)
        heard(number, t, outcome, promise=promise, asked=asked)

    order.heard = listen  # type: ignore[method-assign]
    run = Days(truth, order, 3)
    run.w = truth.world
    run.run()
    assert sum(map(any, dialed.values())) == run.counts.promises > 0


def test_counts_agree_with_each_other() -> None:
    found = days("ours", 11)
    assert found["right_party_contacts"] >= found["people_reached"] >= found["promises"] > 0
    assert found["attempts"] + found["rang_back"] > found["answers"] > found["right_party_contacts"]
    assert 0 < found["utilisation"] <= 0.95


def test_our_order_reaches_more_with_fewer_attempts() -> None:
    """Issue goal on fresh people: ≥ 80 % of what the truth would reach, more than VICIdial's orders, fewer attempts each."""
    totals = {name: [days(name, seed) for seed in (11, 12)] for name in ORDERS}
    reached = {name: sum(r["right_party_contacts"] for r in found) for name, found in totals.items()}
    tries = {name: sum(r["attempts"] for r in found) / reached[name] for name, found in totals.items()}
    money = {name: sum(r["money_per_agent_hour"] for r in found) for name, found in totals.items()}
    assert reached["ours"] >= 0.8 * reached["truth-known"]
    assert reached["ours"] >= 1.08 * reached["vicidial"]
    assert money["ours"] > money["vicidial"]
    assert tries["ours"] <= 0.8 * tries["vicidial"]
    assert np.isfinite(list(money.values())).all()


def test_the_command_plays_days_and_refuses_wrong_words(tmp_path: Path) -> None:
    world = tmp_path / "mine.yaml"
    world.write_text("name: mine\ncases: 200\nagents: 1\nlines: 5\ndays: 1\nnumbers: [1, 0, 0]\n", encoding="utf-8")
    said = CliRunner().invoke(app, ["simulate", "--world", str(world), "--policy", "ours", "--json"])
    assert said.exit_code == 0
    assert json.loads(said.stdout)["cases"] == 200
    wrong = CliRunner().invoke(app, ["simulate", "--world", str(world), "--policy", "progressive"])
    assert wrong.exit_code != 0
    assert "truth-known" in str(wrong.exception)
    for text in ("cases: 10\nopens: 20\ncloses: 9", "cases: 10\nnumbers: [1, 1, 1]", "cases: 10\nspeed: 3", "cases: 0"):
        with pytest.raises(BadWorld):
            read(text)
    shipped = read(
        (Path(dialer.__file__).parent / "simulation" / "worlds" / "finite_days.yaml").read_text(encoding="utf-8")
    )
    assert shipped == FiniteWorld()
