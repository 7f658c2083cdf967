"""Commands of recordings: files and rows against each other, retention, holds, keys."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from backoffice_core.command_line import House, Json, run, say, say_json, table
from backoffice_core.errors import BadInput, NotFound

recordings = typer.Typer(no_args_is_help=True, help="Recordings: check, retention, holds, keys.")
By = Annotated[str, typer.Option(help="who")]
Why = Annotated[str, typer.Option("--reason", help="why")]


def _keeper(house: House) -> Any:
    from backoffice_core.bus import Bus
    from recordings.keeper import Keeper

    return Keeper(house.settings, house.database, Bus(house.settings), house.clock)


@recordings.command("check")
def check(
    repair: Annotated[bool, typer.Option("--repair", help="do what the worker's sweeper does, for all days")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="open and digest every file: reads the whole volume")] = False,
    as_json: Json = False,
) -> None:
    """Every recorded call against its file, every file against its call. Exit code 1 when something is amiss."""
    from backoffice_core.call_centre.calls import recordings as rows
    from recordings import sweeper

    async def work(house: House) -> dict[str, Any]:
        swept = await _keeper(house).sweep(change=repair)
        async with house.database.begin() as s:
            counts, missing = await rows.counts(s), await rows.missing(s)
        return {
            "rows": counts, **asdict(swept), "missing": [row.call_id for row in missing],
            "in_quarantine": sweeper.quarantined(house.settings), "repaired": repair,
            "damaged": await _damaged(house) if deep else None,
        }  # fmt: skip

    found = run(work)
    amiss = [k for k in ("again", "lost", "missing", "unsealed", "quarantined", "in_quarantine", "damaged") if found[k]]
    if as_json:
        say_json(found)
    else:
        say("rows: " + (", ".join(f"{k} {v}" for k, v in sorted(found["rows"].items())) or "none"))
        say(f"files: {found['files']}")
        for name, words in _SAID.items():
            if found[name]:
                say(f"{len(found[name])} {words}:")
                for one in found[name][:20]:
                    say(f"  {one}")
        if not amiss:
            say("Every recorded call has its file, and every file its call.")
        elif not repair:
            say("`--repair` does what can be done.")
    raise typer.Exit(1 if amiss else 0)


_SAID = {
    "missing": "answered calls have no recording",
    "lost": "sealed recordings whose file is gone",
    "damaged": "files do not open, or are not what was sealed",
    "again": "calls whose sound is there and not sealed",
    "unsealed": "calls whose plain sound could not be sealed (`backoffice logs worker` says why)",
    "soundless": "plain files without a sample",
    "back": "recordings that were missing and are there again",
    "quarantined": "files without a call",
    "in_quarantine": "files in quarantine",
    "foreign": "files whose names are not ours, left alone",
}


async def _damaged(house: House) -> list[UUID]:
    import asyncio

    from backoffice_core.call_centre.calls import recordings as rows
    from recordings import keys, store
    from recordings.keys import KeyMissing, Wrapped

    ring, after, bad = keys.load(house.settings), None, []
    while True:
        async with house.database.begin() as s:
            page = await rows.sealed(s, None, after)
        for row in page:
            try:
                wrapped = Wrapped(row.key_id, row.wrapped_key or b"")
                good = await asyncio.to_thread(
                    store.is_good, house.settings, row.call_id, row.path, ring, wrapped, row.sha256
                )
            except KeyMissing:
                good = False
            if not good:
                bad.append(row.call_id)
        if not page:
            return bad
        after = page[-1].call_id


@recordings.command("retention")
def retention_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell")] = False, as_json: Json = False
) -> None:
    """Delete what no rule keeps any longer (the worker does it every night). Never within a hold."""
    from recordings import disposal

    async def work(house: House) -> Any:
        return await disposal.run(house.database, house.settings, house.clock, dry_run=dry_run)

    done = run(work)
    if as_json:
        say_json({"dry_run": dry_run, "looked": done.looked, "verdicts": done.verdicts, "deleted": done.deleted})
        return
    say(
        f"{done.looked} recordings: " + (", ".join(f"{k} {v}" for k, v in sorted(done.verdicts.items()) if v) or "none")
    )
    rows = [(d["call_id"], d["called_at"], d["rule"], d["kept_until"]) for d in done.deleted[:100]]
    if rows:
        table("would be deleted" if dry_run else "deleted", ("call", "of", "rule", "kept until"), rows)
    if done.verdicts.get("NOT_VERIFIED"):
        say("NOT_VERIFIED: only rows that nobody has verified apply; confirm them, or load rows of the bank's own.")


@recordings.command("deletions")
def deletions_command(limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100, as_json: Json = False) -> None:
    """What was deleted, when, by which rule."""
    from backoffice_core.call_centre.calls import recordings as rows

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as s:
            found = await rows.deletions(s, limit)
        return [{column.name: getattr(one, column.name) for column in one.__table__.columns} for one in found]

    found = run(work)
    if as_json:
        say_json(found)
    else:
        head = ("call", "of", "deleted (UTC)", "rule", "sha256")
        table("deletions", head, [(d["call_id"], d["called_at"], d["deleted_at"], f"{d['rule_id']}/{d['rule_version']}",
                                   d["sha256"][:16]) for d in found])  # fmt: skip


@recordings.command("hold")
def hold_command(
    case: Annotated[int | None, typer.Option(help="all calls of this case")] = None,
    call: Annotated[str, typer.Option(help="or one call's id")] = "",
    reason: Why = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Keep recordings from deletion until the hold is lifted: a complaint, a court."""
    from sqlalchemy import select

    from backoffice_core.call_centre.calls import recordings as rows
    from backoffice_core.cases.models import Case

    if (case is None) == (not call):
        raise BadInput("Hold what?", remedy="Give --case NUMBER, or --call ID.")
    which = _call_id(call) if call else None

    async def work(house: House) -> dict[str, Any]:
        async with house.database.begin() as s:
            case_id = None
            if case is not None:
                case_id = await s.scalar(select(Case.id).where(Case.number == case))
                if case_id is None:
                    raise NotFound(f"There is no case {case}.", remedy="`backoffice queue` shows numbers of cases.")
            elif which and await rows.find(s, which) is None:
                raise NotFound(f"There is no recording of call {which}.", remedy="`backoffice calls` shows the ids.")
            hold = await rows.place_hold(
                s, case_id=case_id, call_id=which, reason=reason, by=by, wall=house.clock.wall()
            )  # fmt: skip
            return {"hold": hold.id, "case": case, "call": which, "reason": hold.reason, "by": hold.placed_by}

    done = run(work)
    if as_json:
        say_json(done)
    else:
        say(f"Hold {done['hold']} is in force.")


