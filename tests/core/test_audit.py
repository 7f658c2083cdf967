"""The audit chain on real PostgreSQL: written with the act, refused to change, and every tampering found."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from backoffice_core.audit import rules, service
from backoffice_core.audit.models import AuditEntry
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.staff import service as staff
from tests.core.test_night_commands import run

KEY = "a key"


async def fill(database: Database, count: int) -> None:
    async with database.begin() as s:
        for n in range(count):
            service.note(s, "os:olena", "TESTED", f"thing {n}", {"n": n, "words": "Київ “а”", "none": None})


async def kinds(database: Database, heads: list[rules.Head] | None = None) -> list[tuple[int, str]]:
    async with database.begin() as s:
        _, found = await service.verify(s, KEY, heads or [])
    return [(one.seq, one.kind) for one in found]


async def tamper(database: Database, *statements: str) -> None:
    """As a superuser who takes the trigger away first."""
    async with database.begin() as s:
        await s.execute(text("ALTER TABLE audit_log DISABLE TRIGGER ALL"))
        for statement in statements:
            await s.execute(text(statement))
        await s.execute(text("ALTER TABLE audit_log ENABLE ALWAYS TRIGGER only_grows"))


async def head(database: Database) -> rules.Head:
    async with database.begin() as s:
        one = await service.head(s, KEY)
    return rules.head_of(one.line(), "heads:1")


async def test_a_note_stands_with_its_act_and_not_without_it(database: Database) -> None:
    """Audit: in the same transaction; a savepoint that is undone takes its notes with it."""
    async with database.begin() as s:
        service.note(s, "os:a", "KEPT")
        with contextlib.suppress(RuntimeError):
            async with s.begin_nested():
                service.note(s, "os:a", "UNDONE")
                raise RuntimeError
        async with s.begin_nested():
            service.note(s, "os:a", "KEPT_TOO")
    with contextlib.suppress(RuntimeError):
        async with database.begin() as s:
            service.note(s, "os:a", "ROLLED_BACK")
            raise RuntimeError
    async with database.begin() as s:
        assert list(await s.scalars(select(AuditEntry.act).order_by(AuditEntry.seq))) == ["KEPT", "KEPT_TOO"]
    assert await kinds(database) == []


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET who = ''", "DELETE FROM audit_log", "TRUNCATE audit_log",
                                       "UPDATE compliance_rules SET version = 1", "DELETE FROM compliance_rules",
                                       "UPDATE compliance_decisions SET allow = true"])  # fmt: skip
async def test_the_database_itself_refuses_to_change_what_only_grows(database: Database, statement: str) -> None:
    await fill(database, 1)

    async def attempt(role: str) -> None:
        async with database.begin() as s:
            await s.execute(text(f"SET LOCAL session_replication_role = {role}"))
            await s.execute(text(statement))

    for role in ("origin", "replica"):
        with pytest.raises(DBAPIError, match="only grows"):
            await attempt(role)


async def test_many_writers_at_once_make_one_chain(database: Database) -> None:
    """Order of the chain = order of the commits; nobody waits for another's work, only for his commit."""

    async def one(n: int) -> None:
        async with database.begin() as s:
            service.note(s, f"os:{n}", "FIRST")
            await s.execute(text("SELECT pg_sleep(0.05)"))
            service.note(s, f"os:{n}", "SECOND")

    began = asyncio.get_running_loop().time()
    for _ in range(5):
        await asyncio.gather(*(one(n) for n in range(8)))
    assert asyncio.get_running_loop().time() - began < 40 * 0.05  # not one after another
    async with database.begin() as s:
        rows = (await s.execute(select(AuditEntry.seq, AuditEntry.who).order_by(AuditEntry.seq))).all()
    assert [row.seq for row in rows] == list(range(1, 81))
    assert all(rows[n].who == rows[n + 1].who for n in range(0, 80, 2))
    assert await kinds(database) == []


