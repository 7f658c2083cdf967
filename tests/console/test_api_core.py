"""The API for the bank's core: persons, loans, balances in; promises, contacts, decisions out (issue 6, DM-15, DM-06)."""

import asyncio
import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, text

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.cases.models import Case
from backoffice_core.collection import service as collection
from backoffice_core.compliance import elsewhere
from backoffice_core.loans.models import Loan, LoanBalance, Payment, StopEntry
from tests import house
from tests.conftest import until
from tests.console.conftest import RunningConsole, begin_talk
from tests.console.test_api import key_of, system

PERSON = {
    "person_ref": "A-1", "last_name": "Шевчук", "first_name": "Олег", "jurisdiction": "UA", "region": "Полтавська",
    "phones": [{"number": "067 123 45 67", "owner": "self"}, {"number": "+380501234567"}],
    "flags": [{"flag": "inpatient", "from": "2026-11-01", "to": "2027-02-01", "evidence": "certificate 17"}],
}  # fmt: skip


def loan(now: datetime, **other: Any) -> dict[str, Any]:
    at = (now - timedelta(hours=2)).isoformat()
    return {"person_ref": "A-1", "contract_no": "КД-А1", "currency": "UAH", "balance": "9000.00",
            "overdue_principal": "700.50", "days_past_due": 12, "as_at": at, **other}  # fmt: skip


