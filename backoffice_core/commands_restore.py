"""`backoffice restore …`: back to a minute of the past, and the account of the calls since then (FL-13)."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core import clock as clocks
from backoffice_core import config
from backoffice_core.clock import Clock
from backoffice_core.command_line import House, Json, bar, hush, run, say, say_json, table
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput

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
    from ami_listener import traces
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
    table("calls since then", ("count", "what"), [(counts.get(name, 0), words) for name, words in _COUNTED.items()])
    if settings.restored_file.exists():
        say("Dialing stays stopped: `backoffice restore findings` shows the calls that nobody could tie, "
            "`backoffice restore accept --by NAME --reason TEXT` says that they were looked at.")  # fmt: skip
    else:
        say("Dialing is stopped. `backoffice up`, then `backoffice stop --lift --by NAME --reason TEXT` lets it go on.")


_COUNTED = {  # ami_listener.account.COUNTED
    "known": "known to the restored database",
    "settled": "that were going on at the restored point, their end found",
    "recreated": "written again, with their slot in the ledger",
    "unknown": "whose end nobody knows: counted, not dialed again",
    "carrier": "that only the carrier knew, among those written again",
    "untied": "that could not be tied to a person",
    "seats": "seats of agents cleared",
}


async def _begin_account(settings: Settings, done: Any, by: str, cdr: Sequence[Path]) -> dict[str, int]:
    from ami_listener.account import account
    from backoffice_core.call_centre.calls import restores
    from backoffice_core.call_centre.dialing import stop

    database = Database(settings, pool=2, name="restore")
    try:
        clock = clocks.load(settings)
        async with database.begin() as s:
            await restores.begin(s, to=done.to, backup=done.backup, by=by, wall=clock.wall())
            await stop.note_stop(s, by, stop.RESTORED, clock.wall())
        return await account(database, clock, settings, cdr)
    finally:
        await database.close()


# --- afterwards ----------------------------------------------------------------------------------------------------


@restore.command("settle")
def settle(
    cdr: Cdr = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="a database by URL was restored to this moment")] = "",
    by: By = "",
    as_json: Json = False,
) -> None:
    """Account for the calls since the restored point once more, as when the carrier's records have come."""
    from ami_listener.account import account
    from backoffice_core.call_centre.calls import restores
    from backoffice_core.call_centre.dialing import stop
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
        return await account(house.database, house.clock, house.settings, cdr or [])

    counts = run(work)
    if as_json:
        say_json(counts)
    else:
        _tell(config.load(), counts)


@restore.command("findings")
def findings(as_json: Json = False) -> None:
    """Calls since the restored point that could not be tied to a person."""
    from backoffice_core.call_centre.calls import restores

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
    from backoffice_core.call_centre.calls import restores

    async def work(house: House) -> int:
        async with house.database.begin() as s:
            return await restores.accept(s, by=by, reason=reason, wall=house.clock.wall())

    count = run(work)
    restores.settled(config.load())
    if as_json:
        say_json({"accepted": count})
    else:
        say(f"{count} findings accepted. `backoffice stop --lift --by NAME --reason TEXT` lets dialing go on.")
