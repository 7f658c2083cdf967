"""The shipped announcements as a library that somebody has named already: for the demo, whose carrier plays them."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.carriers import announcements as service
from backoffice_core.call_centre.models import Announcement
from backoffice_core.config import Settings
from far_end.announcements import ANNOUNCEMENTS, sound
from recordings.early import write_cut
from recordings.fingerprint import fingerprint

LEFT_OUT = ("uk-no-funds-1", "ru-no-funds-1")  # the demo's supervisor names them himself, as he does the unknown ones


async def learn_shipped(s: AsyncSession, settings: Settings, wall: datetime) -> int:
    """Teaches an empty library what the far end's networks say; how many. Their sounds can be heard on the page."""
    if await s.scalar(select(func.count()).select_from(Announcement)):
        return 0
    taught = 0
    for name, said in ANNOUNCEMENTS.items():
        if not said.meaning or name in LEFT_OUT:
            continue
        samples = sound(name)
        heard = fingerprint(samples)
        one = service.Sound(fingerprint=heard.trimmed().to_bytes(), seconds=heard.seconds, file=f"learnt-{name}.wav")
        await service.learn(
            s, one, meaning=said.meaning, language=said.language, carrier="far-end", by="demo", wall=wall
        )
        write_cut(samples, heard, settings.announcements_dir / one.file)
        taught += 1
    return taught
