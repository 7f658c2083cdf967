"""The command of the reports: figures as at any day, or the rows behind them; for people, scripts and spreadsheets."""

import getpass
import sys
from dataclasses import asdict
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, fields_of, run, say, say_json, table
from backoffice_core.errors import BadInput

cost = typer.Typer(no_args_is_help=True, help="What contacts cost, for the cost of each strategy arm.")

Day = Annotated[
    str, typer.Option("--as-at", metavar="YYYY-MM-DD", help="as at the end of this day; today when left out")
]
First = Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="the first day; 30 days back when left out")]


def report(
    name: Annotated[str, typer.Argument(help="which: portfolio, rolls, calls …; a wrong one names all")],
    as_at: Day = "",
    begins: First = "",
    by: Annotated[str, typer.Option(help="what is counted by, as bucket, stage, branch, product, owner, person")] = "",
    portfolio: Annotated[str, typer.Option(help="only this portfolio; - = without")] = "",
    branch: Annotated[str, typer.Option(help="only this branch; - = without")] = "",
    product: Annotated[str, typer.Option(help="only this product; - = without")] = "",
    owner: Annotated[str, typer.Option(help="only cases of this login; - = nobody's")] = "",
    figure: Annotated[str, typer.Option(help="with --rows: only the rows behind this figure")] = "",
    rows: Annotated[bool, typer.Option("--rows", help="the rows instead of the figures")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="for spreadsheets; no cell is a formula")] = False,
    as_json: Json = False,
) -> None:
    """A report as at any day: what came later changes nothing of it. Totals are the sums of their rows."""
    from backoffice_core.reports import service
    from backoffice_core.reports.question import read

    family = service.family(name)
    given = {"as_at": as_at, "first": begins, "by": by, "portfolio": portfolio, "branch": branch, "product": product,
             "figure": figure}  # fmt: skip

    async def work(house: House) -> dict[str, Any]:
        async with house.database.begin() as s:
            choices = await service.choices(s)
            owned = await _owner(s, owner)
            question = read(
                given | {"owner": owned},
                family.shape(),
                today=house.clock.today(),
                zone=house.clock.zone,
                known=choices,
            )
            return await _rows(s, family, question) if rows else await _figures(s, family, question)

    found = run(work)
    if as_json:
        say_json(found)
    elif as_csv:
        _csv(found["head"], found["lines"])
    else:
        table(f"{name} {found['as_at']}", found["head"], found["lines"])


async def _owner(s: Any, login: str) -> str:
    from backoffice_core.staff import units

    return str((await units.person(s, login)).id) if login not in {"", "-"} else login


async def _figures(s: Any, family: Any, question: Any) -> dict[str, Any]:
    from backoffice_core.reports import service

    made, compared = await service.ask(s, question)
    names = [one.name for one in family.figures if one.name not in family.hidden]

    def values(key: str, line: Any) -> list[Any]:
        return [
            key,
            line.currency,
            *(line.values[n] for n in names),
            *(one.rounded(line.values) for one in family.rates),
        ]

    lines = [values(x.key, x) for x in made.lines] + [values("=", x) for x in made.totals]
    found = _said(question, [question.by, "currency", *names, *(one.name for one in family.rates)], lines)
    return found | ({"compared": [asdict(one) for one in compared]} if compared else {})


async def _rows(s: Any, family: Any, question: Any) -> dict[str, Any]:
    from backoffice_core.catalogue import masked
    from backoffice_core.reports import tables

    names = [one.name for one in family.columns]
    found = await tables.every_row(s, family, question)
    lines = [[r["case_number"], masked(r["borrower"]), *(r[n] for n in names), r["currency"]] for r in found]
    return _said(question, ["case", "borrower", *names, "currency"], lines)


def _said(question: Any, head: list[str], lines: list[list[Any]]) -> dict[str, Any]:
    first: date = question.first
    return {"report": question.report, "as_at": question.as_at, "first": first, "head": head, "lines": lines}


def _csv(head: list[str], lines: list[list[Any]]) -> None:
    from backoffice_core import sheets

    sys.stdout.buffer.write(sheets.as_csv(head, lines))
    sys.stdout.buffer.flush()


@cost.command("set")
def cost_set(
    kind: Annotated[str, typer.Argument(help="attempt, line_minute, agent_minute, sms, letter, visit …")],
    amount: Annotated[str, typer.Argument(help="of one, as 3.50")],
    currency: Annotated[str, typer.Option(help="of the debts that it is for")] = "UAH",
    begins: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM-DD", help="the first day; today when left out")
    ] = "",
) -> None:
    """What one of a kind costs from a day on; what held before stays."""
    from backoffice_core.reports import costs

    try:
        sum_ = Decimal(amount.replace(",", "."))
    except InvalidOperation:
        raise BadInput(f"“{amount}” is no sum.", remedy="Write it as 3.50.", field="amount") from None

    async def work(house: House) -> date:
        on = house.day(begins)
        async with house.database.begin() as s:
            await costs.put(s, kind.lower(), currency.upper(), sum_, on, by=getpass.getuser())
        return on

    say(f"The cost holds from {run(work)}.")


@cost.command("list")
def cost_list(as_json: Json = False) -> None:
    """All costs, with those that held before."""
    from backoffice_core.reports import costs

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as s:
            names = ("kind", "currency", "valid_from", "amount", "set_by")
            return [fields_of(one, *names) for one in await costs.rates(s)]

    rows = run(work)
    if as_json:
        say_json(rows)
    else:
        table(
            "costs of contacts", ("kind", "currency", "from", "amount", "set by"), [list(row.values()) for row in rows]
        )
