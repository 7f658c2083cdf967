"""The supervisor's pages: stop and lift (FL-01), the floor, recordings, the queue."""

from sqlalchemy import select

from backoffice_core.call_centre.calls import restores
from backoffice_core.call_centre.desks import wrap_up
from backoffice_core.call_centre.dialing import stop
from backoffice_core.call_centre.models import DialingStop, NotCallable, Recording
from backoffice_core.clock import Clock
from backoffice_core.loans import sources
from backoffice_core.loans.sources import Source
from backoffice_core.staff.models import AccessEntry
from recordings import keys, store
from tests.browser import world
from tests.console.conftest import RunningConsole, Talk
from tests.core import talk_files


async def test_the_stop_button_writes_the_file_and_the_row(console: RunningConsole) -> None:
    """FL-01: the button stops, the banner says who, when and why; a lift needs a reason and leaves a line."""
    browser = await console.logged_in("olha", "supervisor")
    answer = await browser.send_form("/stop", reason="Збій транка")
    notice = stop.stopped(console.settings)
    assert notice is not None
    assert (notice.by, notice.reason) == ("Olha Тест", "Збій транка")
    assert 'id="alarm-stop"' in answer.text
    assert "«Збій транка»" in (await browser.get("/floor")).text
    assert (await browser.send_form("/stop/lift", json=True, reason="  ")).json()["field"] == "reason"
    assert stop.stopped(console.settings) is not None
    lifted = await browser.send_form("/stop/lift", reason="Транк полагоджено")
    assert 'id="alarm-stop"' not in lifted.text
    assert stop.stopped(console.settings) is None
    async with console.database.begin() as s:
        row = (await s.execute(select(DialingStop))).scalar_one()
        acts = (await s.execute(select(AccessEntry.act).order_by(AccessEntry.id))).scalars().all()
    assert (row.lifted_by, row.lift_reason) == ("Olha Тест", "Транк полагоджено")
    assert acts == ["LOGIN", "DIALING_STOPPED", "STOP_LIFTED"]


async def test_the_floor_tells_of_a_drain_and_a_restore_keeps_the_stop(console: RunningConsole) -> None:
    """FL-13, FL-14: who looks at the floor sees why no call begins; nobody lifts before the calls are accounted for."""
    browser = await console.logged_in("olha", "supervisor")
    console.settings.drain_file.touch()
    assert 'id="alarm-drain"' in (await browser.get("/floor")).text
    console.settings.drain_file.unlink()
    assert 'id="alarm-drain"' not in (await browser.get("/floor")).text
    restores.mark_unsettled(console.settings, Clock.wall())
    stop.stop_after_restore(console.settings, "Оператор", Clock.wall())
    assert "базу відновлено з копії" in (await browser.get("/floor")).text
    refused = await browser.send_form("/stop/lift", json=True, reason="можна")
    assert (refused.status_code, refused.json()["error"]) == (409, "RESTORE_UNSETTLED")
    assert stop.stopped(console.settings) is not None
    restores.settled(console.settings)
    await browser.send_form("/stop/lift", reason="звірено")
    assert stop.stopped(console.settings) is None


async def test_the_stop_button_works_with_the_database_dead(console: RunningConsole) -> None:
    """FL-01: who may stop is remembered, so the file is written while PostgreSQL is away."""
    browser = await console.logged_in("olha", "supervisor")
    await browser.get("/floor")
    service = console.app.state.console
    living, service.database = (
        service.database,
        type(service.database)(
            service.settings.model_copy(update={"database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none"})
        ),
    )
    try:
        answer = await browser.send_form("/stop", reason="База лежить")
        assert answer.status_code == 200
        assert stop.stopped(console.settings) is not None
        assert (await browser.get("/floor")).status_code == 503
        stranger = console.browser()
        assert (await stranger.send_form("/stop", json=True, reason="x")).status_code == 401
    finally:
        await service.database.close()
        service.database = living
    assert 'id="alarm-stop"' in (await browser.get("/floor")).text


