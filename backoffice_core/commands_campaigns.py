"""Commands of campaigns: how each is dialed, and what agents can."""

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, fields_of, run, say, say_json, table
from backoffice_core.errors import BadInput
from backoffice_core.said import word

campaign = typer.Typer(no_args_is_help=True, help="Whom the queue is for, and how it is dialed.")
dialer = typer.Typer(no_args_is_help=True, help="What the dialer decides, and why.")


def _plain(row: Any) -> dict[str, Any]:
    from backoffice_core.call_centre.dialing.campaigns import FIELDS

    return {
        "name": row.campaign.name, **fields_of(row.campaign, *FIELDS), "runs_as": row.running.mode,
        "why": row.running.why, "where": row.running.where, "consent_in": row.running.consent_in,
        "limit_pct": row.running.target_pct, "tasks": row.tasks, "agents": row.agents,
    }  # fmt: skip


async def _board(house: House) -> list[Any]:
    from backoffice_core.call_centre.dialing import campaigns

    async with house.database.begin() as s:
        return await campaigns.board(s, house.clock.today(), house.settings.jurisdiction)


def _warn(row: Any) -> None:
    if row.running.why == "NO_LIMIT":
        say(f"{row.campaign.name} is dialed progressively: no rule limits abandoned calls in {row.running.where}. "
            "Load one with `backoffice rules load`.")  # fmt: skip
    elif row.running.why == "NO_CAPS":
        say(f"{row.campaign.name} is dialed progressively: no rule caps calls in {row.running.where}. "
            "Load one with `backoffice rules load`.")  # fmt: skip
    elif row.running.why == "NO_ROBOT_CAPS":
        say(f"{row.campaign.name} is not dialed: no rule caps robots' calls in {row.running.where}. "
            "Load one with `backoffice rules load`.")  # fmt: skip
    elif row.running.why == "NO_PURPOSE_CAPS":
        say(f"{row.campaign.name} is not dialed: no rule caps calls of its purpose in {row.running.where}. "
            "Load one with `backoffice rules load`.")  # fmt: skip
    if row.running.consent_in:
        say(f"{row.campaign.name} calls only people who agreed to it: a rule asks for consent in {row.running.consent_in}. "
            "Record consents on the case's page, by the API or with `backoffice import consents`.")  # fmt: skip
    if row.running.target_pct < row.campaign.target_abandon_pct:
        say(f"The rules in force allow {row.running.target_pct} % abandoned, not {row.campaign.target_abandon_pct} %.")


@campaign.command("list")
def campaign_list(as_json: Json = False) -> None:
    """Every campaign: mode, as what it runs, limit, tasks of today, agents who can serve it."""
    rows = run(_board)
    if as_json:
        say_json([_plain(row) for row in rows])
        return
    head = ("campaign", "mode", "runs as", "priority", "limit, %", "window", "skill", "tasks", "agents")
    table("campaigns", head, [
        (r.campaign.name, word("mode", r.campaign.mode if r.campaign.active else "inactive"),
         word("mode", r.running.mode), r.campaign.priority, r.running.target_pct,
         word("abandon-window", r.campaign.abandon_window), r.campaign.skill, r.tasks, r.agents) for r in rows
    ])  # fmt: skip
    for row in rows:
        _warn(row)


@campaign.command("show")
def campaign_show(name: str, as_json: Json = False) -> None:
    """All settings of one campaign."""
    row = _one(name)
    if as_json:
        say_json(_plain(row))
        return
    for key, value in _plain(row).items():
        typer.echo(f"{key:<20} {json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}")
    _warn(row)


def _one(name: str) -> Any:
    from backoffice_core.errors import NotFound

    for row in run(_board):
        if row.campaign.name == name:
            return row
    raise NotFound(f"There is no campaign {name}.", remedy="`backoffice campaign list` names them.")


def _json(said: str, field: str) -> dict[str, Any]:
    try:
        value = json.loads(said)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadInput(f"{field} must be a JSON object.", remedy="Write it as JSON, in braces.", field=field)
    return value


