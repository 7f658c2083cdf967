"""`backoffice simulate`: shifts of a described world under any pacing policy, or days with a finite list under any order of
calling, so that anybody can check our claim."""

from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core.command_line import Json, say_json, table
from backoffice_core.errors import BadInput


def simulate(
    world: Annotated[Path, typer.Option(help="YAML; dialer/simulation/worlds/standard.yaml explains all keys")],
    policy: Annotated[list[str] | None, typer.Option(help="ours, progressive, ratio-1.5 …; repeat to compare")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="of the people called; repeat for several shifts")] = None,
    chart: Annotated[Path | None, typer.Option(help="write utilisation by hour as SVG")] = None,
    as_json: Json = False,
) -> None:
    """Simulate a shift, or days with a list that ends: how busy the agents are, how many callers are abandoned, how many
    borrowers are reached, beside other dialers' rules."""
    from dialer.simulation.orders import ORDERS, run_days
    from dialer.simulation.policies import POLICIES
    from dialer.simulation.shift import run_simulation
    from dialer.simulation.world import BadWorld, FiniteWorld, read

    try:
        described = read(world.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadWorld) as error:
        raise BadInput(f"{world.name}: {error}") from None
    finite = isinstance(described, FiniteWorld)
    found: list[dict[str, Any]] = []
    for name in policy or ["ours"]:
        for number in seed or [1]:
            try:
                if isinstance(described, FiniteWorld):
                    found.append(run_days(described, name, number))
                else:
                    found.append(run_simulation(described, name, number))
            except KeyError:
                known = ", ".join(ORDERS) if finite else f"{', '.join(POLICIES)}, ratio-<lines per agent>"
                raise BadInput(f"There is no policy “{name}”.", remedy=f"Known: {known}.") from None
    if chart is not None:
        if finite:
            raise BadInput("Days have no chart.", remedy="Leave out --chart, or take a world without `cases`.")
        chart.write_text(_chart(described.name, found), encoding="utf-8")
    if as_json:
        say_json(found[0] if len(found) == 1 else {"shifts": found})
        return
    table(described.name, *(_days(found) if finite else _shifts(found)))


def _chart(name: str, found: list[dict[str, Any]]) -> str:
    """Utilisation by hour, the mean of the seeds of each policy."""
    from backoffice_core.chart import lines

    series: dict[str, list[float]] = {}
    for policy in dict.fromkeys(r["policy"] for r in found):
        hours = [[100 * h["utilisation"] for h in r["by_hour"]] for r in found if r["policy"] == policy]
        series[policy] = [sum(column) / len(column) for column in zip(*hours, strict=True)]
    return lines(f"{name}: %", series, unit="%")


Rows = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def _shifts(found: list[dict[str, Any]]) -> Rows:
    return ("policy", "seed", "utilisation", "abandoned", "worst hour", "answered", "dialed"), [
        (
            r["policy"], r["seed"], f"{r['utilisation']:.1%}", f"{r['abandon_rate']:.2%}", f"{r['worst_hour']:.1%}",
            r["live"], r["dials"],
        )
        for r in found
    ]  # fmt: skip


def _days(found: list[dict[str, Any]]) -> Rows:
    return ("order", "seed", "right party", "people", "attempts each", "right party/h", "money/h", "promises"), [
        (
            r["policy"], r["seed"], r["right_party_contacts"], r["people_reached"], f"{r['attempts_per_contact']:.2f}",
            f"{r['right_party_per_agent_hour']:.2f}", f"{r['money_per_agent_hour']:.0f}", r["promises"],
        )
        for r in found
    ]  # fmt: skip
