"""Consents on real tables: recorded once, read by the night and at the second of dialing, withdrawn with effect at once."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from backoffice_core.audit import service as audit
from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.dialing import campaign_lists, campaign_terms, campaigns
from backoffice_core.call_centre.models import CallTask
from backoffice_core.cases import holds
from backoffice_core.clock import Clock
from backoffice_core.compliance import consents
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.consents import Given
from backoffice_core.compliance.models import ComplianceDecision, Consent
from backoffice_core.compliance.recompute import recompute
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput, Conflict
from tests import house
from tests.core.bank import KYIV, WEDNESDAY, Bank
from tests.core.test_campaign_purposes import SURVEY_CAP
from tests.core.test_night_commands import run
from tests.core.test_requeue import follow
from tests.core.test_robots import agentless, claim

S = timedelta(seconds=1)


def given(clock: Clock, **fields: Any) -> Given:
    usual = {"purpose": "collection", "channel": "robot", "given_at": clock.now() - timedelta(days=3), "how": "written",
             "evidence": "form 7"}  # fmt: skip
    return Given(**(usual | fields))


async def test_a_robot_calls_whom_has_agreed_until_he_withdraws_it(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5: a recorded consent meets US-PREREC at the claim, the decision names it and can be given again; once withdrawn,
    the next call is refused and says since when."""
    await agentless(database, clock)
    async with database.begin() as s:
        who = await house.borrower(s, clock)
        who.person.jurisdiction, who.person.time_zone = "US", "Europe/Kyiv"
        assert (
            await consents.record(
                s, who.person.id, given(clock, number=who.phone.value), now=clock.now(), source="console", who="user:x"
            )
            == "new"
        )
    taken = await claim(database, live_settings, clock)
    assert isinstance(taken, Placing)
    async with database.begin() as s:
        (row,) = await consents.of_person(s, who.person.id)
        decision = (await s.scalars(select(ComplianceDecision))).one()
        assert decision.contact["consents"][0]["id"] == str(row.id)
        with pytest.raises(BadInput):
            await consents.withdraw(s, row.id, why=" ", now=clock.now(), who="user:x")
        await consents.withdraw(s, row.id, why="by phone", now=clock.now(), who="user:x")
        with pytest.raises(Conflict):
            await consents.withdraw(s, row.id, why="again", now=clock.now(), who="user:x")
        other = await house.borrower(s, clock)
        other.person.jurisdiction = "US"
        await s.execute(update(Consent).values(person_id=other.person.id, number=""))
    passed = await claim(database, live_settings, clock)
    assert isinstance(passed, Passed)
    assert passed.reason == "NO_CONSENT"
    async with database.begin() as s:
        refused = (await s.scalars(select(ComplianceDecision).where(~ComplianceDecision.allow))).one()
        (reason,) = (one for one in refused.reasons if one["code"] == "NO_CONSENT")
        assert (reason["rule"], bool(reason["params"]["withdrawn_at"])) == ("US-PREREC", True)
        found = await recompute(s, 100)
        assert (found.checked, found.same, found.differences) == (2, 2, [])
        acts = [entry.act for entry in await audit.entries(s, subject=str(row.id))]
        assert sorted(acts) == ["CONSENT_RECORDED", "CONSENT_WITHDRAWN"]


