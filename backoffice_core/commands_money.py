"""`backoffice payments …`: payments, reversals and schedules from the bank's files."""

import getpass
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from backoffice_core.collection.rules import Band
from backoffice_core.command_line import House, Json, run, say, say_json, table
from backoffice_core.commands_orders import order
from backoffice_core.errors import BadInput
from backoffice_core.events import QueueChanged

bands = typer.Typer(no_args_is_help=True, help="Stages and buckets by days past due, in dated versions.")
payments = typer.Typer(no_args_is_help=True, help="Payments and schedules from the bank's files.")
payments.add_typer(order, name="order")


@payments.command("import")
def import_command(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX: external_ref, contract_no, paid_at, amount …; see the docs")
    ],
    as_json: Json = False,
) -> None:
    """Post payments and reversals; a reference counts once. All rows, or none with each problem named."""
    from backoffice_core import money_in
    from backoffice_core.loans.payments import read_payments, refuse_file

    async def work(house: House) -> money_in.MoneyIn:
        zone = house.clock.zone
        rows, lines = read_payments(file, zone=zone)
        async with house.database.begin() as session:
            done = await money_in.take(
                session, rows, house.settings, at=house.clock.now(), today=house.clock.today(), zone=zone,
                by=getpass.getuser(),
            )  # fmt: skip
            refuse_file(file.name, done.posted.refused, lines)
        if done.cases:
            await house.tell(QueueChanged())
        return done

    done = run(work)
    if as_json:
        say_json({"new": len(done.posted.new), "known": done.posted.known, "cases": len(done.cases), **done.counts})
    else:
        kept, cured = done.counts.get("kept", 0), done.counts.get("cured", 0)
        new, known = len(done.posted.new), done.posted.known
        say(f"{new} payments posted, {known} known before; {kept} promises kept, {cured} cases cured.")


@payments.command("schedule")
def schedule_command(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: contract_no, due_date, amount, paid")],
    as_json: Json = False,
) -> None:
    """Take over instalments; the schedule of each contract in the file is replaced. Days past due are counted by it."""
    from backoffice_core.loans.payments import import_schedule

    async def work(house: House) -> dict[str, int]:
        async with house.database.begin() as session:
            return await import_schedule(session, file, as_at=house.clock.now())

    done = run(work)
    if as_json:
        say_json(done)
    else:
        say(f"{done['instalments']} instalments of {done['contracts']} contracts; the night counts days by them.")


def _bands(given: Sequence[str]) -> list[Band]:
    """Raises BadInput."""
    found = []
    for one in given:
        known = re.fullmatch(r"([^:]+):(\d{1,5})-(\d{1,5})?", one)
        if known is None:
            raise BadInput(f"“{one}” is no band.", remedy="Write them as 0:0-0 1:1-30 2:31-.", field="bands")
        found.append(Band(known[1], int(known[2]), int(known[3]) if known[3] else None))
    return found


@bands.command("set")
def bands_set(
    kind: Annotated[str, typer.Argument(help="stage, bucket, cbr")],
    given: Annotated[
        list[str], typer.Argument(metavar="CODE:FIRST-LAST …", help="all of them; the last without its end")
    ],
    begins: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM-DD", help="the first day; tomorrow at the earliest")
    ],
    source: Annotated[str, typer.Option(help="who decided so, and when")] = "",
) -> None:
    """A new version of the stages or buckets from a day on; days before it are counted as they were."""
    from backoffice_core.audit import service as audit
    from backoffice_core.collection import bands as service

    made = _bands(given)

    async def work(house: House) -> tuple[int, date]:
        on, by = house.day(begins), getpass.getuser()
        if on <= house.clock.today():
            raise BadInput("A rule begins tomorrow at the earliest.", remedy="Give a later day.", field="valid_from")
        async with house.database.begin() as session:
            version = await service.replace(session, kind, made, valid_from=on, source=source or f"os:{by}")
            audit.note(session, f"os:{by}", "BANDS_SET", f"{kind}/{version}", {"bands": given, "valid_from": str(on)})
        return version, on

    version, on = run(work)
    say(f"Version {version} holds from {on}.")


@bands.command("list")
def bands_list(as_json: Json = False) -> None:
    """All versions of stages and buckets, with the days on which each holds."""
    from sqlalchemy import select

    from backoffice_core.collection.models import StageBand

    names = ("kind", "version", "code", "first", "last", "valid_from", "valid_to", "source")

    async def work(house: House) -> list[dict[str, object]]:
        query = select(StageBand).order_by(StageBand.kind, StageBand.version, StageBand.first)
        async with house.database.begin() as session:
            return [{name: getattr(one, name) for name in names} for one in await session.scalars(query)]

    rows = run(work)
    if as_json:
        say_json(rows)
    else:
        table("stages and buckets", ("kind", "version", "code", "first day", "last day", "from", "to", "source"),
              [list(row.values()) for row in rows])  # fmt: skip


def overdue(
    day: Annotated[str, typer.Option(help="business date, as 2026-12-31; default: today")] = "",
    branch: Annotated[str, typer.Option(help="only of this branch")] = "",
    as_json: Json = False,
) -> None:
    """The notice to the credit department: loans that turned overdue on a day and still are."""
    from backoffice_core.collection import overdue as notice

    async def work(house: House) -> list[notice.Turned]:
        start, end = house.clock.day_bounds(house.day(day))
        async with house.database.begin() as session:
            return await notice.turned(session, start, end, branch=branch)

    found = run(work)
    if as_json:
        say_json([asdict(one) for one in found])
        return
    head = ("branch", "contract", "case", "days", "overdue", "currency")
    rows = [(r.branch, r.contract_no, r.case_number, r.days_past_due, f"{r.overdue:,.2f}", r.currency) for r in found]
    table("turned overdue", head, rows)
