"""Commands of work lists and of the units they belong to."""

import getpass
from datetime import date
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, run, say, say_json, table
from backoffice_core.errors import BadInput
from backoffice_core.said import word

unit = typer.Typer(
    no_args_is_help=True, help="Parts of the house: who works there, and whose list late tasks go up to."
)


def tasks(
    person: Annotated[str, typer.Option(help="login: what stands on his list")] = "",
    of_unit: Annotated[str, typer.Option("--unit", help="what waits on this unit's list")] = "",
    managers: Annotated[bool, typer.Option("--managers", help="what is nobody's: the managers' list")] = False,
    kind: Annotated[str, typer.Option(help="only this kind, as LETTER")] = "",
    when: Annotated[str, typer.Option(help="overdue, today, week, later")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: Json = False,
) -> None:
    """Open tasks by their lists: a person's, a unit's, the managers'; without any of these all of them."""
    from backoffice_core.cases import work_lists
    from backoffice_core.staff import units

    if when and when not in work_lists.WHEN:
        raise BadInput(
            f"“{when}” is no time of a task.", remedy=f"Known are {', '.join(work_lists.WHEN)}.", field="when"
        )

    async def work(house: House) -> tuple[list[dict[str, Any]], dict[str, int]]:
        today = house.clock.today()
        async with house.database.begin() as s:
            scope, user_id = "managers" if managers else "all", None
            if of_unit:
                await units.find(s, of_unit)
                scope = "unit"
            if person:
                scope, user_id = "mine", (await units.person(s, person)).id
            wish = work_lists.Wish(scope=scope, user_id=user_id, own_unit=of_unit, kind=kind.upper(), when=when)
            rows = await work_lists.rows(s, wish, today, limit=limit)
            return [_plain(row) for row in rows], await work_lists.sums(s)

    rows, sums = run(work)
    if as_json:
        say_json({"tasks": rows, "lists": sums})
        return
    head = ("case", "task", "control date", "days late", "owner", "unit", "with the head")
    table("tasks", head, [
        (r["case"], word("task", r["kind"]), r["control_date"], r["late_days"] or "", r["owner"], word("unit", r["unit"]),
         "•" if r["escalated_at"] else "") for r in rows
    ])  # fmt: skip


def _plain(row: Any) -> dict[str, Any]:
    return {
        "id": row.task.id, "case": row.case_number, "kind": row.task.kind, "control_date": row.task.control_date,
        "late_days": row.late_days, "owner": row.owner_name, "unit": row.unit, "list": row.list,
        "escalated_at": row.task.escalated_at,
    }  # fmt: skip


@unit.command("list")
def unit_list(as_json: Json = False) -> None:
    """All units with their heads, how many work there, and the rules of their tasks."""
    from dataclasses import asdict

    from backoffice_core.cases import tasks as work
    from backoffice_core.staff import units

    async def read(house: House) -> tuple[list[Any], list[Any]]:
        async with house.database.begin() as s:
            return await units.listed(s), await work.rules(s)

    rows, rules = run(read)
    if as_json:
        say_json({"units": [asdict(row) for row in rows], "rules": [asdict(rule) for rule in rules]})
        return
    table("units", ("unit", "name", "head", "people", "active"), [
        (r.code, r.name or word("unit", r.code), r.head, r.members, "•" if r.active else "") for r in rows
    ])  # fmt: skip
    table("rules of tasks", ("task", "unit", "working days late", "from"), [
        (word("task", r.kind) if r.kind else "*", r.unit, r.escalate_days, r.valid_from) for r in rules
    ])  # fmt: skip


@unit.command("set")
def unit_set(
    code: Annotated[str, typer.Argument(help="as legal")],
    name: Annotated[str | None, typer.Option(help="as the bank calls it")] = None,
    head: Annotated[str | None, typer.Option(help="login of its head; none = nobody")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="whether tasks may wait there")] = None,
) -> None:
    """Make a unit, or change it. Tasks of a unit that is closed stand on the managers' list."""
    from backoffice_core.staff import units

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            await units.put(s, code, who=f"os:{getpass.getuser()}", name=name, head=head, active=active)

    run(work)
    say(f"Unit {code} is set.")


@unit.command("join")
def unit_join(
    login: Annotated[str, typer.Argument(help="of the person")],
    code: Annotated[str, typer.Argument(help="the unit; none = no unit")],
) -> None:
    """A person works in this unit from now on."""
    from backoffice_core.staff import units

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            await units.join(s, login, code, who=f"os:{getpass.getuser()}")

    run(work)
    say(f"{login} works in {code} now.")


@unit.command("rule")
def unit_rule(
    code: Annotated[str, typer.Argument(help="the unit whose list tasks of this kind fall to")],
    kind: Annotated[str, typer.Option(help="only this kind, as LETTER")] = "",
    days: Annotated[int, typer.Option(help="working days late after which a task goes up to the head")] = 2,
    begins: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM-DD", help="the first day; tomorrow at the earliest")
    ] = "",
) -> None:
    """From a day on: whose tasks of a kind are by default, and when late ones go up."""
    from backoffice_core.cases import tasks as work_tasks

    async def work(house: House) -> date:
        on = house.day(begins)
        async with house.database.begin() as s:
            await work_tasks.set_rule(
                s, kind.upper(), code, days, on, by=getpass.getuser(), today=house.clock.today()
            )  # fmt: skip
        return on

    say(f"The rule holds from {run(work)}.")