@campaign.command("set")
def campaign_set(
    name: str,
    mode: Annotated[str, typer.Option(help="preview, progressive, power, predictive, agentless")] = "",
    priority: Annotated[str, typer.Option(help="1 to 99, the lower the sooner")] = "",
    ratio: Annotated[str, typer.Option(help="power: lines for each free agent")] = "",
    target: Annotated[str, typer.Option(help="abandoned of those who answered, percent; 0 allows none")] = "",
    window: Annotated[str, typer.Option(help="over what it is counted: shift, day, 30d")] = "",
    denominator: Annotated[
        str, typer.Option(help="live (all live answers) or queued (those that reached the queue)")
    ] = "",
    skill: Annotated[str, typer.Option(help="wanted of its agents; none = any agent")] = "",
    machines: Annotated[str, typer.Option(help="answering machines: off, beside, before")] = "",
    sample: Annotated[str, typer.Option(help="share of machine verdicts that agents get, percent")] = "",
    ordering: Annotated[str, typer.Option(help="JSON: strategy of the order")] = "",
    retries: Annotated[str, typer.Option(help="JSON: delays of retries by result")] = "",
    whom: Annotated[str, typer.Option(help="JSON: whose cases it takes, and its weight among equals")] = "",
    robot: Annotated[str, typer.Option(help="JSON: agentless: message, lines, per_second")] = "",
    script: Annotated[str, typer.Option(help="JSON: what agents say, by language")] = "",
    purpose: Annotated[str, typer.Option(help="collection, marketing, survey, service, verification")] = "",
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="whether it is dialed at all")] = None,
    new: Annotated[bool, typer.Option("--new", help="make a campaign of this name")] = False,
    as_json: Json = False,
) -> None:
    """Change a campaign. A running dialer follows within a second; calls that ring or talk go on."""
    from backoffice_core.call_centre.dialing import campaigns
    from backoffice_core.events import CampaignsChanged

    given: dict[str, Any] = {
        "mode": mode, "priority": priority, "ratio": ratio, "target_abandon_pct": target, "abandon_window": window,
        "denominator": denominator, "skill": skill, "machines": machines, "machine_sample_pct": sample, "purpose": purpose,
    }  # fmt: skip
    fields = {field: value for field, value in given.items() if value}
    if skill == "none":
        fields["skill"] = ""
    terms = {"ordering": ordering, "retries": retries, "whom": whom, "robot": robot, "script": script}
    for field, said in terms.items():
        if said:
            fields[field] = _json(said, field)
    if active is not None:
        fields["active"] = active

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            by = getpass.getuser()
            await campaigns.change(s, name, fields, who=f"os:{by}", by=by, wall=house.clock.wall(), new=new)
        await house.tell(CampaignsChanged())

    run(work)
    row = _one(name)
    if as_json:
        say_json(_plain(row))
    else:
        say(f"Campaign {name} is set.")
        _warn(row)


@campaign.command("give")
def campaign_give(
    name: str,
    file: Annotated[Path, typer.Argument(help="text, one number of a case or a contract in a line")],
    as_json: Json = False,
) -> None:
    """Give a campaign its list, in place of the last one; it takes those cases while its `whom` says `"given": true`."""
    from backoffice_core.audit import service as audit
    from backoffice_core.call_centre.dialing import campaign_lists, campaigns

    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file.name}: {error}", field="file") from None

    async def work(house: House) -> tuple[int, list[str]]:
        async with house.database.begin() as s:
            await campaigns.named(s, name)
            found = await campaign_lists.give(s, name, lines)
            audit.note(s, f"os:{getpass.getuser()}", "CAMPAIGN_LIST_GIVEN", name, {"cases": found[0]})
            return found

    cases, strange = run(work)
    if as_json:
        say_json({"cases": cases, "not_found": strange})
        return
    say(f"{name} has {cases} cases.")
    if strange:
        say(f"Lines that name no open case: {len(strange)}, the first {strange[0]}.")


@campaign.command("skill")
def campaign_skill(
    login: Annotated[str, typer.Argument(help="of the agent; without it all skills are listed")] = "",
    skill: Annotated[str, typer.Argument(help="as mortgage")] = "",
    priority: Annotated[int, typer.Option(min=1, max=99, help="the lower, the sooner he gets its calls")] = 1,
    remove: Annotated[bool, typer.Option("--remove", help="take it away")] = False,
    as_json: Json = False,
) -> None:
    """Give an agent a skill, take it away, or list all."""
    from backoffice_core.call_centre.dialing import campaigns
    from backoffice_core.events import CampaignsChanged

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as s:
            if login:
                who = f"os:{getpass.getuser()}"
                await campaigns.set_skill(s, login, skill, None if remove else priority, who=who)
            rows = [dict(row._mapping) for row in await campaigns.skills(s)]
        if login:
            await house.tell(CampaignsChanged())
        return rows

    rows = run(work)
    if as_json:
        say_json(rows)
    else:
        table("skills", ("login", "name", "skill", "priority"), [tuple(row.values()) for row in rows])


@dialer.command("decisions")
def dialer_decisions(
    last: Annotated[int, typer.Option("--last", min=1, max=10_000, help="how many, the newest first")] = 20,
    as_json: Json = False,
) -> None:
    """How many calls were placed when, and why no more."""
    from backoffice_core.call_centre.dialing import pacing_book, pacing_words
    from backoffice_core.catalogue import Catalogue
    from backoffice_core.said import spoken

    async def work(house: House) -> list[Any]:
        async with house.database.begin() as s:
            return await pacing_book.decisions(s, last)

    rows = run(work)
    if as_json:
        say_json([fields_of(row, "at", "pool", "calls", "bound", "terms", "given") for row in rows])
        return
    words = Catalogue.load().words(spoken())
    table("decisions", ("at (UTC)", "pool", "decision", "why no more"), [
        (f"{row.at:%d.%m. %H:%M:%S}", row.pool, pacing_words.decision(words, row), words.code("slow", row.bound))
        for row in rows
    ])  # fmt: skip
