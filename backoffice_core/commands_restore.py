"""`backoffice restore …`: back to a minute of the past, and the account of the calls since then (FL-13)."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ami_listener import traces
from ami_listener.traces import CarrierCall
from asterisk_conf import cel_file
from backoffice_core import clock as clocks
from backoffice_core import config
from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre import recreated, restores, settling, stop
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.recreated import Trace
from backoffice_core.clock import Clock
from backoffice_core.command_line import House, Json, bar, hush, run, say, say_json, table
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput

MARGIN = timedelta(minutes=5)  # of each source before the restored point: calls that were going on then
SAME_CALL = timedelta(seconds=10)  # our claim and the carrier's start of one call
SAME_START = timedelta(seconds=3)  # the exchange's channel and the carrier's start of one call
Cdr = Annotated[list[Path] | None, typer.Option("--cdr", help="the carrier's records since then, CSV; may be repeated")]
By = Annotated[str, typer.Option("--by", help="who")]

restore = typer.Typer(invoke_without_command=True, help="The database as it was at a minute of the past.")


@restore.callback()
def _restore(
    context: typer.Context,
    at: Annotated[str, typer.Option(metavar="TIME", help="with its zone: 2026-11-22T10:15+02:00")] = "",
    backup: Annotated[
        str, typer.Option("--backup", metavar="ID", help="of a database by URL: the moment of this backup")
    ] = "",
    source: Annotated[Path | None, typer.Option("--from", help="the folder with the backups")] = None,
    by: By = "",
    cdr: Cdr = None,
    beyond: Annotated[
        bool, typer.Option("--beyond", help="the end of the log will do when it ends before TIME")
    ] = False,
    as_json: Json = False,
) -> None:
    """Stop everything first (`backoffice drain`, `backoffice down`). The present database is moved aside, never deleted.

    Then nobody is dialed until the calls since TIME are accounted for, from the exchange's own record, the recordings'
    names and the carrier's records, and a named person lifts the stop.
    """
    if context.invoked_subcommand:
        return
    from backoffice_core.migrations import migrate
    from backoffice_core.parts import restore as parts

    if bool(at) == bool(backup):
        raise BadInput(
            "To which moment?",
            remedy="Give --at 2026-11-22T10:15+02:00, or with BACKOFFICE_DATABASE_URL --backup ID; see `backoffice backup list`.",
        )
    hush()
    settings = config.load()
    for file in cdr or []:  # a bad file is refused before anything is touched
        traces.read_carrier(file, parts.moment(at) if at else datetime.min.replace(tzinfo=UTC))
    counts: dict[str, int] = {}

    def settle(there: Settings, done: parts.Restored) -> None:
        migrate(there)
        counts.update(asyncio.run(_begin_account(there, done, by, cdr or [])))

    folder = (source or settings.backups_dir).expanduser().resolve()
    with bar("restore") as bars:

        def step(_: str, n: int, of: int) -> None:
            bars(n, of)

        if backup:
            done = parts.restore_dump(
                settings, backup_id=backup, source=folder, by=by, wall=Clock.wall(), step=step, settle=settle
            )
        else:
            done = parts.restore(
                settings, at=parts.moment(at), source=folder, by=by, wall=Clock.wall(), step=step, settle=settle, beyond=beyond,
            )  # fmt: skip
    if as_json:
        say_json({**asdict(done), "counts": counts, "settled": not settings.restored_file.exists()})
        return
    say(f"Restored from backup {done.backup}: the last change is of {done.to:%Y-%m-%d %H:%M:%S} UTC.")
    if not done.whole:
        say(f"The log ends there; nothing later, up to the {done.asked.isoformat()} asked for, is known.")
    say(f"The database that was there is in {done.aside}. Delete it when nobody needs it any more.")
    _tell(settings, counts)


def _tell(settings: Settings, counts: dict[str, int]) -> None:
    table("calls since then", ("count", "what"), [(counts.get(name, 0), words) for name, words in COUNTED.items()])
    if settings.restored_file.exists():
        say("Dialing stays stopped: `backoffice restore findings` shows the calls that nobody could tie, "
            "`backoffice restore accept --by NAME --reason TEXT` says that they were looked at.")  # fmt: skip
    else:
        say("Dialing is stopped. `backoffice up`, then `backoffice stop --lift --by NAME --reason TEXT` lets it go on.")


COUNTED = {
    "known": "known to the restored database",
    "settled": "that were going on at the restored point, their end found",
    "recreated": "written again, with their slot in the ledger",
    "unknown": "whose end nobody knows: counted, not dialed again",
    "carrier": "that only the carrier knew, among those written again",
    "untied": "that could not be tied to a person",
    "seats": "seats of agents cleared",
}


async def _begin_account(settings: Settings, done: Any, by: str, cdr: Sequence[Path]) -> dict[str, int]:
    database = Database(settings, pool=2, name="restore")
    try:
        clock = clocks.load(settings)
        async with database.begin() as s:
            await restores.begin(s, to=done.to, backup=done.backup, by=by, wall=clock.wall())
            await stop.note_stop(s, by, stop.RESTORED, clock.wall())
        return await account(House(settings, clock, database), cdr)
    finally:
        await database.close()


# --- the account ---------------------------------------------------------------------------------------------------


async def account(house: House, cdr: Sequence[Path]) -> dict[str, int]:
    """Makes the database know every call since the restored point. Safe to repeat, as with a later file of the carrier."""
    counts = dict.fromkeys(COUNTED, 0)
    async with house.database.begin() as s:
        since = (await restores.last(s)).restored_to - MARGIN
    left_us = await asyncio.to_thread(_left_us, house.settings, since)
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
        restores.settled(house.settings)
    return counts


async def _taken_over(house: House, group: Sequence[Trace]) -> Sequence[recreated.Known]:
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


async def _end_live(house: House, left_us: list[Trace], carrier: list[CarrierCall], counts: dict[str, int]) -> None:
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
    house: House, call: CarrierCall, untied: list[tuple[Trace, str]], counts: dict[str, int]
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


# --- afterwards ----------------------------------------------------------------------------------------------------


@restore.command("settle")
def settle(
    cdr: Cdr = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="a database by URL was restored to this moment")] = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Account for the calls since the restored point once more, as when the carrier's records have come."""
    from backoffice_core.parts.restore import moment

    async def work(house: House) -> dict[str, int]:
        if since:
            if not by.strip():
                raise BadInput("Who restored? A name is needed.", remedy="Give --by NAME.", field="by")
            to = moment(since)
            restores.mark_unsettled(house.settings, to)
            stop.stop_after_restore(house.settings, by, house.clock.wall())
            async with house.database.begin() as s:
                await restores.begin(s, to=to, backup="elsewhere", by=by, wall=house.clock.wall())
                await stop.note_stop(s, by, stop.RESTORED, house.clock.wall())
        return await account(house, cdr or [])

    counts = run(work)
    if as_json:
        say_json(counts)
    else:
        _tell(config.load(), counts)


@restore.command("findings")
def findings(as_json: Json = False) -> None:
    """Calls since the restored point that could not be tied to a person."""

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as s:
            return [
                {"at": f.at, "source": f.source, "id": f.source_id, "number": f.number, "reason": f.reason}
                for f in await restores.open_findings(s)
            ]

    rows = run(work)
    if as_json:
        say_json(rows)
    else:
        table(
            "calls that could not be tied",
            ("at", "source", "id", "number", "reason"),
            [tuple(r.values()) for r in rows],
        )


@restore.command("accept")
def accept(
    by: By = "", reason: Annotated[str, typer.Option(help="what was found out")] = "", as_json: Json = False
) -> None:
    """A named person has looked at all findings; the stop can be lifted then."""

    async def work(house: House) -> int:
        async with house.database.begin() as s:
            return await restores.accept(s, by=by, reason=reason, wall=house.clock.wall())

    count = run(work)
    restores.settled(config.load())
    if as_json:
        say_json({"accepted": count})
    else:
        say(f"{count} findings accepted. `backoffice stop --lift --by NAME --reason TEXT` lets dialing go on.")
