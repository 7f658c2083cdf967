"""Strategies through nights on real PostgreSQL: steps due, evidence, skips, lateness, and the proof that adds up (CK-25)."""

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from backoffice_core import nightly
from backoffice_core.call_centre.calls.history import history
from backoffice_core.cases import holds, tasks
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, Task
from backoffice_core.collection import service as collection
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.models import ComplianceDecision
from backoffice_core.compliance.terms import Entry
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput, Conflict, NotAllowed
from backoffice_core.loans.models import Loan
from backoffice_core.strategy import facts as reading
from backoffice_core.strategy import preview, proof, rules, service
from backoffice_core.strategy.models import StepDue
from tests.core.bank import KYIV, WEDNESDAY, Bank

ONE, TWO = "user:1", "user:2"
STEPS: list[dict[str, Any]] = [
    {"key": "sms", "stage": 1, "day": 0, "kind": "SMS", "within": 1, "fallback": "LETTER", "fallback_on": ["NO_PHONE"]},
    {"key": "call", "stage": 1, "day": 1, "kind": "CALL", "within": 1, "escalate_days": 0},
    {"key": "letter", "stage": 1, "day": 2, "kind": "LETTER", "within": 1},
]


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def go_live(bank: Bank, steps: list[dict[str, Any]], day: date = WEDNESDAY, **more: Any) -> None:
    content = {"steps": steps, **more}
    async with bank.database.begin() as s:
        one = await service.draft(s, "collection", content, who=ONE, at=bank.now)
        await service.submit(s, "collection", one.version, who=ONE, at=bank.now)
        await service.approve(s, "collection", one.version, who=TWO, at=bank.now, today=bank.now.date(), live_from=day)


async def dues(bank: Bank) -> dict[str, tuple[str, str, str]]:
    """Of all cases: step → kind, state, reason."""
    async with bank.database.begin() as s:
        return {d.step: (d.kind, d.state, d.reason) for d in await s.scalars(select(StepDue))}


async def talk(bank: Bank, at: datetime) -> None:
    async with bank.database.begin() as s:
        data = {"outcome": "REFUSE", "rpc": True}
        await cases.add_event(s, (await bank.case()).id, "outcome", at, call_id=uuid4(), data=data)


