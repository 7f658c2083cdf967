"""`backoffice …`: the command line. What starts and ends the parts is here, the bank's work is in commands.py."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from backoffice_core import commands, commands_contacts, commands_outbox, commands_recordings, config, leases
from backoffice_core.command_line import noted, run, say
from backoffice_core.commands_recordings import said_of_volume
from backoffice_core.said import help_in_words, said, spoken

app = typer.Typer(
    name="backoffice",
    help="A telephony-first contact centre with which a bank services and collects its loans.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Only = Annotated[str, typer.Option("--only", help="these parts alone: postgres,valkey,asterisk,worker,agi,…")]
Json = Annotated[bool, typer.Option("--json", help="for scripts")]


def _names(only: str) -> list[str]:
    return [name.strip() for name in only.split(",") if name.strip()]


@app.command()
def up(only: Only = "") -> None:
    """Start everything and wait until it works."""
    from backoffice_core.parts import control

    settings = config.load()
    control.up(settings, _names(only), say)


@app.command()
def down() -> None:
    """Stop everything, in order. Does nothing when nothing runs."""
    from backoffice_core.parts import control

    control.down(config.load(), say)


@app.command()
def upgrade() -> None:
    """Replace the programs that run by those of this release, one by one. Nobody's talk is cut; Asterisk is reloaded."""
    from backoffice_core.parts import control

    state = control.upgrade(config.load(), say)
    noted("UPGRADED", data={"parts": [part.name for part in state.parts]})


asterisk = typer.Typer(no_args_is_help=True, help="The telephone exchange's configuration.")
app.add_typer(asterisk, name="asterisk")


@asterisk.command("diff")
def asterisk_diff(as_json: Json = False) -> None:
    """What a reload would change, secrets hidden. Exit code 0 when nothing, 1 otherwise."""
    from backoffice_core.parts import asterisk as exchange

    changes = exchange.changes(config.load())
    _show_changes(changes, as_json)
    raise typer.Exit(1 if changes else 0)


@asterisk.command("reload")
def asterisk_reload(as_json: Json = False) -> None:
    """Write the configuration of these settings and make the running Asterisk read it. Talks go on."""
    from backoffice_core.parts import asterisk as exchange

    changes = exchange.take_over(config.load())
    if changes:
        noted("ASTERISK_RELOADED", data={"files": [change.file for change in changes]})
    _show_changes(changes, as_json)


def _show_changes(changes: list[Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(change) for change in changes], ensure_ascii=False))
        return
    for change in changes:
        print(change.diff.rstrip())
        print("-> " + (", ".join(change.commands) or "nothing is reloaded"))
        if change.at_start:
            print(f"   {change.at_start}")
    if not changes:
        say("Nothing differs.")


@app.command()
def status(as_json: Json = False) -> None:
    """What runs. Exit code 0 when all parts are up, 1 otherwise."""
    from backoffice_core.parts import control

    settings = config.load()
    parts = control.look(settings)
    supervisor = control.runs(settings)
    late = asyncio.run(commands_contacts.late_now(settings)) if supervisor else []
    dead = asyncio.run(commands_outbox.dead_now(settings)) if supervisor else 0
    unjudged = asyncio.run(_unjudged(settings)) if supervisor else 0
    volume = _volume()
    if as_json:
        shown = [{k: v for k, v in asdict(part).items() if k not in {"create_time", "sign"}} for part in parts]
        leaders = [asdict(one) for one in _leaders(settings)] if parts else []
        told = {
            "supervisor": supervisor.pid if supervisor else None,
            "parts": shown,
            "late_sources": late,
            "events_given_up": dead,
            "cases_not_judged": unjudged,
            "leaders": leaders,
            "recordings": volume,
        }
        print(json.dumps(told, ensure_ascii=False, default=str))
    elif not parts:
        say("Nothing runs. Start it with `backoffice up`.")
    else:
        from rich.console import Console
        from rich.table import Table

        head = ("part", "state", "pid", "since (UTC)", "restarts", "port", "last error")
        table = Table(*map(said, head), box=None)
        for part in parts:
            since = part.since[:19].replace("T", " ")
            pid, port = str(part.pid or ""), str(part.port or "")
            table.add_row(part.name, said(part.state), pid, since, str(part.restarts), port, part.error)
        Console(width=None if sys.stdout.isatty() else 160).print(table)
        for name in late:
            say(f"The source of contacts {name} is late: caps are lowered by its rule. `backoffice contacts sources`.")
        if dead:
            say(
                f"Events that no system heard and that were given up: {dead}. `backoffice webhook events --state dead`."
            )
        if unjudged:
            say(f"Cases of today that could not be judged, and are not called: {unjudged}. `backoffice logs worker`.")
        for one in _leaders(settings):
            who = f"{one.host} pid {one.pid} since {one.since:%Y-%m-%d %H:%M:%S} UTC" if one.holds else said("nobody")
            say(f"{one.name} is led by {who}")
        if volume:
            say(said_of_volume(volume))
        if not supervisor:
            say("The supervisor is dead. `backoffice down` ends what it left behind, `backoffice up` starts anew.")
    raise typer.Exit(0 if supervisor and parts and all(part.state == "up" for part in parts) else 1)


