"""The main job, on this machine: a night's queue dialed through a real Asterisk, robot agents' screens popping.

`make demo` runs this. Everything is the product's own commands and programs; only the carrier, the desk phones and
the robot agents are stand-ins. It runs until Ctrl-C (or `--duration` seconds), stops dialing, waits for the calls that
are up, prints a summary, and stops all in order.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from backoffice_core import clock, config
from backoffice_core.borrowers.models import PhoneEvidence
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import history
from backoffice_core.call_centre.dialing import stop
from backoffice_core.call_centre.models import CallAttempt, Recording
from backoffice_core.command_line import hush
from backoffice_core.compliance import loader
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import PartMissing, Refused
from backoffice_core.events import QueueChanged
from backoffice_core.loans.portfolio import import_file
from backoffice_core.nightly import run_night
from backoffice_core.parts import asterisk, control
from backoffice_core.parts.explain import explain
from backoffice_core.parts.process import free_ports, need_port
from backoffice_core.staff import service as staff
from far_end import past, portfolio
from far_end.library import learn_shipped

PASSWORD = "demo-demo-demo"  # noqa: S105 (a demo's logins are printed; they exist on loopback only)
PEOPLE = (
    ("agent", "Ірина Бондар", "agent", 101),
    ("supervisor", "Оксана Марченко", "supervisor", 190),
    ("manager", "Роман Савчук", "manager", None),
    ("admin", "Адміністратор", "admin", None),
)
HOOKS = 5080  # port of the receiver of webhooks, TCP; another one where it is taken
CALLS_LIMIT_S = 90.0  # how long calls that are up at the end are waited for


def lawful_hour(now: datetime | None = None) -> datetime:
    """10:00 in Kyiv on the next working weekday, today included while it is not over."""
    kyiv = ZoneInfo("Europe/Kyiv")
    day = (now or datetime.now(kyiv)).astimezone(kyiv)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return day.replace(hour=10, minute=0, second=0, microsecond=0)


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"  {what:<58} {time.monotonic() - began:5.1f} s")


# --- before ------------------------------------------------------------------------------------------------------


async def _fill(settings: Settings, options: argparse.Namespace, file: Path) -> list[dict[str, Any]]:
    """People, rules, portfolio, night. Returns the robots' seats."""
    business = clock.load(settings)
    database = Database(settings, pool=4, name="demo")
    seats: list[dict[str, Any]] = []
    try:
        countries = {row["jurisdiction"] for row in loader.read_file()}
        with told(f"staff, rules of {len(countries)} jurisdictions, working calendars"):
            async with database.begin() as s:
                known = (await s.execute(select(staff.User.login))).scalars().all()
                people = [(*row, False) for row in PEOPLE]
                people += [
                    (f"robot{n:02}", f"Робот {n:02}", "agent", 200 + n, True) for n in range(1, options.robots + 1)
                ]
                for login, name, role, extension, robot in people:
                    if login not in known:
                        await staff.create_user(
                            s, login=login, full_name=name, role=role, password=PASSWORD, wall=business.wall(),
                            extension=extension, robot=robot,
                        )  # fmt: skip
                    if robot:
                        secret = settings.derived_secret(f"phone:{extension}")
                        seats.append(
                            {"login": login, "password": PASSWORD, "extension": extension, "phone_secret": secret}
                        )
                await compliance.load_rules(s, "demo")
                await compliance.seed_calendar(s, range(business.today().year - 1, business.today().year + 2))
        if not options.no_past:
            await past.live_through(settings, database, business, file, options.seed, told)
        with told(f"portfolio of {options.loans} loans imported"):
            async with database.begin() as s:
                await import_file(s, file, at=business.now(), zone=business.zone, by="demo", demo=True)
        with told("announcements of the networks learnt"):
            async with database.begin() as s:
                await learn_shipped(s, settings, business.wall())
        with told(f"the night of {business.today()}"):
            await run_night(database, business, settings, business.today())
        bus = Bus(settings)
        await bus.publish(QueueChanged())
        await bus.close()
    finally:
        await database.close()
    return seats


def _spawn(log: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.terminate()
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- after -------------------------------------------------------------------------------------------------------


def _quantiles(values: list[float]) -> dict[str, float | int | None]:
    ordered = sorted(values)

    def at(share: float) -> float | None:
        return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) if ordered else None

    return {"p50": at(0.50), "p95": at(0.95), "p99": at(0.99), "n": len(ordered)}


def _cards(robots_log: Path) -> dict[str, datetime]:
    """When each call's card was wholly in a robot's hands."""
    cards: dict[str, datetime] = {}
    lines = robots_log.read_text().splitlines() if robots_log.exists() else []
    for line in map(json.loads, lines):
        if line["event"] == "CARD" and line["named"]:
            cards.setdefault(line["call_id"], datetime.fromisoformat(line["at"]))
    return cards