async def test_persons_loans_and_balances_come_in_once_and_bad_rows_hold_up_no_other(console: RunningConsole) -> None:
    """DM-15: an overdue loan that comes by API opens its case at once; the same again changes nothing; a bad row is named
    with field and remedy, and nothing of it is written. The validation is that of the file."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
    now = console.clock.now()
    async with system(console, await key_of(console)) as core:

        async def post(path: str, name: str, *rows: dict[str, Any]) -> dict[str, Any]:
            answer = await core.post(f"/api/v1/{path}", json={name: list(rows)})
            assert answer.status_code == 200, answer.text
            return answer.json()

        bad = [PERSON | {"person_ref": "A-2", "jurisdiction": "Ukraine"}, PERSON | {"person_ref": "A-3", "strange": 1},
               PERSON | {"person_ref": "A-4", "phones": [{"number": "12"}]}, PERSON]  # fmt: skip
        first = await post("persons", "persons", PERSON, *bad)
        assert (first["received"], first["new"], first["phones_new"], first["flags_changed"]) == (5, 1, 2, 1)
        assert [(one["index"], one["field"]) for one in first["refused"]] == [
            (1, "jurisdiction"), (2, "strange"), (3, "phones"), (4, "person_ref"),
        ]  # fmt: skip
        assert all(one["message"] and one["remedy"] for one in first["refused"])
        again = await post("persons", "persons", PERSON)
        assert (again["new"], again["changed"], again["phones_new"], again["flags_changed"]) == (0, 0, 0, 0)

        bad = [loan(now, contract_no="КД-А2", person_ref="nobody"), loan(now, contract_no="КД-А3", balance="-1"),
               loan(now, contract_no="КД-А4", as_at=(now + timedelta(days=2)).isoformat())]  # fmt: skip
        taken = await post("loans", "loans", loan(now), *bad)
        assert (taken["new"], taken["cases_opened"]) == (1, 1)
        assert [(one["index"], one["field"]) for one in taken["refused"]] == [
            (1, "person_ref"), (2, "balance"), (3, "as_at"),
        ]  # fmt: skip
        assert (await post("loans", "loans", loan(now)))["changed"] == 0

        owed = {"contract_no": "КД-А1", "balance": "8000.00", "days_past_due": 0, "as_at": now.isoformat()}
        paid = await post("balances", "balances", owed, owed | {"contract_no": "КД-none"})
        assert (paid["changed"], paid["cases_cured"]) == (1, 1)
        assert [(one["index"], one["field"]) for one in paid["refused"]] == [(1, "contract_no")]
        assert (await post("balances", "balances", owed))["changed"] == 0
        older = await post("balances", "balances", owed | {"as_at": (now - timedelta(days=3)).isoformat()})
        assert older["refused"][0]["field"] == "as_at"
    async with console.database.begin() as s:
        persons = (await s.scalars(select(Person).where(Person.external_ref.like("A-%")))).all()
        assert [one.external_ref for one in persons] == ["A-1"]
        (row,) = (await s.scalars(select(Loan).where(Loan.contract_no.like("КД-А%")))).all()
        assert (row.balance, row.overdue, row.days_past_due) == (Decimal("8000.00"), Decimal(0), 0)
        assert (await s.scalars(select(Case.state).where(Case.person_id == persons[0].id))).all() == ["CURED"]
        numbers = (await s.scalars(select(ContactPoint.value).where(ContactPoint.person_id == persons[0].id))).all()
        assert set(numbers) == {"+380671234567", "+380501234567"}
        assert await s.scalar(select(func.count()).where(PersonFlag.person_id == persons[0].id)) == 1
        assert await s.scalar(select(func.count()).where(LoanBalance.loan_id == row.id)) == 2


async def test_schedules_come_in_by_rows_and_days_are_counted_by_them(console: RunningConsole) -> None:
    """Issue 6: days past due = oldest unpaid instalment; a row replaces a loan's whole schedule, the same again changes nothing,
    an older or broken one is refused by field; payments after its time fill up the oldest."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
    now, today = console.clock.now(), console.clock.today()
    async with system(console, await key_of(console)) as core:

        async def post(path: str, name: str, *rows: dict[str, Any]) -> dict[str, Any]:
            answer = await core.post(f"/api/v1/{path}", json={name: list(rows)})
            assert answer.status_code == 200, answer.text
            return answer.json()

        await post("persons", "persons", PERSON)
        await post("loans", "loans", loan(now))
        parts = [{"due_date": str(today + timedelta(days=n)), "amount": "500.00"} for n in (-40, -10, 20)]
        row = {"contract_no": "КД-А1", "as_at": (now - timedelta(hours=1)).isoformat(), "instalments": parts}
        parts[0]["paid"] = "500"
        first = await post("schedules", "schedules", row)
        assert (first["new"], first["changed"], first["cases_cured"], first["refused"]) == (1, 0, 0, [])
        again = await post("schedules", "schedules", row)
        assert (again["new"], again["changed"]) == (0, 0)
        one = parts[1]
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"contract_no": "КД-none"}, "contract_no"), ({"as_at": (now - timedelta(days=3)).isoformat()}, "as_at"),
            ({"as_at": (now + timedelta(days=3)).isoformat()}, "as_at"), ({"instalments": []}, "instalments"),
            ({"instalments": [one, one]}, "instalments.1.due_date"),
            ({"instalments": [one | {"amount": "0"}]}, "instalments.0.amount"),
            ({"instalments": [one | {"paid": "500.01"}]}, "instalments.0.paid"),
            ({"instalments": [one | {"amount": "п’ять"}]}, "instalments.0.amount"),
            ({"instalments": [one | {"due_date": "2027-02-31"}]}, "instalments.0.due_date"),
            ({"as_at": "0001-01-01T00:00:00+14:00"}, "as_at"), ({"colour": "red"}, "colour"),
        ]  # fmt: skip
        refused = (await post("schedules", "schedules", *(row | change for change, _ in wrong)))["refused"]
        assert [(r["index"], r["field"]) for r in refused] == [(n, field) for n, (_, field) in enumerate(wrong)]
        assert refused[7]["message"] == "is no sum"
        assert refused[7]["remedy"].startswith("Write it as “1500.00”.")
        assert "contract_no, as_at, instalments" in refused[10]["remedy"]
        async with console.database.begin() as s:
            assert await s.scalar(select(Loan.days_past_due).where(Loan.contract_no == "КД-А1")) == 10
        await post("loans", "loans", loan(now, contract_no="КД-А5", overdue_principal="0", days_past_due=0))
        late = {**row, "contract_no": "КД-А5"}
        none = await post("schedules", "schedules", late, row | {"contract_no": "КД-none"})
        assert [(r["index"], r["field"]) for r in none["refused"]] == [(0, "instalments"), (1, "contract_no")]
        assert "10 days past due, but the balance has nothing overdue" in none["refused"][0]["message"]
        assert (none["new"], none["cases_opened"]) == (0, 0)
        async with console.database.begin() as s:
            assert await s.scalar(select(Loan.days_past_due).where(Loan.contract_no == "КД-А5")) == 0
        both = await post("schedules", "schedules", late, {**row, "as_at": (now - timedelta(minutes=30)).isoformat()})
        assert ([r["index"] for r in both["refused"]], both["changed"]) == ([0], 1), "the other row counts"
        paid = {"external_ref": "s1", "contract_no": "КД-А1", "amount": "500.00", "paid_at": now.isoformat()}
        assert (await post("payments", "payments", paid))["cases_cured"] == 1
        later = row | {
            "as_at": now.isoformat(),
            "instalments": [*parts[:1], one | {"due_date": str(today - timedelta(days=9))}],
        }
        assert (await post("schedules", "schedules", later))["changed"] == 1
        for body, field in (({"schedules": {}}, "schedules"), ({}, "schedules"), ({"schedules": [row], "x": 1}, "x")):
            told = (await core.post("/api/v1/schedules", json=body)).json()
            assert told["field"] == field
            assert "Input" not in told["message"] + told["remedy"], "words of the house, not of a library"
        broken = await core.post("/api/v1/schedules", content=b"{", headers={"Content-Type": "application/json"})
        assert (broken.status_code, broken.json()["message"]) == (422, "The body is no JSON.")


