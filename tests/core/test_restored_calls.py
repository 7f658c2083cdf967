"""After a restore: calls that the database does not know are written again, counted, and not dialed again (FL-13)."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from ami_listener import account, traces
from asterisk_conf import CEL_COLUMNS, cel_file
from backoffice_core.audit import service as audit
from backoffice_core.call_centre.calls import attempts, recreated, restores
from backoffice_core.call_centre.desks import wrap_up
from backoffice_core.call_centre.dialing import campaigns, stop
from backoffice_core.call_centre.models import CallAttempt, CallTask, Recording, RestoreFinding
from backoffice_core.cases.models import CaseEvent
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.pbx.actions import account_of
from tests import house
from tests.house import Borrower


class World:
    """A restored database, and files that know more than it does."""

    def __init__(self, settings: Settings, clock: Clock, database: Database) -> None:
        self.settings, self.clock, self.database = settings, clock, database
        self.point = clock.wall() - timedelta(minutes=10)

    async def restored(self) -> None:
        async with self.database.begin() as s:
            await house.rules_in_force(s, self.clock)
            await restores.begin(s, to=self.point, backup="b", by="Оператор", wall=self.clock.wall())
        restores.mark_unsettled(self.settings, self.point)
        stop.stop_after_restore(self.settings, "Оператор", self.clock.wall())

    async def borrower(self) -> Borrower:
        async with self.database.begin() as s:
            return await house.borrower(s, self.clock)

    def cel(self, call: UUID, account: str, *events: tuple[str, float, str]) -> None:
        """(event, seconds after the restored point, extra)."""
        file = cel_file(self.settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", newline="") as out:
            writer = csv.writer(out, quoting=csv.QUOTE_ALL)
            for kind, after, extra in events:
                row = dict.fromkeys(CEL_COLUMNS, "")
                row |= {"eventtype": kind, "eventtime": f"{self.point.timestamp() + after:.6f}", "uniqueid": str(call),
                        "linkedid": str(call), "channame": "PJSIP/far-end-0000000a",
                        **({"userevent": extra} if kind == "USER_DEFINED" else {"extra": extra}),
                        "account": "" if kind == "CHAN_START" else account}  # fmt: skip
                writer.writerow([row[name] for name in CEL_COLUMNS])

    def cdr(self, folder: Path, rows: Sequence[tuple[str, float, float | None, float, str]]) -> Path:
        file, stamp = (
            folder / "cdr.csv",
            lambda s: (self.point + timedelta(seconds=s)).isoformat() if s is not None else "",
        )
        lines = ["number;started_at;answered_at;ended_at;sip_code"]
        lines += [";".join((n, stamp(a), stamp(b), stamp(c), code)) for n, a, b, c, code in rows]
        file.write_text("\n".join(lines))
        return file

    async def calls_of(self, borrower: Borrower) -> list[CallAttempt]:
        async with self.database.begin() as s:
            query = select(CallAttempt).where(CallAttempt.person_id == borrower.person.id)
            return list((await s.execute(query)).scalars())

    async def task(self, borrower: Borrower) -> CallTask:
        async with self.database.begin() as s:
            return await s.get_one(CallTask, borrower.task.id)


@pytest.fixture
async def world(live_settings: Settings, clock: Clock, database: Database, tmp_path: Path) -> World:
    settings = live_settings.model_copy(update={"data": tmp_path})
    world = World(settings, clock, database)
    await world.restored()
    return world


TALK = (("CHAN_START", 5, ""), ("ANSWER", 8, ""), ("BRIDGE_ENTER", 8.1, '{"bridge_id":"b1"}'),
        ("HANGUP", 40, '{"hangupcause":16,"hangupsource":""}'))  # fmt: skip
BUSY = (("CHAN_START", 6, ""), ("HANGUP", 7, '{"hangupcause":17,"hangupsource":""}'))


async def test_calls_that_the_exchange_knows_are_written_again(world: World) -> None:
    """The talk counts, stands in the history once, waits for its result, and is not dialed again."""
    talked, busy, untouched = await world.borrower(), await world.borrower(), await world.borrower()
    call, other = uuid4(), uuid4()
    world.cel(call, account_of(talked.task.id, talked.phone.id), *TALK)
    world.cel(other, account_of(busy.task.id, busy.phone.id), *BUSY)
    world.cel(uuid4(), "", ("CHAN_START", -4000, ""), ("HANGUP", -3000, "{}"))  # long before the restored point
    counts = await account.account(world.database, world.clock, world.settings, [])
    assert (counts["recreated"], counts["untied"]) == (2, 0)
    (attempt,) = await world.calls_of(talked)
    assert (attempt.id, attempt.result, attempt.trunk) == (call, "ANSWERED_HUMAN", "far-end")
    assert abs(attempt.claimed_at - (world.point + timedelta(seconds=5))) < timedelta(milliseconds=1)
    assert (await world.task(talked)).state == "DONE"
    refused = await world.task(busy)
    assert (refused.state, refused.attempts) == ("RETRY_WAIT", 1)
    assert refused.earliest_at
    assert (await world.task(untouched)).state == "ELIGIBLE"
    async with world.database.begin() as s:
        slots = (await s.execute(select(ContactLedger))).scalars().all()
        assert {(slot.call_id, slot.state, slot.conversation) for slot in slots} == {
            (call, "COMMITTED", True), (other, "COMMITTED", False)
        }  # fmt: skip
        lines = (await s.execute(select(CaseEvent.kind).where(CaseEvent.call_id == call))).scalars().all()
        assert sorted(lines) == ["call", "wrap_over"]
        assert await wrap_up.case_waits(s, talked.case.id), "what was agreed is lost: a supervisor completes it"
        recording = await s.get_one(Recording, call)
        assert recording.path.endswith(str(call))
    async with world.database.begin() as s:
        (entry,) = await audit.entries(s, act="DATABASE_RESTORED")
        assert entry.who == "os:Оператор"
    assert not world.settings.restored_file.exists()
    stop.lift_now(world.settings, "Старша зміни", "звірено")
    again = await account.account(world.database, world.clock, world.settings, [])
    assert (again["known"], again["recreated"]) == (2, 0)
    assert len(await world.calls_of(talked)) == 1


async def test_a_message_without_an_agent_is_nobody_abandoned_after_a_restore(world: World, tmp_path: Path) -> None:
    """FL-13, issue 5: what the exchange's record and the carrier tell of a call without an agent is written again as one:
    heard or cut, a robot's contact of the ledger, abandoned in no account, and nobody's lost result."""
    async with world.database.begin() as s:
        said: dict[str, Any] = {"mode": "agentless"}
        await campaigns.change(s, "collection", said, who="os:x", by="x", wall=world.clock.wall())
    told, cut, silent, known = [await world.borrower() for _ in range(4)]
    answered = (("CHAN_START", 5, ""), ("ANSWER", 8, ""))
    end = ("HANGUP", 30, '{"hangupcause":16,"hangupsource":""}')
    heard = ("USER_DEFINED", 28, "BoRobotTold")
    calls = {uuid4(): (told, [*answered, heard, end]), uuid4(): (cut, [*answered, end]), uuid4(): (silent, BUSY)}
    for call, (who, events) in calls.items():
        world.cel(call, account_of(who.task.id, who.phone.id, robot=True), *events)
    file = world.cdr(tmp_path, [(known.phone.value, 20, 22, 50, "")])
    counts = await account.account(world.database, world.clock, world.settings, [file])
    assert (counts["recreated"], counts["untied"]) == (4, 0)
    found = {}
    for who in (told, cut, silent, known):
        (attempt,) = await world.calls_of(who)
        assert (attempt.robot, attempt.abandoned) == (True, False)
        found[who.case.id] = (attempt.result, attempt.outcome)
    assert list(found.values()) == [
        ("ANSWERED_HUMAN", "ROBOT_TOLD"), ("ANSWERED_HUMAN", "ROBOT_CUT"), ("BUSY", None), ("ANSWERED_HUMAN", "ROBOT_CUT"),
    ]  # fmt: skip
    async with world.database.begin() as s:
        slots = (await s.scalars(select(ContactLedger))).all()
        assert {(slot.channel, slot.actor, slot.abandoned) for slot in slots} == {("robot", "robot", False)}
        assert not [who for who in (told, cut, known) if await wrap_up.case_waits(s, who.case.id)]


async def test_many_calls_are_written_together_and_those_of_one_person_or_number_one_after_another(
    world: World,
) -> None:
    """FL-13, FL-20: of each person and number one call may be live at a time, also while the lost ones are written again;
    one that cannot be written does not take the others with it."""
    one, other = await world.borrower(), await world.borrower()
    async with world.database.begin() as s:
        same_number = await house.borrower(s, world.clock, number=one.phone.value)
    calls = {}
    for n, who in enumerate((one, other, same_number, one, other)):
        calls[call := uuid4()] = who
        events = [(kind, after + 60 * n, extra) for kind, after, extra in BUSY]
        world.cel(call, account_of(who.task.id, who.phone.id), *events)
    async with world.database.begin() as s:
        left_us = traces.from_cel([cel_file(world.settings)], world.point)
        groups = await recreated.apart(s, left_us)
    assert [len(group) for group in groups] == [2, 1, 2]
    counts = await account.account(world.database, world.clock, world.settings, [])
    assert (counts["recreated"], counts["untied"]) == (5, 0)
    for who, tries in ((one, 2), (other, 2), (same_number, 1)):
        assert len(await world.calls_of(who)) == tries
        assert (await world.task(who)).attempts == tries
    async with world.database.begin() as s:
        slots = (await s.execute(select(ContactLedger.call_id, ContactLedger.state))).all()
    assert {call: state for call, state in slots} == dict.fromkeys(calls, "COMMITTED")


async def test_a_call_that_was_going_on_at_the_point_gets_its_true_end(world: World) -> None:
    known, lost = await world.borrower(), await world.borrower()
    async with world.database.begin() as s:
        placings = [
            await attempts.claim(
                s, world.settings, trunk=world.settings.trunks[0], now=world.clock.business(world.point),
                today=world.clock.today(), wall=world.point,
            )
        ]  # fmt: skip
    async with world.database.begin() as s:
        placings.append(
            await attempts.claim(
                s, world.settings, trunk=world.settings.trunks[0], now=world.clock.business(world.point),
                today=world.clock.today(), wall=world.point,
            )
        )  # fmt: skip
    calls = {p.task_id: p.call_id for p in placings if isinstance(p, attempts.Placing)}
    world.cel(calls[known.task.id], account_of(known.task.id, known.phone.id), *BUSY)
    counts = await account.account(world.database, world.clock, world.settings, [])
    assert (counts["settled"], counts["unknown"]) == (1, 1)
    assert [c.result for c in await world.calls_of(known)] == ["BUSY"]
    assert [c.result for c in await world.calls_of(lost)] == ["UNKNOWN"]
    assert (await world.task(lost)).state == "UNKNOWN", "counted, never dialed again by itself"


async def test_a_call_of_a_list_that_was_made_later_is_not_dialed_by_the_next_night(world: World) -> None:
    """The restored point lies before the night: the task is not there, and the call is known all the same."""
    borrower = await world.borrower()
    async with world.database.begin() as s:
        await s.delete(await s.get_one(CallTask, borrower.task.id))
    world.cel(uuid4(), account_of(borrower.task.id, borrower.phone.id), *TALK)
    assert (await account.account(world.database, world.clock, world.settings, []))["recreated"] == 1
    task = await world.task(borrower)
    assert (task.state, task.attempts, task.case_id) == ("DONE", 1, borrower.case.id)


async def test_what_only_the_carrier_knows_counts_too_and_what_nobody_can_tie_keeps_dialing_stopped(
    world: World, tmp_path: Path
) -> None:
    """CEL lost with its disk: the carrier's records; a number of nobody is listed, and a named person must look."""
    answered, refused, both = await world.borrower(), await world.borrower(), await world.borrower()
    call = uuid4()
    world.cel(call, account_of(both.task.id, both.phone.id), *TALK)
    half = await world.borrower()
    cut = uuid4()
    world.cel(cut, "", ("CHAN_START", 60, ""))  # the exchange was killed while it rang: nothing says whose call it was
    file = world.cdr(
        tmp_path,
        [(answered.phone.value, 20, 22, 50, ""), (refused.phone.value.lstrip("+"), 21, None, 23, "404"),
         (both.phone.value, 5, 8, 40, ""), ("+380670000001", 30, None, 33, "486"), (half.phone.value, 60.5, None, 80, "487")],
    )  # fmt: skip
    counts = await account.account(world.database, world.clock, world.settings, [file])
    assert (counts["recreated"], counts["carrier"], counts["untied"]) == (4, 3, 1)
    assert len(await world.calls_of(both)) == 1
    assert [c.result for c in await world.calls_of(answered)] == ["ANSWERED_HUMAN"]
    assert [c.result for c in await world.calls_of(refused)] == ["INVALID_NUMBER"]
    assert [c.id for c in await world.calls_of(half)] == [cut]
    with pytest.raises(Conflict):
        stop.lift_now(world.settings, "Старша зміни", "звірено")
    async with world.database.begin() as s:
        (finding,) = (await s.execute(select(RestoreFinding))).scalars()
        assert (finding.source, finding.number, finding.reason) == ("carrier", "+380670000001", "NUMBER_UNKNOWN")
        with pytest.raises(BadInput):
            await restores.accept(s, by="", reason="х", wall=world.clock.wall())
        assert await restores.accept(s, by="Старша зміни", reason="тестовий номер", wall=world.clock.wall()) == 1
    assert (await account.account(world.database, world.clock, world.settings, [file]))["untied"] == 0
    stop.lift_now(world.settings, "Старша зміни", "звірено")
    assert len(await world.calls_of(answered)) == 1


