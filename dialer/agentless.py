"""Campaigns that need no agent: as many calls at once, and as many begun in a second, as each says.

They come after the agents' pools, whose lines they leave alone; trunks, stop, shelter and every rule hold for them as for any
call. Who asks for an agent waits for one as somebody who calls us (`pacing_view.Call.inbound`).
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backoffice_core.call_centre.calls.attempts import Passed
from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.pacing_view import Floor
from backoffice_core.leases import Held
from dialer.pacing import Decision
from dialer.placing import Placer
from dialer.pool import Plan
from dialer.terms import Terms

MODE = "agentless"
STEP_S = 0.3  # the longest that agents' pools wait for one such campaign
EMPTY_S = 0.5  # so long nothing is asked of such a list
MAX_PASSED = 50  # refused tasks of one campaign in one step
HOURS = frozenset({"OUT_OF_HOURS", "NO_TIME_ZONE"})


@dataclass(frozen=True)
class Done:
    """What one step did for one campaign, for the journal. `bound`: campaign (its own lines or its pace), lines, list, …"""

    plan: Plan
    placed: int
    bound: str


class Agentless:
    def __init__(self, placer: Placer, may_place: Callable[[], bool]) -> None:
        self.placer, self.may_place = placer, may_place
        self._begun: dict[str, deque[float]] = {}  # by campaign: loop times of the last second's calls
        self._empty: dict[str, tuple[float, str]] = {}  # those whose list had nothing: until when (loop time), and why

    async def step(
        self, floor: Floor, terms: Terms, lines: dict[str, int], lease: Held | None, *, pace: float = 1.0
    ) -> list[Done]:
        """`lines`: free ones by trunk, fewer after it; `pace`: below 1 for a while after an alarm. Raises LeaseLost."""
        rows = [row for row in terms.campaigns if row.mode == MODE]
        return [await self._of(row, floor, terms, lines, lease, pace) for row in rows]

    async def _of(
        self, row: Campaign, floor: Floor, terms: Terms, lines: dict[str, int], lease: Held | None, pace: float
    ) -> Done:
        running = terms.running.get(row.name)
        if running is None or running.why:
            return self._done(row, 0, 0, 0, "rules")
        said = campaign_terms.robot(row.robot or {})
        live = sum(call.campaign == row.name and call.out for call in floor.calls)
        most = math.ceil(pace * said.lines)
        placed, bound = await self._place(row.name, said, max(most - live, 0), lines, lease)
        return self._done(row, placed, live, most, bound)

    async def _place(
        self, name: str, said: campaign_terms.Robot, room: int, lines: dict[str, int], lease: Held | None
    ) -> tuple[int, str]:
        """Never waits for the campaign's own pace: agents' calls are next, and the step after them goes on here."""
        clock, placed, passed, why = asyncio.get_running_loop().time, 0, 0, ""
        until = clock() + STEP_S
        if clock() < self._empty.get(name, (0.0, ""))[0]:
            return 0, self._empty[name][1]
        begun = self._begun.setdefault(name, deque())
        while placed < room and self.may_place():
            if not any(free > 0 for free in lines.values()):
                return placed, "lines"
            while begun and begun[0] <= clock() - 1.0:
                begun.popleft()
            if len(begun) >= said.per_second or clock() > until or passed >= MAX_PASSED:
                break
            taken = await self.placer.claim(name, lines, lease, robot=True)
            if taken is None or isinstance(taken, str):
                self._empty[name] = clock() + EMPTY_S, why or "list"
                return placed, why or "list"
            if isinstance(taken, Passed):
                passed += 1
                why = (
                    "clock" if taken.reason in HOURS else "caller_ids" if taken.reason.startswith("CALLER_ID") else why
                )
                continue
            begun.append(clock())
            await self.placer.place(taken, lines)
            placed += 1
        return placed, "campaign"

    @staticmethod
    def _done(row: Campaign, placed: int, live: int, most: int, bound: str) -> Done:
        terms = {"lines": float(most), "in_flight": float(live)}
        account = {row.name: {"mode": MODE, "lines": most, "live": live + placed}}
        return Done(Plan(Decision(placed, bound, terms), {row.name: placed}, account), placed, bound)


def of_agents(rows: Sequence[Campaign]) -> list[Campaign]:
    """Those that agents speak in."""
    return [row for row in rows if row.mode != MODE]