async def test_the_floor_shows_agents_and_gives_single_rows(console: RunningConsole) -> None:
    await world.shift(console, agents=6)
    browser = await console.logged_in("olha", "supervisor")
    html = (await browser.get("/floor")).text
    ids = [piece.split('"')[0] for piece in html.split('id="agent-')[1:]]
    assert len(ids) == 6
    rows = await browser.get("/floor/agents", params=[("id", ids[0]), ("id", ids[3])])
    assert rows.text.count("<tr id=") == 2
    assert len(rows.content) / 2 < 1200
    admin = await console.logged_in("root", "admin")
    assert "Коваленко" not in (await admin.get("/floor")).text, "an administrator sees no borrower"


async def test_the_queue_says_why(console: RunningConsole) -> None:
    await world.shift(console, agents=0)
    browser = await console.logged_in("olha", "supervisor")
    html = (await browser.get("/queue")).text
    assert html.count('<tr><td class="num">') == 50
    assert "Порушена обіцянка" in html
    after = (await browser.get("/queue", params={"after": 50})).text
    assert after.count('<tr><td class="num">') == 10
    async with console.database.begin() as s:
        reason = (await s.execute(select(NotCallable.reason).limit(1))).scalar_one()
    only = (await browser.get("/queue", params={"reason": reason})).text
    assert 'aria-current="true"' in only
    assert (await browser.get("/queue", params={"show": "not"})).text.count("/case/") >= 40


def _sealed(console: RunningConsole, row: Recording) -> None:
    """Forty seconds of talk, sealed as the worker does it."""
    folder = console.settings.recordings_dir
    talk_files.ordinary(folder, row.path, 40)
    kept = store.seal(folder, row.call_id, row.path, keys.load(console.settings))
    assert kept is not None
    row.state, row.key_id, row.wrapped_key = "SEALED", kept.wrapped.key_id, kept.wrapped.blob