async def summary(settings: Settings, since: datetime, robots_log: Path) -> dict[str, Any]:
    """What this run did, counted from PostgreSQL; the card's moment is the robots' own. `since`: the machine's time."""
    business = clock.load(settings)
    database = Database(settings, pool=2, name="demo")
    cards = _cards(robots_log)
    try:
        async with database.begin() as s:
            query = select(CallAttempt).where(
                CallAttempt.direction == "out", CallAttempt.claimed_at >= since, CallAttempt.ended_at.is_not(None)
            )
            calls = list((await s.execute(query)).scalars())
            sealed = select(func.count()).where(Recording.state == "SEALED", Recording.created_at >= since)
            dead = select(func.count(func.distinct(PhoneEvidence.contact_point_id))).where(
                PhoneEvidence.sign == "dead", PhoneEvidence.call_id.in_([c.id for c in calls])
            )
            queue = await history.queue_counts(s, business.today())
            result: dict[str, Any] = {
                "queued": sum(queue.values()),
                "not_callable": await history.not_callable_counts(s, business.today()),
                "dialed": len(calls),
                "results": dict(sorted(Counter(c.result or "UNKNOWN" for c in calls).items())),
                "connected": sum(c.bridged_at is not None for c in calls),
                "abandoned": sum(c.abandoned for c in calls),
                "answer_to_agent_ms": _quantiles(
                    [
                        (c.bridged_at - c.answered_at).total_seconds() * 1000
                        for c in calls
                        if c.bridged_at and c.answered_at
                    ]
                ),
                "answer_to_screen_ms": _quantiles(
                    [
                        (cards[str(c.id)] - c.answered_at).total_seconds() * 1000
                        for c in calls
                        if c.answered_at and str(c.id) in cards
                    ]
                ),
                "announcements": dict(sorted(Counter(c.announcement for c in calls if c.announcement).items())),
                "recordings": (await s.execute(sealed)).scalar_one(),
                "dead_numbers": (await s.execute(dead)).scalar_one(),
            }
    finally:
        await database.close()
    return result


async def _calls_over(settings: Settings) -> None:
    """Until no call is up and every recording is sealed."""
    database = Database(settings, pool=2, name="demo")
    end = time.monotonic() + CALLS_LIMIT_S
    try:
        while time.monotonic() < end:
            async with database.begin() as s:
                live = select(func.count()).where(CallAttempt.ended_at.is_(None))
                unsealed = select(func.count()).where(Recording.state == "EXPECTED")
                left = (await s.execute(live)).scalar_one() + (await s.execute(unsealed)).scalar_one()
            if not left:
                return
            await asyncio.sleep(0.5)
    finally:
        await database.close()


# --- the run -----------------------------------------------------------------------------------------------------


def _wait(options: argparse.Namespace, settings: Settings) -> None:
    """Until Ctrl-C or the duration's end, with a line of figures now and then."""
    began = time.monotonic()

    said = ""

    async def figures() -> None:
        nonlocal said
        database, business = Database(settings, pool=1, name="demo"), clock.load(settings)
        try:
            while options.duration is None or time.monotonic() - began < options.duration:
                left = 10.0 if options.duration is None else options.duration - (time.monotonic() - began)
                await asyncio.sleep(min(10.0, max(left, 0.05)))
                start, end = business.day_bounds(business.today())
                with contextlib.suppress(Exception):
                    async with database.begin() as s:
                        f = await history.day_figures(s, start, end)
                        queue = await history.queue_counts(s, business.today())
                    at = business.now().astimezone(business.zone)
                    say(f"  {at:%H:%M:%S}  dialed {f.dialed}, answered {f.answered}, connected {f.connected}, "
                        f"abandoned {f.abandoned}, promises {f.promises}")  # fmt: skip
                    used_up = _used_up(queue)
                    if used_up and used_up != said:
                        say(used_up)
                    said = used_up
        finally:
            await database.close()

    asyncio.run(figures())


def _used_up(queue: Mapping[str, int]) -> str:
    """What the console says once nobody is left to be called for the first time; "" = there are some."""
    waits = queue.get("RETRY_WAIT", 0)
    if not queue or queue.get("ELIGIBLE", 0):
        return ""
    if waits:
        return f"  Everybody of today's list was called; {waits} wait for their next attempt, which comes by itself."
    return "  Today's list is used up: nobody is left to call. Ctrl-C ends the demo; `make demo` begins a new day."


def _settings(options: argparse.Namespace) -> Settings:
    """The product's own settings, with a data folder and an hour for the demo."""
    os.environ["BACKOFFICE_DATA"] = str(options.data.resolve())
    os.environ.setdefault("BACKOFFICE_NOW", lawful_hour().isoformat())
    os.environ.setdefault("BACKOFFICE_RING_TIMEOUT_S", "15")
    os.environ.setdefault("BACKOFFICE_WEBHOOK_HOSTS", '["127.0.0.1", "localhost"]')
    return config.load()


def _clean(home: Path) -> None:
    for name in ("postgres", "valkey", "recordings", "announcements", "clock.json", "STOP", "log", "far_end"):
        path = home / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _free(port: int) -> int:
    with contextlib.suppress(PartMissing):
        need_port(port, "127.0.0.1", "the receiver of webhooks", "far_end")
        return port
    return free_ports(1)[0]


