"""`backoffice import portfolio`: a list of loans taken over, with the headers and habits of its source."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.command_line import House, Json, bar, run, say, say_json, table
from backoffice_core.days import meant
from backoffice_core.errors import BadInput

SHOWN_PROBLEMS = 50
Encoding = Annotated[str, typer.Option(help="utf-8 or cp1251, when it cannot be found out")]
Sheet = Annotated[str, typer.Option(help="of an XLSX with several")]


def portfolio_command(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, Windows-1251) or XLSX")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check everything, write nothing")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="invented people: never dialed outside this machine")] = False,
    source: Annotated[str, typer.Option(help="who sends it; what follows is remembered of the source")] = "",
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="HEADER=COLUMN, as «ПІБ=full_name»; «-» leaves out")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="COLUMN=VALUE for all rows, as jurisdiction=UA")
    ] = None,
    area_codes: Annotated[
        list[str] | None, typer.Option("--area-code", help="of local numbers: 044, or BRANCH=044")
    ] = None,
    encoding: Encoding = "",
    sheet: Sheet = "",
    mode: Annotated[str, typer.Option(help="full: names every contract; delta: only what changed")] = "",
    lag_days: Annotated[int | None, typer.Option(help="how many days old a list's date may be")] = None,
    due_by: Annotated[str, typer.Option(help="HH:MM by which today's list must be here, or none")] = "",
    max_move: Annotated[str, typer.Option(help="share by which figures may move unasked, as 0.2")] = "",
    business_date: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="the list's, when it does not say it")] = "",
    confirm: Annotated[str, typer.Option(help="the code of a question that you have answered")] = "",
    as_json: Json = False,
) -> None:
    from backoffice_core.loans import sources
    from backoffice_core.loans.control import ImportQuestion
    from backoffice_core.loans.portfolio import Imported, import_portfolio
    from backoffice_core.loans.portfolio_file import BadFile, read

    changes = _changes(encoding=encoding, sheet=sheet, mode=mode, due_by=due_by, lag_days=lag_days, max_move=max_move)
    if not source and (maps or sets or area_codes or changes or business_date or confirm):
        raise BadInput("These options belong to a source.", remedy="Add --source NAME.")
    said = _day(business_date)

    async def work(house: House) -> Imported:
        zone, by = house.clock.zone, getpass.getuser()
        wanted, layout, trailer_before = None, None, False
        if source:
            async with house.database.begin() as session:
                known = await sources.load(session, source)
            wanted = _changed(known or sources.Source(source), maps or [], sets or [], area_codes or [], changes)
            layout, trailer_before = wanted.layout, wanted.trailer
            if said:
                layout = replace(layout, constants={"as_at": f"{said}T00:00", **layout.constants})
        with bar("reading") as step:
            portfolio = read(file, zone=zone, today=house.clock.today(), progress=step, layout=layout)
        if wanted is not None and portfolio.trailer is not None:
            wanted = replace(wanted, trailer=True)
        try:
            with bar("writing") as step:
                async with house.database.sessions() as session, session.begin() as transaction:
                    done = await import_portfolio(
                        session, portfolio, at=house.clock.now(), by=by, demo=demo, progress=step, source=wanted,
                        today=house.clock.today(), business_date=said, confirm=confirm,
                        days_off=await _days_off(session, house),
                    )  # fmt: skip
                    if wanted is not None:
                        await sources.save(session, wanted, at=house.clock.now(), by=by)
                    if dry_run:
                        await transaction.rollback()
                    return done
        except ImportQuestion:
            if wanted is not None and not dry_run:  # the headers were right: they need not be said again
                async with house.database.begin() as session:
                    await sources.save(session, replace(wanted, trailer=trailer_before), at=house.clock.now(), by=by)
            raise

    try:
        done = run(work)
    except (ImportQuestion, BadFile) as refused:
        _tell(refused, as_json)
        raise
    _report(done, file.name, dry_run, as_json)


async def _days_off(session: AsyncSession, house: House) -> set[date]:
    """Of the last thirty days, those on which the bank's country does not work."""
    from backoffice_core.compliance.service import working_days

    first = house.clock.today() - timedelta(days=30)
    working = await working_days(session, house.settings.jurisdiction, first, days=31)
    return {day for day, works in working.items() if not works}


