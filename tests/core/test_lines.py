"""FL-10: the agent's line is sure. The echo test, and who gets the call when a line dies before the voices meet."""

from datetime import timedelta

import pytest

from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.desks import agents, line_check
from backoffice_core.call_centre.desks.line_check import LineNotChecked, LineNotUp, LineSilent
from backoffice_core.call_centre.models import AgentSession
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.staff import service as staff
from tests import house


async def test_ready_is_refused_until_the_line_is_up_and_has_passed_the_echo_test(
    database: Database, clock: Clock
) -> None:
    """FL-10: called, sent to the echo, heard by the exchange, confirmed by the agent; only then ready, and no call comes
    before his line is back from the echo."""
    wall = clock.wall()
    async with database.begin() as s:
        seat = await house.agent(s, clock, ready=False)
        who = seat.user_id
        with pytest.raises(LineNotChecked):
            await agents.go_ready(s, who, wall, line_check.require_sure)
        await line_check.ask(s, who, wall)
        assert (seat.line_wanted, seat.line_check) == (True, "WANTED")
        with pytest.raises(Conflict):
            await line_check.confirm(s, who, wall)
        assert await line_check.to_move(s) == [], "a line that is not up was sent to the echo"
        seat.line_n = 1
        await agents.line_up(s, seat.id, 1, "PJSIP/x", wall)
        assert [one.id for one in await line_check.to_move(s)] == [seat.id]
        assert await line_check.moved(s, seat.id, 1, "WANTED") == who
        with pytest.raises(LineSilent):
            await line_check.confirm(s, who, wall)
        assert await line_check.heard(s, seat.id, 0, wall) is None, "an old line's sound counts for nothing"
        assert await line_check.heard(s, seat.id, 1, wall) == who
        with pytest.raises(LineNotChecked):
            await agents.go_ready(s, who, wall, line_check.require_sure)
        await line_check.confirm(s, who, wall)
        await agents.go_ready(s, who, wall, line_check.require_sure)
        assert (seat.state, await agents.count_free(s)) == ("READY", 0)
        assert await line_check.moved(s, seat.id, 1, "BACK") == who
        assert await agents.count_free(s) == 1


async def test_the_test_counts_for_this_shift_and_this_phone(database: Database, clock: Clock) -> None:
    """FL-10: a pause keeps it; a lost line must be up again; another phone and the next shift are tested anew."""
    wall = clock.wall()
    async with database.begin() as s:
        seat = await house.agent(s, clock)
        seat.line_checked_at = wall
        user = await s.get_one(agents.User, seat.user_id)
        await agents.pause(s, user.id, "LUNCH", wall)
        await agents.go_ready(s, user.id, wall, line_check.require_sure)
        await agents.pause(s, user.id, "LUNCH", wall)
        await agents.line_down(s, seat.id, 1, wall, hung_up=False)
        with pytest.raises(LineNotUp):
            await agents.go_ready(s, user.id, wall, line_check.require_sure)
        await agents.open_session(s, user, "browser", wall)
        with pytest.raises(LineNotChecked):
            await agents.go_ready(s, user.id, wall, line_check.require_sure)
        await agents.close_session(s, user.id, wall)
        fresh: AgentSession = await agents.open_session(s, user, "desk", wall)
        assert fresh.line_checked_at is None


async def test_a_line_that_dies_in_the_test_is_called_and_tested_again(database: Database, clock: Clock) -> None:
    """FL-10: what the exchange heard of the old line proves nothing of the new one."""
    wall = clock.wall()
    async with database.begin() as s:
        seat = await house.agent(s, clock, ready=False)
        await line_check.ask(s, seat.user_id, wall)
        seat.line_n = 1
        await agents.line_up(s, seat.id, 1, "PJSIP/x", wall)
        await line_check.moved(s, seat.id, 1, "WANTED")
        await line_check.heard(s, seat.id, 1, wall)
        await agents.line_down(s, seat.id, 1, wall, hung_up=False)
        assert (seat.line_check, seat.line_heard_at, seat.line_wanted) == ("WANTED", None, True)


async def test_a_line_that_dies_before_the_bridge_gives_the_call_to_the_next_agent(
    database: Database, clock: Clock, settings: Settings
) -> None:
    """FL-10: the call has no agent again and is given on; the loser is told why, and his line is called again at once."""
    wall = clock.wall()
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await house.borrower(s, clock)
        first = await house.agent(s, clock, since=wall - timedelta(minutes=2))
        second = await house.agent(s, clock, since=wall - timedelta(minutes=1))
        placing = await attempts.claim(
            s, settings, trunk=settings.trunks[0], now=clock.now(), today=clock.today(), wall=wall
        )
        assert isinstance(placing, attempts.Placing)
        call = placing.call_id
        chosen = await attempts.connect(s, call, wall)
        assert chosen is not None
        assert chosen.id == first.id
        assert await attempts.line_died(s, call, second.line_id, wall, busy=False) is None, "not the line of this call"
        assert await attempts.line_died(s, call, first.line_id, wall, busy=False) == first.user_id
        assert (first.state, first.reason, first.line, first.call_id) == ("UNREACHABLE", "LINE_DIED", "NONE", None)
        assert first in await agents.lines_to_call(s, wall)
        following = await attempts.connect(s, call, wall)
        assert following is not None
        assert following.id == second.id
        assert await attempts.line_died(s, call, second.line_id, wall, busy=True) == second.user_id
        assert (second.state, second.reason, second.line) == ("PAUSED", "LINE_BUSY", "UP")
        assert await attempts.connect(s, call, wall) is None
        assert await attempts.give_up(s, call)


