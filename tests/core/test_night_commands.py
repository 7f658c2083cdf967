"""The commands of the bank's work as a person and a script meet them: exit codes, tables, JSON, remedies."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.models import CallTask, DialingStop, NotCallable
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases.models import Case, CaseEvent
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings, misspelt
from backoffice_core.db import Database
from backoffice_core.nightly import NightStep
from backoffice_core.parts import control
from far_end import portfolio as far_end
from tests import house
from tests.conftest import child_environment, command, until


async def run(settings: Settings, *words: str) -> tuple[int, str, str]:
    """Exit code and what was said on both streams."""
    settings.data.mkdir(parents=True, exist_ok=True)
    child = await asyncio.create_subprocess_exec(
        *command(*words), cwd=settings.data, env=child_environment(settings),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(child.communicate(), 60)
    return child.returncode or 0, out.decode(), err.decode()


async def said(settings: Settings, *words: str) -> Any:
    code, out, err = await run(settings, *words, "--json")
    assert code == 0, err
    return json.loads(out)


async def test_a_bank_day_by_commands(live_settings: Settings, clock: Clock, tmp_path: Path) -> None:
    """Rules, a rehearsed and a real import, the night, the queue, one case: each by its command (CC-08)."""
    file = tmp_path / "portfolio.csv"
    far_end.write(far_end.Wish(loans=60, seed=9, as_at=clock.now() - timedelta(hours=4)), file)
    assert (await said(live_settings, "rules", "load", "--by", "test"))["rules_added"] > 60
    assert len(await said(live_settings, "rules", "list")) > 60
    rehearsal = await said(live_settings, "import", "portfolio", str(file), "--dry-run", "--demo")
    assert (rehearsal["imported"], rehearsal["dry_run"], rehearsal["counts"]["loans_new"]) == (False, True, 60)
    assert (await said(live_settings, "import", "portfolio", str(file), "--demo"))["imported"]
    assert (await said(live_settings, "import", "portfolio", str(file), "--demo"))["already"]
    day = clock.today().isoformat()
    night = await said(live_settings, "nightly", "--date", day)
    built = night["steps"][-1]["counts"]
    assert built["callable"] > 20
    queue = await said(live_settings, "queue", "--date", day)
    assert queue["tasks"] == {"ELIGIBLE": built["callable"]}
    assert sum(queue["not_callable"].values()) == built["not_callable"]
    assert [row["position"] for row in queue["rows"]] == list(range(1, len(queue["rows"]) + 1))
    case = await said(live_settings, "case", "show", str(queue["rows"][0]["case_number"]))
    assert (case["state"], case["borrower"]) == ("ACTIVE", queue["rows"][0]["person_name"])
    by_phone = await said(live_settings, "case", "show", "--phone", queue["rows"][0]["phone"])
    assert by_phone["loans"]
    assert (await said(live_settings, "calls", "--live"))["calls"] == []
    assert await said(live_settings, "agents") == []
    for words in (["queue"], ["queue", "--not-callable"], ["calls"], ["agents"], ["rules", "list"], ["nightly"],
                  ["case", "show", str(case["number"])]):  # fmt: skip
        code, out, err = await run(live_settings, *words)
        assert (code, err) == (0, ""), words
        assert out.strip()


async def test_bad_file_is_told_line_by_line_and_ends_with_one(live_settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    rows = "".join(f"P{n};;Олена;UA;123;C{n};UAH;x;1;2026-01-01\n" for n in range(40))
    file.write_text(
        "person_ref;last_name;first_name;jurisdiction;phones;contract_no;currency;balance;days_past_due;as_at\n" + rows
    )
    code, out, err = await run(live_settings, "import", "portfolio", str(file))
    assert code == 1
    assert "line 2, last_name: is empty" in out
    assert len(out.splitlines()) == 51
    assert "and 70 more" in out
    assert "120 problems; nothing was imported" in err
    assert "what to do" in err


async def test_stop_is_a_file_and_is_lifted_only_by_a_named_person_with_a_reason(live_settings: Settings) -> None:
    """FL-01, the command's part: it works, and is noted, with the database up; without it the file still stops."""
    stopped = await said(live_settings, "stop", "--reason", "complaint", "--by", "Олена")
    assert (stopped["stopped"], stopped["by"], stopped["noted"]) == (True, "Олена", True)
    assert live_settings.stop_file.exists()
    code, _, err = await run(live_settings, "stop", "--lift")
    assert code == 1
    assert "--by" in err
    assert live_settings.stop_file.exists()
    assert not (await said(live_settings, "stop", "--lift", "--by", "Олена", "--reason", "solved"))["stopped"]
    dead = live_settings.model_copy(update={"database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none"})
    alone = await said(dead, "stop", "--reason", "all is dead")
    assert (alone["stopped"], alone["noted"]) == (True, False)
    assert (await said(live_settings, "stop", "--status"))["reason"] == "all is dead"
    live_settings.stop_file.unlink()