async def test_a_kill_costs_one_range_of_cases_and_the_steps_are_the_same(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6: the step goes on at the range in which it was killed, and each step is due once."""
    bank.settings = bank.settings.model_copy(update={"night_range": 2})
    await bank.file(*({"n": n} for n in range(1, 6)))
    await go_live(bank, STEPS)
    steps, seen = dict(nightly.STEPS), list[Any]()

    async def dies(session: Any, night: nightly.Night) -> dict[str, int]:
        seen.append(night.low)
        counts = await steps["strategy_steps"](session, night)
        if len(seen) == 2:
            raise RuntimeError("killed")
        return counts

    monkeypatch.setattr(nightly, "STEPS", tuple((n, dies if n == "strategy_steps" else s) for n, s in nightly.STEPS))
    with pytest.raises(RuntimeError, match="killed"):
        await bank.night()
    async with bank.database.begin() as s:
        assert await s.scalar(select(func.count()).select_from(StepDue)) == 2
    report = await bank.night()
    assert len(seen) == 2 + 2  # the second range again, and the third
    assert seen[1] == seen[2]
    assert (report.counts("strategy_steps")["due"], report.counts("strategy_steps")["tasks"]) == (5, 5)
    async with bank.database.begin() as s:
        assert await s.scalar(select(func.count()).select_from(StepDue)) == 5


async def test_nothing_falls_due_for_a_case_that_the_night_has_not_read(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6, the night at scale: only cases of which a step may fall due are read. A second run that reads everybody, after
    nights of a portfolio at random that were left out or not, makes no step more."""
    dice = Random(6)
    steps = [
        {"key": f"{kind}{stage}.{day}", "stage": stage, "day": day, "kind": kind, "within": 1,
         "segment": dice.choice(("", "bigger")), "only_if": dice.choice(("", "no_contact"))}
        for kind in ("SMS", "LETTER") for stage in (1, 2, 3) for day in (0, dice.randrange(1, 4), dice.randrange(5, 12))
    ]  # fmt: skip
    await bank.file(*({"n": n} for n in range(30)))
    await go_live(bank, steps, segments={"bigger": {"overdue_min": 700}})

    async def everybody(s: Any, *_: Any, of: Any, **__: Any) -> list[int]:
        return list(await s.scalars(select(Case.number).where(Case.person_id.between(*of))))

    made = 0
    for day in (0, 1, 2, 4, 5, 14, 15):
        bank.at(WEDNESDAY + timedelta(days=day))
        await bank.file(*(
            {"n": n, "days_past_due": dice.choice((0, 29 + day, 59 + day, 80)), "overdue_principal": dice.choice((500, 900))}
            for n in range(30)
        ))  # fmt: skip
        made += (await bank.night()).counts("strategy_steps")["due"]
        with monkeypatch.context() as patch:
            patch.setattr(reading, "near", everybody)
            assert (await bank.night(again=True)).counts("strategy_steps")["due"] == 0
    assert made > 100


async def test_ck25_steps_fall_due_are_done_and_are_late(bank: Bank) -> None:
    """A message in the ledger, a talk, a task closed: each closes its own step; the night twice is once."""
    await bank.file({"n": 1})
    await go_live(bank, STEPS)
    for options in ({}, {"again": True}):
        report = await bank.night(**options)
        assert await dues(bank) == {"sms": ("SMS", "OPEN", "")}
    assert report.counts("strategy_steps")["due"] == 0, "the second run made nothing"
    case = await bank.case()
    async with bank.database.begin() as s:
        task = (await s.scalars(select(Task).where(Task.kind == "SMS"))).one()
        assert (task.unit, task.control_date, task.state) == ("messages", WEDNESDAY + timedelta(days=1), "OPEN")
        sent = Entry(at=bank.now + timedelta(hours=8), channel="sms", actor="robot", delivered=True)
        await compliance.record(s, case.person_id, sent, source="gateway", source_id="1")
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, "days_past_due": 11})
    await bank.night()
    assert await dues(bank) == {"sms": ("SMS", "DONE", ""), "call": ("CALL", "OPEN", "")}
    async with bank.database.begin() as s:
        assert await s.scalar(select(Task.state).where(Task.id == task.id)) == "DONE", "the task ended with its step"
    bank.at(WEDNESDAY + timedelta(days=2))
    await bank.file({"n": 1, "days_past_due": 12})
    await bank.night()
    bank.at(WEDNESDAY + timedelta(days=5))  # Monday: the call's deadline was Friday
    await bank.file({"n": 1, "days_past_due": 15})
    await bank.night()
    assert await dues(bank) == {
        "sms": ("SMS", "DONE", ""), "call": ("CALL", "LATE", ""), "letter": ("LETTER", "OPEN", ""),
    }  # fmt: skip
    async with bank.database.begin() as s:
        late = (await s.scalars(select(Task).where(Task.kind == "CALL"))).one()
        assert (late.unit, late.escalate_days) == ("call_centre", 0), "what the queue missed is a person's task now"
    await talk(bank, bank.now + timedelta(hours=7))
    bank.at(WEDNESDAY + timedelta(days=6))
    await bank.file({"n": 1, "days_past_due": 16})
    await bank.night()
    assert (await dues(bank))["call"] == ("CALL", "LATE", ""), "done after its deadline stays late"
    async with bank.database.begin() as s:
        row = (await s.scalars(select(StepDue).where(StepDue.step == "call"))).one()
        assert (row.done_on, row.evidence) == (WEDNESDAY + timedelta(days=5), "CALL")
        for back, expected in ((4, "OPEN"), (3, "OPEN"), (2, "LATE"), (0, "LATE")):
            day = WEDNESDAY + timedelta(days=5 - back)
            asked = proof.Ask(as_at=day, first=WEDNESDAY, last=day, kind="CALL")
            assert [line.state for line in await proof.rows(s, asked)] == [expected], day


