"""FL-18: what a network's words do to an attempt, a task and a number; clusters and their names; the file's way."""

import os
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile
from sqlalchemy import func, select

from asterisk_conf import early_dir
from backoffice_core.borrowers.models import ContactPoint, PhoneEvidence
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.carriers import announcements
from backoffice_core.call_centre.carriers.announcements import Sound
from backoffice_core.call_centre.models import Announcement, CallAttempt, CallTask
from backoffice_core.call_centre.rules import MEANINGS, CallFacts, announcement_evidence, result_after_announcement
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.listening import Ears
from far_end.announcements import on_one_call, sound
from far_end.media import RATE
from recordings import early, recognise
from recordings.fingerprint import fingerprint
from tests import house

DAY = timedelta(days=1)


def test_the_two_lists_of_meanings_are_one() -> None:
    assert recognise.MEANINGS == MEANINGS
    assert announcement_evidence(recognise.CONDEMNING) == "dead"
    assert [m for m in (*MEANINGS, "unknown", "ignored", "") if announcement_evidence(m) == "dead"] == [
        "not_in_service"
    ]


def test_an_announcement_takes_the_place_of_a_vague_result_only() -> None:
    """domain.md 2.3: a recognised announcement → ANNOUNCEMENT; a code that says more stays, and so does the trunk's."""
    assert result_after_announcement("NO_ANSWER", "switched_off") == "ANNOUNCEMENT"
    assert result_after_announcement("REJECTED", "forbidden") == "ANNOUNCEMENT"
    for result, meaning in (
        ("NO_ANSWER", "ringback"), ("NO_ANSWER", "unknown"), ("INVALID_NUMBER", "not_in_service"),
        ("CONGESTION", "switched_off"), ("UNKNOWN", "switched_off"),
    ):  # fmt: skip
        assert result_after_announcement(result, meaning) == result


@pytest.fixture
async def world(database: Database, clock: Clock) -> house.Borrower:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        return await house.borrower(s, clock)


async def a_call(
    database: Database, settings: Settings, clock: Clock, *, sip: int = 480, answered: bool = False
) -> UUID:
    """A call that ended three seconds ago by the wall's clock; in business time each is a week after the one before."""
    async with database.begin() as s:
        weeks = 7 * DAY * (await s.scalar(select(func.count()).select_from(CallAttempt)) or 0)
        today = clock.today() + weeks
        for task in await s.scalars(select(CallTask)):
            task.state, task.earliest_at, task.business_date = "ELIGIBLE", None, today
    async with database.begin() as s:
        placing = await attempts.claim(
            s, settings, trunk=settings.trunks[0], now=clock.now() + weeks, today=today, wall=clock.wall()
        )
    assert isinstance(placing, Placing), placing
    over = clock.wall() - timedelta(seconds=3)
    async with database.begin() as s:
        attempt = await s.get_one(CallAttempt, placing.call_id)
        attempt.claimed_at = over - timedelta(seconds=8)
        facts = CallFacts(ended_at=over, sip_code=sip, answered_at=over - timedelta(seconds=4) if answered else None)
        await settling.settle(s, placing.call_id, facts, clock.now() + weeks)
    return placing.call_id


async def note(database: Database, call_id: UUID, meaning: str, clock: Clock) -> CallAttempt | None:
    async with database.begin() as s:
        call = await s.get(CallAttempt, call_id)
        return await announcements.note(s, call_id, meaning, 0.1, None, call.business_at if call else clock.now())


async def of(
    database: Database, world: house.Borrower, call_id: UUID
) -> tuple[CallAttempt, CallTask, ContactPoint, str]:
    """The attempt, its task, the number, and the sign that the call left on it."""
    async with database.begin() as s:
        sign = await s.scalar(select(PhoneEvidence.sign).where(PhoneEvidence.call_id == call_id))
        return (
            await s.get_one(CallAttempt, call_id), await s.get_one(CallTask, world.task.id),
            await s.get_one(ContactPoint, world.phone.id), sign or "",
        )  # fmt: skip