async def test_change_deletion_swap_and_cut_off_are_found_and_named(database: Database) -> None:
    await fill(database, 9)
    before = await head(database)
    assert await kinds(database, [before]) == []
    await fill(database, 1)
    assert await kinds(database, [before]) == []
    swap = (
        "UPDATE audit_log a SET at = o.at, who = o.who, act = o.act, subject = o.subject, data = o.data "
        "FROM audit_log o WHERE (a.seq, o.seq) IN ((4, 7), (7, 4))"
    )
    worlds: list[tuple[list[str], list[tuple[int, str]]]] = [
        (["UPDATE audit_log SET data = jsonb_set(data, '{n}', '7') WHERE seq = 3"], [(3, "changed")]),
        (["UPDATE audit_log SET at = at + interval '1 second' WHERE seq = 10"], [(10, "changed")]),
        (["DELETE FROM audit_log WHERE seq = 5"], [(5, "missing")]),
        (["DELETE FROM audit_log WHERE seq = 1"], [(1, "missing")]),
        (["DELETE FROM audit_log WHERE seq >= 8"], [(8, "cut_off")]),
        (["DELETE FROM audit_log"], [(1, "cut_off")]),
        (["DELETE FROM audit_log WHERE seq = 5", "UPDATE audit_log SET seq = -seq WHERE seq > 5",
          "UPDATE audit_log SET seq = -seq - 1 WHERE seq < 0"],
         [(n, "changed") for n in range(5, 9)] + [(9, "changed"), (9, "rewritten")]),
        ([swap], [(4, "swapped"), (7, "swapped")]),
    ]  # fmt: skip
    for statements, expected in worlds:
        async with database.begin() as s:
            kept = [dict(row) for row in (await s.execute(select(AuditEntry.__table__))).mappings()]
        await tamper(database, *statements)
        assert await kinds(database, [before]) == expected, statements
        await tamper(database, "DELETE FROM audit_log")
        async with database.begin() as s:
            await s.execute(AuditEntry.__table__.insert(), kept)
        assert await kinds(database, [before]) == []


async def test_a_chain_written_anew_and_a_forged_head_are_found(database: Database) -> None:
    """Whoever can compute hashes still cannot sign: an old head tells that the rows before it are not the same."""
    await fill(database, 5)
    before = await head(database)
    async with database.begin() as s:
        rows = [rules.Row(*row) for row in await s.execute(select(*AuditEntry.__table__.columns))]
    forged, prev = [], rules.GENESIS
    for row in sorted(rows, key=lambda r: r.seq):
        content = row.content() | ({"who": "os:nobody"} if row.seq == 2 else {})
        made = rules.digest(row.seq, prev, content)
        forged.append({**content, "at": row.at, "seq": row.seq, "prev": prev, "hash": made})
        prev = made
    await tamper(database, "DELETE FROM audit_log")
    async with database.begin() as s:
        await s.execute(AuditEntry.__table__.insert(), forged)
    assert await kinds(database) == []  # in itself it is a good chain
    assert await kinds(database, [before]) == [(5, "rewritten")]
    new = rules.Head(5, prev, Clock.wall(), "f" * 64, "heads:2")
    assert (5, "forged_head") in await kinds(database, [new])


CELLS = ("who", "act", "subject", "hash", "prev", "data", "at")


