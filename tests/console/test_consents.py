"""Consents on the case's page and by the bank's API: recorded with evidence, withdrawn with effect at once (issue 5, CC-15)."""

from datetime import timedelta

from sqlalchemy import select

from backoffice_core.audit import service as audit
from backoffice_core.compliance.models import Consent
from tests import house
from tests.console.conftest import RunningConsole
from tests.console.test_api import key_of, system
from tests.console.test_case_work import post


async def test_a_consent_is_recorded_on_the_page_shown_and_withdrawn(console: RunningConsole) -> None:
    """What is typed wrong comes back with its field; numbers are the person's own; who may read only changes nothing."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        one, other = await house.borrower(s, console.clock), await house.borrower(s, console.clock)
    boss, base = await console.logged_in("boss", "supervisor"), f"/case/{one.case.number}"
    day = console.clock.today() - timedelta(days=3)
    good = {
        "purpose": "survey", "channel": "call", "number": one.phone.value, "given_at": day.isoformat(),
        "how": "written", "until": "+30", "evidence": "form 17",
    }  # fmt: skip
    for field, value in (("evidence", " "), ("given_at", ""), ("given_at", "+3"), ("given_at", "soon"),
                         ("number", other.phone.value), ("purpose", "spam"), ("until", "-9")):  # fmt: skip
        page = await post(boss, f"{base}/consents", 422, **good | {field: value})
        assert 'id="refused"' in page, field
        assert field == "evidence" or "form 17" in page, "what was typed stands there again"
    await post(boss, f"{base}/consents", **good)
    async with console.database.begin() as s:
        row = (await s.scalars(select(Consent))).one()
        assert (row.person_id, row.number, row.source) == (one.person.id, one.phone.value, "console")
        assert row.until == console.clock.today() + timedelta(days=30)
    page = (await boss.get(f"{base}/work")).text
    assert "form 17" in page
    assert f"{base}/consents/{row.id}/withdraw" in page
    await post(boss, f"/case/{other.case.number}/consents/{row.id}/withdraw", 404, why="another's")
    await post(boss, f"{base}/consents/{row.id}/withdraw", 422, why=" ")
    await post(boss, f"{base}/consents/{row.id}/withdraw", why="by phone")
    await post(boss, f"{base}/consents/{row.id}/withdraw", 409, why="again")
    page = (await boss.get(f"{base}/work")).text
    assert "by phone" in page
    assert f"{base}/consents/{row.id}/withdraw" not in page
    agent = await console.logged_in("stranger")
    await post(agent, f"{base}/consents", 403, **good)
    async with console.database.begin() as s:
        acts = {(entry.act, entry.who.partition(":")[0]) for entry in await audit.entries(s, subject=str(row.id))}
        assert acts == {("CONSENT_RECORDED", "user"), ("CONSENT_WITHDRAWN", "user")}


async def test_consents_come_in_by_api_once_and_bad_rows_hold_up_no_other(console: RunningConsole) -> None:
    """The same id again changes nothing; its withdrawal does, and stays; a bad row is named with field and remedy."""
    async with console.database.begin() as s:
        who = await house.borrower(s, console.clock)
    now = console.clock.now()
    row = {
        "external_id": "Z-1", "person_ref": who.person.external_ref, "purpose": "collection", "channel": "robot",
        "number": "067 123 45 67", "given_at": (now - timedelta(days=1)).isoformat(), "how": "web", "evidence": "log 5",
    }  # fmt: skip
    bad = [row | {"external_id": "Z-2", "channel": "fax"}, row | {"external_id": "Z-3", "number": "12"},
           row | {"external_id": "Z-4", "person_ref": "nobody"}, row | {"external_id": "Z-5", "given_at": "soon"},
           row | {"purpose": "survey"}, row | {"external_id": "Z-6", "strange": 1}]  # fmt: skip
    async with system(console, await key_of(console)) as core:
        first = (await core.post("/api/v1/consents", json={"consents": [row, *bad]})).json()
        assert (first["received"], first["new"], first["changed"]) == (7, 1, 0)
        assert [(one["index"], one["field"]) for one in first["refused"]] == [
            (1, "channel"), (2, "number"), (3, "person_ref"), (4, "given_at"), (5, "external_id"), (6, "strange"),
        ]  # fmt: skip
        assert all(one["message"] and one["remedy"] for one in first["refused"])
        over = {"withdrawn_at": now.isoformat(), "withdrawn_why": "letter"}
        for sent, changed in ((row, 0), (row | over, 1), (row, 0)):
            again = (await core.post("/api/v1/consents", json={"consents": [sent]})).json()
            assert (again["new"], again["changed"], again["refused"]) == (0, changed, [])
    async with console.database.begin() as s:
        kept = (await s.scalars(select(Consent))).one()
    assert (kept.number, kept.withdrawn_why, bool(kept.withdrawn_at)) == ("+380671234567", "letter", True)