async def test_steps_are_skipped_with_their_reason(bank: Bank) -> None:
    """A promise, a cure, no number and a protection by law; what a person cancels carries his words."""
    await bank.file(
        *({"n": n} for n in (1, 2, 3)), {"n": 4, "phones": ""}, {"n": 5}, {"n": 6, "days_past_due": 29},
    )  # fmt: skip
    await go_live(bank, STEPS[:1])
    await bank.night()
    numbered = {n: (await bank.case(n)).id for n in range(1, 7)}
    async with bank.database.begin() as s:
        by_case = {d.case_id: d for d in await s.scalars(select(StepDue))}
        assert (by_case[numbered[4]].kind, by_case[numbered[4]].fallback_of) == ("LETTER", "SMS")
        await collection.make_promise(
            s, numbered[1], amount=Decimal(500), currency="UAH", due_date=WEDNESDAY + timedelta(days=9), at=bank.now
        )
        actor = tasks.Actor(new_key(), "", True)
        await tasks.cancel(s, by_case[numbered[3]].task_id, actor, reason="телефонував сам", at=bank.now)  # type: ignore[arg-type]
        await cases.hold(s, numbered[5], reason="DISPUTE", at=bank.now)
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file(
        {"n": 1, "days_past_due": 11}, {"n": 2, "days_past_due": 0, "overdue_principal": 0}, {"n": 3, "days_past_due": 11},
        {"n": 4, "days_past_due": 11, "phones": ""}, {"n": 5, "days_past_due": 11}, {"n": 6, "days_past_due": 31},
    )  # fmt: skip
    await bank.night()
    async with bank.database.begin() as s:
        seen = {d.case_id: (d.state, d.reason, d.detail) for d in await s.scalars(select(StepDue))}
    assert [seen[numbered[n]] for n in (1, 2, 3, 5, 6)] == [
        ("SKIPPED", "PROMISE_OPEN", ""), ("SKIPPED", "CURED", ""), ("SKIPPED", "TASK_CANCELLED", "телефонував сам"),
        ("SKIPPED", "HOLD", ""), ("SKIPPED", "STAGE_CHANGED", ""),
    ]  # fmt: skip


async def test_a_hold_of_messages_stops_messages_and_nothing_else(bank: Bank) -> None:
    """Issue 6: holds with evidence, end and what they stop; the case is worked on, its SMS step is skipped with the reason, the
    hold ends with its last day."""
    await bank.file({"n": 1}, {"n": 2})
    await go_live(bank, [STEPS[0], STEPS[1] | {"day": 0}, STEPS[2], {"key": "s2", "stage": 1, "day": 4, "kind": "SMS"}])
    await bank.night()
    case, actor = await bank.case(), new_key()
    async with bank.database.begin() as s:
        with pytest.raises(BadInput, match="Which channels"):
            await holds.place(
                s, case.id, "CHANNEL", evidence="лист 5", until=None, today=WEDNESDAY, at=bank.now, by=actor
            )
        until = WEDNESDAY + timedelta(days=2)
        given = {"evidence": "лист 5", "until": until, "today": WEDNESDAY, "at": bank.now, "by": actor}
        await holds.place(s, case.id, "CHANNEL", channels=["sms", "легкий"], **given)
    for day in (1, 2):
        bank.at(WEDNESDAY + timedelta(days=day))
        await bank.file(*({"n": n, "days_past_due": 10 + day} for n in (1, 2)))
        await bank.night()
    async with bank.database.begin() as s:
        found = {(d.case_id == case.id, d.step): (d.state, d.reason) for d in await s.scalars(select(StepDue))}
    assert found[True, "sms"] == ("SKIPPED", "HOLD")
    assert [found[mine, "call"][1] for mine in (True, False)] == ["", ""]
    assert (found[True, "letter"], found[False, "sms"][1]) == (("OPEN", ""), "")
    assert (await bank.case()).state == "ACTIVE", "calls go on"
    bank.at(WEDNESDAY + timedelta(days=4))
    await bank.file(*({"n": n, "days_past_due": 14} for n in (1, 2)))
    await bank.night()
    async with bank.database.begin() as s:
        (hold,) = await cases.holds_of(s, case.id)
        assert (hold.stops, hold.lifted_why) == (["sms"], "HOLD_ENDED")
        assert [e.data["act"] for e in await cases.events(s, case.id) if e.kind == "hold"] == ["lifted", "placed"]
        again = select(StepDue.reason).where(StepDue.case_id == case.id, StepDue.step == "s2")
        assert (await s.scalars(again)).all() == [""], "the next message goes out"
        await holds.place(s, case.id, "DISPUTE", evidence="лист 6", until=bank.now.date(), today=bank.now.date(), at=bank.now,
                          by=actor)  # fmt: skip
        await holds.place(s, case.id, "CHANNEL", evidence="лист 7", until=None, today=bank.now.date(), at=bank.now, by=actor,
                          channels=["visit"])  # fmt: skip
        dispute = next(one for one in await cases.holds_of(s, case.id) if one.kind == "DISPUTE")
        assert await holds.lift(s, dispute.id, why="вирішено", at=bank.now, by=actor) == "ACTIVE", "visits stay stopped"
        assert await cases.stopped(s, case.id, "visit", bank.now.date()) == "CHANNEL"


