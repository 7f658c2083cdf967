"""The listener's writer: one event that cannot be written takes no other with it, and does not end the program."""

from sqlalchemy import delete

from ami_listener.call_story import CallEnded
from ami_listener.writer import Batch, Writer
from backoffice_core.bus import Bus
from backoffice_core.call_centre import attempts
from backoffice_core.call_centre.attempts import Placing
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests import house


async def test_a_call_that_cannot_be_settled_is_put_aside(
    database: Database, live_settings: Settings, clock: Clock, bus: Bus
) -> None:
    """TL-06: a failing call is taken out of the batch; the others stand in the history."""
    calls = []
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        for _ in range(2):
            await house.borrower(s, clock)
    for _ in range(2):
        async with database.begin() as s:
            taken = await attempts.claim(
                s, live_settings, trunk=live_settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall()
            )
        assert isinstance(taken, Placing)
        calls.append(taken.call_id)
    async with database.begin() as s:  # its slot is gone: settling it is refused
        await s.execute(delete(ContactLedger).where(ContactLedger.call_id == calls[0]))
    wall = clock.wall()
    ends = [CallEnded(wall, call, CallFacts(ended_at=wall, cause=17, sip_code=486)) for call in calls]
    await Writer(database, bus, clock).write(Batch(ends))
    async with database.begin() as s:
        assert (await s.get_one(CallAttempt, calls[0])).result is None
        assert (await s.get_one(CallAttempt, calls[1])).result == "BUSY"
