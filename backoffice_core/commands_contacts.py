"""Commands of contacts made elsewhere, and of the bank's systems that may call the API."""

import asyncio
import getpass
from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError

from backoffice_core.clock import Clock
from backoffice_core.command_line import House, Json, fields_of, run, say, say_json, table
from backoffice_core.config import Settings
from backoffice_core.errors import Refused

contacts = typer.Typer(no_args_is_help=True, help="Contacts made elsewhere, and who reports them.")
client = typer.Typer(no_args_is_help=True, help="Systems of the bank that may call the API.")


@contacts.command("source")
def source_command(
    name: Annotated[str, typer.Argument(help="as sms-gateway")],
    channel: Annotated[str, typer.Option(help="sms, call, robot, visit … of rows that name none")],
    every: Annotated[
        int, typer.Option(help="minutes within which it reports, if only that there is nothing; 0 = never late")
    ],
    actor: Annotated[str, typer.Option(help="human, dialer, robot, agency")] = "",
    assume: Annotated[int, typer.Option(help="contacts a person and day assumed while it is late")] = 1,
    refuse: Annotated[bool, typer.Option("--refuse", help="while it is late, nobody is contacted")] = False,
) -> None:
    """Set up a source, or change it. What is assumed while it is late becomes a rule, LATE-NAME, with versions."""
    from backoffice_core.compliance import elsewhere

    async def work(house: House) -> str:
        async with house.database.begin() as session:
            done = await elsewhere.set_source(
                session, name, channel=channel, every_minutes=every, now=house.clock.now(), by=getpass.getuser(),
                actor=actor, assume_per_day=assume, fail_closed=refuse,
            )  # fmt: skip
            return done.name

    say(f"{run(work)} is set up.")


@contacts.command("sources")
def sources_command(as_json: Json = False) -> None:
    """Who reports contacts, and who is late. Exit code 1 when one is."""
    from backoffice_core.compliance import elsewhere

    async def work(house: House) -> list[elsewhere.SourceState]:
        start, _ = house.clock.day_bounds(house.clock.today())
        async with house.database.begin() as session:
            return await elsewhere.states(session, house.clock.now(), start)

    found = run(work)
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        head = ("source", "state", "channel", "every, min", "known to (UTC)", "today", "with nobody we know")
        rows = [
            (s.name, "LATE" if s.late else "ok", s.channel, s.every_minutes, f"{s.covered_to:%Y-%m-%d %H:%M}",
             s.contacts_today, s.unmatched) for s in found
        ]  # fmt: skip
        table("sources of contacts", head, rows)
    if any(one.late for one in found):
        raise typer.Exit(1)


async def late_now(settings: Settings) -> list[str]:
    """For `status`: names of late sources; none when the database does not answer at once (status says so itself)."""
    from backoffice_core import clock
    from backoffice_core.compliance import elsewhere
    from backoffice_core.db import Database

    database = Database(settings, pool=1, name="status")
    try:
        async with asyncio.timeout(2), database.begin() as session:
            return await elsewhere.late_names(session, clock.load(settings).now())
    except (SQLAlchemyError, OSError, TimeoutError, Refused):
        return []
    finally:
        await database.close()


@contacts.command("unmatched")
def unmatched_command(
    source: Annotated[str, typer.Option(help="only of this source")] = "",
    again: Annotated[bool, typer.Option("--again", help="look for their people once more")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
    as_json: Json = False,
) -> None:
    """Contacts with nobody we know. They are matched again each hour."""
    from backoffice_core.compliance import elsewhere

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as session:
            if again:
                await elsewhere.match_again(session, f"os:{getpass.getuser()}")
            found = await elsewhere.unmatched(session, source, limit)
            return [fields_of(one, "source", "source_id", "at", "row") for one in found]

    rows = run(work)
    if as_json:
        say_json(rows)
        return
    keys = ("person_ref", "contract_no", "tax_id", "phone")
    shown = [
        (r["source"], r["source_id"], f"{r['at']:%Y-%m-%d %H:%M}", r["row"]["channel"],
         ", ".join(r["row"][key] for key in keys if r["row"][key])) for r in rows
    ]  # fmt: skip
    table("contacts with nobody we know", ("source", "id", "at (UTC)", "channel", "with"), shown)


# --- clients of the API --------------------------------------------------------------------------------------------


@client.command("add")
def add_command(
    name: Annotated[str, typer.Argument(help="of the system, as crm")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="portfolio, payments, stop-list, contacts, shelter, read, counts, docs; default: all"),
    ] = None,
    per_minute: Annotated[int, typer.Option(min=1, max=100_000, help="requests")] = 600,
    as_json: Json = False,
) -> None:
    """Give a system a key. It is shown once, here; a client that is there gets a new key, and the old one ends."""
    from backoffice_core.staff import clients

    async def work(house: House) -> str:
        async with house.database.begin() as session:
            return await clients.add(
                session,
                name,
                scopes=scope or [*clients.SCOPES],
                per_minute=per_minute,
                wall=Clock.wall(),
                by=getpass.getuser(),
            )

    key = run(work)
    if as_json:
        say_json({"client": name, "key": key})
    else:
        say(f"Key of {name}, shown only now: {key}")


@client.command("revoke")
def revoke_command(name: str) -> None:
    """End a client's key at once."""
    from backoffice_core.staff import clients

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            await clients.revoke(session, name, wall=Clock.wall(), by=getpass.getuser())

    run(work)
    say(f"The key of {name} opens nothing any more.")


@client.command("list")
def list_command(as_json: Json = False) -> None:
    """Who has a key, and for what."""
    from backoffice_core.staff import clients

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as session:
            names = ("name", "scopes", "per_minute", "created_at", "created_by", "revoked_at")
            return [fields_of(one, *names) for one in await clients.every(session)]

    rows = run(work)
    if as_json:
        say_json(rows)
    else:
        head = ("client", "may", "a minute", "since (UTC)", "by", "revoked (UTC)")
        table("clients", head, [[", ".join(v) if isinstance(v, list) else v for v in row.values()] for row in rows])