def _invite(settings: Settings, duration: float | None, hooks: int) -> None:
    say("")
    say(f"Dialing. The console is at {settings.console_url}")
    for login, name, role, extension in PEOPLE:
        phone = f"  phone {extension}" if extension else ""
        say(f"    {login:<11} {PASSWORD}   {role:<11} {name}{phone}")
    say(
        f"  Webhooks: http://127.0.0.1:{hooks}/ takes them here, and keeps them in {settings.data}/far_end/webhooks.jsonl"
    )
    say("  Log in as agent, keep “in the browser” as the phone, press F2: you sit beside the robots.")
    say("  Ctrl-C ends the demo." if duration is None else f"  It ends by itself after {duration:g} s.")
    say("")


def _dial(
    settings: Settings, options: argparse.Namespace, work: Path, seats: list[dict[str, Any]], hooks: int
) -> dict[str, Any]:
    """Robots at their desks until the end; then no new calls, and the summary once those that are up are over."""
    since, robots_log, agents_file = clock.Clock.wall(), work / "robots.jsonl", work / "agents.json"
    agents_file.touch(mode=0o600)
    agents_file.write_text(json.dumps(seats))
    robots = _spawn(
        settings.data / "log" / "robots.log",
        ["far_end.robots", "--agents", str(agents_file), "--log", str(robots_log),
         "--console", f"http://{settings.bind}:{settings.ports.console}", "--sip-port", str(settings.ports.sip),
         "--truth", str(work / "portfolio.csv"), "--today", str(clock.load(settings).today()),
         "--talk", options.talk, "--wrap", options.wrap],
    )  # fmt: skip
    try:
        _invite(settings, options.duration, hooks)
        with contextlib.suppress(KeyboardInterrupt):
            _wait(options, settings)
        say("")
        say("Stopping: no new calls; calls that are up are waited for …")
        stop.stop_now(settings, "demo", "the demo ends", clock.Clock.wall())
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_calls_over(settings))
        return asyncio.run(summary(settings, since, robots_log))
    finally:
        settings.stop_file.unlink(missing_ok=True)
        _end(robots)


def run(options: argparse.Namespace) -> int:
    hush()
    settings = _settings(options)
    ports, work = settings.ports, settings.data / "far_end"
    control.down(settings, say=lambda _: None)
    need_port(ports.far_end, "127.0.0.1", "the far end's carrier", "far_end", udp=True)
    if not options.keep:
        _clean(settings.data)
    say(
        f"BackOffice for Bank: demo. Business time begins at {settings.now:%A %d.%m.%Y %H:%M %Z} by the clock's offset."
    )
    work.mkdir(parents=True, exist_ok=True)
    carrier, receiver, hooks = None, None, _free(HOOKS)
    try:
        with told(f"portfolio of {options.loans} loans generated (seed {options.seed})"):
            as_at = clock.load(settings, restart=True).now() - timedelta(hours=4)
            wish = portfolio.Wish(loans=options.loans, seed=options.seed, as_at=as_at)
            portfolio.write(wish, work / "portfolio.csv")
        carrier = _spawn(
            settings.data / "log" / "far_end.log",
            ["far_end.carrier", "--port", str(ports.far_end), "--rtp-port", str(ports.far_end_rtp),
             "--call-back", "0.3", "--call-back-after", "3-10", "--exchange", str(ports.sip),
             "--log", str(work / "carrier.jsonl"), "--seed", str(options.seed)],
        )  # fmt: skip
        receiver = _spawn(
            settings.data / "log" / "far_end.log",
            ["far_end.receiver", "--port", str(hooks), "--log", str(work / "webhooks.jsonl")],
        )
        control.up(settings, say=say)
        seats = asyncio.run(_fill(settings, options, work / "portfolio.csv"))
        with told("phones of the staff made known to Asterisk"):
            asterisk.refresh(settings)
        text = json.dumps(_dial(settings, options, work, seats, hooks), ensure_ascii=False, indent=2)
        say(text)
        if options.json:
            options.json.write_text(text + "\n")
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
        control.down(settings, say=say)
        _end(carrier)
        _end(receiver)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description="The main job, with a far end on this machine.")
    parser.add_argument("--duration", type=float, help="seconds of dialing; without it until Ctrl-C")
    parser.add_argument("--json", type=Path, help="also write the summary to this file")
    parser.add_argument("--keep", action="store_true", help="go on with the last demo's database")
    parser.add_argument(
        "--no-past", action="store_true", help="begin with an empty history: reports and proof are empty"
    )
    parser.add_argument("--loans", type=int, default=1500)
    parser.add_argument("--robots", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--talk", default="8-20", help="seconds of a robot's patience")
    parser.add_argument("--wrap", default="1-4", help="seconds of a robot's wrap-up")
    parser.add_argument("--data", type=Path, default=Path("data/demo"))
    options = parser.parse_args()

    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell starts background jobs with it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130
    except Refused as refused:
        say(
            f"error: {refused.message}\n  what to do: {refused.remedy}"
            if refused.remedy
            else f"error: {refused.message}"
        )
    except Exception as error:
        troubles = explain(error)
        if not troubles:
            raise
        for message, remedy in troubles:
            say(f"error: {message}\n  what to do: {remedy}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
