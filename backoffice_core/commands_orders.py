"""`backoffice payments order …`: in which order a payment covers what is overdue, proposed by one person, approved by another."""

import getpass
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, fields_of, run, say, say_json, table

order = typer.Typer(no_args_is_help=True, help="In which order a payment covers what is overdue, by product and day.")
Number = Annotated[int, typer.Argument(help="the order's number, as the list has it")]


def _who() -> str:
    return f"os:{getpass.getuser()}"


@order.command("propose")
def propose(
    components: Annotated[
        list[str], typer.Argument(help="all four: interest principal fee penalty, the first paid first")
    ],
    begins: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM-DD", help="the first day; tomorrow at the earliest")
    ],
    source: Annotated[str, typer.Option(help="the law or the contract that says so")],
    product: Annotated[str, typer.Option(help="only of this product; without it of all that have no order")] = "",
) -> None:
    """A new order from a day on; it counts once a second person approved it. Payments of earlier days are split as before."""
    from backoffice_core.loans import orders

    async def work(house: House) -> int:
        async with house.database.begin() as s:
            one = await orders.propose(
                s, product, [name.lower() for name in components], valid_from=house.day(begins), source=source, who=_who(),
                at=house.clock.now(), today=house.clock.today(),
            )  # fmt: skip
            return one.id

    say(f"The order {run(work)} is proposed. It does nothing until a second person approves it.")


@order.command("approve")
def approve(number: Number) -> None:
    """Approve an order. Whoever proposed it cannot."""
    say(f"The order {_decide(number, yes=True)} is approved.")


@order.command("refuse")
def refuse(number: Number) -> None:
    """Refuse an order, or take back one's own."""
    say(f"The order {_decide(number, yes=False)} is refused.")


def _decide(number: int, *, yes: bool) -> int:
    from backoffice_core.loans import orders

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            await orders.decide(
                s, number, approve=yes, who=_who(), at=house.clock.now(), today=house.clock.today()
            )  # fmt: skip

    run(work)
    return number


@order.command("list")
def list_command(as_json: Json = False) -> None:
    """All orders, with those of earlier days; while a product has none, the shipped one holds."""
    from backoffice_core.loans import orders
    from backoffice_core.loans.rules import ORDER

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as s:
            names = ("id", "product", "order", "valid_from", "state", "source", "proposed_by", "decided_by")
            return [fields_of(one, *names) for one in await orders.every(s)]

    rows = run(work)
    if as_json:
        say_json({"default": list(ORDER), "orders": rows})
        return
    head = ("number", "product", "order", "from", "state", "source", "proposed by", "decided by")
    table(
        "orders of payments", head, [[*row.values()] for row in rows] + [["", "", " ".join(ORDER), "", "", "", "", ""]]
    )
