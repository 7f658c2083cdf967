"""`backoffice backup …` and `backoffice drain`."""

import asyncio
import getpass
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core import config
from backoffice_core.clock import Clock
from backoffice_core.command_line import House, Json, bar, hush, noted, run, say, say_json, table
from backoffice_core.config import Settings
from backoffice_core.errors import Refused

# --- backup --------------------------------------------------------------------------------------------------------

backup = typer.Typer(invoke_without_command=True, help="Sealed backups, each verified by restoring it.")
Folder = Annotated[Path | None, typer.Option("--from", help="folder of backups; default: the setting's")]


@backup.callback()
def _backup(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option("--to", help="folder of backups; default: the setting's")] = None,
    recordings: Annotated[bool, typer.Option("--recordings", help="the talks too, not only their index")] = False,
    as_json: Json = False,
) -> None:
    """Back up while everything works. It is kept only after it was restored into a scratch server and compared."""
    if context.invoked_subcommand:
        return
    from backoffice_core.parts import backup as parts

    hush()
    settings = config.load()
    began = time.monotonic()
    with bar("backup") as step:
        made = parts.make(
            settings, to=to, recordings=recordings, step=lambda _, done, of: step(done, of), now=Clock.wall()
        )
    folder = (to or settings.backups_dir).expanduser().resolve() / made.id
    told = {"bytes": made.bytes, "rows": made.rows, "recordings": made.with_recordings, "key": made.key}
    noted("BACKUP_MADE", made.id, told)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        say_json({"id": made.id, "folder": folder, "bytes": made.bytes, "tables": len(made.tables), "rows": made.rows,
                  "recordings": made.recordings, "verified_at": made.verified_at, "key": made.key,
                  "seconds": seconds})  # fmt: skip
        return
    say(f"Backup {made.id}: {made.bytes / 2**20:.1f} MB in {folder}, {seconds} s. Restored and compared: "
        f"{len(made.tables)} tables, {made.rows} rows.")  # fmt: skip
    if not settings.backup_key.get_secret_value():
        say("Its key lies in the data folder. Keep a copy elsewhere: without it no backup can be read "
            "(`backoffice backup key`).")  # fmt: skip


@backup.command("list")
def backup_list(source: Folder = None, as_json: Json = False) -> None:
    """What there is, and from which moment on each can be restored."""
    from backoffice_core.parts import shelf as shelves
    from backoffice_core.parts import wal

    settings = config.load()
    folder = (source or settings.backups_dir).expanduser().resolve()
    shelf = shelves.shelf(folder)
    pieces = wal.kept(folder)
    last = max((file.stat().st_mtime for file in pieces.values()), default=None)
    if as_json:
        rows = [{"id": m.id, "from": m.ended_at, "bytes": m.bytes, "rows": m.rows, "recordings": m.with_recordings,
                 "key": m.key, "verified_at": m.verified_at} for _, m in shelf]  # fmt: skip
        say_json({"folder": folder, "backups": rows, "log_pieces": len(pieces), "log_until": last})
        return
    head = ("backup", "any minute from (UTC); by URL: at", "MB", "rows", "talks", "key", "verified (UTC)")
    shown = [
        (m.id, f"{m.ended_at:%Y-%m-%d %H:%M:%S}", f"{m.bytes / 2**20:.1f}", m.rows, "yes" if m.with_recordings else "index",
         m.key, f"{m.verified_at:%H:%M:%S}" if m.verified_at else "no") for _, m in shelf
    ]  # fmt: skip
    table(f"backups in {folder}", head, shown)
    say(f"{len(pieces)} pieces of the log; {len(wal.waiting(settings))} wait to be sealed.")


@backup.command("key")
def backup_key() -> None:
    """Show the key that opens the backups, to be kept away from this machine. Only on a terminal."""
    from backoffice_core.parts.strongbox import backup_key as key_of

    if not sys.stdout.isatty():
        raise Refused("The key is shown on a terminal only.", remedy="Or read the file backup.key of the data folder.")
    key = key_of(config.load(), make=True)
    say(f"Backup key {key.id} (set it as BACKOFFICE_BACKUP_KEY on the machine that restores):\n{key.text}")


# --- drain ---------------------------------------------------------------------------------------------------------


def drain(
    timeout: Annotated[int, typer.Option(min=1, max=86_400, help="seconds to wait for the talks")] = 1800,
    lift: Annotated[bool, typer.Option("--lift", help="let new calls begin again")] = False,
    by: Annotated[str, typer.Option(help="who; default: the account's name")] = "",
    as_json: Json = False,
) -> None:
    """No new calls; what rings and talks goes on to its end and its result. Returns when nobody talks any more."""
    hush()
    settings = config.load()
    if lift:
        was = settings.drain_file.exists()
        settings.drain_file.unlink(missing_ok=True)
        if was:
            noted("DRAIN_LIFTED", data={"by": by or getpass.getuser()})
        say_json({"draining": False, "was": was}) if as_json else say(
            "New calls may begin." if was else "It was not set."
        )
        return
    begin_drain(settings, by or getpass.getuser())
    noted("DRAIN_BEGUN", data={"by": by or getpass.getuser()})
    left = run(lambda house: _drained(house, timeout, quiet=as_json))
    if as_json:
        say_json({"draining": True, "drained": not any(left.values()), **left})
    elif not any(left.values()):
        say("Drained: nobody talks, every result is given. `backoffice drain --lift` lets new calls begin again.")
    if any(left.values()):
        if not as_json:
            say(f"Not drained after {timeout} s: {_words(left)}. New calls still do not begin.")
        raise typer.Exit(1)


def begin_drain(settings: Settings, by: str) -> None:
    """The dialer looks at the file before each claim. Idempotent."""
    settings.data.mkdir(parents=True, exist_ok=True)
    settings.drain_file.write_text(json.dumps({"by": by, "at": Clock.wall().isoformat()}))


async def _drained(house: House, limit_s: float, *, quiet: bool) -> dict[str, int]:
    end, told = time.monotonic() + limit_s, ""
    while True:
        left = await left_to_drain(house)
        if not any(left.values()) or time.monotonic() > end:
            return left
        if (words := _words(left)) != told and not quiet:
            say(words)
            told = words
        await asyncio.sleep(0.3)


def _words(left: dict[str, int]) -> str:
    return f"{left['calls']} calls and {left['results']} results left"


async def left_to_drain(house: House) -> dict[str, int]:
    """Calls that are up, and talks whose result is not given yet."""
    from sqlalchemy import func, select

    from backoffice_core.call_centre.models import AgentSession, CallAttempt

    async with house.database.begin() as s:
        calls = select(func.count()).select_from(CallAttempt).where(CallAttempt.ended_at.is_(None))
        results = select(func.count()).select_from(AgentSession)
        results = results.where(AgentSession.ended_at.is_(None), AgentSession.state == "WRAP_UP")
        counts: dict[str, Any] = {
            "calls": (await s.execute(calls)).scalar_one(),
            "results": (await s.execute(results)).scalar_one(),
        }
    return counts