def _report(done: Any, name: str, dry_run: bool, as_json: bool) -> None:
    if as_json:
        say_json({"imported": not (dry_run or done.already), "dry_run": dry_run, **asdict(done)})
    elif done.already:
        say(f"{name} is already imported ({done.rows} loans); nothing was done.")
    else:
        rows = [(what, done.counts[f"{what}_new"], done.counts[f"{what}_changed"]) for what in _IMPORTED]
        table("", ("", "new", "changed"), rows)
        for problem in done.warnings[:SHOWN_PROBLEMS]:
            say(str(problem))
        for count, words in _TOLD.items():
            if done.counts.get(count):
                say(words.format(done.counts[count]))
        say(f"{done.rows} loans are good; nothing was written." if dry_run else f"{done.rows} loans imported.")


_IMPORTED = ("persons", "phones", "flags", "loans")
_TOLD = {
    "phones_refused": "{} numbers cannot be called; their borrowers were imported without them.",
    "phones_shared": "{} numbers stand with several borrowers: see `backoffice phones shared`.",
    "loans_missing": "{} contracts are missing from this full list and are not called: see `backoffice import missing`.",
}


def _tell(refused: Any, as_json: bool) -> None:
    if hasattr(refused, "doubts"):
        question = {"text": refused.message, "doubts": [asdict(d) for d in refused.doubts], "confirm": refused.confirm}
        if as_json:
            say_json({"imported": False, "question": question})
        return
    hidden = refused.more + max(0, len(refused.problems) - SHOWN_PROBLEMS)
    if as_json:
        problems = [asdict(p) for p in refused.problems]
        say_json({"imported": False, "error": refused.message, "problems": problems, "more": refused.more})
    elif refused.problems:
        for problem in refused.problems[:SHOWN_PROBLEMS]:
            say(str(problem))
        if hidden:
            say(f"and {hidden} more")


def _changed(
    source: Any, maps: Sequence[str], sets: Sequence[str], area_codes: Sequence[str], changes: dict[str, Any]
) -> Any:
    """The source with what this command said of it. Raises BadInput."""
    from backoffice_core.loans.layout import parse_map
    from backoffice_core.loans.portfolio_file import OPTIONAL, REQUIRED

    known = REQUIRED + OPTIONAL
    constants = dict(source.constants)
    for one in sets:
        column, equals, value = one.partition("=")
        if not equals or column.strip().lower() not in known:
            raise BadInput(
                f"--set “{one}” is not understood.", remedy="Write COLUMN=VALUE, as in --set jurisdiction=UA."
            )
        constants[column.strip().lower()] = value.strip()
    codes = dict(source.area_codes)
    for one in area_codes:
        branch, _, code = one.rpartition("=")
        if not code.strip("()+ ").isdigit():
            raise BadInput(f"“{code}” is no area code.", remedy="Write --area-code 044, or --area-code BRANCH=044.")
        codes[branch.strip()] = code.strip()
    mapping = {**source.mapping, **parse_map(maps, known)}
    return replace(source, mapping=mapping, constants=constants, area_codes=codes, **changes)


def _changes(*, due_by: str, lag_days: int | None, max_move: str, **words: str) -> dict[str, Any]:
    """What a command says of a source's settings. Raises BadInput."""
    changes: dict[str, Any] = {key: value for key, value in words.items() if value}
    if due_by:
        changes["due_by"] = "" if due_by == "none" else due_by
    if lag_days is not None:
        changes["lag_days"] = lag_days
    if max_move:
        changes["max_move"] = _share(max_move)
    return changes


def _share(said: str) -> Decimal:
    try:
        return Decimal(said.replace(",", "."))
    except InvalidOperation:
        raise BadInput(f"“{said}” is no share.", remedy="Write 0.2 for 20 %.") from None


def _day(said: str) -> date | None:
    try:
        return meant(date.fromisoformat(said)) if said else None
    except ValueError:
        raise BadInput(f"“{said}” is not a date.", remedy="Write it as 2026-12-31.") from None
