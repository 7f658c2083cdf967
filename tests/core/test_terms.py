"""What holds for the campaigns now, as the dialer reads it (issue 5)."""

from sqlalchemy import event

from backoffice_core.call_centre.dialing import campaigns
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from dialer.terms import TermsWatch
from tests import house


async def test_terms_follow_changes_and_the_dear_parts_are_read_once(
    database: Database, clock: Clock, live_settings: Settings
) -> None:
    """A mode works from the next look on; the days that are over and the places of the list are not counted at each step."""
    watch, asked = TermsWatch(live_settings, clock), list[str]()
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(str(given[2])))
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await house.borrower(s, clock)
        await house.agent(s, clock)
    async with database.begin() as s:
        terms = await watch.look(s)
        assert terms.running["collection"].mode == "progressive"
        assert terms.lawful_until is not None
        assert terms.lawful_until > clock.now()
        assert terms.answer_limit == 1.75, "a part of the two seconds is ours"
        assert {"day", "shift", "30d"} - set(terms.windows) <= {"30d"}
        assert len(terms.skills) == 1
    async with database.begin() as s:
        await campaigns.change(s, "collection", {"mode": "predictive"}, who="os:x", by="x", wall=clock.wall())
        watch.changed = True
        assert (await watch.look(s)).running["collection"].mode == "predictive"
    asked.clear()
    for _ in range(3):
        async with database.begin() as s:
            await watch.look(s)
    counts = [one for one in asked if "abandon_account" in one]
    assert len(counts) <= 3 * 2, "the last minutes only, for today and for the shift"
    assert not [one for one in asked if "call_tasks" in one]