async def test_each_listening_is_written_before_the_first_byte(talk: Talk) -> None:
    """TL-04: own calls for an agent, all for a supervisor, with seeking; and a line in the journal each."""
    console = talk.console
    await talk.end()
    async with console.database.begin() as s:
        row = await s.get_one(Recording, talk.call)
        _sealed(console, row)
    own, other = console.browser(), await console.logged_in("petro", extension=102)
    await own.log_in(talk.agent.login)
    supervisor = await console.logged_in("olha", "supervisor")
    address = f"/recordings/{talk.call}"
    assert (await other.get(address)).status_code == 404
    whole = await own.get(address)
    assert (whole.status_code, whole.headers["content-type"], whole.content[:4]) == (200, "audio/ogg", b"OggS")
    some = await supervisor.get(address, headers={"Range": "bytes=1000-1999"})
    assert (some.status_code, some.content) == (206, whole.content[1000:2000])
    assert some.headers["content-range"] == f"bytes 1000-1999/{len(whole.content)}"
    sought = await supervisor.get(address, headers={"Range": f"bytes={len(whole.content) - 70000}-"})
    assert (sought.status_code, sought.content) == (206, whole.content[-70000:]), "across the border of two chunks"
    behind = await supervisor.get(address, headers={"Range": "bytes=99999999-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")
    async with console.database.begin() as s:
        query = select(AccessEntry.user_id, AccessEntry.case_id).where(AccessEntry.act == "RECORDING_HEARD")
        heard = (await s.execute(query)).all()
    assert len(heard) == 2
    assert {case for _, case in heard} == {talk.borrower.case.id}


async def test_a_recording_that_is_not_sealed_is_not_there(talk: Talk) -> None:
    supervisor = await talk.console.logged_in("olha", "supervisor")
    assert (await supervisor.get(f"/recordings/{talk.call}")).status_code == 404


async def test_a_talk_without_a_result_is_an_alarm_until_a_supervisor_completes_it(talk: Talk) -> None:
    """FL-12: the floor tells, the case has the form, its rules are the desk's, the name stays in journal and history."""
    await talk.end()
    console, number = talk.console, talk.borrower.case.number
    async with console.database.begin() as s:
        (seat,) = await wrap_up.overdue(s, console.clock.wall(), 0)
        await wrap_up.end(s, seat, now=console.clock.now(), wall=console.clock.wall(), limit_s=0)
    boss, manager = await console.logged_in("olha", "supervisor"), await console.logged_in("roman", "manager")
    floor = (await boss.get("/floor")).text
    assert f'href="/case/{number}">{number}</a> (Бондар' in floor.split('id="alarm-no-result"')[1].split("</div>")[0]
    form = {"call_id": str(talk.call), "csrf": boss.csrf, "note": "за записом"}
    case = (await boss.get(f"/case/{number}")).text
    assert 'id="complete"' in case
    assert "Результат не вказано" in case
    assert 'value="PTP_FULL"' not in case, "the borrower was not confirmed in that talk"
    assert 'id="complete"' not in (await manager.get(f"/case/{number}")).text
    refused = await manager.post(f"/case/{number}/complete", data=form | {"csrf": manager.csrf, "outcome": "HANGUP"})
    assert refused.status_code == 403
    for outcome in ("", "PTP_FULL", "NO_DISPOSITION"):
        again = await boss.post(f"/case/{number}/complete", data=form | {"outcome": outcome})
        assert again.status_code == 422, outcome
        assert 'class="hint err"' in again.text
        assert "за записом" in again.text, "what was typed comes back"
    assert (await boss.post(f"/case/{number}/complete", data=form | {"outcome": "HANGUP"})).status_code == 303
    assert (await boss.post(f"/case/{number}/complete", data=form | {"outcome": "HANGUP"})).status_code == 303
    case = (await boss.get(f"/case/{number}")).text
    assert 'id="complete"' not in case
    assert "«за записом»" in case
    assert 'id="alarm-no-result"' not in (await boss.get("/floor")).text
    async with console.database.begin() as s:
        acts = (await s.scalars(select(AccessEntry.object_id).where(AccessEntry.act == "RESULT_COMPLETED"))).all()
    assert set(acts) == {str(talk.call)}


async def test_a_late_list_is_told_on_the_floor(console: RunningConsole) -> None:
    """FL-07: no file by the set hour, and the supervisor reads whose borrowers are not called today."""
    browser = await console.logged_in("olha", "supervisor")
    async with console.database.begin() as s:
        await sources.save(s, Source("abs", due_by="00:00"), at=console.clock.now(), by="test")
        await sources.save(s, Source("later", due_by="23:59"), at=console.clock.now(), by="test")
    told = (await browser.get("/floor")).text.split('id="alarm-late-list"')[1].split("</div>")[0]
    assert "Список не прийшов: abs<" in told


async def test_a_call_with_one_way_audio_is_named_on_the_floor_and_in_the_case(talk: Talk) -> None:
    """FL-16, TL-12: the supervisor reads which side is dead, whose phone it was, and finds it on the call."""
    await talk.end()
    console, number = talk.console, talk.borrower.case.number
    async with console.database.begin() as s:
        row = await s.get_one(Recording, talk.call)
        row.state, row.faults = "SEALED", ["BORROWER_SILENT"]
    boss = await console.logged_in("olha", "supervisor")
    alarm = (await boss.get("/floor")).text.split('id="alarm-bad-sound"')[1].split("</div>")[0]
    assert f'href="/case/{number}"' in alarm
    assert "Бондар" in alarm
    assert "телефон 101" in alarm
    assert "Позичальника не чути" in alarm
    assert "Позичальника не чути" in (await boss.get(f"/case/{number}")).text


async def test_a_full_recordings_volume_stops_and_is_lifted_only_when_there_is_room(console: RunningConsole) -> None:
    """Issue 4: its own reason on the floor; nobody lifts the stop while calls could not be recorded."""
    console.settings.recordings_dir.mkdir(parents=True)
    boss = await console.logged_in("olha", "supervisor")
    console.settings.recordings_min_free_mb = 10**9
    assert "том записів заповнений" in (await boss.get("/floor")).text
    stop.stop_by_house(console.settings, "RECORDINGS_FULL", console.clock.wall())
    refused = await boss.send_form("/stop/lift", json=True, reason="треба дзвонити")
    assert (refused.status_code, refused.json()["error"]) == (409, "RECORDINGS_FULL"), refused.text
    assert console.settings.stop_file.exists()
    console.settings.recordings_min_free_mb = 0
    assert stop.stopped(console.settings) is not None, "space alone does not lift it"
    await boss.send_form("/stop/lift", reason="Том збільшено")
    assert stop.stopped(console.settings) is None