async def test_the_same_id_is_one_consent_and_a_withdrawal_stays(database: Database, clock: Clock) -> None:
    """Issue 5: idempotent; an end may come sooner, never later; nothing revives a withdrawn one; another one needs another id."""
    async with database.begin() as s:
        who, other = await house.borrower(s, clock), await house.borrower(s, clock)
    day = clock.today()
    one = given(clock, external_id="A1", person_ref=who.person.external_ref)
    over = {"withdrawn_at": clock.now() - S, "withdrawn_why": "letter"}

    async def take(*rows: Given) -> consents.Taken:
        async with database.begin() as s:
            return await consents.take(s, rows, now=clock.now(), source="client:core", who="client:core")

    async def stands() -> tuple[date | None, bool]:
        async with database.begin() as s:
            (row,) = await consents.of_person(s, who.person.id)
            return row.until, row.withdrawn_at is not None

    def later(**fields: Any) -> Given:
        return given(
            clock, **{"external_id": "A1", "person_ref": who.person.external_ref, "given_at": one.given_at, **fields}
        )

    steps: Sequence[tuple[Given, str, tuple[date | None, bool]]] = (
        (one, "new", (None, False)), (one, "known", (None, False)),
        (later(until=day + timedelta(days=30)), "changed", (day + timedelta(days=30), False)),
        (later(until=day + timedelta(days=60)), "known", (day + timedelta(days=30), False)),
        (later(**over), "changed", (day + timedelta(days=30), True)),
        (one, "known", (day + timedelta(days=30), True)),
    )  # fmt: skip
    for row, how, after in steps:
        done = await take(row)
        assert getattr(done, how) == 1, (how, done)
        assert await stands() == after
    bad = (
        (later(channel="call"), "external_id"), (given(clock, external_id="B", person_ref="nobody"), "person_ref"),
        (given(clock, external_id="B"), "person_ref"), (given(clock, person_ref=who.person.external_ref), "external_id"),
        (given(clock, external_id="B", person_ref=who.person.external_ref, contract_no=other.loan.contract_no), "person_ref"),
        (later(external_id="B", channel="fax"), "channel"), (later(external_id="B", evidence=" "), "evidence"),
        (later(external_id="B", given_at=clock.now() + 60 * S), "given_at"), (later(external_id="B", how="guess"), "how"),
        (later(external_id="B", until=day - timedelta(days=30)), "until"),
        (later(external_id="B", withdrawn_at=clock.now() + 60 * S), "withdrawn_at"),
    )  # fmt: skip
    done = await take(*(row for row, _ in bad))
    assert [(index, field) for index, field, _, _ in done.refused] == [(n, field) for n, (_, field) in enumerate(bad)]
    assert (done.new, done.changed, done.known) == (0, 0, 0)


async def test_a_file_of_consents(live_settings: Settings, database: Database, clock: Clock, tmp_path: Path) -> None:
    """Issue 5: rows that can be taken are, the others are told with line and column; the same file changes nothing."""
    async with database.begin() as s:
        who = await house.borrower(s, clock)
    file = tmp_path / "c.csv"
    head = "external_id;contract_no;purpose;channel;number;given_at;how;evidence;until"
    row = f"1;{who.loan.contract_no};survey;call;067 123-45-67;01.02.2026;web;log 5;2030-12-31"
    file.write_text(
        "\n".join([head, row, "2;nobody;survey;call;;01.02.2026;web;log 5;", "3;x;survey;call;;soon;web;x;"])
    )
    code, out, _ = await run(live_settings, "import", "consents", str(file), "--source", "crm", "--json")
    told = json.loads(out)
    assert code == 1
    assert (told["new"], told["refused"]) == (1, 2)
    assert [(one["line"], one["column"]) for one in told["problems"]] == [(3, "contract_no"), (4, "given_at")]
    async with database.begin() as s:
        (one,) = await consents.of_person(s, who.person.id)
    assert (one.number, one.source, one.until, one.given_at.astimezone(KYIV).isoformat()) == (
        "+380671234567", "file:crm", date(2030, 12, 31), "2026-02-01T00:00:00+02:00"
    )  # fmt: skip
    _, out, _ = await run(live_settings, "import", "consents", str(file), "--source", "crm", "--json")
    assert (json.loads(out)["new"], json.loads(out)["known"]) == (0, 1)


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def campaign(bank: Bank, name: str, **fields: Any) -> None:
    async with bank.database.begin() as s:
        await campaigns.change(s, name, fields, who="os:x", by="x", wall=Clock.wall(), new=True)
        if "whom" in fields:
            await campaign_lists.give(s, name, ["C1", "C2"])