async def test_cp02_an_unlawful_step_is_not_done_and_proves_it(bank: Bank) -> None:
    """CP-02: a protected borrower: no message, the rule is named; the letter that the law allows takes its place."""
    await bank.file({"n": 1, "flags": "protected_military"})
    steps = [STEPS[0] | {"fallback_on": ["NOT_LAWFUL"], "fallback": "SPECIALIST"}, STEPS[1] | {"day": 0}]
    await go_live(bank, steps)
    await bank.night()
    found = await dues(bank)
    assert found["sms"] == ("SPECIALIST", "OPEN", "")
    assert found["call"] == ("CALL", "SKIPPED", "NOT_LAWFUL")
    async with bank.database.begin() as s:
        assert "UA" in (await s.scalar(select(StepDue.detail).where(StepDue.step == "call")) or "")


async def test_cp06_a_vulnerable_borrower_is_addressed_by_people_alone(bank: Bank) -> None:
    """CP-06: the shipped strategy gives him the softer path, a letter for the message and a person's call for the robot's; the
    decisions that refused the machine are kept (CP-01)."""
    _, _, shipped = service.read_file(service.DEFAULT)
    await bank.file({"n": 1, "flags": "vulnerable"}, {"n": 2})
    await go_live(
        bank, [step | {"day": 0, "only_if": ""} for step in shipped["steps"][:3]], segments=shipped["segments"]
    )
    await bank.night()
    vulnerable = (await bank.case(1)).id
    async with bank.database.begin() as s:
        rows = (await s.execute(select(StepDue.case_id, StepDue.fallback_of, StepDue.kind, StepDue.state))).all()
        his = {was or kind: (kind, state) for case_id, was, kind, state in rows if case_id == vulnerable}
        others = {was or kind: kind for case_id, was, kind, _ in rows if case_id != vulnerable}
        refused = await s.scalars(select(ComplianceDecision.reasons).where(ComplianceDecision.allow.is_(False)))
        assert "ANY-VULNERABLE" in str(list(refused))
    assert his == {"SMS": ("LETTER", "OPEN"), "CALL": ("CALL", "OPEN"), "ROBOT_CALL": ("CALL", "OPEN")}
    assert others == {"SMS": "SMS", "CALL": "CALL", "ROBOT_CALL": "ROBOT_CALL"}


async def test_a_hold_takes_back_the_steps_that_it_stops_and_no_others(bank: Bank) -> None:
    """CP-06, issue 6: hardship with its evidence and end takes the letter and the person's call back, at once and in the proof,
    and leaves the email; what falls due after its end is due again."""
    steps = [{"key": kind, "stage": 1, "day": day, "kind": kind, "within": 5}
             for kind, day in (("EMAIL", 0), ("LETTER", 0), ("VISIT", 2), ("SMS", 4))]  # fmt: skip
    await bank.file({"n": 1})
    await go_live(bank, steps)
    await bank.night()
    async with bank.database.begin() as s:
        case = await bank.case()
        await holds.place(
            s, case.id, "HARDSHIP", evidence="довідка 17", until=WEDNESDAY + timedelta(days=3), today=WEDNESDAY, at=bank.now,
            by=uuid4(),
        )  # fmt: skip
        open_ones = set(await s.scalars(select(Task.kind).where(Task.state == "OPEN")))
    assert open_ones == {"EMAIL"}
    for ahead in (2, 5):
        bank.at(WEDNESDAY + timedelta(days=ahead))
        await bank.file({"n": 1, "days_past_due": 10 + ahead})
        await bank.night()
    assert await dues(bank) == {
        "EMAIL": ("EMAIL", "OPEN", ""), "LETTER": ("LETTER", "SKIPPED", "HOLD"), "VISIT": ("VISIT", "SKIPPED", "HOLD"),
        "SMS": ("SMS", "OPEN", ""),
    }  # fmt: skip


