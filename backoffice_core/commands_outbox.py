"""`backoffice webhook …`: who is told of events, what waits, what was given up."""

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

webhook = typer.Typer(no_args_is_help=True, help="Systems of the bank that are told of events.")


@webhook.command("add")
def add_command(
    name: Annotated[str, typer.Argument(help="of the system, as crm")],
    url: Annotated[str, typer.Argument(help="https address whose host the setting webhook_hosts names")],
    kind: Annotated[list[str] | None, typer.Option(help="as promise.kept or case.*; default: all")] = None,
    as_json: Json = False,
) -> None:
    """Tell a system of events, or change its address or kinds. The secret of its signatures is shown by `webhook secret`."""
    from backoffice_core.outbox import service as outbox

    async def work(house: House) -> dict[str, Any]:
        async with house.database.begin() as s:
            hook = await outbox.subscribe(
                s, house.settings, name, url, kind or [], wall=Clock.wall(), by=getpass.getuser()
            )
            return fields_of(hook, "name", "url", "kinds", "state")

    done = run(work)
    if as_json:
        say_json(done)
    else:
        say(f"{done['name']} is told of {len(done['kinds'])} kinds of events at {done['url']}.")


@webhook.command("list")
def list_command(as_json: Json = False) -> None:
    """Who is told, what waits, and what was given up."""
    from backoffice_core.outbox import service as outbox

    async def work(house: House) -> list[outbox.HookState]:
        async with house.database.begin() as s:
            return await outbox.states(s)

    found = run(work)
    if as_json:
        say_json([asdict(one) for one in found])
        return
    head = ("system", "address", "state", "kinds", "waiting", "since (UTC)", "dead", "sent")
    rows = [
        (h.name, h.url, h.state, len(h.kinds), h.waiting, f"{h.oldest:%Y-%m-%d %H:%M}" if h.oldest else "", h.dead, h.sent)
        for h in found
    ]  # fmt: skip
    table("webhooks", head, rows)


@webhook.command("secret")
def secret_command(
    name: str,
    new: Annotated[bool, typer.Option("--new", help="a new one, which counts from the next event on")] = False,
    as_json: Json = False,
) -> None:
    """The secret with which a system checks that events are ours."""
    from backoffice_core.outbox import service as outbox

    async def work(house: House) -> str:
        async with house.database.begin() as s:
            hook = await outbox.change(s, name, by=getpass.getuser(), new_secret=new)
            return outbox.secret(house.settings, hook)

    shown = run(work)
    if as_json:
        say_json({"name": name, "secret": shown})
    else:
        say(f"Secret of {name}: {shown}")


def _state(to: str, name: str) -> None:
    from backoffice_core.outbox import service as outbox

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            await outbox.change(s, name, by=getpass.getuser(), state=to)

    run(work)


@webhook.command("pause")
def pause_command(name: str) -> None:
    """Keep its events and send none, until `webhook resume`."""
    _state("PAUSED", name)
    say(f"Events for {name} wait.")


@webhook.command("resume")
def resume_command(name: str) -> None:
    """Send again, first what waited."""
    _state("ACTIVE", name)
    say(f"{name} is told again.")


@webhook.command("end")
def end_command(name: str) -> None:
    """Tell it nothing any more; what waited is dropped."""
    _state("ENDED", name)
    say(f"{name} is told nothing any more.")


@webhook.command("test")
def try_command(name: str, as_json: Json = False) -> None:
    """Send an event of the kind `test`."""
    from backoffice_core.outbox import service as outbox

    async def work(house: House) -> str:
        async with house.database.begin() as s:
            return await outbox.test(s, name, at=house.clock.now(), by=getpass.getuser())

    event = run(work)
    if as_json:
        say_json({"event_id": event})
    else:
        say(f"Event {event} is on its way; `backoffice webhook events` tells how it went.")


@webhook.command("events")
def events_command(
    name: Annotated[str, typer.Option(help="only for this system")] = "",
    state: Annotated[str, typer.Option(help="waiting, sent, dead")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """Events, newest first: how often each was tried and what came of it."""
    from backoffice_core.outbox import service as outbox

    async def work(house: House) -> list[dict[str, Any]]:
        names = ("id", "event_id", "kind", "subject", "at", "state", "tries", "next_at", "sent_at", "answered", "error")
        async with house.database.begin() as s:
            found = await outbox.listed(s, state=state.upper(), name=name, most=limit)
            return [{"system": hook} | fields_of(event, *names) for event, hook in found]

    rows = run(work)
    if as_json:
        say_json(rows)
        return
    head = ("event", "system", "kind", "of (UTC)", "state", "tries", "last answer")
    shown = [(r["event_id"], r["system"], r["kind"], f"{r['at']:%Y-%m-%d %H:%M:%S}", r["state"], r["tries"],
              r["error"] or r["answered"] or "") for r in rows]  # fmt: skip
    table("events", head, shown)


@webhook.command("again")
def again_command(
    name: Annotated[str, typer.Option(help="only for this system")] = "",
    event: Annotated[str, typer.Option(help="one event, in whatever state")] = "",
    as_json: Json = False,
) -> None:
    """Send once more what was given up."""
    from backoffice_core.outbox import service as outbox

    async def work(house: House) -> int:
        async with house.database.begin() as s:
            return await outbox.again(s, name, event_id=event, by=getpass.getuser())

    done = run(work)
    if as_json:
        say_json({"events": done})
    else:
        say(f"Events that go out once more: {done}.")


async def dead_now(settings: Settings) -> int:
    """For `status`: how many events were given up; 0 when the database does not answer at once (status says so itself)."""
    from backoffice_core.db import Database
    from backoffice_core.outbox import service as outbox

    database = Database(settings, pool=1, name="status")
    try:
        async with asyncio.timeout(2), database.begin() as s:
            return await outbox.dead(s)
    except (SQLAlchemyError, OSError, TimeoutError, Refused):
        return 0
    finally:
        await database.close()
