"""FL-18 through the whole house: 183 with an announcement, then 480 → meaning on the attempt → evidence on the number."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import select

from ami_listener.catch_up import read_cel
from asterisk_conf import cel_file, early_dir
from backoffice_core.borrowers.models import ContactPoint, PhoneEvidence
from backoffice_core.call_centre.carriers import announcements
from backoffice_core.call_centre.models import Announcement, CallAttempt, CallTask
from backoffice_core.cases.models import CaseEvent
from far_end.announcements import ANNOUNCEMENTS, FOLDER, heard_by
from recordings import early
from tests.conftest import until
from tests.running import RunningHouse, running_house

ENDINGS = ("990", "991", "992", "993", "994", "995", "996", "997", "998", "999")
TUNE_THEN_ANSWER = "989"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("announcements"), ring_timeout_s=15) as one:
        asyncio.run(_teach(one))
        yield one


async def _teach(one: RunningHouse) -> None:
    """The library: every shipped announcement but the one that nobody has named."""
    async with one.database() as database, database.begin() as s:
        for name, known in ANNOUNCEMENTS.items():
            if known.meaning:
                _, print_ = early.read(FOLDER / f"{name}.wav")
                await announcements.learn(
                    s, announcements.Sound(fingerprint=print_.trimmed().to_bytes(), seconds=print_.seconds),
                    meaning=known.meaning, language=known.language, carrier="", by="test", wall=one.clock.wall(),
                )  # fmt: skip


async def _recognised(running: RunningHouse, task: UUID) -> CallAttempt:
    async def look() -> CallAttempt | None:
        found = await running.attempt(task)
        return found if found and found.announcement else None

    found: CallAttempt = await until(look, 30, every=0.2, what=f"the announcement of task {task} is recognised")
    return found


async def test_what_the_network_says_becomes_evidence_and_never_an_answer(running: RunningHouse) -> None:
    """FL-18: ten announcements in two languages, two codecs, with noise; not in service alone speaks against a number."""
    async with running.robots(4):
        tasks = await running.dial(*ENDINGS, TUNE_THEN_ANSWER)
        ended = [await running.ended(task, 90) for task in tasks]
        calls = [await _recognised(running, task) for task in tasks[:-1]]
        told = {call.number: ANNOUNCEMENTS[heard_by(call.number)[0]].meaning or "unknown" for call in calls}
        assert {call.number: call.announcement for call in calls} == told
        await _nothing_was_answered(running, calls)
        await _evidence_is_right(running, calls)
        talk = ended[-1]
        log = (running.settings.data / "asterisk" / "log" / "messages.log").read_text()
        assert "StopMixMonitor" not in log
        assert (talk.result, talk.announcement) == ("ANSWERED_HUMAN", None), "a tune before an answer says nothing"
        await until(lambda: not list(early_dir(running.settings).glob("*.wav")), 20, what="what was heard is deleted")
        await _a_name_applies_from_then_on(running, calls[-1])


async def _nothing_was_answered(running: RunningHouse, calls: list[CallAttempt]) -> None:
    cel = read_cel(cel_file(running.settings), [call.id for call in calls])
    for call in calls:
        assert call.answered_at is None
        assert call.sip_code == 480
        assert cel[call.id].answered_at is None, "by the exchange's own record, too, early media is no answer"
        expected = "NO_ANSWER" if call.announcement in ("ringback", "unknown") else "ANNOUNCEMENT"
        assert call.result == expected, call.announcement
        assert (call.announcement_distance is None) == (call.announcement == "unknown")


async def _evidence_is_right(running: RunningHouse, calls: list[CallAttempt]) -> None:
    async with running.database() as database, database.begin() as s:
        for call in calls:
            seen = (await s.scalars(select(PhoneEvidence).where(PhoneEvidence.call_id == call.id))).one_or_none()
            phone = await s.get_one(ContactPoint, call.contact_point_id)
            task = await s.get_one(CallTask, call.task_id)
            kinds = (await s.scalars(select(CaseEvent.kind).where(CaseEvent.call_id == call.id))).all()
            if call.announcement == "unknown":
                assert (seen, phone.state, task.state) == (None, "UNVERIFIED", "RETRY_WAIT")
                continue
            dead = call.announcement == "not_in_service"
            assert seen is not None
            assert (seen.sign, seen.announcement) == ("dead" if dead else "announcement", call.announcement)
            assert phone.state == ("SUSPECT" if dead else "UNVERIFIED"), call.announcement
            assert task.state == ("DONE" if dead else "RETRY_WAIT"), call.announcement
            assert sorted(kinds) == ["announcement", "call"]


async def _a_name_applies_from_then_on(running: RunningHouse, unknown: CallAttempt) -> None:
    folder = running.settings.announcements_dir
    assert [file.name for file in folder.iterdir()] == [f"{unknown.id}.wav"], "the unknown one alone is kept"
    async with running.database() as database, database.begin() as s:
        (waiting,) = await announcements.listing(s, named=False)
        assert waiting.row.id == unknown.announcement_id
        await announcements.name(
            s, waiting.row.id, "switched_off", language="uk", carrier="", by="test", wall=running.clock.wall()
        )
    (task,) = await running.dial("999")
    again = await _recognised(running, task)
    assert (again.announcement, again.announcement_id) == ("switched_off", unknown.announcement_id)
    async with running.database() as database, database.begin() as s:
        assert (await s.get_one(Announcement, unknown.announcement_id)).heard == 2