async def test_people_are_added_and_listed(live_settings: Settings) -> None:
    added = await said(
        live_settings, "user", "add", "olena", "--name", "Олена Коваль", "--extension", "101", "--generate"
    )
    assert len(added["password"]) >= 12
    (person,) = await said(live_settings, "user", "list")
    assert (person["login"], person["role"], person["extension"]) == ("olena", "agent", 101)
    code, _, err = await run(live_settings, "user", "add", "olena", "--name", "X", "--generate")
    assert code == 1
    assert "olena" in err
    code, _, err = await run(live_settings, "user", "add", "petro", "--name", "X")
    assert "--generate" in err


async def test_wrong_dates_and_questions_are_refused_with_the_remedy(live_settings: Settings) -> None:
    for words in (["nightly", "--date", "soon"], ["queue", "--date", "2026-13-01"], ["nightly", "--date", "2020-01-01"],
                  ["case", "show"], ["case", "show", "7"], ["case", "show", "--phone", "12"], ["rules", "list"]):  # fmt: skip
        code, _, err = await run(live_settings, *words)
        assert code == 1, words
        assert "what to do" in err, words


@pytest.mark.parametrize("step", ["open_cases", "move_stages", "build_queue"])
async def test_night_killed_by_the_machine_is_done_by_the_next_run(
    live_settings: Settings, database: Database, clock: Clock, tmp_path: Path, step: str
) -> None:
    """CC-08: `kill -9` in a step of the night, then the command again: each case once, each with a task or a reason."""
    file = tmp_path / "portfolio.csv"
    far_end.write(far_end.Wish(loans=2_000, seed=6, as_at=clock.now() - timedelta(hours=4)), file)
    await said(live_settings, "rules", "load")
    await said(live_settings, "import", "portfolio", str(file), "--demo")
    child = await asyncio.create_subprocess_exec(
        *command("nightly"), cwd=live_settings.data, env=child_environment(live_settings),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def begun() -> bool:
        async with database.begin() as session:
            return await session.get(NightStep, (clock.today(), step)) is not None

    await until(begun, 40, every=0.005, what=f"the night is in {step}")
    child.kill()
    await child.wait()
    await said(live_settings, "nightly")
    async with database.begin() as session:
        opened = await session.scalar(select(func.count()).select_from(Case)) or 0
        tasks = set(await session.scalars(select(CallTask.case_id)))
        reasons = set(await session.scalars(select(NotCallable.case_id)))
        lines = await session.scalar(select(func.count()).where(CaseEvent.kind == "state"))
    assert opened > 1_000
    assert not tasks & reasons
    assert len(tasks | reasons) == opened
    assert lines == 2 * opened  # opened, and made active: once each


async def test_lifting_where_nothing_is_stopped_writes_nothing(live_settings: Settings, database: Database) -> None:
    code, out, _ = await run(live_settings, "stop", "--lift", "--by", "Олена", "--reason", "x")
    assert (code, out.strip()) == (0, "Dialing is not stopped; nothing was lifted.")
    async with database.begin() as session:
        assert await session.scalar(select(func.count()).select_from(DialingStop)) == 0


async def test_a_night_without_cases_is_told_from_no_night(live_settings: Settings, clock: Clock) -> None:
    assert "run `backoffice nightly`" in (await run(live_settings, "queue"))[1]
    await said(live_settings, "nightly")
    assert f"The night of {clock.today()} made no tasks." in (await run(live_settings, "queue"))[1]


def test_a_misspelt_setting_is_told_with_the_nearest() -> None:
    warnings = misspelt(
        ["BACKOFFICE_RING_TIMEOUT", "BACKOFFICE_PORTS__CONSOL", "BACKOFFICE_PORTS__SIP", "HOME", "BACKOFFICE_DATA"]
    )
    assert [w.split("; did you mean ") for w in warnings] == [
        ["BACKOFFICE_PORTS__CONSOL is no setting and has no effect", "BACKOFFICE_PORTS__CONSOLE?"],
        ["BACKOFFICE_RING_TIMEOUT is no setting and has no effect", "BACKOFFICE_RING_TIMEOUT_S?"],
    ]


@pytest.mark.parametrize(
    ("result", "slot", "task"),
    [
        ("NO_ANSWER", "COMMITTED", "RETRY_WAIT"),
        ("CONGESTION", "FREED", "RETRY_WAIT"),
        ("ANSWERED_HUMAN", "COMMITTED", "DONE"),
    ],
)
async def test_a_call_of_unknown_end_is_settled_by_a_named_person_in_two_steps(
    live_settings: Settings, database: Database, clock: Clock, result: str, slot: str, task: str
) -> None:
    async with database.begin() as session:
        await house.rules_in_force(session, clock)
        await house.borrower(session, clock)
    async with database.begin() as session:
        placing = await attempts.claim(
            session,
            live_settings,
            trunk=live_settings.trunks[0],
            now=clock.now(),
            today=clock.today(),
            wall=clock.wall(),
        )
        assert isinstance(placing, attempts.Placing)
    words = ("call", "settle", str(placing.call_id), "--result", result, "--by", "Олена")
    code, _, err = await run(live_settings, *words)
    assert (code, "known" in err) == (1, True), "the call is still going on"
    async with database.begin() as session:
        await settling.settle(session, placing.call_id, CallFacts(ended_at=clock.wall(), heard=False), clock.now())
    assert not (await said(live_settings, *words))["done"]
    async with database.begin() as session:
        assert (await session.get_one(attempts.CallAttempt, placing.call_id)).result == "UNKNOWN"
    assert (await said(live_settings, *words, "--yes"))["task"] == task
    async with database.begin() as session:
        kept = (await session.scalars(select(ContactLedger))).one()
        row = (await session.scalars(select(CallTask))).one()
        line = (await session.scalars(select(CaseEvent).where(CaseEvent.kind == "settled"))).one()
    assert (kept.state, row.state, row.attempts) == (slot, task, int(slot == "COMMITTED"))
    assert slot == "FREED" or not kept.uncertain
    assert (line.data["by"], line.data["result"], line.call_id) == ("Олена", result, placing.call_id)
    assert (await run(live_settings, *words, "--yes"))[0] == 1, "once"


def test_asterisks_log_has_its_own_messages_too(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    for file in ("log/asterisk.log", "log/worker.log", "asterisk/log/messages.log"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert [file.name for file in control.log_files(settings, "asterisk")] == ["asterisk.log", "messages.log"]
    assert [file.name for file in control.log_files(settings, "worker")] == ["worker.log"]


async def test_loans_late_without_a_sum_open_no_case_and_are_told(
    live_settings: Settings, database: Database, clock: Clock
) -> None:
    async with database.begin() as session:
        borrower = await house.borrower(session, clock)
        borrower.loan.overdue_principal = Decimal(0)
    _, out, _ = await run(live_settings, "nightly")
    assert "1 loans are late by days" in out
