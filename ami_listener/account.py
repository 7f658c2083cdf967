"""The account of the calls since a restored point (FL-13): from the exchange's own record, the recordings' names and the
carrier's records. After it the database knows every call again, or names those that nobody could tie to a person."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ami_listener import traces
from ami_listener.traces import CarrierCall
from asterisk_conf import cel_file
from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.calls import recreated, restores, settling
from backoffice_core.call_centre.calls.recreated import Trace
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database

MARGIN = timedelta(minutes=5)  # of each source before the restored point: calls that were going on then
SAME_CALL = timedelta(seconds=10)  # our claim and the carrier's start of one call
SAME_START = timedelta(seconds=3)  # the exchange's channel and the carrier's start of one call

COUNTED = ("known", "settled", "recreated", "unknown", "carrier", "untied", "seats")


class _House(NamedTuple):
    database: Database
    clock: Clock


async def account(database: Database, clock: Clock, settings: Settings, cdr: Sequence[Path]) -> dict[str, int]:
    """Makes the database know every call since the restored point. Safe to repeat, as with a later file of the carrier.

    The keys of the answer are those of `COUNTED`.
    """
    counts = dict.fromkeys(COUNTED, 0)
    house = _House(database, clock)
    async with database.begin() as s:
        since = (await restores.last(s)).restored_to - MARGIN
    left_us = await asyncio.to_thread(_left_us, settings, since)
    carrier = [call for file in cdr for call in await asyncio.to_thread(traces.read_carrier, file, since)]
    await _end_live(house, left_us, carrier, counts)
    untied: list[tuple[Trace, str]] = []
    async with house.database.begin() as s:
        groups = await recreated.apart(s, left_us)
    for group in groups:
        for trace, how in zip(group, await _taken_over(house, group), strict=True):
            if how.isupper():
                untied.append((trace, how))
            else:
                counts[how] += 1
    for call in carrier:
        await _from_carrier(house, call, untied, counts)
    async with house.database.begin() as s:
        restore = await restores.last(s)
        for trace, reason in untied:
            await restores.find(s, restore, source=trace.source, source_id=str(trace.call_id), reason=reason,
                                at=trace.begun_at)  # fmt: skip
        if restore.settled_at is None:
            counts["seats"] = await recreated.clear_seats(s, house.clock)
        restore.settled_at, restore.counts = house.clock.wall(), counts
        counts["untied"] = await restores.count_open(s)
    if not counts["untied"]:
        restores.settled(settings)
    return counts


async def _taken_over(house: _House, group: Sequence[Trace]) -> Sequence[recreated.Known]:
    """Together, and when one of them cannot be written, each alone: the error is that one's then."""
    try:
        async with house.database.begin() as s:
            return await recreated.take_over_many(s, group, house.clock)
    except DBAPIError:
        if len(group) == 1:
            raise
    return [(await _taken_over(house, [trace]))[0] for trace in group]


def _left_us(settings: Settings, since: datetime) -> list[Trace]:
    """By the exchange's own record; by recordings' names those that it lacks."""
    file = cel_file(settings)
    heard = traces.from_cel([*sorted(file.parent.glob(f"{file.name}.*")), file], since)
    known = {trace.call_id for trace in heard}
    return heard + [t for t in traces.from_recordings(settings.recordings_dir, since) if t.call_id not in known]


async def _end_live(house: _House, left_us: list[Trace], carrier: list[CarrierCall], counts: dict[str, int]) -> None:
    """Calls that were going on at the restored point get their end, before others are written for the same persons."""
    known = {trace.call_id: trace for trace in left_us}
    async with house.database.begin() as s:
        live = [(call.id, call.number, call.claimed_at) for call in await settling.live(s)]
    for call_id, number, claimed_at in live:
        trace = known.get(call_id)
        if trace is None or trace.facts is None:
            same = [c for c in carrier if c.number == number and abs(c.started_at - claimed_at) <= SAME_CALL]
            trace = (
                Trace(call_id=call_id, source="carrier", begun_at=claimed_at, facts=same[0].facts()) if same else None
            )
        if trace is not None:
            async with house.database.begin() as s:
                counts["settled"] += await recreated.take_over(s, trace, house.clock) == "settled"
    async with house.database.begin() as s:
        counts["unknown"] = await recreated.end_unknown(s, house.clock)


async def _from_carrier(
    house: _House, call: CarrierCall, untied: list[tuple[Trace, str]], counts: dict[str, int]
) -> None:
    """A call that only the carrier knows counts for everybody who has this number."""
    near = CallAttempt.claimed_at.between(call.started_at - SAME_CALL, call.started_at + SAME_CALL)
    async with house.database.begin() as s:
        if await s.scalar(select(CallAttempt.id).where(CallAttempt.number == call.number, near).limit(1)):
            return
        found = select(ContactPoint).where(ContactPoint.value == call.number).order_by(ContactPoint.id)
        phones = list({p.person_id: p for p in (await s.execute(found)).scalars()}.values())  # one of each person
    same = [t for t in untied if t[0].source == "cel" and abs(t[0].begun_at - call.started_at) <= SAME_START]
    ours = same[0] if len(same) == 1 and len(phones) == 1 else None
    reason = "NUMBER_UNKNOWN"
    for phone in phones:
        trace = Trace(
            call_id=ours[0].call_id if ours else call.call_id(phone.person_id), source="carrier",
            begun_at=ours[0].begun_at if ours else call.started_at, contact_point_id=phone.id, trunk=call.trunk,
            facts=ours[0].facts if ours and ours[0].facts and ours[0].facts.heard else call.facts(),
        )  # fmt: skip
        async with house.database.begin() as s:
            reason = await recreated.take_over(s, trace, house.clock)
        counts["carrier"] += reason == "recreated"
        counts["recreated"] += reason == "recreated"
    if ours and not reason.isupper():
        untied.remove(ours)
    if reason.isupper():
        async with house.database.begin() as s:
            await restores.find(
                s, await restores.last(s), source="carrier", source_id=call.id or f"{call.number} {call.started_at}",
                reason=reason, at=call.started_at, number=call.number,
            )  # fmt: skip
