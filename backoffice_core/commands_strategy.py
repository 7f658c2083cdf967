"""Commands of strategies, of the proof that their steps were done, and of a case's dossier."""

import getpass
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, run, say, say_json, table
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.said import word

strategy = typer.Typer(no_args_is_help=True, help="What is done with cases, step by step, in approved versions.")
Code = Annotated[str, typer.Argument(help="the strategy's code, as collection")]
Number = Annotated[int, typer.Argument(help="its version")]


def _who() -> str:
    return f"os:{getpass.getuser()}"


@strategy.command("load")
def strategy_load(
    file: Annotated[Path | None, typer.Argument(help="YAML; without it the strategy that is shipped")] = None,
    submit: Annotated[
        bool, typer.Option("--submit/--draft", help="for a second person to approve, or to work on")
    ] = True,
) -> None:
    """A new version from a file. A second person approves it, on the page or by `backoffice strategy approve`."""
    from backoffice_core.strategy import service

    async def work(house: House) -> tuple[str, int, int]:
        code, title, content = service.read_file(file or service.DEFAULT)
        async with house.database.begin() as s:
            one = await service.draft(s, code, content, who=_who(), at=house.clock.now(), title=title)
            if submit:
                await service.submit(s, code, one.version, who=_who(), at=house.clock.now())
            return code, one.version, len(content.get("steps") or ())

    code, version, steps = run(work)
    say(f"Version {version} of the strategy {code} is loaded: {steps} steps. It does nothing until it is approved.")


@strategy.command("list")
def strategy_list(as_json: Json = False) -> None:
    """All versions: state, from when, who submitted and who approved."""
    from backoffice_core.strategy import service

    async def work(house: House) -> list[Any]:
        async with house.database.begin() as s:
            return await service.versions(s)

    rows = [
        {"strategy": v.strategy, "version": v.version, "title": v.title, "state": v.state, "live_from": v.live_from,
         "live_to": v.live_to, "steps": len(v.content.get("steps") or ()), "submitted_by": v.submitted_by,
         "decided_by": v.decided_by} for v in run(work)
    ]  # fmt: skip
    if as_json:
        say_json(rows)
        return
    head = ("strategy", "version", "state", "from", "until", "steps")
    table("strategies", head, [
        (r["strategy"], r["version"], word("strategy-state", r["state"]), r["live_from"], r["live_to"], r["steps"]) for r in rows
    ])  # fmt: skip


@strategy.command("approve")
def strategy_approve(
    code: Code,
    version: Number,
    begins: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM-DD", help="the first day; today when left out")
    ] = "",
) -> None:
    """Approve a submitted version. Whoever changed or submitted it cannot."""
    from backoffice_core.strategy import service

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            await service.approve(
                s,
                code,
                version,
                who=_who(),
                at=house.clock.now(),
                today=house.clock.today(),
                live_from=house.day(begins),
            )

    run(work)
    say(f"Version {version} of the strategy {code} is approved.")


@strategy.command("proof")
def strategy_proof(
    by: Annotated[str, typer.Option(help="unit, person, version, arm, kind, stage")] = "unit",
    as_at: Annotated[str, typer.Option("--as-at", metavar="YYYY-MM-DD", help="as at the end of this day")] = "",
    begins: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM-DD", help="due from; 30 days back when left out")
    ] = "",
    as_json: Json = False,
) -> None:
    """Every step that was due: done, late, skipped with a reason, or open; they add up."""
    from backoffice_core.strategy import proof

    if by not in proof.BY:
        raise BadInput(f"Steps are not counted by “{by}”.", remedy=f"Say one of {', '.join(proof.BY)}.", field="by")

    async def work(house: House) -> tuple[list[Any], dict[str, int]]:
        day = house.day(as_at)
        first = house.day(begins) if begins else day - timedelta(days=30)
        ask = proof.Ask(as_at=day, first=first, last=day)
        async with house.database.begin() as s:
            return await proof.figures(s, ask, by), await proof.reasons(s, ask)

    lines, reasons = run(work)
    if as_json:
        say_json({"lines": [asdict(line) for line in lines], "reasons": reasons})
        return
    head = (by, "due", "done", "late", "skipped", "open")
    table("proof of steps", head, [(x.name or x.key, x.due, x.done, x.late, x.skipped, x.open) for x in lines])
    table("why skipped", ("reason", "steps"), [(word("skip-reason", code), n) for code, n in reasons.items()])


def dossier(
    phone: Annotated[str, typer.Option(help="a number of the borrower, in any writing")] = "",
    case: Annotated[int, typer.Option(help="the case's number, when it is known")] = 0,
    day: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="the day whose contacts are asked for")] = "",
    pdf: Annotated[Path | None, typer.Option(help="write it here as PDF")] = None,
    language: Annotated[str, typer.Option(help="uk, ru, en")] = "uk",
    as_json: Json = False,
) -> None:
    """All that was done in a case, by a phone number and a day: contacts with the rules consulted, recordings, steps, tasks."""
    from backoffice_core.audit import service as audit
    from backoffice_core.borrowers.phones import read_cell
    from backoffice_core.catalogue import FOLDER, Catalogue
    from backoffice_core.dossier import pdf as paper
    from backoffice_core.dossier import service

    async def work(house: House) -> Any:
        async with house.database.begin() as s:
            numbers = [case] if case else []
            for one in read_cell(phone, house.settings.jurisdiction).numbers if not case else ():
                numbers += await service.cases_with_phone(s, one.value)
            if not numbers:
                raise NotFound("No case has this number.", remedy="Give --phone as +380671234567, or --case.")
            clock, on = house.clock, house.day(day) if day else None
            file = await service.gather(s, numbers[0], now=clock.now(), today=clock.today(), zone=clock.zone, day=on)
            audit.note(s, _who(), "DOSSIER_PRINTED" if pdf else "DOSSIER_SEEN", str(file.case.id))
        if pdf:
            pdf.write_bytes(
                paper.as_pdf(file, Catalogue.load(FOLDER, house.settings.own_words).words(language), clock.zone)
            )
        return file

    file = run(work)
    counts = {"contacts": len(file.contacts), "of_day": len(file.of_day), "steps": len(file.steps), "tasks": len(file.tasks),
              "promises": len(file.promises)}  # fmt: skip
    if as_json:
        say_json({"case": file.case.number, "state": file.case.state, "stage": file.case.stage, **counts, "pdf": pdf})
        return
    table(f"case {file.case.number}", ("part", "rows"), list(counts.items()))
    if pdf:
        say(f"The dossier is written to {pdf}.")
