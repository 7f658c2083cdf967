"""Commands of those who run the house: the stop, rules."""

import asyncio
import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.exc import DBAPIError

from backoffice_core import config
from backoffice_core.clock import Clock
from backoffice_core.command_line import House, Json, hush, run, say, say_json, table
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Refused

# --- stop ----------------------------------------------------------------------------------------------------------


def stop(
    reason: Annotated[str, typer.Option(help="why")] = "",
    by: Annotated[str, typer.Option(help="who; needed to lift a stop")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="let dialing go on")] = False,
    status: Annotated[bool, typer.Option("--status", help="only say how it stands")] = False,
    as_json: Json = False,
) -> None:
    """Stop dialing at once, with everything else dead too; talks go on. --lift (with --by and --reason) ends the stop."""
    from backoffice_core.call_centre.dialing import stop as switch

    hush()
    settings = config.load()
    notice = switch.stopped(settings)
    noted = True
    if not status:
        if lift and notice is None:
            if as_json:
                say_json({"stopped": False, "noted": False})
            else:
                say("Dialing is not stopped; nothing was lifted.")
            return
        if lift:
            switch.lift_now(settings, by, reason)
        else:
            by = by or getpass.getuser()
            switch.stop_now(settings, by, reason, Clock.wall())
        noted = asyncio.run(_note_stop(settings, notice, by, reason, lift=lift))
    now = switch.stopped(settings)
    if as_json:
        say_json({"stopped": now is not None, **(asdict(now) if now else {}), "noted": noted})
        return
    if now is None:
        say("Dialing may go on.")
    else:
        say(f"Dialing is stopped. By: {now.by or '?'}; since: {now.at or '?'}; reason: {now.why or '?'}.")
    if not noted:
        say("The database does not answer, so that this is not in its journal; the file STOP counts alone.")


async def _note_stop(settings: Settings, notice: Any, by: str, reason: str, *, lift: bool) -> bool:
    """The row and the news, if database and Redis answer. The file is what stops."""
    from backoffice_core.audit import service as audit
    from backoffice_core.bus import Bus
    from backoffice_core.call_centre.dialing import stop as switch
    from backoffice_core.events import StopChanged

    database, bus = Database(settings, pool=1, name="command"), Bus(settings)
    try:
        async with database.begin() as session:
            if lift:
                await switch.note_lift(session, notice, by, reason, Clock.wall())
            else:
                await switch.note_stop(session, by, reason, Clock.wall())
            act = "STOP_LIFTED" if lift else "DIALING_STOPPED"
            audit.note(session, f"os:{getpass.getuser()}", act, data={"by": by, "reason": reason})
    except (DBAPIError, OSError, TimeoutError):
        return False
    else:
        return True
    finally:
        await bus.publish(StopChanged())
        await bus.close()
        await database.close()


# --- calls whose end nobody heard ----------------------------------------------------------------------------------

call = typer.Typer(no_args_is_help=True, help="One call.")


@call.callback()
def _call() -> None:
    """One call."""


@call.command("settle")
def call_settle(
    call_id: Annotated[str, typer.Argument(help="id of a call that ended as UNKNOWN")],
    result: Annotated[str, typer.Option(help="how it truly ended, as NO_ANSWER")],
    by: Annotated[str, typer.Option(help="who found it out")],
    yes: Annotated[bool, typer.Option("--yes", help="the second step: do it")] = False,
    as_json: Json = False,
) -> None:
    """Say how a call ended that nobody heard the end of. Without --yes it only tells what would be done."""
    from backoffice_core.call_centre.calls import settling
    from backoffice_core.call_centre.models import CallTask

    if not by.strip():
        raise BadInput("Who found it out? A name is needed.", remedy="Give --by NAME.", field="by")
    try:
        which = UUID(call_id)
    except ValueError:
        raise BadInput(f"“{call_id}” is no call's id.", remedy="`backoffice calls` shows them.") from None

    async def work(house: House) -> dict[str, Any]:
        async with house.database.sessions() as session, session.begin() as transaction:
            found = await settling.settle_unknown(session, which, result.upper(), by=by, now=house.clock.now())
            task = await session.get_one(CallTask, found.task_id)
            done = {"call": which, "number": found.number, "result": found.result, "slot_counts": result.upper() != "CONGESTION",
                    "task": task.state, "task_from": house.hour(task.earliest_at), "done": yes}  # fmt: skip
            if not yes:
                await transaction.rollback()
        return done

    done = run(work)
    if as_json:
        say_json(done)
        return
    slot = "counts against the limits" if done["slot_counts"] else "is given back: it counts no more"
    until = f" from {done['task_from']}" if done["task_from"] else ""
    say(f"Call to {done['number']}: {done['result']}. The contact {slot}; the task is {done['task']}{until}.")
    if not yes:
        say("Nothing is written yet. If this is right, give the same command with --yes.")


# --- rules ---------------------------------------------------------------------------------------------------------

rules = typer.Typer(no_args_is_help=True, help="Rules of compliance.")


@rules.command("load")
def rules_load(
    file: Annotated[Path | None, typer.Argument(help="a rule file; default: the shipped one")] = None,
    by: Annotated[str, typer.Option(help="who takes them over")] = "",
    as_json: Json = False,
) -> None:
    """Take over rules (a changed row becomes a new version) and the holidays of this year and the next."""
    from backoffice_core.compliance import loader
    from backoffice_core.compliance import service as compliance

    async def work(house: House) -> dict[str, int]:
        rows = loader.read_file(file) if file else None
        year = house.clock.today().year
        async with house.database.begin() as session:
            added = await compliance.load_rules(session, by or getpass.getuser(), rows)
            days = await compliance.seed_calendar(session, (year - 1, year, year + 1))
        return {"rules_added": added, "holidays_added": days}

    done = run(work)
    if as_json:
        say_json(done)
    else:
        say(f"{done['rules_added']} rules and {done['holidays_added']} holidays added.")


@rules.command("list")
def rules_list(as_json: Json = False) -> None:
    """The newest version of each rule."""
    from sqlalchemy import select

    from backoffice_core.compliance.models import ComplianceRule

    async def work(house: House) -> None:
        newest = select(ComplianceRule).distinct(ComplianceRule.rule_id)
        newest = newest.order_by(ComplianceRule.rule_id, ComplianceRule.version.desc())
        async with house.database.begin() as session:
            found = (await session.scalars(newest)).all()
        if as_json:
            say_json([{**r.row, "version": r.version, "loaded_by": r.loaded_by} for r in found])
            return
        rows = [
            (r.rule_id, r.version, r.row.get("jurisdiction"), r.row.get("kind"), r.row.get("on_breach"),
             r.row.get("effective_from"), "yes" if r.row.get("verified") else "no") for r in found
        ]  # fmt: skip
        table("rules", ("rule", "version", "country", "kind", "on breach", "from", "verified"), rows)
        if not found:
            raise Refused("There are no rules, so nobody may be called.", remedy="Run `backoffice rules load`.")

    run(work)