def _leaders(settings: config.Settings) -> list[leases.Leading]:
    """Which dialer and which listener lead; empty while the database does not answer."""
    from backoffice_core.db import Database

    async def ask() -> list[leases.Leading]:
        database = Database(settings, pool=1, name="status")
        try:
            async with asyncio.timeout(3), database.begin() as s:
                return await leases.board(s)
        except leases.AWAY:
            return []
        finally:
            await database.close()

    return asyncio.run(ask())


async def _unjudged(settings: config.Settings) -> int:
    """0 while the database does not answer."""
    from backoffice_core import clock
    from backoffice_core.call_centre.queueing import requeue
    from backoffice_core.db import Database

    database = Database(settings, pool=1, name="status")
    try:
        async with asyncio.timeout(2), database.begin() as s:
            return await requeue.unjudged(s, clock.load(settings).today())
    except leases.AWAY:
        return 0
    finally:
        await database.close()


def _volume() -> dict[str, Any] | None:
    """None while the database does not answer: what runs must be told all the same."""
    try:
        return run(commands_recordings.volume)
    except Exception:  # of whatever kind: this command is asked when things are broken
        return None


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="one part; all when left out")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="go on with what comes")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0)] = 30,
) -> None:
    """The parts' logs."""
    from backoffice_core.parts import control, process

    files = control.log_files(config.load(), name)
    for file in files:
        for line in process.tail(file, lines):
            print(line if name else f"{file.stem:<14} | {line}")
    if follow:
        for part, line in control.follow(files):
            print(line if name else f"{part:<14} | {line}", flush=True)


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    from backoffice_core.migrations import migrate as run

    run(config.load())
    say("The database is up to date.")


@app.command()
def supervise(
    only: Only = "",
    detached: Annotated[bool, typer.Option("--detached", hidden=True, help="logs to files; `up` uses it")] = False,
    take_over: Annotated[bool, typer.Option("--take-over", hidden=True, help="`upgrade` uses it")] = False,
) -> None:
    """Run the parts in the foreground until a signal (containers, systemd)."""
    from backoffice_core import clock
    from backoffice_core.parts import catalogue
    from backoffice_core.parts import state as states
    from backoffice_core.parts.supervisor import Supervisor
    from backoffice_core.parts.takeover import TakeOver
    from backoffice_core.program import set_up_log

    settings = config.load()
    set_up_log("supervisor", settings.log_level)
    clock.load(settings)
    names = catalogue.wanted(settings, _names(only))
    one = Supervisor(settings, names, to_terminal=not detached, label="" if detached else "-".join(_names(only)))
    old = states.read(settings) if take_over else None
    code = one.run(TakeOver(settings, old) if old else None)
    if one.state.failure and not detached:
        _complain(one.state.failure.message, one.state.failure.remedy)
    raise typer.Exit(code)


@app.command()
def worker() -> None:
    """Run the jobs: the night, the sweepers (the supervisor starts this)."""
    from backoffice_core.worker import run

    run(config.load())


commands.register(app)


def _complain(message: str, remedy: str = "") -> None:
    print(said(f"error: {said(message)}"), file=sys.stderr)
    if remedy:
        print(said(f"  what to do: {said(remedy)}"), file=sys.stderr)


def main() -> None:
    """Exit code 0 done, 1 refused (one clear line and what to do, on stderr), 2 wrong usage."""
    for warning in config.misspelt(os.environ):
        print(said(f"warning: {warning}"), file=sys.stderr)
    try:
        if spoken() == "en":
            app()
        else:
            help_in_words(typer.main.get_command(app))()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `backoffice logs | head`
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        from backoffice_core.parts.explain import explain

        troubles = explain(error)
        if not troubles:
            raise
        for message, remedy in troubles:
            _complain(message, remedy)
        sys.exit(1)


if __name__ == "__main__":
    main()