async def test_a_row_that_is_no_object_is_refused_alone_and_errors_speak_the_clients_language(
    console: RunningConsole,
) -> None:
    """Issue 6: a bad row holds up no other; an address that there is not is told in English, or as Accept-Language wishes."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
    async with system(console, await key_of(console)) as core:
        taken = (await core.post("/api/v1/persons", json={"persons": [5, PERSON, None, ["a"]]})).json()
        assert (taken["received"], taken["new"]) == (4, 1)
        assert [(r["index"], r["field"], r["message"]) for r in taken["refused"]] == [
            (n, "", "is no object") for n in (0, 2, 3)
        ]
        assert taken["refused"][0]["remedy"].startswith("Write it in braces")
        for accept, word in (("", "There is no"), ("de, en;q=0.5", "There is no"), ("uk", "немає"), ("ru-RU", "нет")):
            lost = await core.get("/api/v1/nope", headers={"Accept-Language": accept} if accept else {})
            assert (lost.status_code, lost.json()["error"]) == (404, "NOT_FOUND")
            assert word in lost.json()["message"], accept


async def test_an_idempotency_key_gives_the_first_answer_again(console: RunningConsole) -> None:
    """A repeated request under its Idempotency-Key does nothing; under another body it is refused; at once from two, too."""
    async with system(console, await key_of(console)) as core:
        body, head = {"persons": [PERSON]}, {"Idempotency-Key": "k-1"}
        both = await asyncio.gather(*(core.post("/api/v1/persons", json=body, headers=head) for _ in range(3)))
        assert [one.json() for one in both] == [both[0].json()] * 3
        assert both[0].json()["new"] == 1
        other = await core.post("/api/v1/persons", json={"persons": [PERSON, PERSON]}, headers=head)
        assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")


async def test_promises_contacts_and_decisions_go_out_by_a_cursor_that_passes_nothing_over(
    console: RunningConsole,
) -> None:
    """Out: each line once, in pages; a line of a transaction that commits late is told after it, never passed over."""
    talk = await begin_talk(console)
    await talk.end()
    case, ref = talk.borrower.case, talk.borrower.person.external_ref
    now, today = console.clock.now(), console.clock.today()
    terms = {"currency": "UAH", "due_date": today + timedelta(days=3), "at": now}
    async with system(console, await key_of(console)) as crm:

        async def get(path: str, **params: Any) -> dict[str, Any]:
            answer = await crm.get(f"/api/v1/{path}", params=params)
            assert answer.status_code == 200, answer.text
            return answer.json()

        async with console.database.sessions() as late, late.begin():
            await late.execute(text("CREATE TEMP TABLE wrote_first ON COMMIT DROP AS SELECT 1"))
            async with console.database.begin() as s:
                await collection.make_promise(s, case.id, amount=Decimal(500), **terms)
            page = await get("promises")
            assert (page["rows"], page["more"]) == ([], False)  # an older transaction is not over yet
        first = await get("promises", after=page["next"])
        assert [(one["became"], one["amount"], one["person_ref"]) for one in first["rows"]] == [("OPEN", "500.00", ref)]
        async with console.database.begin() as s:
            await collection.make_promise(s, case.id, amount=Decimal(600), **terms)
        second = await get("promises", after=first["next"], limit=1)
        assert (second["rows"][0]["became"], second["rows"][0]["amount"], second["more"]) == (
            "CANCELLED",
            "500.00",
            True,
        )
        third = await get("promises", after=second["next"])
        assert [(one["became"], one["amount"]) for one in third["rows"]] == [("OPEN", "600.00")]
        assert (await get("promises", after=third["next"]))["rows"] == []
        assert (await get("promises", person_ref="nobody"))["rows"] == []
        assert (await get("promises", since=(now + timedelta(days=1)).isoformat()))["rows"] == []

        (call,) = (await get("contacts"))["rows"]
        assert (call["what"], call["call_id"], call["person_ref"]) == ("call", str(talk.call), ref)
        assert call["talk_s"] >= 0

        async def decided() -> list[str]:
            return [one["call_id"] for one in (await get("decisions", allow=True))["rows"] if one["call_id"]]

        await until(decided, 20, what="the decision is told once nothing older can come")
        assert await decided() == [str(talk.call)]
        for path in ("promises", "decisions"):
            strange = await crm.get(f"/api/v1/{path}", params={"after": "yesterday"})
            assert (strange.status_code, strange.json()["field"]) == (422, "after")


async def test_the_description_names_every_row_and_right(console: RunningConsole) -> None:
    """OpenAPI is true: rows that are read one by one stand in it too; a key without the right is told which it lacks."""
    async with system(console, await key_of(console, "crm", "docs")) as crm:
        said = (await crm.get("/api/openapi.json")).json()
        rows = said["components"]["schemas"]
        assert {"PersonIn", "PhoneIn", "LoanIn", "BalanceIn", "PromiseOut", "ContactOut", "DecisionOut"} <= set(rows)
        assert said["components"]["schemas"]["Persons"]["properties"]["persons"]["items"]["$ref"].endswith("/PersonIn")
        assert (await crm.get("/api/docs")).status_code == 200
        post = said["paths"]["/api/v1/persons"]["post"]
        assert [one["name"] for one in post["parameters"]] == ["Idempotency-Key"]
        assert set(post["responses"]) >= {"200", "401", "403", "422", "429", "503"}
        named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(said)))
        assert named <= set(rows)  # each reference leads somewhere
        wrong = (await crm.post("/api/v1/persons", json={"persons": []})).json()
        assert set(wrong) <= set(rows["Error"]["properties"])
        for path in ("/api/v1/promises", "/api/v1/contacts", "/api/v1/decisions"):
            assert "get" in said["paths"][path]
            refused = await crm.get(path)
            assert (refused.status_code, refused.json()["error"]) == (403, "NOT_ALLOWED")


async def test_what_nobody_can_mean_or_store_is_refused_by_row_and_field(console: RunningConsole) -> None:
    """Issue 6: NUL, half a surrogate pair, days at the ends of time, sums that contradict each other: their row is refused
    with its index and field, the others count; never 500."""
    now = console.clock.now()
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        await elsewhere.set_source(s, "sms", channel="sms", every_minutes=15, now=now, by="test")
    future = (now + timedelta(days=40)).date().isoformat()
    async with system(console, await key_of(console)) as core:

        async def post(path: str, name: str, *rows: dict[str, Any], status: int = 200, **more: str) -> Any:
            sent = json.dumps({name: list(rows), **more})  # ASCII: as systems write what no UTF-8 can hold
            head = {"Content-Type": "application/json", "Idempotency-Key": f"{path}-{hash(sent)}"}
            answer = await core.post(f"/api/v1/{path}", content=sent, headers=head)
            assert answer.status_code == status, answer.text
            told = answer.json()
            return told if status != 200 else [(one["index"], one["field"]) for one in told["refused"]]

        flag = {"flag": "inpatient", "from": "2026-11-01", "to": "9999-12-31"}
        bad = [PERSON | {"person_ref": "N5\0"}, PERSON | {"person_ref": "\ud800"}, PERSON | {"\ud800": 1},
               PERSON | {"person_ref": "A-5", "phones": [{"number": "\0"}]}]  # fmt: skip
        refused = await post("persons", "persons", *bad, PERSON | {"flags": [flag]})
        assert refused == [(0, "person_ref"), (1, "person_ref"), (2, "?"), (3, "phones.0.number")]

        refused = await post(
            "loans", "loans", loan(now), loan(now, contract_no="2", opened=future), loan(now, contract_no="3", balance="700"),
            loan(now, contract_no="4", opened="0001-01-01"), loan(now, contract_no="5", as_at="0001-01-01T00:00:00+14:00"),
            loan(now, contract_no="6", branch="\0"),
        )  # fmt: skip
        assert refused == [(1, "opened"), (2, "balance"), (3, "opened"), (4, "as_at"), (5, "branch")]
        owed = {"contract_no": "КД-А1", "balance": "8000.00", "days_past_due": 0, "as_at": now.isoformat()}
        assert await post("balances", "balances", owed | {"contract_no": "\0"}, owed) == [(0, "contract_no")]

        paid = {"external_ref": "p1", "contract_no": "КД-А1", "amount": "10.00", "paid_at": now.isoformat()}
        wrong = (
            {"amount": "10.001"},
            {"amount": "1e12"},
            {"paid_at": "0001-01-01T00:00:00+14:00"},
            {"channel": "\ud800"},
        )
        refused = await post(
            "payments", "payments", *(paid | {"external_ref": f"w{n}"} | w for n, w in enumerate(wrong)), paid
        )
        assert refused == [(0, "amount"), (1, "amount"), (2, "paid_at"), (3, "channel")]
        met = {"external_id": "m", "at": now.isoformat(), "person_ref": "A-1", "result": "delivered"}
        unmet = ({"external_id": "\0"}, {"minutes": "1e30"}, {"at": "0001-01-01T00:00:00+14:00"})
        refused = await post("contacts", "contacts", *(met | one for one in unmet), met, source="sms")
        assert refused == [(0, "external_id"), (1, "minutes"), (2, "at")]

        stop = {"kind": "person", "value": "A-1", "reason": "PAID", "until": "9999-12-31"}
        wrong_stops = [stop | {field: value} for field, value in (
            ("value", "\0"), ("reason", "\ud800"), ("since", "0001-01-01"),
        )]  # fmt: skip
        assert await post("stop-list", "entries", *wrong_stops) == [(0, "value"), (1, "reason"), (2, "since")]
        assert (await core.post("/api/v1/stop-list", json={"entries": [stop]})).json()["new"] == 1
        answer = await core.get("/api/v1/promises", params={"since": "0001-01-01T00:00:00+14:00"})
        assert (answer.status_code, answer.json()["field"]) == (422, "since")
    async with console.database.begin() as s:
        assert (await s.scalars(select(StopEntry.until))).all() == [None]
        assert (await s.scalars(select(PersonFlag.valid_to))).all() == [None]
        assert (await s.scalars(select(Payment.external_ref))).all() == ["p1"]
