"""What is worked out once for many is what each would get alone: portfolios at random, judged together, one by one, and by a
slow reader of the same tables who asks the evaluator about each by itself (FL-04, issue 5: one evaluator)."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.call_centre.calls.contacts import call_contact
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.queueing.judged_aside import packed, unpacked
from backoffice_core.call_centre.queueing.judging import CAMPAIGN, Terms, judge
from backoffice_core.call_centre.queueing.queue_rules import (
    CaseView,
    FlagView,
    NotToday,
    PhoneView,
    TaskView,
    best_phone,
    earliest,
    first_of,
    lawful_refusal,
    own_refusal,
)  # fmt: skip
from backoffice_core.cases.models import Case, Task
from backoffice_core.cases.rules import CALLBACK, ELSEWHERE, OVER
from backoffice_core.collection.models import Promise
from backoffice_core.collection.rules import is_overdue
from backoffice_core.collection.service import promise_ends
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.models import ComplianceDecision, ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.loans import service as loans
from backoffice_core.loans import sources, stop_list
from backoffice_core.loans.models import Loan
from backoffice_core.loans.stop_list import Stop
from tests.core.bank import KYIV, WEDNESDAY, Bank

few = st.integers(0, 5).map(lambda n: n == 0)
PHONES = st.lists(
    st.fixed_dictionaries({
        "owner_kind": st.sampled_from(["self", "self", "self", "unknown", "work", "relative"]),
        "state": st.sampled_from(["VERIFIED", "UNVERIFIED", "UNVERIFIED", "SUSPECT", "DEAD"]),
        "number_type": st.sampled_from(["mobile", "mobile", "fixed", "fax", "unknown"]),
        "missed": st.integers(0, 2), "stopped": few,
    }), max_size=3,
)  # fmt: skip
DEBTS = st.lists(
    st.tuples(
        st.sampled_from(["UAH", "UAH", "USD"]), st.sampled_from([0, "0.5", 900, 4000]), st.sampled_from([0, 3, 40, 200])
    ), min_size=1, max_size=3,
)  # fmt: skip
CONTACTS = st.lists(
    st.fixed_dictionaries({
        "hours": st.sampled_from([1, 2, 3, 20, 50, 100, 300]), "conversation": st.booleans(),
        "abandoned": few, "uncertain": few, "state": st.sampled_from(["COMMITTED", "COMMITTED", "FREED"]),
        "channel": st.sampled_from(["call", "call", "sms"]), "delivered": st.booleans(),
        "exceptions": st.sampled_from([[], [], ["consent"]]),
    }), max_size=4,
)  # fmt: skip
BORROWERS = st.fixed_dictionaries({
    "where": st.sampled_from(
        [("UA", "Europe/Kyiv")] * 4 + [("KZ", "Asia/Almaty"), ("RU", "Asia/Vladivostok"), ("US", "America/New_York"), ("UA", "")]
    ),
    "state": st.sampled_from(["ACTIVE"] * 6 + ["NEW", "PROMISED", "CURED", "ON_HOLD", "PAID_OFF", "PLACED"]),
    "stage": st.integers(0, 4), "hold": st.sampled_from([None, 0, 3]), "phones": PHONES, "debts": DEBTS, "contacts": CONTACTS,
    "flag": st.sampled_from([None] * 5 + ["inpatient", "protected_military", "vulnerable", "refused_interaction"]),
    "evidence": st.sampled_from(["", "довідка"]), "flag_ends": st.sampled_from([None, -1, 2]),
    "task": st.sampled_from([None] * 4 + ["CALLBACK", "CALLBACK", "DISPUTE", "CHECK_POSTING", "FOLLOW_UP"]),
    "task_in": st.sampled_from([0, 0, 2]), "asked_hour": st.sampled_from([None, 8, 14, 18.5, 23]),
    "promise": st.sampled_from([None, None, None, -3, 1]), "stopped": few, "missing": few, "lost": few,
})  # fmt: skip


class Alone(NamedTuple):
    view: CaseView
    phone: UUID | None
    refused: NotToday | None
    from_when: datetime | None


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def lend(s: AsyncSession, n: int, said: dict[str, Any], at: datetime) -> UUID:
    """One borrower as drawn; his case's id."""
    jurisdiction, zone = said["where"]
    person = Person(
        id=new_key(), external_ref=f"P{n}", last_name="Коваль", first_name="Олена", language="uk", jurisdiction=jurisdiction,
        region="", place="", time_zone=zone, created_at=at,
    )  # fmt: skip
    hold_until = None if said["hold"] is None else WEDNESDAY + timedelta(days=said["hold"])
    case = Case(
        id=new_key(), person_id=person.id, state=said["state"], stage=said["stage"], opened_at=at - timedelta(days=30),
        hold_until=hold_until if said["state"] == "ON_HOLD" else None,
    )  # fmt: skip
    s.add(person)
    await s.flush()
    s.add(case)
    await s.flush()
    for k, (currency, overdue, days) in enumerate(said["debts"]):
        s.add(Loan(
            id=new_key(), person_id=person.id, contract_no=f"C{n}.{k}", portfolio="main", currency=currency, balance=9000,
            overdue_principal=Decimal(overdue), days_past_due=days, as_at=at, missing_note="",
            missing_since=at if said["missing"] and k == 0 else None,
        ))  # fmt: skip
    for k, phone in enumerate(said["phones"]):
        point = ContactPoint(
            id=new_key(), person_id=person.id, value=f"+3806{n:03d}{k:05d}", rank=k,
            **{name: phone[name] for name in ("owner_kind", "state", "number_type")},
        )  # fmt: skip
        s.add(point)
        await s.flush()
        s.add_all(missed(case, point, at - timedelta(days=2 * m + 1), said["lost"]) for m in range(phone["missed"]))
        if phone["stopped"]:
            await stop_list.add(s, [Stop("phone", point.value, "stranger", WEDNESDAY, None)], at=at, by="test")
    for contact in said["contacts"]:
        fields = {name: value for name, value in contact.items() if name != "hours"}
        hours = timedelta(hours=contact["hours"])
        s.add(ContactLedger(person_id=person.id, actor="dialer", purpose="collection", at=at - hours, **fields))
    await happen(s, case, said, at)
    return case.id