async def test_dm14_the_stage_rule_gives_tasks_to_security_and_legal(bank: Bank) -> None:
    """DM-14: a case that reaches the pre-legal stage gives both units their task; fees count in the segment's sum."""
    _, _, shipped = service.read_file(service.DEFAULT)
    steps = [one | {"day": 0} for one in shipped["steps"] if one["kind"] == "HAND_OVER"]
    assert {one["unit"] for one in steps} == {"security", "legal"}
    some = {"overdue_principal": "990"}
    await bank.file({"n": 1, "days_past_due": 91, **some}, {"n": 2, "days_past_due": 60, **some})
    async with bank.database.begin() as s:
        await s.execute(update(Loan).values(overdue_fee=15))
    await go_live(bank, steps, segments=shipped["segments"])
    await bank.night()
    mine = (await bank.case(1)).id
    async with bank.database.begin() as s:
        found = (await s.execute(select(Task.case_id, Task.unit, Task.kind).where(Task.kind == "HAND_OVER"))).all()
    assert sorted(tuple(row) for row in found) == [(mine, "legal", "HAND_OVER"), (mine, "security", "HAND_OVER")]


async def test_a_second_person_approves_and_old_versions_stay(bank: Bank) -> None:
    async with bank.database.begin() as s:
        one = await service.draft(s, "collection", {"steps": STEPS}, who=ONE, at=bank.now)
        with pytest.raises(Conflict):
            await service.draft(s, "collection", {"steps": STEPS}, who=TWO, at=bank.now)
        with pytest.raises(Conflict):
            await service.approve(s, "collection", 1, who=TWO, at=bank.now, today=WEDNESDAY, live_from=WEDNESDAY)
        await service.change(s, "collection", 1, {"steps": STEPS[:2]}, who="user:3", at=bank.now, what="letter gone")
        for _ in range(2):
            await service.submit(s, "collection", 1, who=ONE, at=bank.now)
        for editor in (ONE, "user:3"):
            with pytest.raises(NotAllowed):
                await service.approve(s, "collection", 1, who=editor, at=bank.now, today=WEDNESDAY, live_from=WEDNESDAY)
        await service.approve(s, "collection", 1, who=TWO, at=bank.now, today=WEDNESDAY, live_from=WEDNESDAY)
        with pytest.raises(Conflict):
            await service.change(s, "collection", 1, {"steps": STEPS}, who=TWO, at=bank.now, what="too late")
        await service.copy(s, "collection", 1, who=TWO, at=bank.now)
        assert [(v.version, v.state) for v in await service.versions(s, "collection")] == [
            (2, "DRAFT"),
            (1, "APPROVED"),
        ]
        assert [row.version for row, _ in await service.live(s, WEDNESDAY)] == [1]
        assert await service.live(s, WEDNESDAY - timedelta(days=1)) == []
        await service.withdraw(s, "collection", 1, who=TWO, at=bank.now, today=WEDNESDAY, why="помилка")
        assert await service.live(s, WEDNESDAY + timedelta(days=1)) == []
        assert one.live_to == WEDNESDAY