def _call_id(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        raise BadInput(f"“{said}” is no call's id.", remedy="`backoffice calls` shows them.") from None


@recordings.command("release")
def release_command(
    hold: Annotated[int, typer.Argument(help="its number")], reason: Why = "", by: By = "", as_json: Json = False
) -> None:
    """Lift a hold. What no rule keeps is deleted in the next night."""
    from backoffice_core.call_centre.calls import recordings as rows

    async def work(house: House) -> dict[str, Any]:
        async with house.database.begin() as s:
            found = await rows.lift_hold(s, hold, reason=reason, by=by, wall=house.clock.wall())
            return {"hold": found.id, "lifted_by": found.lifted_by, "reason": found.lift_reason}

    done = run(work)
    if as_json:
        say_json(done)
    else:
        say(f"Hold {done['hold']} is lifted.")


@recordings.command("holds")
def holds_command(
    every: Annotated[bool, typer.Option("--all", help="those that are lifted, too")] = False, as_json: Json = False
) -> None:
    """Holds in force."""
    from backoffice_core.call_centre.calls import recordings as rows

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as s:
            found = await rows.holds(s, lifted=every)
        return [
            {"hold": h.id, "case": number, "call": h.call_id, "reason": h.reason, "placed_by": h.placed_by,
             "placed_at": h.placed_at, "lifted_by": h.lifted_by, "lifted_at": h.lifted_at} for h, number in found
        ]  # fmt: skip

    found = run(work)
    if as_json:
        say_json(found)
    else:
        head = ("hold", "case", "call", "reason", "by", "since (UTC)", "lifted by")
        table("holds", head, [(h["hold"], h["case"], h["call"], h["reason"], h["placed_by"], h["placed_at"],
                               h["lifted_by"]) for h in found])  # fmt: skip


@recordings.command("rotate-key")
def rotate_key(
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="then forget the older keys: older backups need them")
    ] = False,
    as_json: Json = False,
) -> None:
    """A new key of keys: every recording's key is wrapped anew, no file of sound is touched. Safe to repeat.

    With BACKOFFICE_RECORDINGS_KEY set, put the new key first there and restart; this then wraps with it.
    """
    from recordings import disposal, keys

    async def work(house: House) -> dict[str, Any]:
        if not house.settings.recordings_key.get_secret_value():
            keys.add(house.settings)
        turned = await disposal.rewrap(house.database, house.settings)
        ring = keys.keep_only(house.settings, 1) if drop_old else keys.load(house.settings)
        return {"wrapped_anew": turned, "key": ring.current, "keys": len(ring.ids)}

    done = run(work)
    if as_json:
        say_json(done)
    else:
        say(f"{done['wrapped_anew']} recordings are wrapped with key {done['key']}; {done['keys']} keys are kept.")


async def volume(house: House) -> dict[str, Any] | None:
    """For `status`: room on the volume, what a day adds, and how many days are left until dialing stops."""
    from backoffice_core.call_centre.calls import recording_room
    from backoffice_core.call_centre.calls import recordings as rows

    room = recording_room.look(house.settings)
    if room is None:
        return None
    async with house.database.begin() as s:
        per_day = await rows.stored_per_day(s, house.clock.wall())
    days = round(room.left_bytes / per_day.bytes, 1) if per_day and per_day.bytes else None
    return {
        "used_pct": room.used_pct, "free_gb": round(room.free_bytes / 1e9, 2), "full": room.full,
        "dialing_stops_at_pct": house.settings.recordings_full_pct,
        "gb_per_day": round(per_day.bytes / 1e9, 4) if per_day else None,
        "hours_per_day": round(per_day.hours, 2) if per_day else None,
        "mb_per_hour": round(per_day.bytes / 1e6 / per_day.hours, 2) if per_day and per_day.hours else None,
        "days_until_full": days,
    }  # fmt: skip


def said_of_volume(found: dict[str, Any]) -> str:
    """One sentence."""
    told = f"Recordings: {found['used_pct']} % of the volume used, {found['free_gb']} GB free"
    if found["gb_per_day"] is not None:
        told += f"; {found['gb_per_day']:.3f} GB a day ({found['hours_per_day']} h)"
    if found["full"]:
        return told + "; FULL: dialing is stopped."
    if found["days_until_full"] is not None:
        told += f", {found['days_until_full']:.0f} days until {found['dialing_stops_at_pct']} %, where dialing stops"
    return told + "."
