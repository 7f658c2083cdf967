"""What holds for the campaigns now: modes as they may run, who serves whom, until when calls are lawful, the account.

Campaigns and skills are read each second and upon news, what is dear to read (the places that the list of the day reaches
into) once a minute.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.carriers import caller_id_accounts, caller_ids
from backoffice_core.call_centre.carriers.caller_id_accounts import Standing, window_of
from backoffice_core.call_centre.carriers.caller_id_rules import IdView
from backoffice_core.call_centre.dialing import campaigns, machines, pacing_view
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_rules import Running
from backoffice_core.call_centre.dialing.pacing_view import Accounts, Counts
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import new_key

log = structlog.get_logger()
LOOK_S = 1.0
DEAR_S = 60.0
CLOSED_S = 5.0  # while nobody may be called
DEFAULT_LIMIT_S = 2.0  # from answer to agent; the dialplan's own limit leaves no room for more
OURS_S = 0.25  # of these seconds go by between the exchange, the AGI and the bridge
_NOBODY = new_key()
_SHIFT = text("SELECT min(started_at) FROM agent_sessions WHERE started_at >= :since")


@dataclass
class Terms:
    """`lawful_until`: the last moment (business time) at which somebody on the list may be called today; None = nobody now.
    `windows`: when each window of the account began, the machine's time."""

    campaigns: Sequence[Campaign] = ()
    running: Mapping[str, Running] = field(default_factory=dict)
    skills: Mapping[UUID, Mapping[str, int]] = field(default_factory=dict)
    lawful_until: datetime | None = None
    answer_limit: float = DEFAULT_LIMIT_S
    inbound_per_s: float = 0.0
    windows: Mapping[str, datetime] = field(default_factory=dict)
    counts: Mapping[str, Counts] = field(default_factory=dict)  # by window
    ids: Mapping[str, Standing] = field(default_factory=dict)  # accounts of the numbers that we show
    shown: Sequence[IdView] = ()
    misjudged: Mapping[str, int] = field(default_factory=dict)  # by campaign: people taken for machines and hung up on

    def can_serve(self, user: UUID, campaign: Campaign) -> bool:
        return not campaign.skill or campaign.skill in self.skills.get(user, {})


class TermsWatch:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.now = Terms()
        self.changed = True  # somebody said so
        self._looked = self._dear = -DEAR_S
        self._reach: dict[str, frozenset[str]] = {}
        self._shift: datetime | None = None
        self._accounts = Accounts()
        self._spent: set[str] | None = None  # numbers that rest, as last written; None: by another leader

    async def look(self, s: AsyncSession) -> Terms:
        """The terms of this step; the account is of this moment."""
        clock, now = time.monotonic(), self.now
        today, wall, business = self.clock.today(), self.clock.wall(), self.clock.now()
        day_start = self.clock.day_bounds(today)[0] - self.clock.offset
        closed = now.lawful_until is None or now.lawful_until <= business
        if clock - self._dear >= (CLOSED_S if closed else DEAR_S):
            await self._look_at_the_dear(s, today, day_start)
            self._dear = clock
            self.changed = True
        if self.changed or clock - self._looked >= LOOK_S:
            self.changed, self._looked = False, clock
            now.campaigns = [one for one in await campaigns.listed(s) if one.active]
            home = self.settings.jurisdiction
            now.shown = await caller_ids.views(s)
            now.running = await campaigns.running(s, now.campaigns, self._reach, home, today)
            now.skills = await campaigns.skills_at_work(s)
            limits = [one.limits.connect_within_s for one in now.running.values() if one.limits]
            said = [float(one) for one in limits if one]
            now.answer_limit = min([DEFAULT_LIMIT_S, *said]) - OURS_S
            now.windows = self._windows(day_start)
        now.counts = await self._accounts.look(s, now.windows, day_start, wall)
        await self._rest(s, wall, business)
        return now

    async def _rest(self, s: AsyncSession, wall: datetime, business: datetime) -> None:
        """Numbers whose account is spent rest while it is; what changed since the last look is written."""
        rules = [rule for one in self.now.running.values() if one.limits for rule in one.limits.abandon_accounts]
        self.now.ids = caller_id_accounts.standings(rules, self.now.counts)
        spent = {number: (one.abandoned, one.answers) for number, one in self.now.ids.items() if one.spent}
        if self._spent != set(spent):
            if changed := await caller_ids.rest(s, spent, wall=wall, now=business):
                log.warning("numbers rest, or rest no more, by their account", numbers=len(changed), resting=len(spent))
            self._spent = set(spent)

    def _windows(self, day_start: datetime) -> dict[str, datetime]:
        days = {window_of(account) for one in self.now.running.values() if one.limits
                for account in one.limits.abandon_accounts if account.window_days > 1}  # fmt: skip
        days |= {one.abandon_window for one in self.now.campaigns if one.abandon_window.endswith("d")}
        starts = {"day": day_start, "shift": self._shift or day_start}
        return starts | {name: day_start - timedelta(days=int(name[:-1]) - 1) for name in days}

    async def _look_at_the_dear(self, s: AsyncSession, today: date, day_start: datetime) -> None:
        self._reach = await campaigns.places(s, today, self.settings.jurisdiction)
        self._shift = await s.scalar(_SHIFT, {"since": day_start})
        self.now.misjudged = await self._misjudged(s, day_start)
        self.now.inbound_per_s = await pacing_view.inbound_per_s(s, self.clock.wall())
        ends = []
        for place in {self.settings.jurisdiction}.union(*self._reach.values()):
            hours = await compliance.contacts_of_day(
                s, _NOBODY, self.clock.now(), zone=self.settings.bank_time_zone, jurisdiction=place,
                bound=self.settings.bound,
            )  # fmt: skip
            ends.append(hours.until)
        self.now.lawful_until = max((end for end in ends if end is not None), default=None)

    async def _misjudged(self, s: AsyncSession, day_start: datetime) -> dict[str, int]:
        """People among the calls that were released as machines', by the error that the samples measured: each was abandoned."""
        found: dict[str, int] = {}
        for one in await campaigns.listed(s):
            if one.machines == "off":
                continue
            start = self.now.windows.get(one.abandon_window, day_start) + self.clock.offset
            account = await machines.account(s, one.name, start, self.clock.now())
            found[one.name] = math.ceil(account.correction.error * account.released)
        return found
