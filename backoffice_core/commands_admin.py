"""Commands of those who run the house: the stop, people, rules."""

import asyncio
import getpass
import secrets
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import DBAPIError

from backoffice_core import config
from backoffice_core.clock import Clock
from backoffice_core.command_line import House, Json, fields_of, hush, run, say, say_json, table
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
    from backoffice_core.call_centre import stop as switch

    hush()
    settings = config.load()
    notice = switch.stopped(settings)
    noted = True
    if not status:
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
        say(f"Dialing is stopped. By: {now.by or '?'}; since: {now.at or '?'}; reason: {now.reason or '?'}.")
    if not noted:
        say("The database does not answer, so that this is not in its journal; the file STOP counts alone.")


async def _note_stop(settings: Settings, notice: Any, by: str, reason: str, *, lift: bool) -> bool:
    """The row and the news, if database and Redis answer. The file is what stops."""
    from backoffice_core.bus import Bus
    from backoffice_core.call_centre import stop as switch
    from backoffice_core.events import StopChanged

    database, bus = Database(settings, pool=1, name="command"), Bus(settings)
    try:
        async with database.begin() as session:
            if lift:
                await switch.note_lift(session, notice, by, reason, Clock.wall())
            else:
                await switch.note_stop(session, by, reason, Clock.wall())
    except (DBAPIError, OSError, TimeoutError):
        return False
    else:
        return True
    finally:
        await bus.publish(StopChanged())
        await bus.close()
        await database.close()


# --- people and rules ----------------------------------------------------------------------------------------------

user = typer.Typer(no_args_is_help=True, help="People who work here.")
rules = typer.Typer(no_args_is_help=True, help="Rules of compliance.")


@user.command("add")
def user_add(
    login: str,
    name: Annotated[str, typer.Option(help="full name")],
    role: Annotated[str, typer.Option(help="agent, supervisor, manager, admin")] = "agent",
    extension: Annotated[int | None, typer.Option(help="number of the desk phone, as 101", min=1)] = None,
    language: Annotated[str, typer.Option(help="uk, ru, en")] = "uk",
    generate: Annotated[bool, typer.Option("--generate", help="make a password and print it once")] = False,
    as_json: Json = False,
) -> None:
    """Add a person. The password is asked for; a generated one is shown only here."""
    from backoffice_core.staff import service as staff

    if not generate and not sys.stdin.isatty():
        raise BadInput("There is nobody to ask for the password.", remedy="Run it in a terminal, or give --generate.")
    password = (
        secrets.token_urlsafe(12) if generate else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    )

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            await staff.create_user(
                session, login=login, full_name=name, role=role, password=password, wall=Clock.wall(),
                extension=extension, language=language,
            )  # fmt: skip

    run(work)
    if as_json:
        say_json({"login": login, "role": role, "extension": extension, "password": password if generate else None})
    else:
        say(f"{login} ({role}) may log in." + (f" Password: {password}" if generate else ""))


@user.command("list")
def user_list(as_json: Json = False) -> None:
    """Everybody with a login."""
    from sqlalchemy import select

    from backoffice_core.staff.models import User

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            people = (await session.scalars(select(User).order_by(User.login))).all()
        names = ("login", "full_name", "role", "extension", "language", "active", "robot")
        rows = [fields_of(person, *names) for person in people]
        if as_json:
            say_json(rows)
        else:
            table("people", names, [list(row.values()) for row in rows])

    run(work)


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
