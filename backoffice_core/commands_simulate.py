"""`backoffice simulate`: shifts of a described world, or of the bank's own last days, under any pacing policy, or days with a
finite list under any order of calling, so that anybody can check our claim."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, run, say_json, table
from backoffice_core.errors import BadInput


def simulate(
    world: Annotated[Path | None, typer.Option(help="YAML; dialer/simulation/worlds/standard.yaml explains all keys")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="ours, progressive, ratio-1.5 …; repeat to compare")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="of the people called; repeat for several shifts")] = None,
    from_history: Annotated[int, typer.Option(min=0, max=90, help="instead of a file: the bank's own last days")] = 0,
    campaign: Annotated[str, typer.Option(help="with --from-history: only its calls")] = "",
    agents: Annotated[int, typer.Option(min=0, max=1000, help="another team than the world's")] = 0,
    hours: Annotated[float, typer.Option(min=0, max=24, help="another length of the shift")] = 0,
    target: Annotated[float, typer.Option(min=0, max=100, help="ours: abandoned of those who answered, percent")] = 3.0,
    save_world: Annotated[Path | None, typer.Option(help="write the world as YAML")] = None,
    chart: Annotated[Path | None, typer.Option(help="write utilisation by hour as SVG")] = None,
    progress: Annotated[bool, typer.Option("--progress", help="a line of JSON to stderr after each shift")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Simulate a shift, or days with a list that ends: how busy the agents are, how many callers are abandoned, how many
    borrowers are reached, beside other dialers' rules."""
    from dialer.simulation.world import FiniteWorld, World

    if (world is None) == (not from_history):
        raise BadInput(
            "There is no world to simulate.", remedy="Give either --world FILE or --from-history DAYS.", field="world"
        )
    described = _read(world) if world is not None else _history(from_history, campaign, agents, hours)
    changes = {name: value for name, value in (("agents", agents), ("hours", hours)) if value}
    if isinstance(described, World):
        described = described.but(**changes)
    elif changes:
        raise BadInput("Days have their own team and hours.", remedy="Leave out --agents and --hours.")
    if save_world is not None:
        _save(save_world, described)
    finite = isinstance(described, FiniteWorld)
    shifts = [(name, number) for name in policy or ["ours"] for number in seed or [1]]
    found: list[dict[str, Any]] = []
    for n, (name, number) in enumerate(shifts, 1):
        found.append(_runner(described, name, target)(number))
        if progress:
            typer.echo(json.dumps({"done": n, "of": len(shifts)}), err=True)
    if chart is not None:
        if finite:
            raise BadInput("Days have no chart.", remedy="Leave out --chart, or take a world without `cases`.")
        chart.write_text(_chart(described.name, found), encoding="utf-8")
    if as_json:
        say_json(found[0] if len(found) == 1 else {"shifts": found})
        return
    table(described.name, *(_days(found) if finite else _shifts(found)))


def _read(file: Path) -> Any:
    from dialer.simulation.world import BadWorld, read

    try:
        return read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadWorld) as error:
        raise BadInput(f"{file.name}: {error}") from None


def _history(days: int, campaign: str, agents: int, hours: float) -> Any:
    from backoffice_core.call_centre.queueing import past_world
    from dialer.simulation.world import World

    async def work(house: House) -> past_world.Past:
        async with house.database.begin() as s:
            return await past_world.learned(
                s, house.settings, days=days, wall=house.clock.wall(), zone=house.clock.zone, campaign=campaign,
                agents=agents, hours=hours,
            )  # fmt: skip

    said = run(work).world
    return World(**said | {"by_hour": tuple(said["by_hour"])})


def _save(file: Path, described: Any) -> None:
    from dataclasses import asdict

    import yaml

    plain = json.loads(json.dumps(asdict(described), default=str))
    file.write_text(yaml.safe_dump(plain, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _runner(described: Any, name: str, target: float) -> Callable[[int], dict[str, Any]]:
    from dialer.pacing import PacingSettings
    from dialer.simulation.orders import ORDERS, run_days
    from dialer.simulation.policies import POLICIES, Ours, named
    from dialer.simulation.shift import Shift, run_simulation
    from dialer.simulation.world import FiniteWorld

    finite = isinstance(described, FiniteWorld)
    try:
        if finite:
            if name not in ORDERS:
                raise KeyError(name)
            return lambda seed: run_days(described, name, seed)
        if name == "ours" and target != 3:
            own = PacingSettings(target_abandon=target / 100)
            return lambda seed: {"policy": name, **Shift(described, Ours(own), seed).run()}
        named(name)
        return lambda seed: run_simulation(described, name, seed)
    except KeyError:
        known = ", ".join(ORDERS) if finite else f"{', '.join(POLICIES)}, ratio-<lines per agent>"
        raise BadInput(f"There is no policy “{name}”.", remedy=f"Known: {known}.") from None


def _chart(name: str, found: list[dict[str, Any]]) -> str:
    """Utilisation by hour, the mean of the seeds of each policy."""
    from backoffice_core.chart import busy_by_hour, lines

    return lines(f"{name}: %", busy_by_hour(found), unit="%")


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