def missed(case: Case, point: ContactPoint, at: datetime, lost: bool) -> CallAttempt:
    return CallAttempt(
        id=new_key(), case_id=case.id, person_id=case.person_id, contact_point_id=point.id, direction="out", number=point.value,
        campaign="collection", purpose="collection", trunk="t", caller_id="", language="uk", fence=0, state="ENDED",
        business_at=at, claimed_at=at, ended_at=at, outcome="NO_DISPOSITION" if lost else None,
    )  # fmt: skip


async def happen(s: AsyncSession, case: Case, said: dict[str, Any], at: datetime) -> None:
    if said["flag"]:
        ends = None if said["flag_ends"] is None else WEDNESDAY + timedelta(days=said["flag_ends"])
        s.add(PersonFlag(
            person_id=case.person_id, flag=said["flag"], valid_from=WEDNESDAY - timedelta(days=9), valid_to=ends,
            evidence=said["evidence"],
        ))  # fmt: skip
    if said["task"]:
        day, hour = WEDNESDAY + timedelta(days=said["task_in"]), said["asked_hour"]
        asked = datetime(day.year, day.month, day.day, tzinfo=KYIV) + timedelta(hours=hour) if hour else None
        s.add(Task(
            id=new_key(), case_id=case.id, kind=said["task"], control_date=day, earliest_at=asked, created_at=at, dedupe_key="",
        ))  # fmt: skip
    if said["promise"] is not None:
        s.add(Promise(
            id=new_key(), case_id=case.id, amount=Decimal(100), currency="UAH", grace_days=1, state="OPEN", made_at=at,
            due_date=WEDNESDAY + timedelta(days=said["promise"]),
        ))  # fmt: skip
    if said["stopped"]:
        person = await s.get_one(Person, case.person_id)
        await stop_list.add(s, [Stop("person", person.external_ref, "complaint", WEDNESDAY, None)], at=at, by="test")
    await s.flush()


async def by_itself(s: AsyncSession, case_id: UUID, terms: Terms) -> Alone:
    """The slow way: every row read as an object, the evaluator asked about this one alone."""
    case = await s.get_one(Case, case_id)
    person = await s.get_one(Person, case.person_id)
    flags = list(await s.scalars(select(PersonFlag).where(PersonFlag.person_id == person.id)))
    points = list(
        await s.scalars(select(ContactPoint).where(ContactPoint.person_id == person.id, ContactPoint.kind == "phone"))
    )
    phones = [
        PhoneView(
            p.id, p.owner_kind, p.state, p.number_type, p.rank, await in_vain(s, p.id, terms.at),
            bool(await s.scalar(text("SELECT count(*) FROM stop_list WHERE kind = 'phone' AND value = :v"), {"v": p.value})),
        ) for p in points
    ]  # fmt: skip
    late = [d for d in (await loans.debts(s, [person.id])).get(person.id, ()) if is_overdue(d.overdue, d.days_past_due)]
    worst = max(late, key=lambda d: (d.days_past_due, d.overdue), default=None)
    stop = (await stop_list.stopped_persons(s, terms.day, [person.id])).get(person.id, ("", None))
    held = await sources.held(s, terms.day, [person.id], max_days=terms.settings.balance_max_days)
    tasks = await s.scalars(select(Task).where(Task.case_id == case_id, Task.state == "OPEN"))
    promises = list(await s.scalars(select(Promise).where(Promise.case_id == case_id, Promise.state == "OPEN")))
    lost = select(func.count()).where(CallAttempt.case_id == case_id, CallAttempt.outcome == "NO_DISPOSITION")
    view = CaseView(
        case_id=case_id, number=case.number, state=case.state, hold_until=case.hold_until, stage=case.stage,
        currency=worst.currency if worst else "", overdue=worst.overdue if worst else Decimal(0),
        days_past_due=worst.days_past_due if worst else 0, promise_ends=max(map(promise_ends, promises), default=None),
        no_disposition=bool(await s.scalar(lost)), stop=stop[0], stop_until=stop[1], list_hold=held.get(person.id, ""),
        tasks=tuple(TaskView(t.kind, t.control_date, t.earliest_at) for t in tasks),
        flags=tuple(FlagView(f.flag, f.valid_from, f.valid_to) for f in flags), phones=tuple(phones),
    )  # fmt: skip
    best = best_phone(phones)
    refused, from_when = own_refusal(view, terms.day, terms.zone), None
    if view.state not in OVER | ELSEWHERE:
        number = next((p for p in points if best is not None and p.id == best.id), None)
        number = number or ContactPoint(value="", owner_kind="self", number_type="unknown")
        shown = await caller_ids.shown_by(s, terms.settings, CAMPAIGN, terms.day)
        assert shown is not None
        contact = call_contact(
            terms.settings, person, number, flags, purpose="collection", campaign=CAMPAIGN, stage=case.stage,
            caller_id=shown.number, declared=shown.declared(terms.day), agent_guaranteed=True,
        )  # fmt: skip
        refused, from_when = await asked(s, contact, view, refused, terms)
    if refused and refused.until is not None and refused.until <= terms.at:
        refused = refused._replace(until=terms.day_ends)
    return Alone(view, best.id if best else None, refused, from_when)