async def test_a_recording_without_any_record_of_its_call_is_listed(world: World) -> None:
    call = uuid4()
    folder = world.settings.recordings_dir / "2026/11/22"
    folder.mkdir(parents=True)
    (folder / f"{call}-in.wav").write_bytes(b"x")
    counts = await account.account(world.database, world.clock, world.settings, [])
    assert (counts["recreated"], counts["untied"]) == (0, 1)
    async with world.database.begin() as s:
        (finding,) = (await s.execute(select(RestoreFinding))).scalars()
    assert (finding.source, finding.source_id, finding.reason) == ("recording", str(call), "NO_ACCOUNT")


async def test_nobody_sits_at_a_desk_after_a_restore(world: World) -> None:
    async with world.database.begin() as s:
        seat = await house.agent(s, world.clock)
    assert (await account.account(world.database, world.clock, world.settings, []))["seats"] == 1
    async with world.database.begin() as s:
        seat = await s.get_one(type(seat), seat.id)
    assert (seat.state, seat.line) == ("OFF", "NONE")
    assert seat.ended_at


def test_a_bad_file_of_the_carrier_is_refused_with_its_line(tmp_path: Path) -> None:
    since = datetime(2026, 11, 22, tzinfo=UTC)
    for content, told in (
        ("a;b\n1;2\n", "column"),
        ("number,started_at\n+380671234567,2026-11-22T10:00\n", "line 2: a time without its zone"),
        ("number,started_at\n12,2026-11-22T10:00+02:00\n", "line 2: no number"),
    ):
        file = tmp_path / "cdr.csv"
        file.write_text(content)
        with pytest.raises(BadInput, match=told):
            traces.read_carrier(file, since)
