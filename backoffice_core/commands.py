"""The commands of the bank's work, beside those that start and stop the parts. Tables for people, `--json` for scripts."""

from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

import typer

from backoffice_core import commands_lists, commands_report, commands_trunks
from backoffice_core.command_line import House, Json, bar, fields_of, run, say, say_json, table
from backoffice_core.commands_admin import call, rules, stop
from backoffice_core.commands_announcements import announcements
from backoffice_core.commands_audit import audit
from backoffice_core.commands_backup import backup, drain
from backoffice_core.commands_campaigns import campaign, dialer
from backoffice_core.commands_contacts import client, contacts
from backoffice_core.commands_money import bands, overdue, payments
from backoffice_core.commands_outbox import webhook
from backoffice_core.commands_people import user
from backoffice_core.commands_prompts import prompts
from backoffice_core.commands_recordings import recordings
from backoffice_core.commands_restore import restore
from backoffice_core.commands_simulate import simulate
from backoffice_core.commands_strategy import dossier, strategy
from backoffice_core.commands_tasks import tasks, unit
from backoffice_core.commands_tls import tls
from backoffice_core.errors import BadInput
from backoffice_core.said import said, word

Day = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="business date; default: today")]


# --- the night and its queue ---------------------------------------------------------------------------------------


def nightly(day: Day = "", as_json: Json = False) -> None:
    """Run the night of a business date: cases, stages, promises, tasks, tonight's queue. Safe to repeat."""
    import uvloop

    from backoffice_core.nightly import NightReport, run_night
    from backoffice_core.program import JUDGES, calm_collector

    async def work(house: House) -> NightReport:
        calm_collector(JUDGES)
        with bar("night") as step:
            return await run_night(
                house.database,
                house.clock,
                house.settings,
                house.day(day),
                lambda _, done, of: step(done, of),
                again=True,
            )

    report = run(work, uvloop.new_event_loop)
    if as_json:
        say_json(asdict(report))
        return
    rows = [
        (s.step, f"{s.seconds:.1f} s", ", ".join(f"{k} {v}" for k, v in s.counts.items() if v)) for s in report.steps
    ]
    table(f"night of {report.business_date}", ("step", "took", "counts"), rows)
    if strange := report.counts("open_cases").get("late_without_sum"):
        say(f"{strange} loans are late by days, but nothing of them is overdue: they open no case. Does the bank's file "
            "have the columns overdue_principal, overdue_interest, overdue_penalty?")  # fmt: skip
    if report.counts("build_queue").get("NO_RULE"):
        say("Cases stand under NO_RULE: load the rules with `backoffice rules load`, then run the night again.")


