"""The demo's library of announcements: what it teaches is what the carrier plays."""

from sqlalchemy import select

from backoffice_core.call_centre.carriers import announcements as service
from backoffice_core.call_centre.models import Announcement
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from far_end.announcements import ANNOUNCEMENTS, on_one_call, sound
from far_end.library import LEFT_OUT, learn_shipped
from recordings.fingerprint import Print, fingerprint
from recordings.recognise import Known, recognise


async def test_fl18_the_demo_knows_what_its_carrier_plays_and_leaves_some_to_be_named(
    database: Database, settings: Settings
) -> None:
    """Every dead number of the demo is found by its announcement; nothing else is taken for one; once only."""
    async with database.begin() as s:
        taught = await learn_shipped(s, settings, Clock.wall())
        assert await learn_shipped(s, settings, Clock.wall()) == 0
        known = [Known(e.announcement_id, e.meaning, Print.from_bytes(e.fingerprint)) for e in await service.library(s)]
        rows = (await s.execute(select(Announcement))).scalars().all()
        listed = await service.listing(s, named=True)
    assert taught == len(rows) == len([a for n, a in ANNOUNCEMENTS.items() if a.meaning and n not in LEFT_OUT])
    assert all((settings.announcements_dir / one.file).stat().st_size > 1000 for each in listed for one in each.sounds)
    for name, said in ANNOUNCEMENTS.items():
        verdict = recognise(fingerprint(on_one_call(sound(name), seed=3, snr_db=20, ring=1.5)), known)
        expected = said.meaning if name not in LEFT_OUT else "unknown"
        assert verdict.meaning in {expected, "unknown"}, name
        if expected == "not_in_service":
            assert verdict.meaning == expected, name