async def test_not_in_service_on_two_days_is_a_dead_number(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """FL-18, CC-10: as a 404 is: one day makes it suspect, a second one dead; not tried again that day."""
    first = await a_call(database, live_settings, clock)
    assert await note(database, first, "not_in_service", clock) is not None
    attempt, task, phone, sign = await of(database, world, first)
    assert (attempt.result, attempt.announcement, task.state, phone.state, sign) == (
        "ANNOUNCEMENT", "not_in_service", "DONE", "SUSPECT", "dead",
    )  # fmt: skip
    assert await note(database, first, "switched_off", clock) is None, "once for each call"
    second = await a_call(database, live_settings, clock)
    await note(database, second, "not_in_service", clock)
    *_, phone, _ = await of(database, world, second)
    assert (phone.state, phone.state_reason) == ("DEAD", "not_in_service")


@pytest.mark.parametrize("meaning", [one for one in MEANINGS if one != "not_in_service"])
async def test_other_announcements_condemn_nobody_however_often(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower, meaning: str
) -> None:
    """FL-18: switched off, barred, no funds, voicemail, ringing: on three days, and the number is as it was."""
    for _ in range(3):
        call = await a_call(database, live_settings, clock)
        await note(database, call, meaning, clock)
        attempt, task, phone, sign = await of(database, world, call)
        assert (phone.state, sign, task.state) == ("UNVERIFIED", "announcement", "RETRY_WAIT")
        assert attempt.result == ("NO_ANSWER" if meaning == "ringback" else "ANNOUNCEMENT")


async def test_a_harmless_announcement_takes_back_the_dead_of_the_same_call_s_code(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """A trunk that makes a 404 of "switched off" condemns nobody."""
    call = await a_call(database, live_settings, clock, sip=404)
    *_, phone, sign = await of(database, world, call)
    assert (phone.state, sign) == ("SUSPECT", "dead")
    await note(database, call, "switched_off", clock)
    attempt, _, phone, sign = await of(database, world, call)
    assert (phone.state, sign, attempt.result) == ("UNVERIFIED", "announcement", "INVALID_NUMBER")


async def test_an_answered_or_live_call_is_never_noted(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """FL-18: what was heard before an answer says nothing against the number that answered."""
    answered = await a_call(database, live_settings, clock, answered=True)
    assert await note(database, answered, "not_in_service", clock) is None
    assert await note(database, new_key(), "not_in_service", clock) is None
    attempt, _, phone, sign = await of(database, world, answered)
    assert (attempt.announcement, phone.state, sign) == (None, "UNVERIFIED", "alive")


# --- the way of a file -------------------------------------------------------------------------------------------


def lay(settings: Settings, call_id: UUID, name: str, codec: str = "ALAW", **way: float) -> Path:
    """What Asterisk would have written of this call."""
    folder = early_dir(settings)
    folder.mkdir(parents=True, exist_ok=True)
    file = early.new_file(folder, call_id)
    soundfile.write(file, on_one_call(sound(name), seed=1, **way), RATE, subtype=codec)  # type: ignore[arg-type]
    return file


@pytest.fixture
def ears(live_settings: Settings, database: Database, bus: Bus, clock: Clock, tmp_path: Path) -> Ears:
    return Ears(live_settings.model_copy(update={"data": tmp_path}), database, bus, clock)


async def test_unknown_sounds_gather_until_a_person_names_them_once(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower, ears: Ears
) -> None:
    """FL-18: one cluster from calls that sound unalike, three sounds kept, one name, and from then on the meaning."""
    ways: list[dict[str, float]] = [{"snr_db": 20}, {"cut": 0.5, "level_db": -12}, {"ring": 1.5, "snr_db": 10}, {}]
    for way in ways:
        file = lay(ears.settings, call := await a_call(database, live_settings, clock), "uk-overload-1", **way)
        assert await ears.recognise_ended() == 1
        assert not file.exists(), "moved away, or deleted"
        attempt, *_ = await of(database, world, call)
        assert attempt.announcement == "unknown"
    async with database.begin() as s:
        (cluster,) = await announcements.listing(s, named=False)
        assert (cluster.row.heard, len(cluster.sounds)) == (4, announcements.SOUNDS_EACH)
        assert (cluster.row.language, cluster.row.carrier) == ("uk", announcements.network_of(world.phone.value))
        kept = {sound.file for sound in cluster.sounds}
    assert {file.name for file in ears.settings.announcements_dir.iterdir()} == kept
    async with database.begin() as s:
        with pytest.raises(BadInput):
            await announcements.name(s, cluster.row.id, "dead", language="", carrier="", by="x", wall=clock.wall())
        with pytest.raises(NotFound):
            await announcements.name(s, 10**6, "voicemail", language="", carrier="", by="x", wall=clock.wall())
        needless = await announcements.name(
            s, cluster.row.id, "forbidden", language="uk", carrier="", by="Ольга", wall=clock.wall()
        )
    assert set(needless) < kept
    assert len(needless) == announcements.SOUNDS_EACH - 1
    lay(ears.settings, call := await a_call(database, live_settings, clock), "uk-overload-1", "GSM610", snr_db=10)
    await ears.recognise_ended()
    attempt, *_ = await of(database, world, call)
    assert (attempt.announcement, attempt.result, attempt.announcement_id) == (
        "forbidden", "ANNOUNCEMENT", cluster.row.id,
    )  # fmt: skip
    assert attempt.announcement_distance is not None
    assert attempt.announcement_distance < 0.4


async def test_nothing_but_unknown_announcements_is_kept(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower, ears: Ears
) -> None:
    """FL-18: silence, an answered call, a broken file, a stranger's file: gone; a live call's file waits."""
    async with database.begin() as s:
        _, print_ = early.read(lay(ears.settings, new_key(), "ru-switched-off-1"))
        known = Sound(fingerprint=print_.trimmed().to_bytes(), seconds=print_.seconds)
        await announcements.learn(
            s, known, meaning="switched_off", language="ru", carrier="", by="x", wall=clock.wall()
        )
    early_dir(ears.settings).joinpath("strange.wav").write_bytes(b"x")
    long_ago = time.time() - 3600
    for file in early_dir(ears.settings).iterdir():
        os.utime(file, (long_ago, long_ago))
    recognised = lay(
        ears.settings, call := await a_call(database, live_settings, clock), "ru-switched-off-1", snr_db=10
    )
    silent = early.new_file(recognised.parent, await a_call(database, live_settings, clock))
    soundfile.write(silent, np.zeros(RATE * 3), RATE)
    broken = early.new_file(recognised.parent, await a_call(database, live_settings, clock))
    broken.write_bytes(b"RIFF, and no more")
    lay(ears.settings, await a_call(database, live_settings, clock, answered=True), "ru-not-in-service-1")
    await ears.recognise_ended()
    assert list(early_dir(ears.settings).iterdir()) == []
    assert not ears.settings.announcements_dir.exists() or list(ears.settings.announcements_dir.iterdir()) == []
    attempt, *_ = await of(database, world, call)
    assert attempt.announcement == "switched_off"
    async with database.begin() as s:
        (entry,) = await announcements.listing(s, named=True)
        assert entry.row.heard == 1


async def test_old_clusters_are_forgotten_and_the_library_is_not(database: Database, clock: Clock) -> None:
    wall = clock.wall()
    print_ = fingerprint(sound("uk-overload-1")).trimmed()
    async with database.begin() as s:
        for age, name in ((90, ""), (10, ""), (90, "voicemail")):
            one = Sound(fingerprint=print_.to_bytes(), seconds=3, file=f"{age}{name}.wav")
            number, kept = await announcements.keep(s, one, wall=wall - age * DAY)
            assert kept
            if name:
                await announcements.name(s, number, name, language="", carrier="", by="x", wall=wall)
    async with database.begin() as s:
        assert await announcements.forget_old(s, wall) == ["90.wav"]
    async with database.begin() as s:
        assert sorted(await s.scalars(select(Announcement.meaning))) == ["", "voicemail"]
        assert len(await announcements.library(s)) == 2