def queue(
    what: Annotated[
        str, typer.Argument(help="reasons: where every open case stands, counted", show_default=False)
    ] = "",
    day: Day = "",
    not_callable: Annotated[bool, typer.Option("--not-callable", help="who is not called, and why")] = False,
    reason: Annotated[str, typer.Option(help="only this reason, as OUT_OF_HOURS")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: Json = False,
) -> None:
    """Tonight's queue in its order, and how many cases are not called for which reason."""
    from backoffice_core.call_centre.calls import history
    from backoffice_core.call_centre.queueing import queue as queues
    from backoffice_core.compliance.terms import ReasonCode
    from backoffice_core.nightly import NightStep

    if reason and reason.upper() not in list(ReasonCode):
        raise BadInput(f"“{reason}” is no reason of not calling.", remedy=f"Known are {', '.join(ReasonCode)}.",
                       field="reason")  # fmt: skip

    if what not in {"", "reasons"}:
        raise BadInput(f"“{what}” is nothing that the queue has.", remedy="`backoffice queue` or `backoffice queue reasons`.",
                       field="what")  # fmt: skip
    if what:
        run(lambda house: _reasons(house, day, as_json))
        return

    async def work(house: House) -> None:
        on = house.day(day)
        async with house.database.begin() as session:
            states = await history.queue_counts(session, on)
            reasons = await history.not_callable_counts(session, on)
            refused = await queues.not_callable(session, on, reason=reason.upper(), limit=limit)
            tasks = await queues.tonight(session, on, limit=limit)
            step = await session.get(NightStep, (on, "build_queue"))
            ran = step is not None and step.state == "DONE"
        listed = not_callable or bool(reason)
        if as_json:
            rows = [asdict(row) for row in (refused if listed else tasks)]
            say_json({"date": on, "tasks": states, "not_callable": reasons, "rows": rows})
        elif listed:
            head = ("case", "borrower", "reason", "until", "rule")
            shown = [
                (r.case_number, r.person_name, word("reason", r.reason), house.hour(r.until), r.rule) for r in refused
            ]
            table(f"not called on {on}", head, shown)
        else:
            columns = ("#", "case", "borrower", "phone", "state", "from", "days", "overdue", "×typical", "why")
            table(f"queue of {on}", columns, [_queue_line(house, row) for row in tasks])
            say("tasks: " + (", ".join(f"{word('task-state', k)} {v}" for k, v in states.items()) or said("none")))
            say("not called: " + (", ".join(f"{word('reason', k)} {v}" for k, v in reasons.items()) or said("none")))
            if not states and not reasons:
                say(
                    f"The night of {on} made no tasks."
                    if ran
                    else f"There is no queue for {on}: run `backoffice nightly`."
                )

    run(work)


async def _reasons(house: House, day: str, as_json: bool) -> None:
    """Callable + waiting + in a call + done + not called = all open cases."""
    from backoffice_core.call_centre.queueing import requeue, standing

    on = house.day(day)
    async with house.database.begin() as session:
        found = await standing.counts(session, on, house.clock.now())
        left = await requeue.marks_left(session)
    if as_json:
        say_json({"date": on, "to_judge": left, **asdict(found)})
        return
    rows = [
        (where if not n else "", word("task-state" if where == "done" else "reason", code), count)
        for where, reasons in ((one, found.reasons.get(one, {})) for one in standing.CLASSES)
        for n, (code, count) in enumerate([("", found.classes[where]), *reasons.items()])
        if found.classes[where]
    ]
    table(f"open cases on {on}", ("", "reason", "cases"), rows)
    say(f"all open cases: {found.open}")
    if left:
        say(f"to judge anew: {left}")


def _queue_line(house: House, row: Any) -> tuple[object, ...]:
    why = row.why
    return (
        row.position, row.case_number, row.person_name, row.phone, word("task-state", row.state), house.hour(row.earliest_at),
        why.get("days_past_due"), f"{why.get('overdue', '')} {why.get('currency', '')}", why.get("times_typical"),
        word("why", why.get("group")),
    )  # fmt: skip


def calls(
    day: Day = "",
    live: Annotated[bool, typer.Option("--live", help="those that are up now")] = False,
    as_json: Json = False,
) -> None:
    """Calls of a business date, newest first, or the live ones."""
    from backoffice_core.call_centre.calls import history

    async def work(house: House) -> None:
        on = house.day(day)
        begins, ends = (datetime.combine(d, time(), house.clock.zone) for d in (on, on + timedelta(days=1)))
        rows: list[dict[str, Any]]
        async with house.database.begin() as session:
            if live:
                rows = [asdict(call) for call in await history.live_calls(session)]
            else:
                names = ("id", "business_at", "direction", "number", "state", "result", "outcome", "abandoned", "answered_at",
                         "bridged_at", "ended_at", "estimated", "cause", "sip_code")  # fmt: skip
                found = await history.calls_of_day(session, begins, ends)
                rows = [{name: getattr(call, name) for name in names} for call in found]
        if as_json:
            say_json({"date": None if live else on, "calls": rows})
        elif live:
            head = ("since (UTC)", "state", "number", "borrower", "case", "agent", "trunk")
            shown = [
                (f"{r['since'].astimezone(UTC):%H:%M:%S}", word("call-state", r["state"]), r["number"], r["person_name"],
                 r["case_number"],
                 r["agent_name"], r["trunk"]) for r in rows
            ]  # fmt: skip
            table("live calls", head, shown)
        else:
            columns = ("at", "", "number", "state", "result", "outcome", "seconds", "call")
            table(f"calls of {on}", columns, [_call_line(house, row) for row in rows])

    run(work)


def _call_line(house: House, row: dict[str, Any]) -> tuple[object, ...]:
    ended, answered = row["ended_at"], row["answered_at"]
    seconds = f"{(ended - answered).total_seconds():.1f}" if ended and answered else ""
    seconds = f"~{seconds}" if row["estimated"] else seconds  # nobody told the end: until the last evidence
    at = f"{row['business_at'].astimezone(house.clock.zone):%H:%M:%S}"
    state, result, outcome = (
        word(family, row[name])
        for family, name in (("call-state", "state"), ("result", "result"), ("outcome", "outcome"))
    )
    return at, row["direction"], row["number"], state, result, outcome, seconds, row["id"]


# --- cases and agents ----------------------------------------------------------------------------------------------

case = typer.Typer(no_args_is_help=True, help="The case file.")


@case.command("show")
def case_show(
    number: Annotated[int | None, typer.Argument(help="the case's number")] = None,
    contract: Annotated[str, typer.Option(help="or a contract of the borrower")] = "",
    phone: Annotated[str, typer.Option(help="or one of his phones, as you would write it")] = "",
    as_json: Json = False,
) -> None:
    """One case: borrower, phones, loans, open tasks, history."""
    if sum(map(bool, (number is not None, contract, phone))) != 1:
        raise BadInput("Which case?", remedy="Give its number, or --contract, or --phone.")
    from backoffice_core.borrowers import service as borrowers
    from backoffice_core.call_centre.calls import history
    from backoffice_core.cases import service as cases
    from backoffice_core.loans import service as loans

    async def work(house: House) -> None:
        value = _number(phone, house.settings.jurisdiction) if phone else ""
        async with house.database.begin() as session:
            found, person = await cases.find(session, number=number, contract=contract, phone=value)
            phones = await borrowers.phones_of(session, person.id)
            owed = await loans.loans_of(session, person.id)
            tasks = await cases.tasks_of(session, found.id)
            lines = await history.history(session, found.id, limit=30)
        shown: dict[str, list[dict[str, Any]]] = {
            "phones": [fields_of(p, "value", "owner_kind", "number_type", "state", "state_reason") for p in phones],
            "loans": [fields_of(x, "contract_no", "product", "currency", "balance", "overdue", "days_past_due", "as_at")
                      for x in owed],
            "tasks": [fields_of(t, "kind", "control_date", "earliest_at") for t in tasks],
            "history": [fields_of(e, "at", "kind", "code", "actor_name", "data") for e in lines],
        }  # fmt: skip
        if as_json:
            head = fields_of(
                found, "id", "number", "state", "stage", "opened_at", "closed_at", "hold_reason", "hold_until"
            )
            say_json({**head, "borrower": person.full_name, "place": person.place, **shown})
            return
        say(f"case {found.number}  {found.state}  stage {found.stage}  {person.full_name}, {person.place}")
        for title, rows in shown.items():
            if rows:
                table(title, list(rows[0]), [[_banks_time(house, cell) for cell in row.values()] for row in rows])

    run(work)


def _banks_time(house: House, cell: object) -> object:
    return f"{cell.astimezone(house.clock.zone):%Y-%m-%d %H:%M}" if isinstance(cell, datetime) else cell


def _number(cell: str, country: str) -> str:
    from backoffice_core.borrowers.rules import read_phone

    try:
        return read_phone(cell, country).value
    except ValueError as error:
        raise BadInput(f"“{cell}”: {error}.", remedy="Write it with its country code, as +380671234567.") from None


def agents(as_json: Json = False) -> None:
    """Who sits where, in which state, since when."""
    from backoffice_core.call_centre.desks import agents as desks

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            board = await desks.board(session)
        if as_json:
            say_json([asdict(row) for row in board])
            return
        head = ("name", "phone", "state", "reason", "since (UTC)", "line", "borrower")
        table("agents", head, [_agent_line(row) for row in board])

    run(work)


def _agent_line(row: Any) -> tuple[object, ...]:
    since = f"{row.since.astimezone(UTC):%H:%M:%S}"
    state, reason = word("agent-state", row.state), word("pause", row.reason)
    return row.name, row.extension, state, reason, since, row.line, row.person_name


def register(app: typer.Typer) -> None:
    """Adds them to `backoffice`."""
    commands_lists.register(app, _as_help)
    commands_trunks.register(app)
    for command in (
        nightly,
        queue,
        calls,
        agents,
        stop,
        drain,
        simulate,
        tasks,
        dossier,
        overdue,
        commands_report.report,
    ):
        app.command()(command)
    app.add_typer(case, name="case")
    app.add_typer(call, name="call")
    app.add_typer(user, name="user")
    app.add_typer(rules, name="rules")
    app.add_typer(prompts, name="prompts")
    app.add_typer(tls, name="tls")
    app.add_typer(announcements, name="announcements")
    app.add_typer(audit, name="audit")
    app.add_typer(contacts, name="contacts")
    app.add_typer(client, name="client")
    app.add_typer(backup, name="backup")
    app.add_typer(restore, name="restore")
    app.add_typer(recordings, name="recordings")
    app.add_typer(campaign, name="campaign")
    app.add_typer(unit, name="unit")
    app.add_typer(strategy, name="strategy")
    app.add_typer(dialer, name="dialer")
    app.add_typer(payments, name="payments")
    app.add_typer(bands, name="bands")
    app.add_typer(commands_report.cost, name="cost")
    app.add_typer(webhook, name="webhook")


def _as_help(text: str) -> str:
    r"""Keeps the line breaks of the table of columns: `\b` tells click not to fold a paragraph."""
    first, *paragraphs = text.strip().split("\n\n")
    return "\n\n".join([first, *(f"\b\n{p}" for p in paragraphs)])
