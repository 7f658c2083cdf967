"""Commands of trunks and caller ids: how they stand, one test call, the table of the numbers that we show."""

import asyncio
import getpass
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any
from uuid import uuid4

import typer

from backoffice_core.command_line import House, Json, fields_of, run, say, say_json, table
from backoffice_core.config import Trunk
from backoffice_core.days import meant
from backoffice_core.errors import BadInput, ClockShiftRefused, DialingStopped, Refused

trunk = typer.Typer(no_args_is_help=True, help="Ways out to the telephone network.")
caller_id = typer.Typer(no_args_is_help=True, help="The numbers that we show.")

RING_S = 20
TALK_S = 30


@trunk.command("list")
def trunk_list(as_json: Json = False) -> None:
    """Every trunk: lines, breaker, money of the day. Exit code 1 when one is out."""
    from backoffice_core.call_centre.carriers import trunks

    async def work(house: House) -> list[dict[str, Any]]:
        wall = house.clock.wall()
        start, _ = house.clock.day_bounds(house.clock.today())
        async with house.database.begin() as s:
            standing = await trunks.standings(s, house.settings, wall=wall, day_start=start)
        return [
            {
                "name": one.name, "priority": one.priority, "used": one.used, "lines": one.lines,
                "breaker": one.breaker.state, "why": one.breaker.why, "until": one.breaker.until,
                "spent": one.spent, "budget": one.budget, "out_of_money": one.out_of_money,
            }
            for one in standing.values()
        ]  # fmt: skip

    rows = run(work)
    if as_json:
        say_json(rows)
    else:
        head = ("trunk", "priority", "lines", "breaker", "why", "tried again (UTC)", "money today")
        table("trunks", head, [
            (r["name"], r["priority"], f"{r['used']} / {r['lines']}", r["breaker"], r["why"],
             f"{r['until']:%H:%M:%S}" if r["until"] and r["breaker"] != "CLOSED" else "",
             f"{r['spent']}" + (f" / {r['budget']}" if r["budget"] else "")) for r in rows
        ])  # fmt: skip
    if any(r["breaker"] == "OPEN" or r["out_of_money"] for r in rows):
        raise typer.Exit(1)


@trunk.command("test")
def trunk_test(
    name: Annotated[str, typer.Argument(help="the trunk")],
    to: Annotated[str, typer.Option("--to", help="a number registered for tests (`test_numbers` of the trunk)")],
    as_json: Json = False,
) -> None:
    """Place one test call and say what happened at each step. Who answers hears that it is a test.

    Only to numbers registered for tests on this trunk, or to the far end on this machine. Exit code 1 unless answered.
    """
    steps: list[dict[str, str]] = []

    def step(what: str, found: str) -> None:
        steps.append({"step": what, "found": found})
        if not as_json:
            say(f"{what:<14} {found}")

    async def work(house: House) -> dict[str, Any]:
        return await _test_call(house, name, to, step)

    try:
        told = run(work)
    except Refused as refused:
        if as_json:
            say_json(
                {"trunk": name, "result": "REFUSED", "why": refused.message, "remedy": refused.remedy, "steps": steps}
            )
            raise typer.Exit(1) from None
        raise
    if as_json:
        say_json(told | {"steps": steps})
    if told["result"] != "ANSWERED":
        raise typer.Exit(1)


async def _test_call(house: House, name: str, to: str, step: Any) -> dict[str, Any]:
    from backoffice_core.call_centre.carriers import caller_ids
    from backoffice_core.call_centre.carriers.caller_id_rules import IdView, choose
    from backoffice_core.numbering import destination_refusal, written
    from backoffice_core.pbx.actions import originate_test
    from backoffice_core.pbx.ami import Ami

    settings = house.settings
    way = _way_to_test(house, name, to)
    step("allowed", f"{to} is registered for tests" if not way.is_loopback else "the trunk ends on this machine")
    if refusal := destination_refusal(to, way.allow, way.deny):
        raise BadInput(
            f"Trunk {name} may not call {to} ({refusal}).", remedy="Add its prefix to the trunk's `allow`.", field="to"
        )
    async with house.database.begin() as s:
        ids = await caller_ids.views(s)
    shown = choose(ids, name, caller_ids.CAMPAIGN, house.clock.today())
    if not isinstance(shown, IdView):
        raise BadInput(
            f"No caller id may be shown on trunk {name} ({shown}).", remedy="`backoffice caller-id add` registers one."
        )
    dialled = written(to, way.number_format, way.country, way.number_prefix)
    step("caller id", f"{shown.number}, written {written(shown.number, way.caller_id_format, way.country)}")
    step("dialled", dialled)
    channel_id = f"test-{uuid4()}"
    ami = Ami(
        settings.asterisk_host, settings.ports.ami, "dialer", settings.derived_secret("ami:dialer"), "trunk-test",
        wanted=frozenset({"Newstate", "Hangup", "OriginateResponse"}),
    )  # fmt: skip
    async with ami:
        await originate_test(
            ami, channel_id=channel_id, number=to, trunk=way, caller_id=shown.number, ring_timeout_s=RING_S,
            language=settings.language,
        )  # fmt: skip
        result = await _follow(ami, channel_id, step)
    return {"trunk": name, "to": to, "dialled": dialled, "caller_id": shown.number} | result