@given(st.data())
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_tampering_with_any_rows_is_found(data: st.DataObject) -> None:
    """Property, without a database: rows shown to the verification after one random act against them."""
    count = data.draw(st.integers(2, 12))
    at, prev, chain = Clock.wall(), rules.GENESIS, []
    for seq in range(1, count + 1):
        content = {"at": rules.stamp(at), "who": "w", "act": "a", "subject": str(seq), "data": {"n": seq}}
        made = rules.digest(seq, prev, content)
        chain.append(rules.Row(seq, at, "w", "a", str(seq), {"n": seq}, prev, made))
        prev = made
    head = rules.Head(count, prev, at, where="kept")
    act = data.draw(st.sampled_from(["change", "delete", "swap", "cut", "none"]))
    i, j = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, count - 1))
    rows: list[Any] = list(chain)
    if act == "change":
        cell = data.draw(st.sampled_from(CELLS))
        old = getattr(rows[i], cell)
        other = {"data": {"n": -1}, "at": at.replace(year=2001)}.get(cell, old + "x" if isinstance(old, str) else old)
        rows[i] = rules.Row(**{n: getattr(rows[i], n) for n in rules.Row.__slots__} | {cell: other})
    elif act == "delete":
        del rows[i]
    elif act == "swap":
        a, b = rows[i], rows[j]
        rows[i] = rules.Row(a.seq, b.at, b.who, b.act, b.subject, b.data, b.prev, b.hash)
        rows[j] = rules.Row(b.seq, a.at, a.who, a.act, a.subject, a.data, a.prev, a.hash)
    elif act == "cut":
        rows = rows[:i]
    walk = rules.Verification(rules.by_seq([head]))
    for row in rows:
        walk.show(row)
    harmless = act == "none" or (act == "swap" and i == j)
    found = walk.finish()
    assert bool(found) is not harmless
    if not harmless and act in {"change", "delete", "cut"}:
        assert i + 1 in {one.seq for one in found} | {one.seq - 1 for one in found}


async def test_heads_are_kept_read_and_refused_when_strange(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"data": tmp_path})
    await fill(database, 2)
    async with database.begin() as s:
        one = await service.head(s, service.secret(own))
    service.keep(own, one)
    file = service.keep(own, one, tmp_path / "elsewhere" / "heads.jsonl")
    assert [(h.seq, h.genuine(service.secret(own))) for h in service.kept(own) + service.kept(own, file)] == [
        (2, True)
    ] * 2
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"seq": 1}))
    assert not service.kept(own, file)[0].genuine(service.secret(own))
    file.write_text("no json\n")
    with pytest.raises(BadInput, match="holds no heads"):
        service.kept(own, file)


async def test_acts_of_people_are_in_the_chain(database: Database) -> None:
    """Logins, failed ones, people added and changed; no password and no cookie among the words."""
    wall = Clock.wall()
    async with database.begin() as s:
        user = await staff.create_user(
            s, login="olena", full_name="Олена", role="agent", password="very secret", wall=wall, by="root"
        )
    async with database.begin() as s:
        assert await staff.authenticate(s, "olena", "wrong wrong", wall) is None
    async with database.begin() as s:
        found = await staff.authenticate(s, "olena", "very secret", wall)
        assert found is not None
        await staff.start_login(s, found, wall)
        await staff.change_user(s, found, wall, "root", {"role": "supervisor", "password": "other secret"})
    async with database.begin() as s:
        rows = (await s.scalars(select(AuditEntry).order_by(AuditEntry.seq))).all()
    assert [(r.who, r.act) for r in rows] == [
        ("os:root", "USER_ADDED"), (f"user:{user.id}", "LOGIN_FAILED"), (f"user:{user.id}", "LOGIN"),
        ("os:root", "USER_CHANGED"),
    ]  # fmt: skip
    assert "secret" not in json.dumps([r.data for r in rows])
    async with database.begin() as s:
        assert await s.scalar(select(func.count()).select_from(AuditEntry)) == 4


async def test_commands_of_the_operator_leave_rows(live_settings: Settings, database: Database, tmp_path: Path) -> None:
    """Issue 4: who drained the house, let it dial again, and which prompts were made. A backup: tests/programs/test_backup."""
    settings = live_settings.model_copy(update={"data": tmp_path})
    for words in (
        ["drain", "--timeout", "5", "--by", "Ткач"],
        ["drain", "--lift"],
        ["drain", "--lift"],
        ["prompts", "make"],
    ):
        await run(settings, *words)
    async with database.begin() as s:
        rows = [(row.act, row.data) for row in reversed(await service.entries(s))]
    assert [act for act, _ in rows] == ["DRAIN_BEGUN", "DRAIN_LIFTED", "PROMPTS_MADE"], "lifting nothing is no act"
    assert rows[0][1] == {"by": "Ткач"}
    assert rows[2][1]["prompts"]
