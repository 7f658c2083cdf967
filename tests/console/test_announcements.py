"""FL-18: a supervisor hears an unknown announcement and names it once; agents and administrators do neither."""

import soundfile
from sqlalchemy import select

from backoffice_core.call_centre.carriers import announcements
from backoffice_core.call_centre.carriers.announcements import Sound
from backoffice_core.call_centre.models import Announcement
from backoffice_core.staff.models import AccessEntry
from far_end.announcements import sound
from recordings.fingerprint import fingerprint
from tests.console.conftest import RunningConsole


async def test_an_unknown_announcement_is_heard_and_named_once(console: RunningConsole) -> None:
    """The player gives the sound and leaves a line in the journal; the name is kept with who gave it."""
    wall, samples = console.clock.wall(), sound("uk-overload-1")
    folder = console.settings.announcements_dir
    folder.mkdir(parents=True, exist_ok=True)
    async with console.database.begin() as s:
        number = None
        for n in (1, 2):
            soundfile.write(folder / f"{n}.wav", samples, 8000)
            one = Sound(fingerprint=fingerprint(samples).trimmed().to_bytes(), seconds=3.6, file=f"{n}.wav")
            number, _ = await announcements.keep(s, one, wall=wall, announcement_id=number)
        assert number is not None
        sounds = [sound.id for sound in (await announcements.find(s, number)).sounds]
    boss, agent = await console.logged_in("olha", "supervisor"), await console.logged_in("petro", extension=102)
    admin = await console.logged_in("denys", "admin")
    address = f"/announcements/{number}/sounds/{sounds[0]}"
    for stranger in (agent, admin):
        assert (await stranger.get("/announcements")).status_code == 403
        assert (await stranger.get(address)).status_code == 403
        form = {"meaning": "voicemail", "csrf": stranger.csrf}
        assert (await stranger.post(f"/announcements/{number}", data=form)).status_code == 403
    shown = (await boss.get("/announcements")).text
    assert all(f'src="/announcements/{number}/sounds/{one}"' in shown for one in sounds)
    heard = await boss.get(address)
    assert (heard.status_code, heard.headers["content-type"], heard.content[:4]) == (200, "audio/wav", b"RIFF")
    assert (await boss.get(f"/announcements/{number}/sounds/999999")).status_code == 404
    bad = await boss.post(f"/announcements/{number}", data={"meaning": "", "csrf": boss.csrf})
    assert bad.status_code == 422
    assert 'class="hint err"' in bad.text
    form = {"meaning": "switched_off", "language": "uk", "carrier": "Kyivstar", "csrf": boss.csrf}
    assert (await boss.post(f"/announcements/{number}", data=form)).status_code == 303
    shown = (await boss.get("/announcements")).text
    assert "вимкнено або поза зоною мережі" in shown
    assert f'src="/announcements/{number}/sounds/{sounds[0]}"' in shown
    assert f'src="/announcements/{number}/sounds/{sounds[1]}"' not in shown
    assert [file.name for file in folder.iterdir()] == ["1.wav"], "one sound is enough to correct the name later"
    async with console.database.begin() as s:
        row = await s.get_one(Announcement, number)
        acts = (await s.scalars(select(AccessEntry.act).where(AccessEntry.act.like("ANNOUNCEMENT%")))).all()
    assert (row.meaning, row.carrier, row.named_by) == ("switched_off", "Kyivstar", (await _name(console, "olha")))
    assert sorted(acts) == ["ANNOUNCEMENT_HEARD", "ANNOUNCEMENT_NAMED"]
    ignored = {"meaning": "ignored", "csrf": boss.csrf}
    assert (await boss.post(f"/announcements/{number}", data=ignored)).status_code == 303
    assert list(folder.iterdir()) == [], "what is no announcement is kept no more"


async def _name(console: RunningConsole, login: str) -> str:
    from backoffice_core.staff.models import User

    async with console.database.begin() as s:
        return (await s.scalars(select(User.full_name).where(User.login == login))).one()
