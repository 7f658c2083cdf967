"""Reports as at any day: figures by hand to the unit and the cent, totals that are their rows, days that stay as they were."""

import asyncio
import csv
import io
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from backoffice_core import config, money_in
from backoffice_core.__main__ import app
from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.calls import kpi
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.cases import service as cases
from backoffice_core.cases import tasks
from backoffice_core.cases.models import Case, HandOver
from backoffice_core.collection import complaints, hand_over, late
from backoffice_core.collection import service as collection
from backoffice_core.collection.models import Complaint, LateAct
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.terms import Entry
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput
from backoffice_core.loans import balances
from backoffice_core.loans.models import Loan
from backoffice_core.loans.payments import PaymentRow
from backoffice_core.reports import costs, service, tables
from backoffice_core.reports.question import Question, read
from backoffice_core.reports.service import FAMILIES
from backoffice_core.staff.models import User
from backoffice_core.strategy import proof
from backoffice_core.strategy import rules as strategy_rules
from backoffice_core.strategy import service as strategies
from tests.core.bank import KYIV, WEDNESDAY, Bank

D = Decimal
DAY = timedelta(days=1)


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


def asked(name: str, as_at: date, first: date | None = None, by: str = "", **narrow: str) -> Question:
    return Question(report=name, as_at=as_at, first=first or WEDNESDAY - DAY, zone=KYIV, by=by or FAMILIES[name].cuts[0],
                    narrow=narrow)  # fmt: skip


async def figures(bank: Bank, question: Question) -> dict[str, Mapping[str, Any]]:
    """By key, or key and currency; the total of a currency stands under `=` and its code."""
    async with bank.database.begin() as s:
        report, _ = await service.ask(s, question)
    found = {f"{line.key} {line.currency}".strip(): line.values for line in report.lines}
    return found | {f"={line.currency}": line.values for line in report.totals}