async def test_a_phone_that_speaks_at_once_is_heard_before_the_echo_is_written(
    database: Database, clock: Clock
) -> None:
    """FL-10: the exchange tells of a talker once; that news may overtake the dialer's commit, and nobody waits for ever."""
    wall = clock.wall()
    async with database.begin() as s:
        seat = await house.agent(s, clock, ready=False)
        await line_check.ask(s, seat.user_id, wall)
        seat.line_n = 1
        await agents.line_up(s, seat.id, 1, "PJSIP/x", wall)
        assert await line_check.heard(s, seat.id, 1, wall) == seat.user_id
        await line_check.moved(s, seat.id, 1, "WANTED")
        await line_check.confirm(s, seat.user_id, wall)
        assert seat.line_checked_at == wall


async def test_a_line_of_one_call_is_rung_before_the_borrower_and_ends_with_the_talk(
    database: Database, clock: Clock
) -> None:
    """TL-13: rung per call. Rung only when somebody is to be called; free only when it is up; it ends with the talk, is
    rung anew after the result, and the agent who hangs it up at the talk's end wishes no pause by that."""
    wall, call = clock.wall(), house.some_call()
    async with database.begin() as s:
        seat = await house.agent(s, clock, ready=False)
        seat.per_call, seat.line_checked_at = True, wall
        await agents.go_ready(s, seat.user_id, wall, line_check.require_sure)
        assert await agents.lines_to_call(s, wall, work=False) == [], "rung with nobody to call"
        assert [one.id for one in await agents.lines_to_call(s, wall)] == [seat.id]
        assert await agents.count_free(s) == 0
        seat.line, seat.line_n = "CALLING", 1
        await agents.line_up(s, seat.id, 1, "PJSIP/x", wall)
        assert await agents.count_free(s) == 1
        agents.change(s, seat, "TALKING", "CALL", wall, call)
        await agents.call_over(s, seat.id, call, wall, talked=True, has_outcome=False)
        assert (seat.state, [one.id for one in await agents.lines_to_end(s)]) == ("WRAP_UP", [seat.id])
        agents.free(s, seat, wall, "RESULT_SAVED")
        assert (seat.state, await agents.count_free(s)) == ("READY", 0), "a line that is just hung up is nobody's"
        assert await agents.lines_to_call(s, wall) == []
        await agents.line_down(s, seat.id, 1, wall, hung_up=False)
        assert (seat.state, seat.line, seat.line_failures) == ("READY", "NONE", 0)
        assert [one.id for one in await agents.lines_to_call(s, wall)] == [seat.id]
        seat.line, seat.line_n = "UP", 2
        agents.change(s, seat, "TALKING", "CALL", wall, call)
        await agents.line_down(s, seat.id, 2, wall, hung_up=True)
        await agents.call_over(s, seat.id, call, wall, talked=True, has_outcome=False)
        assert (seat.state, seat.line, seat.wants_pause) == ("WRAP_UP", "NONE", "")


async def test_a_line_of_one_call_that_cannot_be_had_refuses_ready(database: Database, clock: Clock) -> None:
    """TL-13: after three rings in vain the agent is paused, and ready is refused until the line has passed its test."""
    wall = clock.wall()
    async with database.begin() as s:
        seat = await house.agent(s, clock, ready=False)
        seat.per_call, seat.line_checked_at = True, wall
        await agents.go_ready(s, seat.user_id, wall, line_check.require_sure)
        for n in range(1, 5):
            seat.line, seat.line_n = "CALLING", n
            await agents.line_down(s, seat.id, n, wall, hung_up=False)
        assert (seat.state, seat.reason) == ("PAUSED", "LINE_LOST")
        with pytest.raises(LineNotChecked):
            await agents.go_ready(s, seat.user_id, wall, line_check.require_sure)


async def test_a_seat_takes_the_phone_that_its_person_has(database: Database, clock: Clock) -> None:
    """TL-13: browser, desk, or a number on the bank's exchange; kept or per call, the person's own wish before the house's."""
    wall = clock.wall()
    async with database.begin() as s:
        people = [
            await staff.create_user(
                s, login=login, full_name="Хтось", role="agent", password="long enough 1", wall=wall, **more
            )
            for login, more in (("own", {"extension": 101}), ("bank", {"bank_number": "2345", "line": "per_call"}))
        ]
        with pytest.raises(agents.NoPhone):
            await agents.open_session(s, people[0], "bank", wall)
        with pytest.raises(agents.NoPhone):
            await agents.open_session(s, people[1], "desk", wall)
        seats = [
            await agents.open_session(s, people[0], "desk", wall),
            await agents.open_session(s, people[1], "bank", wall),
        ]
        assert [(one.endpoint, one.per_call) for one in seats] == [("agent-101", False), ("bank:2345", True)]
        assert (await agents.open_session(s, people[0], "browser", wall, "per_call")).per_call
        for number, why in (("2345", "is that of bank"), ("x2", "2 to 15 digits"), ("2345&PJSIP/1", "2 to 15 digits")):
            with pytest.raises(BadInput, match=why):
                await staff.change_user(s, people[0], wall, "test", {"bank_number": number})