async def test_preview_says_whom_a_change_would_touch(bank: Bank) -> None:
    """Before it is live, and truly: after it is, the night gives those cases those steps."""
    await bank.file(*({"n": n, "overdue_principal": 500 * n} for n in range(1, 7)))
    await go_live(bank, STEPS[:1])
    await bank.night()
    big = {"key": "b", "stage": 1, "day": 1, "kind": "CALL", "segment": "big"}
    async with bank.database.begin() as s:
        content = {"steps": [*STEPS[:1], big], "segments": {"big": {"overdue_min": "2000"}}}
        two = await service.draft(s, "collection", content, who=ONE, at=bank.now)
        seen = await preview.preview(s, two, WEDNESDAY + timedelta(days=1), KYIV)
        assert (seen.cases, seen.governed, seen.touched, dict(seen.steps)) == (6, 6, 3, {"b": 3})
        assert seen.before == {}
        assert seen.after == {(1, "CALL"): 3}
        touched = {one.number for one in seen.listed}
        await service.submit(s, "collection", 2, who=ONE, at=bank.now)
        tomorrow = WEDNESDAY + timedelta(days=1)
        await service.approve(s, "collection", 2, who=TWO, at=bank.now, today=WEDNESDAY, live_from=tomorrow)
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file(*({"n": n, "overdue_principal": 500 * n, "days_past_due": 11} for n in range(1, 7)))
    await bank.night()
    async with bank.database.begin() as s:
        asked = proof.Ask(as_at=bank.now.date(), first=bank.now.date(), last=bank.now.date(), kind="CALL")
        assert {row.case_number for row in await proof.rows(s, asked)} == touched
        assert await history(s, (await bank.case()).id) != []


async def test_ck25_figures_add_up_to_the_row_by_every_cut_and_day(bank: Bank) -> None:
    """Property, seeded: due = done + late + skipped + open for each line of each cut; each figure has exactly its rows;
    the database's state as at a day is that of the pure rule."""
    await bank.file(*({"n": n} for n in range(1, 4)))
    await bank.night()
    await go_live(bank, STEPS)
    dice, ids = Random(25), [(await bank.case(n)) for n in range(1, 4)]
    async with bank.database.begin() as s:
        version = (await service.versions(s))[0]
        for n in range(120):
            due = WEDNESDAY + timedelta(days=dice.randrange(20))
            last = due + timedelta(days=dice.randrange(5))
            on = last + timedelta(days=dice.randrange(-3, 5))
            end = dice.choice(("done", "skip", "open"))
            on = max(on, due)
            stored = rules.state_as_at(
                date(2030, 1, 1), last, on if end == "done" else None, on if end == "skip" else None
            )
            s.add(StepDue(
                id=new_key(), case_id=ids[n % 3].id, person_id=ids[n % 3].person_id, version_id=version.id,
                step=f"r{n}", stage=n % 4,
                since=WEDNESDAY, kind=dice.choice(rules.KINDS), due_date=due, deadline=last, unit=dice.choice(("", "a", "b")),
                starts_at=bank.now, arm=dice.choice(("", "x")), state=stored, created_at=bank.now,
                owner_id=dice.choice((None, ids[0].id)), done_on=on if end == "done" else None,
                skipped_on=on if end == "skip" else None, reason="CURED" if end == "skip" else "",
            ))  # fmt: skip
    async with bank.database.begin() as s:
        everything = list(await s.scalars(select(StepDue)))
        for day in (WEDNESDAY, WEDNESDAY + timedelta(days=6), WEDNESDAY + timedelta(days=40)):
            ask = proof.Ask(as_at=day, first=WEDNESDAY, last=WEDNESDAY + timedelta(days=30))
            mine = [d for d in everything if d.due_date <= day]
            states = Counter(rules.state_as_at(day, d.deadline, d.done_on, d.skipped_on) for d in mine)
            rows = await proof.rows(s, ask, limit=1000)
            assert Counter(row.state for row in rows) == states
            for by in proof.BY:
                lines = await proof.figures(s, ask, by)
                assert sum(line.due for line in lines) == len(mine) == len(rows)
                for line in lines:
                    assert line.due == line.done + line.late + line.skipped + line.open
                    for name in rules.STATES:
                        narrowed = proof.Ask(**{**_fields(ask), by: line.key, "state": name})
                        assert len(await proof.rows(s, narrowed, limit=1000)) == getattr(line, name.lower()), (
                            by,
                            line,
                            name,
                        )
            assert sum((await proof.reasons(s, ask)).values()) == states["SKIPPED"]
        assert await s.scalar(select(func.count()).select_from(StepDue)) == 120


def _fields(ask: proof.Ask) -> dict[str, Any]:
    return {name: getattr(ask, name) for name in proof.Ask.__dataclass_fields__}