def some(values: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(values[name] for name in names)


async def pay(bank: Bank, n: int, amount: str, ref: str, at: datetime | None = None) -> None:
    row = PaymentRow(external_ref=ref, contract_no=f"C{n}", paid_at=at or bank.now, amount=D(amount))
    async with bank.database.begin() as s:
        done = await money_in.take(
            s, [row], bank.settings, at=bank.now, today=bank.clock.today(), zone=KYIV, by="test"
        )  # fmt: skip
        assert not done.posted.refused


async def person(bank: Bank, login: str, unit: str | None = None) -> User:
    async with bank.database.begin() as s:
        s.add(user := User(id=new_key(), login=login, full_name=f"{login.title()} Тест", role="agent", password_hash="-",
                           created_at=bank.now, unit=unit))  # fmt: skip
    return user


FIVE: tuple[dict[str, Any], ...] = (
    {"n": 1, "branch": "Львів", "overdue_principal": "1000.10", "overdue_interest": "20.05"},
    {"n": 2, "branch": "Київ", "overdue_principal": "2000", "days_past_due": 45, "balance": "5000"},
    {"n": 3, "branch": "Київ", "overdue_principal": "0", "days_past_due": 0, "balance": "700"},
    {"n": 4, "branch": "Львів", "currency": "USD", "overdue_principal": "300", "balance": "400.50"},
    {"n": 5, "branch": "Львів", "overdue_principal": "0", "days_past_due": 0, "balance": "0"},  # paid off: no debt
)


async def test_dm05_the_portfolio_by_hand_also_when_it_is_asked_later(bank: Bank) -> None:
    """DM-05, DM-02: by bucket, stage, branch; a payment, a new branch and a cure of Thursday leave Wednesday alone."""
    await bank.file(*FIVE)
    await bank.night()

    async def wednesday() -> None:
        found = await figures(bank, asked("portfolio", WEDNESDAY))
        names = ("loans", "late", "balance", "overdue", "overdue_principal", "overdue_interest")
        assert some(found["1-30 UAH"], *names) == (1, 1, D("10000"), D("1020.15"), D("1000.10"), D("20.05"))
        assert some(found["31-60 UAH"], *names) == (1, 1, D("5000"), D("2000"), D("2000"), D(0))
        assert some(found["0 UAH"], *names) == (1, 0, D("700"), D(0), D(0), D(0))
        assert some(found["1-30 USD"], *names[:4]) == (1, 1, D("400.50"), D("300"))
        assert some(found["=UAH"], *names[:4]) == (3, 2, D("15700.00"), D("3020.15"))
        assert some(found["=USD"], "loans", "overdue") == (1, D("300"))
        branches = await figures(bank, asked("portfolio", WEDNESDAY, by="branch"))
        assert {key: values["loans"] for key, values in branches.items() if key[0] != "="} == {
            "Київ UAH": 2, "Львів UAH": 1, "Львів USD": 1,
        }  # fmt: skip
        stages = await figures(bank, asked("portfolio", WEDNESDAY, by="stage", branch="Київ"))
        assert {key: some(values, "loans", "overdue") for key, values in stages.items()} == {
            "2 UAH": (1, D(2000)), "UAH": (1, D(0)), "=UAH": (2, D(2000)),
        }  # fmt: skip

    await wednesday()
    bank.at(WEDNESDAY + DAY, 12)
    await pay(bank, 1, "520.15", "R1")
    bank.at(WEDNESDAY + DAY, 13)
    await bank.file(
        FIVE[0] | {"overdue_principal": "480", "overdue_interest": "20", "days_past_due": 11, "branch": "Одеса"},
        FIVE[1] | {"overdue_principal": "0", "days_past_due": 0}, *FIVE[2:],
    )  # fmt: skip
    bank.at(WEDNESDAY + 2 * DAY)
    await bank.night()
    await wednesday()
    thursday = await figures(bank, asked("portfolio", WEDNESDAY + DAY, by="branch"))
    assert some(thursday["Одеса UAH"], "loans", "overdue") == (1, D("500"))
    assert some(thursday["Київ UAH"], "loans", "late", "overdue") == (2, 0, D(0))


async def test_dm08_rolls_and_cures_add_up_and_start_where_the_portfolio_was(bank: Bank) -> None:
    """DM-08, domain.md 2.4: worse + same + better + cured = start; the rates are those of kpi.py."""
    await bank.file(
        {"n": 1, "days_past_due": 29}, {"n": 2, "days_past_due": 20}, {"n": 3, "days_past_due": 45},
        {"n": 4, "days_past_due": 70}, {"n": 5, "days_past_due": 0, "overdue_principal": 0},
    )  # fmt: skip
    await bank.night()
    bank.at(WEDNESDAY + 5 * DAY, 2)
    await bank.file(
        {"n": 1, "days_past_due": 34, "balance": "9000"}, {"n": 2, "days_past_due": 25}, {"n": 3, "days_past_due": 0,
        "overdue_principal": 0}, {"n": 4, "days_past_due": 31}, {"n": 5, "days_past_due": 5},
    )  # fmt: skip
    last = WEDNESDAY + 5 * DAY
    question = asked("rolls", last, WEDNESDAY)
    found = await figures(bank, question)
    ways = ("start", "cured", "better", "same", "worse", "next")
    assert some(found["1-30 UAH"], *ways) == (2, 0, 0, 1, 1, 1)
    assert some(found["31-60 UAH"], *ways) == (1, 1, 0, 0, 0, 0)
    assert some(found["61-90 UAH"], *ways) == (1, 0, 1, 0, 0, 0)
    assert some(found["0 UAH"], *ways) == (1, 0, 0, 0, 1, 1)
    assert some(found["=UAH"], *ways) == (5, 1, 1, 1, 2, 2)
    assert some(found["=UAH"], "balance_start", "balance_worse", "late_start") == (D(50000), D(20000), 4)
    async with bank.database.begin() as s:
        rates = await kpi.rolls(s, [question.start, question.until], last)
    assert (rates["roll_1-30"].of, rates["roll_1-30"].n) == some(found["1-30 UAH"], "next", "start")
    assert (rates["cure"].of, rates["cure"].n) == some(found["=UAH"], "cured", "late_start")
    at_start = await figures(bank, asked("portfolio", WEDNESDAY))
    assert {key: v["loans"] for key, v in at_start.items()} == {key: v["start"] for key, v in found.items()}


async def test_cc14_promises_made_due_kept_broken(bank: Bank) -> None:
    """CC-14: by hand, by who agreed them and by week; the rate is kpi.py's; before the night judged it a promise waits."""
    await bank.file(*({"n": n} for n in range(1, 6)))
    await bank.night()
    olha = await person(bank, "olha")
    bank.at(WEDNESDAY, 12)
    made = (
        (1, "100.10", 1, olha.id),
        (2, "200.20", 1, olha.id),
        (3, "300.30", 20, None),
        (4, "50.00", 1, None),
        (5, "7", 2, None),
    )
    async with bank.database.begin() as s:
        for n, amount, days, by in made:
            await collection.make_promise(
                s,
                (await bank.case(n)).id,
                amount=D(amount),
                currency="UAH",
                due_date=WEDNESDAY + days * DAY,
                at=bank.now,
                by=by,
            )
        four = await s.scalar(text("SELECT id FROM promises WHERE amount = 50"))
        promise = await s.get_one(collection.Promise, four)
        await collection.set_promise(s, promise, "CANCELLED", bank.now)
    bank.at(WEDNESDAY + DAY, 12)
    await pay(bank, 1, "100.10", "R1")
    for n in range(2, 6):
        bank.at(WEDNESDAY + n * DAY, 2)
        await bank.file(*({"n": k, "days_past_due": 10 + n, "overdue_principal": "899.90" if k == 1 else "1000"}
                          for k in range(1, 6)))  # fmt: skip
        bank.at(WEDNESDAY + n * DAY)
        await bank.night()
    last = WEDNESDAY + 5 * DAY
    names = (
        "made",
        "made_sum",
        "due",
        "kept",
        "broken",
        "cancelled",
        "waiting",
        "kept_sum",
        "broken_sum",
        "matched_sum",
    )
    found = await figures(bank, asked("promises", last))
    assert some(found[f"{olha.id} UAH"], *names) == (
        2,
        D("300.30"),
        2,
        1,
        1,
        0,
        0,
        D("100.10"),
        D("200.20"),
        D("100.10"),
    )
    assert some(found["=UAH"], *names) == (5, D("657.60"), 4, 1, 2, 1, 0, D("100.10"), D("207.20"), D("100.10"))
    on_friday = await figures(bank, asked("promises", WEDNESDAY + 2 * DAY))
    assert some(on_friday["=UAH"], "due", "kept", "broken", "cancelled", "waiting") == (3, 1, 0, 1, 1), (
        "judged on Saturday"
    )
    async with bank.database.begin() as s:
        share = (await kpi.promises(s, WEDNESDAY - DAY, last + DAY))["kept"]
    assert (share.of, share.n) == (found["=UAH"]["kept"], found["=UAH"]["kept"] + found["=UAH"]["broken"])


async def test_dm08_arms_are_compared_by_what_the_cases_were_when_they_opened(bank: Bank) -> None:
    """DM-08: arm by number, stage and segment of the opening; contact, promise, kept, cured, money; older cases not counted."""
    async with bank.database.begin() as s:
        content = {"steps": [{"key": "a", "stage": 1, "day": 30, "kind": "CALL"}],
                   "arms": [{"code": "champion", "share": 50}, {"code": "challenger", "share": 50}],
                   "segments": {"big": {"overdue_min": "1500"}}}  # fmt: skip
        await strategies.draft(s, "collection", content, who="os:a", at=bank.now)
        await strategies.submit(s, "collection", 1, who="os:a", at=bank.now)
        await strategies.approve(
            s, "collection", 1, who="os:b", at=bank.now, today=WEDNESDAY, live_from=WEDNESDAY + DAY
        )  # fmt: skip
    await bank.file({"n": 90})
    await bank.night()  # opened the day before the strategy is in force
    bank.at(WEDNESDAY + DAY)
    rows = [
        {"n": n, "overdue_principal": "2000" if n % 2 else "1000", "days_past_due": 40 if n > 8 else 5}
        for n in range(1, 13)
    ]
    await bank.file({"n": 90}, *rows)
    await bank.night()
    bank.at(WEDNESDAY + DAY, 12)
    numbers = {n: (await bank.case(n)).number for n in range(1, 13)}
    version = strategy_rules.read("collection", content)
    arm = {n: strategy_rules.arm_of(version, number) for n, number in numbers.items()}
    assert set(arm.values()) == {"champion", "challenger"}
    async with bank.database.begin() as s:
        for n in (1, 2, 3):
            case = await bank.case(n)
            await cases.add_event(
                s, case.id, "outcome", bank.now, call_id=uuid4(), data={"outcome": "REFUSE", "rpc": True}
            )
        case = await bank.case(2)
        await collection.make_promise(
            s, case.id, amount=D(1000), currency="UAH", due_date=WEDNESDAY + 3 * DAY, at=bank.now
        )  # fmt: skip
    bank.at(WEDNESDAY + 2 * DAY, 12)
    await pay(bank, 2, "1000", "R2")  # kept, and cured
    await pay(bank, 9, "55.55", "R9")
    last = WEDNESDAY + 2 * DAY
    expected: dict[tuple[str, str, str], list[Any]] = {}
    for n, code in arm.items():
        key = (code, "2" if n > 8 else "1", "big" if n % 2 else "")
        line = expected.setdefault(key, [0, 0, 0, 0, 0, D(0)])
        added = (1, n in {1, 2, 3}, n == 2, n == 2, n == 2, D({2: "1000", 9: "55.55"}.get(n, "0")))
        expected[key] = [a + b for a, b in zip(line, added, strict=True)]
    for (code, stage, segment), values in expected.items():
        found = await figures(bank, asked("arms", last, by="arm", stage=stage, segment=segment or "-", arm=code))
        assert list(some(found["=UAH"], "cases", "rpc", "promised", "kept", "cured", "paid")) == values, (
            code,
            stage,
            segment,
        )
    before = await figures(bank, asked("arms", WEDNESDAY + DAY))
    assert some(before["=UAH"], "cases", "rpc", "promised", "kept", "paid") == (12, 3, 1, 0, D(0)), (
        "as at the day before"
    )
    await _contacts_cost(bank, last, (await bank.case(1)).id, (await bank.case(2)).person_id)
    async with bank.database.begin() as s:
        _, compared = await service.ask(s, asked("arms", last))
    whole = {one.measure: one for one in compared if one.stage is None}
    assert {one.verdict for one in compared} == {"few"}
    assert whole["rpc"].first.arm == "champion"
    assert whole["rpc"].first.n + whole["rpc"].other.n == 12
    assert whole["paid"].first.k + whole["paid"].other.k == D("1055.55")
    assert {(one.stage, one.segment) for one in compared if one.stage} == {
        (stage, segment) for _, stage, segment in expected
    }


async def living(bank: Bank, dice: random.Random, day: date, people: list[User], n: int) -> None:
    """One day of a bank: the list, the night, talks, promises, payments, hand-overs, tasks; all by dice."""
    bank.at(day, 2)
    rows = [
        {"n": k, "days_past_due": (late := dice.choice((0, 3, 12, 29, 31, 45, 95))), "branch": dice.choice(("Львів", "Київ")),
         "product": dice.choice(("CASH", "CARD")), "overdue_principal": "0" if not late else f"{dice.randint(50, 4000)}.{n}5",
         "currency": "USD" if k % 5 == 0 else "UAH"} for k in range(1, 11)
    ]  # fmt: skip
    await bank.file(*rows)
    bank.at(day)
    await bank.night()
    bank.at(day, 12)
    async with bank.database.begin() as s:
        found = list(await s.scalars(select(Case).where(Case.closed_at.is_(None)).order_by(Case.number)))
        for case in dice.sample(found, min(4, len(found))):
            if case.state in {"NEW", "ACTIVE"}:
                await collection.make_promise(
                    s, case.id, amount=D(dice.randint(10, 900)), currency="UAH", due_date=day + dice.randint(0, 1) * DAY,
                    at=bank.now, by=dice.choice(people).id, grace_days=0,
                )  # fmt: skip
            await cases.add_event(s, case.id, "outcome", bank.now, call_id=uuid4(), data={"rpc": dice.random() < 0.5})
            await cases.raise_task(
                s, case.id, "LETTER", day + dice.randint(-1, 1) * DAY, at=bank.now, unit="letters",
                owner_id=dice.choice((None, people[0].id)),
            )  # fmt: skip
        one = dice.choice(found)
        s.add(CallAttempt(
            id=new_key(), case_id=one.id, person_id=one.person_id, direction="in", number="+380670000000", campaign="c",
            trunk="t", purpose="collection", caller_id="", language="uk", fence=1, state="ENDED", business_at=bank.now,
            claimed_at=bank.now, bridged_at=bank.now, ended_at=bank.now + timedelta(seconds=90), agent_id=people[1].id,
        ))  # fmt: skip
        point = (await s.scalars(select(ContactPoint.id).where(ContactPoint.person_id == one.person_id))).first()
        result = dice.choice(("ANSWERED_HUMAN", "NO_ANSWER", "ABANDONED"))
        call = CallAttempt(
            id=new_key(), case_id=one.id, person_id=one.person_id, contact_point_id=point, direction="out", campaign="c",
            number="+380670000001", trunk="t", purpose="collection", caller_id="", language="uk", fence=1, state="ENDED",
            business_at=bank.now, claimed_at=bank.now, ended_at=bank.now, agent_id=people[0].id, result=result,
            abandoned=result == "ABANDONED",
        )  # fmt: skip
        s.add(call)
        if result == "ANSWERED_HUMAN":
            said = {"outcome": "REFUSE", "rpc": dice.random() < 0.7}
            await cases.add_event(s, one.id, "outcome", bank.now, people[0].id, call.id, said)
        opened = list(
            await s.scalars(select(cases.Task).where(cases.Task.state == "OPEN", cases.Task.kind == "LETTER"))
        )
        for task in dice.sample(opened, min(3, len(opened))):
            boss = tasks.Actor(people[1].id, "", True)
            if dice.random() < 0.5:
                await tasks.hand_over(s, task.id, boss, note=f"{day}", at=bank.now, to_owner=people[0].id)
            else:
                await tasks.close(s, task.id, boss, result="DONE", at=bank.now)
        case = dice.choice(found)
        given = await hand_over.propose(s, case.id, to_unit=f"unit{n}", at=bank.now, by=people[0].id)
        await hand_over.accept(s, given.id, at=bank.now, by=people[1].id, owner=dice.choice(people).id)
    for k in dice.sample(range(1, 11), 3):
        if k % 5:
            await pay(bank, k, f"{dice.randint(5, 900)}.50", f"R{day}-{k}")
    await late_and_complaints(bank, random.Random(n), people, found)


async def late_and_complaints(bank: Bank, dice: random.Random, people: list[User], found: list[Case]) -> None:
    """Hours at a desk, complaints noted and answered, acts drawn up, approved, refused, reversed."""
    (olha, petro), today = people, bank.clock.today()
    async with bank.database.begin() as s:
        hours = timedelta(hours=dice.randint(1, 30))  # also over midnight
        s.add(AgentSession(id=new_key(), user_id=olha.id, phone="desk", endpoint="x", state="OFF", since=bank.now,
                           started_at=bank.now, ended_at=bank.now + hours))  # fmt: skip
        for one in await s.scalars(select(Complaint).where(Complaint.state == "OPEN")):
            await complaints.answer(s, one.id, dice.choice(complaints.ANSWERS), "told", at=bank.now, by=petro.id)
        await complaints.note(s, dice.choice(found).id, kind=dice.choice(complaints.KINDS), channel="call", text="rude",
                              about=olha.id, at=bank.now, by=petro.id)  # fmt: skip
        for act in list(await s.scalars(select(LateAct).where(LateAct.state.in_(("PROPOSED", "APPROVED"))))):
            if act.state == "PROPOSED":
                await late.refuse(s, act.id, why="no", at=bank.now, by=petro.id)
            elif dice.random() < 0.5 and (await s.get_one(Case, act.case_id)).state == late.KINDS[act.kind].to:
                await late.ask_reversal(s, act.id, why="wrong", at=bank.now, by=olha.id)
                await late.reverse(s, act.id, at=bank.now, today=today, by=petro.id)
        query = select(Case).where(Case.state == "ACTIVE", ~select(HandOver.id).where(
            HandOver.case_id == Case.id, HandOver.state == "PROPOSED").exists()).order_by(Case.number)  # fmt: skip
        for k, case in enumerate((await s.scalars(query.limit(2))).all()):
            act = await late.propose(s, case.id, "SALE", counterparty="Buyer", number=f"{k}", on=today, reason="sold",
                                     price=D("10.50"), at=bank.now, today=today, by=olha.id)  # fmt: skip
            if k == 0:
                await late.approve(s, act.id, at=bank.now, today=today, by=petro.id)


async def everything(bank: Bank, day: date, *names: str) -> dict[str, Any]:
    """Of each report as at a day, or of these: figures, and every row."""
    found: dict[str, Any] = {}
    async with bank.database.begin() as s:
        for name in names or FAMILIES:
            family = FAMILIES[name]
            report, compared = await service.ask(s, asked(name, day, WEDNESDAY))
            found[f"{name}/{family.cuts[0]}"] = [report.lines, report.totals, compared]
            rows = await tables.every_row(s, family, asked(name, day, WEDNESDAY))
            found[f"{name}/rows"] = [{k: v for k, v in row.items() if k != "Person"} for row in rows]
    return found


async def test_totals_are_their_rows_and_a_day_stays_as_it_was_but_for_corrections(bank: Bank) -> None:
    """Issue 6, CK-24: three days at random in all reports, all cuts, all figures; then two more days, and the first three
    are the same to the row; a correction of the past moves them."""
    dice, people = random.Random(20270203), [await person(bank, "olha"), await person(bank, "petro")]
    async with bank.database.begin() as s:
        steps = [{"key": f"s{n}", "stage": n, "day": 0, "kind": "LETTER", "within": n % 2} for n in (1, 2, 3)]
        arms = [{"code": "champion", "share": 60}, {"code": "challenger", "share": 40}]
        await strategies.draft(s, "collection", {"steps": steps, "arms": arms}, who="os:a", at=bank.now)
        await strategies.submit(s, "collection", 1, who="os:a", at=bank.now)
        await strategies.approve(s, "collection", 1, who="os:b", at=bank.now, today=WEDNESDAY, live_from=WEDNESDAY)
    seen: dict[date, dict[str, Any]] = {}
    for n in range(3):
        await living(bank, dice, WEDNESDAY + n * DAY, people, n)
        seen[WEDNESDAY + n * DAY] = await everything(bank, WEDNESDAY + n * DAY)
    last = WEDNESDAY + 2 * DAY
    async with bank.database.begin() as s:
        checked = 0
        for name, family in FAMILIES.items():
            cut = family.cuts[0]
            lines, totals, _ = seen[last][f"{name}/{cut}"]
            assert lines, name
            for figure in family.figures:
                rows = await tables.every_row(s, family, replace(asked(name, last, WEDNESDAY), figure=figure.name))
                for line in [*lines, *totals]:
                    mine = [
                        r
                        for r in rows
                        if (line in totals or (r[cut] or "") == line.key) and r["currency"] == line.currency
                    ]
                    value = sum((row[figure.sum] for row in mine), D(0)) if figure.sum else len(mine)
                    assert value == line.values[figure.name], (name, line.key, figure.name)
                    checked += 1
            for by in family.cuts[1:]:
                report, _ = await service.ask(s, asked(name, last, WEDNESDAY, by=by))
                assert {x.currency: x.values for x in report.totals} == {x.currency: x.values for x in totals}, (
                    name,
                    by,
                )
        assert checked > 200
        lines = seen[last]["steps/unit"][0]
        proved = await proof.figures(s, proof.Ask(as_at=last, first=WEDNESDAY, last=last), "unit")
        assert {x.key: (x.due, x.done, x.late, x.skipped, x.open) for x in proved} == {
            x.key: some(x.values, "due", "done", "late", "skipped", "open") for x in lines
        }  # fmt: skip
        page, total = await tables.rows(s, FAMILIES["portfolio"], asked("portfolio", last), limit=4)
        assert (len(page), total) == (4, len(seen[last]["portfolio/rows"]))
    for n in range(3, 5):
        await living(bank, dice, WEDNESDAY + n * DAY, people, n)
        if n == 3:  # the night after a day finds what ended in it: a day's steps are final from then on
            for day in seen:
                seen[day] |= await everything(bank, day, "steps")
    for day, before in seen.items():
        after = await everything(bank, day)
        for name, values in before.items():
            assert after[name] == values, (day, name)
    async with bank.database.begin() as s:
        loan = await s.scalar(select(Loan.id).where(Loan.contract_no == "C1"))
        assert loan is not None
        at = datetime.combine(last, datetime.min.time(), KYIV) + timedelta(hours=20)
        stood = (await balances.as_at(s, at, ids=[loan]))[loan]
        wrong = balances.Standing(**{f: getattr(stood, f) for f in stood.__slots__} | {"balance": stood.balance + 1})
        await balances.correct(s, loan, at, wrong, at=bank.now, note="помилка")
    corrected = await everything(bank, last)
    assert corrected["portfolio/bucket"] != seen[last]["portfolio/bucket"]
    assert corrected["promises/maker"] == seen[last]["promises/maker"]


def test_a_question_is_refused_with_field_and_remedy() -> None:
    known = {"portfolio": ["main"], "branch": ["Київ"], "product": ["CASH"], "owner": []}
    shape = FAMILIES["rolls"].shape()
    for given, field in (
        ({"as_at": "x"}, "as_at"), ({"as_at": "2027-02-04"}, "as_at"), ({"first": "2027-02-04"}, "first"), ({"by": "x"}, "by"),
        ({"branch": "Марс"}, "branch"), ({"x": "1"}, "unknown"), ({"figure": "x"}, "figure"), ({"offset": "1e3"}, "offset"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as refused:
            read(given, shape, today=WEDNESDAY, zone=KYIV, known=known)
        assert (refused.value.details["field"], bool(refused.value.remedy)) == (field, True), given
    good = read({"branch": "Київ", "product": "-", "by": ""}, shape, today=WEDNESDAY, zone=KYIV, known=known)
    assert (good.by, good.first, dict(good.narrow)) == (
        "bucket",
        WEDNESDAY - 30 * DAY,
        {"branch": "Київ", "product": "-"},
    )


async def test_the_command_says_the_same(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """`backoffice report`: figures and rows as JSON and CSV; cells that begin as a formula are text (CK-24)."""
    await bank.file(*FIVE[:2], FIVE[2] | {"branch": "=HYPERLINK(1)"})
    settings = bank.settings.model_copy(update={"now": bank.now, "data": bank.folder})
    monkeypatch.setattr(config, "load", lambda: settings)

    def said(*words: str) -> str:
        done = CliRunner().invoke(app, ["report", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    def all_of_it() -> None:
        found = json.loads(said("portfolio", "--by", "branch", "--json"))
        assert found["lines"][-1][:6] == ["=", "UAH", 3, 2, "15700.00", "3020.15"]
        rows = list(csv.reader(io.StringIO(said("portfolio", "--rows", "--csv").lstrip("\ufeff")), delimiter=";"))
        assert len(rows) == 4
        assert "'=HYPERLINK(1)" in {row[rows[0].index("branch")] for row in rows}
        assert "1020.15" in said("portfolio")
        refused = CliRunner().invoke(app, ["report", "portfolio", "--branch", "Марс"]).exception
        assert isinstance(refused, BadInput)
        assert "There is no branch “Марс”." in str(refused)

    await asyncio.to_thread(all_of_it)


async def test_costs_and_bands_are_dated_rows_set_by_command(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """DM-02, DM-08: stages as dated data: a new version moves the cases from its day on and leaves the days before; a gap, a past
    day and a cost of nothing known are refused by field."""
    settings = bank.settings.model_copy(update={"now": bank.now, "data": bank.folder})
    monkeypatch.setattr(config, "load", lambda: settings)
    await bank.file({"n": 1, "days_past_due": 10})
    await bank.night()
    tomorrow = str(WEDNESDAY + DAY)

    def run(*words: str) -> tuple[str, str]:
        done = CliRunner().invoke(app, list(words))
        refused = done.exception.details["field"] if isinstance(done.exception, BadInput) else ""
        return done.stdout, str(refused)

    def commands() -> None:
        assert run("cost", "set", "letter", "18,30", "--from", tomorrow) == (f"The cost holds from {tomorrow}.\n", "")
        (row,) = json.loads(run("cost", "list", "--json")[0])
        assert (row["kind"], row["currency"], row["amount"]) == ("letter", "UAH", "18.3000")
        assert run("cost", "set", "pigeon", "1")[1] == "kind"
        new = ("0:0-0", "1:1-5", "2:6-60", "3:61-90", "4:91-")
        assert run("bands", "set", "stage", *new, "--from", str(WEDNESDAY))[1] == "valid_from"
        assert run("bands", "set", "stage", "0:0-0", "1:2-", "--from", tomorrow)[1] == "first"
        assert run("bands", "set", "stage", *new, "--from", tomorrow) == (f"Version 2 holds from {tomorrow}.\n", "")
        listed = json.loads(run("bands", "list", "--json")[0])
        ends = {row["version"]: row["valid_to"] for row in listed if row["kind"] == "stage"}
        assert ends == {1: str(WEDNESDAY), 2: None}

    await asyncio.to_thread(commands)
    bank.at(WEDNESDAY + DAY)
    await bank.file({"n": 1, "days_past_due": 11})
    await bank.night()
    assert (await bank.case(1)).stage == 2
    for day, stage in ((WEDNESDAY, "1"), (WEDNESDAY + DAY, "2")):
        found = await figures(bank, asked("portfolio", day, by="stage"))
        assert found[f"{stage} UAH"]["loans"] == 1, day


async def _contacts_cost(bank: Bank, last: date, called: UUID, written_to: UUID) -> None:
    """DM-08, cost per arm, by hand: a call of 2 minutes on the line, 90 s with an agent and 30 s after it, a letter; each at the
    rate of its own day, in the currency of the debt, nothing where no rate holds."""
    async with bank.database.begin() as s:
        for kind, amount, day in (("attempt", "0.10", 0), ("line_minute", "0.40", 0), ("agent_minute", "3", 0),
                                  ("agent_minute", "4.50", 2), ("letter", "25", 9), ("letter", "18.30", 1)):  # fmt: skip
            await costs.put(s, kind, "UAH", D(amount), WEDNESDAY + day * DAY, by="test")
        await costs.put(s, "letter", "USD", D(1), WEDNESDAY, by="test")
        with pytest.raises(BadInput) as refused:
            await costs.put(s, "pigeon", "UAH", D(1), WEDNESDAY, by="test")
        assert refused.value.details["field"] == "kind"
        wall, phone = bank.clock.wall(), await bank.phone(1)
        s.add(CallAttempt(
            id=uuid4(), case_id=called, person_id=phone.person_id, contact_point_id=phone.id, number="+380671000001", campaign="",
            purpose="collection", trunk="", caller_id="",
            language="uk", fence=1, state="ENDED", business_at=bank.now, claimed_at=wall, answered_at=wall,
            bridged_at=wall + timedelta(seconds=30), ended_at=wall + timedelta(seconds=120), agent_id=uuid4(),
            outcome_at=wall + timedelta(seconds=150), result="ANSWERED_HUMAN",
        ))  # fmt: skip
        sent = Entry(at=bank.now, channel="letter", actor="human", delivered=True)
        await compliance.record(s, written_to, sent, source="post", source_id="1")
    spent = {n: one["cost"] for n, one in (await figures(bank, asked("arms", last))).items()}
    assert spent["=UAH"] == D("0.10") + D("0.80") + D("9.00") + D("18.30")
    before = await figures(bank, asked("arms", last - DAY))
    assert before["=UAH"]["cost"] == 0, "as at the day before"
    seen = (await figures(bank, asked("calls", last, by="hour")))["12"]
    assert some(seen, "attempts", "cases", "human", "rpc", "promised", "abandoned") == (1, 1, 1, 0, 0, 0)
