"""Verdicts on real tables (CC-10 … CC-12): why they fell, trunks that lie, long absence, and how a number comes back."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from backoffice_core.borrowers import evidence
from backoffice_core.borrowers import service as borrowers
from backoffice_core.borrowers.models import ContactPoint, PhoneEvidence
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.queueing.absence import judge_absence
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Task
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict
from tests.core.bank import WEDNESDAY, Bank


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    """Forty borrowers with open cases, of two networks."""
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    await bank.file(
        *({"n": n} for n in range(1, 21)), *({"n": n, "phones": f"+38050{2_000_000 + n}"} for n in range(21, 41))
    )
    await bank.night()
    return bank


async def note(bank: Bank, n: int, sign: str, days: float, **more: Any) -> borrowers.Verdict:
    point, case = await bank.phone(n), await bank.case(n)
    async with bank.database.begin() as s:
        return await cases.number_evidence(
            s, case.id, point.id, sign, at=bank.now + timedelta(days=days), call_id=uuid4(), **more
        )


async def states(bank: Bank) -> dict[str, str]:
    async with bank.database.begin() as s:
        return {c.value: c.state for c in await s.scalars(select(ContactPoint))}


async def test_the_verdict_is_explained_and_its_terms_are_dated_data(bank: Bank) -> None:
    assert (await note(bank, 1, "dead", 0, announcement="not_in_service", trunk="a")).state == "SUSPECT"
    assert (await note(bank, 1, "dead", 3, sip_code=404, trunk="b")).state == "DEAD"
    assert (await bank.phone(1)).state_facts == {
        "codes": {"not_in_service": 1, "sip 404": 1}, "trunks": 2, "days": 4, "score": 2.16, "needed": 1.75,
    }  # fmt: skip
    async with bank.database.begin() as s:
        since = (bank.now + timedelta(days=1)).date()
        await evidence.set_term(s, "needed", Decimal("2.6"), since=since, source="head of collection")
        assert (await evidence.terms(s, bank.now.date())).needed == 1.75
        for name, value, source in (("need", 1, "x"), ("needed", -1, "x"), ("needed", 1, " ")):
            with pytest.raises(BadInput):
                await evidence.set_term(s, name, Decimal(value), since=since, source=source)
    await note(bank, 2, "dead", 1, sip_code=404)
    assert (await note(bank, 2, "dead", 2, sip_code=404)).state == "SUSPECT"


async def test_a_suspect_that_rings_is_believed_and_others_rings_are_not_kept(bank: Bank) -> None:
    await note(bank, 1, "rings", 0)
    await note(bank, 1, "dead", 0.1, sip_code=404)
    for day in (1, 2):
        await note(bank, 1, "rings", day)
    assert (await note(bank, 1, "dead", 3, sip_code=404)).state == "SUSPECT"
    async with bank.database.begin() as s:
        assert list(await s.scalars(select(PhoneEvidence.sign).order_by(PhoneEvidence.id))) == [
            "dead",
            "rings",
            "rings",
            "dead",
        ]


async def test_a_broken_route_to_one_network_condemns_nobody_of_it(bank: Bank) -> None:
    """Numbers that were answered before are the witnesses; what was said before they spoke is taken back too."""
    for n in range(31, 35):
        await note(bank, n, "alive", -3, trunk="a")
    for n in (1, 2, 3):
        await note(bank, n, "alive", 0, trunk="a")
    await note(bank, 5, "dead", 0, sip_code=404, trunk="a")  # of the other network: a dead number
    for day in (0.01, 1.2):
        for n in range(21, 41):
            await note(bank, n, "dead", day, sip_code=404, trunk="a")
    found = await states(bank)
    assert {state for value, state in found.items() if value.startswith("+38050")} == {"UNVERIFIED"}
    assert found["+380671000005"] == "SUSPECT"


async def test_a_trunk_with_few_calls_that_refuses_everybody_condemns_nobody(bank: Bank) -> None:
    """CC-10: a few calls a day, all refused, nobody ever answered: with the fifth number the trunk is doubted, and what it
    said before is taken back; once somebody answers on it, its word counts again."""
    for day, numbers in enumerate(((1, 2), (1, 2), (3, 4), (5, 1))):
        for n in numbers:
            await note(bank, n, "dead", day, sip_code=404, trunk="a")
    found = await states(bank)
    assert [found[f"+38067100000{n}"] for n in (1, 2, 3, 4, 5)] == ["UNVERIFIED"] * 5
    await note(bank, 6, "alive", 4, trunk="a")
    for day in (4.1, 5):
        await note(bank, 1, "dead", day, sip_code=404, trunk="a")
    assert (await bank.phone(1)).state == "DEAD"


async def test_cc11_long_absence_makes_a_number_unreachable_and_a_test_brings_it_back(bank: Bank) -> None:
    """CC-11, CC-12: 24 calls in 30 days without an answer; one task; after its rest it is tried again."""
    point, case = await bank.phone(1), await bank.case(1)
    await _calls(bank, 1, 23, over_days=40)
    await _calls(bank, 2, 30, over_days=40)
    await note(bank, 2, "alive", -1)  # he has just answered
    await _calls(bank, 3, 30, over_days=20)  # not for long yet
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.night()
    assert (await bank.phone(1)).state == "UNVERIFIED"
    await _calls(bank, 1, 1, over_days=1)
    bank.at(WEDNESDAY + timedelta(days=2))
    await bank.night()
    lost = await bank.phone(1)
    assert (lost.state, lost.state_reason) == ("UNREACHABLE", "no_contact")
    assert (lost.state_facts or {})["attempts"] == 24
    assert (await bank.phone(2)).state == (await bank.phone(3)).state == "UNVERIFIED"
    async with bank.database.begin() as s:
        tasks = list(await s.scalars(select(Task).where(Task.case_id == case.id, Task.state == "OPEN")))
        assert [task.kind for task in tasks] == ["REFRESH_CONTACT_DATA"]
        later = bank.now + timedelta(days=61)
        assert await judge_absence(s, later) == {"unreachable": 0, "tried_again": 1}
    assert (await bank.phone(1)).state_reason == "test"
    bank.now = later
    await _calls(bank, 1, 2, over_days=-1)
    async with bank.database.begin() as s:
        assert (await judge_absence(s, later + timedelta(days=2)))["unreachable"] == 1
        await borrowers.try_again(s, point.id, at=later)
        with pytest.raises(Conflict):
            await borrowers.try_again(s, point.id, at=later)
        assert (await borrowers.add_evidence(s, point.id, "alive", at=later)).state == "UNVERIFIED"


async def test_a_persons_word_brings_a_lost_number_back(bank: Bank) -> None:
    for day in (0, 1):
        verdict = await note(bank, 1, "dead", day, sip_code=404)
    assert verdict.state == "DEAD"
    async with bank.database.begin() as s:
        assert (
            await borrowers.revive(s, verdict.contact_point_id, at=bank.now + timedelta(days=2))
        ).state == "UNVERIFIED"
    assert (await bank.phone(1)).state_facts is None
    assert (await note(bank, 1, "dead", 3, sip_code=404)).state == "SUSPECT"


async def _calls(bank: Bank, n: int, many: int, over_days: float) -> None:
    """Calls that nobody answered, evenly over the days before now (negative: after)."""
    point, case = await bank.phone(n), await bank.case(n)
    async with bank.database.begin() as s:
        for k in range(many):
            at = bank.now - timedelta(days=over_days * (many - k) / many)
            s.add(
                CallAttempt(
                    id=uuid4(), case_id=case.id, person_id=case.person_id, contact_point_id=point.id, number=point.value,
                    direction="out", state="ENDED", result="NO_ANSWER", business_at=at, claimed_at=at, ended_at=at,
                    purpose="collection", campaign="collection", fence=1, trunk="a", caller_id="", language="uk",
                )
            )  # fmt: skip