def _way_to_test(house: House, name: str, to: str) -> Trunk:
    """The trunk, when a test call may be placed on it now. Raises BadInput, DialingStopped, ClockShiftRefused."""
    from backoffice_core.call_centre.dialing.stop import stopped

    settings = house.settings
    try:
        way = settings.trunk(name)
    except KeyError:
        names = ", ".join(one.name for one in settings.trunks)
        raise BadInput(f"There is no trunk {name}.", remedy=f"One of: {names}.", field="name") from None
    if stopped(settings):
        raise DialingStopped(remedy="Lift the stop first, or test later.")
    if house.clock.offset and not way.is_loopback:
        raise ClockShiftRefused(remedy="Unset BACKOFFICE_NOW and run `backoffice up` again.")
    registered = {f"+{number.lstrip('+')}" for number in way.test_numbers}
    if not way.is_loopback and f"+{to.lstrip('+')}" not in registered:
        raise BadInput(
            f"{to} is not registered for tests on trunk {name}: it may be a borrower's.",
            remedy=f"Call a number of your own and name it in the trunk's setting `test_numbers`: {sorted(registered)}.",
            field="to",
        )
    return way


async def _follow(ami: Any, channel_id: str, step: Any) -> dict[str, Any]:
    """What the exchange tells of the call until its end."""
    from backoffice_core.pbx.frames import Event

    answered, failed = False, False

    async def listen() -> dict[str, Any]:
        nonlocal answered, failed
        async for event in ami.events():
            if not isinstance(event, Event) or channel_id not in (event.get("Uniqueid"), event.get("ActionID")):
                continue
            if event.name == "Newstate" and event.get("ChannelStateDesc") == "Ringing":
                step("ringing", "the other side rings")
            elif event.name == "Newstate" and event.get("ChannelStateDesc") == "Up":
                answered = True
                step("answered", "the test message is played")
            elif event.name == "OriginateResponse" and event.get("Response") == "Failure" and not failed:
                failed = True
            elif event.name == "Hangup":
                cause, code = event.get("Cause"), event.get("TechCause") or ""
                why = f"cause {cause} {event.get('Cause-txt')}" + (f", SIP {code}" if code else "")
                step("ended", why)
                result = "ANSWERED" if answered else "FAILED"
                return {"result": result, "cause": int(cause or 0) or None, "sip_code": int(code) if code else None}
        return {"result": "FAILED", "cause": None, "sip_code": None}

    try:
        async with asyncio.timeout(RING_S + TALK_S):
            while True:
                task = asyncio.ensure_future(listen())
                done, _ = await asyncio.wait({task}, timeout=2)
                while not done and not (failed and not answered):
                    done, _ = await asyncio.wait({task}, timeout=2)
                if done:
                    return task.result()
                task.cancel()
                step("ended", "no channel came to be: the trunk does not answer")
                return {"result": "FAILED", "cause": 3, "sip_code": None}
    except TimeoutError:
        step("ended", "nothing was heard in time")
        return {"result": "FAILED", "cause": None, "sip_code": None}


# --- caller ids ----------------------------------------------------------------------------------------------------


Reason = Annotated[str, typer.Option(help="why")]


def _day(said: str, field: str) -> date | None:
    try:
        return meant(date.fromisoformat(said)) if said else None
    except ValueError:
        raise BadInput(f"“{said}” is not a date.", remedy="Write it as 2026-12-31.", field=field) from None


@caller_id.command("list")
def caller_id_list(as_json: Json = False) -> None:
    """All numbers, with whose they are, where and for whom they are shown, and until when."""
    from sqlalchemy import select

    from backoffice_core.call_centre.models import CallerId

    async def work(house: House) -> list[dict[str, Any]]:
        query = select(CallerId).order_by(CallerId.position, CallerId.number)
        names = ("number", "owner", "purpose", "trunks", "campaigns", "position", "declared_on", "valid_from", "valid_to",
                 "state", "state_since", "rests_since", "source")  # fmt: skip
        async with house.database.begin() as s:
            return [fields_of(row, *names) for row in (await s.execute(query)).scalars()]

    rows = run(work)
    if as_json:
        say_json(rows)
        return
    head = ("number", "state", "rests since", "owner", "trunks", "campaigns", "#", "declared", "from", "to")
    table("caller ids", head, [
        (r["number"], r["state"], r["rests_since"], r["owner"], ", ".join(r["trunks"]), ", ".join(r["campaigns"]), r["position"],
         r["declared_on"], r["valid_from"], r["valid_to"]) for r in rows
    ])  # fmt: skip