async def in_vain(s: AsyncSession, point: UUID, at: datetime) -> int:
    query = select(func.count()).where(CallAttempt.contact_point_id == point, CallAttempt.answered_at.is_(None))
    return await s.scalar(query.where(CallAttempt.business_at > at - timedelta(days=14))) or 0


async def asked(
    s: AsyncSession, contact: Any, view: CaseView, refused: NotToday | None, terms: Terms
) -> tuple[NotToday | None, datetime | None]:
    guard = terms.settings.guard_minutes
    decision = await compliance.ask(s, contact, terms.at, store=terms.store, guard_minutes=guard)
    refused = first_of(refused, lawful_refusal(decision, terms.day_ends))
    lawful_from = terms.at if decision.allow else decision.next_allowed_at
    if refused is not None or lawful_from is None:
        return refused, None
    from_when = earliest(view, lawful_from, terms.at)
    if from_when is None or from_when <= lawful_from:
        return None, from_when
    if from_when >= terms.day_ends:
        return NotToday("NOT_DUE", from_when, CALLBACK), from_when
    decision = await compliance.ask(s, contact, from_when, store=terms.store, guard_minutes=guard)
    if not decision.allow and decision.next_allowed_at is not None and decision.next_allowed_at < terms.day_ends:
        from_when = decision.next_allowed_at
    return lawful_refusal(decision, terms.day_ends), from_when


async def kept(s: AsyncSession) -> list[tuple[Any, ...]]:
    """The proof of a night without its ids; taken away."""
    t = ComplianceDecision
    columns = (t.person_id, t.at, t.contact, t.allow, t.reasons, t.next_allowed_at, t.must, t.consulted, t.inputs)
    found = sorted((tuple(map(str, row)) for row in await s.execute(select(*columns))), key=str)
    await s.execute(text("DELETE FROM compliance_decisions"))
    return found


@given(st.lists(BORROWERS, min_size=3, max_size=9), st.sampled_from([3, 8.5, 11, 17, 19.97]), st.booleans())
@hypothesis_settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_judged_together_as_one_by_one_and_as_by_the_slow_way(
    bank: Bank, borrowers: list[dict[str, Any]], hour: float, store: bool
) -> None:
    """Number, reason with its end and rule, hour, and every word of the proof that is kept."""
    bank.at(WEDNESDAY, hour)
    terms = Terms.of(WEDNESDAY, bank.now, bank.settings, KYIV, store=store)
    async with bank.database.sessions() as s:
        cases = [await lend(s, n, said, bank.now) for n, said in enumerate(borrowers)]
        together = await judge(s, cases, terms)
        assert [unpacked(packed(one)) for one in together] == together
        proof = await kept(s)
        one_by_one = [found for case in cases for found in await judge(s, [case], terms)]
        assert await kept(s) == proof
        alone = {case: await by_itself(s, case, terms) for case in cases}
        assert await kept(s) == proof
        assert bool(proof) is (store and any(said["state"] not in OVER | ELSEWHERE for said in borrowers))
        for found in (together, one_by_one):
            assert len(found) == len(cases)
            for one in found:
                wanted = alone[one.view.case_id]
                # of tasks and flags in the table's order either may be named first
                assert tidy(one.view) == tidy(wanted.view)
                assert (one.phone.id if one.phone else None, one.refused) == (wanted.phone, wanted.refused)
                assert (one.from_when if one.refused is None else None) == (
                    wanted.from_when if wanted.refused is None else None
                )
        await s.rollback()


def tidy(view: CaseView) -> CaseView:
    order = lambda rows: tuple(sorted(rows, key=str))  # noqa: E731
    return view._replace(tasks=order(view.tasks), flags=order(view.flags), phones=order(view.phones))
