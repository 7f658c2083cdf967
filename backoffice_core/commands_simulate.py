"""`backoffice simulate`: shifts of a described world under any pacing policy, so that anybody can check our claim."""

from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core.command_line import Json, say_json, table
from backoffice_core.errors import BadInput


def simulate(
    world: Annotated[Path, typer.Option(help="YAML; dialer/worlds/standard.yaml explains all keys")],
    policy: Annotated[list[str] | None, typer.Option(help="ours, progressive, ratio-1.5 …; repeat to compare")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="of the people called; repeat for several shifts")] = None,
    as_json: Json = False,
) -> None:
    """Simulate a shift: how busy the agents are and how many callers are abandoned, beside other dialers' rules."""
    from dialer.policies import POLICIES
    from dialer.simulator import run_simulation
    from dialer.world import BadWorld, read

    try:
        described = read(world.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadWorld) as error:
        raise BadInput(f"{world.name}: {error}") from None
    found: list[dict[str, Any]] = []
    for name in policy or ["ours"]:
        for number in seed or [1]:
            try:
                found.append(run_simulation(described, name, number))
            except KeyError:
                raise BadInput(
                    f"There is no policy “{name}”.", remedy=f"Known: {', '.join(POLICIES)}, ratio-<lines per agent>."
                ) from None
    if as_json:
        say_json(found[0] if len(found) == 1 else {"shifts": found})
        return
    heads = ("policy", "seed", "utilisation", "abandoned", "worst hour", "answered", "dialed")
    table(
        described.name,
        heads,
        [
            (
                r["policy"], r["seed"], f"{r['utilisation']:.1%}", f"{r['abandon_rate']:.2%}", f"{r['worst_hour']:.1%}",
                r["live"], r["dials"],
            )
            for r in found
        ],
    )  # fmt: skip