@caller_id.command("add")
def caller_id_add(
    number: Annotated[str, typer.Argument(help="with its country code, as +380445550100")],
    owner: Annotated[str, typer.Option(help="whose number it is; default: the bank")] = "",
    trunks: Annotated[list[str] | None, typer.Option("--trunk", help="a trunk that admits it; may be repeated")] = None,
    campaigns: Annotated[list[str] | None, typer.Option("--campaign", help="whose calls show it")] = None,
    purpose: str = "collection",
    position: Annotated[int, typer.Option(min=1, help="the first usable one is shown")] = 1,
    declared: Annotated[str, typer.Option(help="date on which it was declared to the authority")] = "",
    begins: Annotated[str, typer.Option("--from", help="first day")] = "",
    ends: Annotated[str, typer.Option("--to", help="last day")] = "",
    reason: Annotated[str, typer.Option(help="needed when an id of the campaign has lately gone bad")] = "",
    as_json: Json = False,
) -> None:
    """Register a number that we show, or change its terms."""
    from backoffice_core.call_centre.carriers import caller_ids

    async def work(house: House) -> str:
        said = caller_ids.NewId(
            number=number, owner=owner or house.settings.bank_name, trunks=trunks or [],
            campaigns=campaigns or [caller_ids.CAMPAIGN], purpose=purpose, position=position,
            declared_on=_day(declared, "declared"), valid_from=_day(begins, "from"), valid_to=_day(ends, "to"),
            reason=reason,
        )  # fmt: skip
        async with house.database.begin() as s:
            row = await caller_ids.add(s, house.settings, said, by=getpass.getuser(), now=house.clock.now())
            return row.number

    added = run(work)
    say_json({"number": added}) if as_json else say(f"{added} is in the table.")


@caller_id.command("retire")
def caller_id_retire(number: str, reason: Reason) -> None:
    """Take a number out for good."""
    _move(number, "RETIRED", reason)


@caller_id.command("back")
def caller_id_back(number: str, reason: Reason) -> None:
    """Put a number that had left the pool, or was retired, back into it."""
    _move(number, "IN", reason)


def _move(number: str, state: str, reason: str) -> None:
    from backoffice_core.call_centre.carriers import caller_ids

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            await caller_ids.move(s, number, state, by=getpass.getuser(), reason=reason, now=house.clock.now())

    run(work)
    say(f"{number} is {'in the pool' if state == 'IN' else 'retired'}.")


@caller_id.command("complaint")
def caller_id_complaint(number: str, note: Annotated[str, typer.Option(help="who complained of what")] = "") -> None:
    """Note that somebody complained of calls from this number: operators count complaints."""
    from backoffice_core.call_centre.carriers import caller_ids

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            await caller_ids.complaint(s, number, by=getpass.getuser(), note=note, now=house.clock.now())

    run(work)
    say("Noted.")


@caller_id.command("health")
def caller_id_health(as_json: Json = False) -> None:
    """Each number over an hour, a day and a week, and the operators' signs that it shows. Exit code 1 when one is out."""
    from backoffice_core.call_centre.carriers import caller_ids

    async def work(house: House) -> list[caller_ids.Health]:
        async with house.database.begin() as s:
            return await caller_ids.health(s, house.settings, now=house.clock.now(), wall=house.clock.wall())

    found = run(work)
    if as_json:
        say_json([
            {"number": one.row.number, "state": one.row.state, "judged": one.judged, "signs": one.signs,
             **{span: asdict(figures) for span, figures in one.figures.items()}} for one in found
        ])  # fmt: skip
    else:
        head = ("number", "state", "span", "calls", "answered", "mean talk s", "under 60 s", "new numbers", "silent",
                "abandoned", "recorded", "call-backs", "complaints", "signs")  # fmt: skip
        rows = [
            (one.row.number, one.row.state, span, f.calls, f.answered,
             f"{f.mean_talk_s:.0f}" if f.mean_talk_s is not None else "", f.short_talks, f.new_numbers, f.silent,
             f.abandoned, f.recorded, "" if f.call_backs is None else f"{f.call_backs_answered}/{f.call_backs}",
             f.complaints, ", ".join(one.signs) if span == "day" else "")
            for one in found for span, f in one.figures.items()
        ]  # fmt: skip
        table("caller ids", head, rows)
    if any(one.row.state == "OUT" for one in found):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Adds them to `backoffice`."""
    app.add_typer(trunk, name="trunk")
    app.add_typer(caller_id, name="caller-id")