async def queue_of(bank: Bank) -> dict[int, str]:
    """Campaign of each borrower's task once the queue has followed what changed."""
    await follow(bank)
    tasks = {task.case_id: task for task in await bank.tasks() if task.state in {"ELIGIBLE", "RETRY_WAIT"}}
    return {n: tasks[case.id].campaign for n in (1, 2) if (case := await bank.case(n)).id in tasks}


async def test_a_survey_calls_those_who_agreed_and_owe_nothing_late(bank: Bank) -> None:
    """CC-09: with the shipped rule and the bank's cap; consent, withdrawal and new arrears move the task at once."""
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    async with bank.database.begin() as s:
        await compliance.load_rules(s, "lawyer", [SURVEY_CAP])
        await s.execute(text("UPDATE loans SET days_past_due = 0, overdue_principal = 0 WHERE contract_no = 'C1'"))
    await campaign(bank, "opinion", purpose="survey", whom={"given": True}, priority="3")
    bank.at(WEDNESDAY, 11)
    await bank.night(again=True)
    debt = {2: "collection"}
    assert await queue_of(bank) == debt, "nobody has agreed"
    ids = []
    async with bank.database.begin() as s:
        for n in (1, 2):
            one = given(bank.clock, purpose="survey", channel="call")
            person = (await bank.case(n)).person_id
            await consents.record(s, person, one, now=bank.now, source="console", who="user:x")
            ids += [row.id for row in await consents.of_person(s, person)]
        board = {row.campaign.name: row.running for row in await campaigns.board(s, WEDNESDAY, "UA")}
        assert (board["opinion"].why, board["opinion"].consent_in, board["collection"].consent_in) == ("", "UA", "")
        whom = campaign_terms.whom({"given": True})
        taken = await campaign_lists.would_take(s, "opinion", whom, 3, WEDNESDAY, purpose="survey", robot=False)
        assert (taken.cases, taken.agreed) == (2, 2)
    assert await queue_of(bank) == {1: "opinion", **debt}, "the other is in arrears"
    async with bank.database.begin() as s:
        await consents.withdraw(s, ids[0], why="by phone", now=bank.now, who="user:x")
    assert await queue_of(bank) == debt


async def test_a_hold_of_robots_alone_stops_them_and_agents_call(bank: Bank) -> None:
    """Issue 5, 6: a CHANNEL hold on robots moves the case to a campaign of agents; the claim asks for it, too."""
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    await campaign(bank, "message", mode="agentless", whom={"given": True}, priority="3")
    bank.at(WEDNESDAY, 11)
    await bank.night(again=True)
    assert await queue_of(bank) == {1: "message", 2: "message"}
    async with bank.database.begin() as s:
        number = caller_ids.NewId(
            number="+380445550177",
            owner="bank",
            trunks=[bank.settings.trunks[0].name],
            campaigns=("message", "collection"),
        )
        await caller_ids.add(s, bank.settings, number, by="test", now=Clock.wall())
    placed = {}
    async with bank.database.begin() as s:
        for n in (1, 2):
            placed[n] = await holds.place(
                s, (await bank.case(n)).id, "CHANNEL", evidence="letter 5", until=None, today=WEDNESDAY, at=bank.now,
                by=new_key(), channels=["robot"],
            )  # fmt: skip
        asked = {"now": bank.now, "today": WEDNESDAY, "wall": Clock.wall(), "campaign": "message", "robot": True}
        passed = await attempts.claim(s, bank.settings, trunk=bank.settings.trunks[0], **asked)
        assert isinstance(passed, Passed)
        assert passed.reason == "ON_HOLD"
    assert await queue_of(bank) == {1: "collection", 2: "collection"}
    async with bank.database.begin() as s:
        await holds.lift(s, placed[1].id, why="he called", at=bank.now, by=new_key())
    assert await queue_of(bank) == {1: "message", 2: "collection"}
    await campaign(bank, "collection", mode="agentless")
    assert await queue_of(bank) == {1: "message"}, "nobody but robots calls"
    assert (await bank.reason(2))[::2] == ("ON_HOLD", "CHANNEL")
    async with bank.database.begin() as s:
        assert await s.scalar(select(CallTask.id).where(CallTask.state == "DIALING")) is None
