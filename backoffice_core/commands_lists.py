"""Commands of the bank's lists: portfolios and stop-lists taken over, sources and their state, numbers looked at."""

import getpass
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core import config
from backoffice_core.command_line import House, Json, bar, run, say, say_json, table
from backoffice_core.commands_import import SHOWN_PROBLEMS, Encoding, Sheet, portfolio_command
from backoffice_core.errors import BadInput
from backoffice_core.events import StopListChanged

imports = typer.Typer(no_args_is_help=True, help="Take over files of the bank.")
phones = typer.Typer(no_args_is_help=True, help="Numbers: how they are read, and whose they are.")


def _utc(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%d.%m. %H:%M}" if at else ""


# --- sources and what their lists left out -------------------------------------------------------------------------


@imports.command("sources")
def sources_command(as_json: Json = False) -> None:
    """Who sends lists, and whether today's is here. Exit code 1 when one is late."""
    from backoffice_core.compliance.service import last_working_day
    from backoffice_core.loans import sources

    async def work(house: House) -> list[sources.SourceState]:
        async with house.database.begin() as session:
            day = await last_working_day(session, house.settings.jurisdiction, house.clock.today())
            return await sources.states(session, house.clock.now().astimezone(house.clock.zone), day)

    found = run(work)
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        head = ("source", "state", "kind", "due by", "last list", "of", "accepted (UTC)")
        rows = [
            (s.name, s.state, s.mode, s.due_by, s.last_file, s.last_date, _utc(s.last_at))
            for s in found
        ]  # fmt: skip
        table("sources", head, rows)
    if any(one.state == "LATE" for one in found):
        if not as_json:
            say("A list is late: its borrowers are not called until it is accepted.")
        raise typer.Exit(1)


@imports.command("missing")
def missing_command(
    explained: Annotated[bool, typer.Option("--all", help="those that are explained, too")] = False,
    as_json: Json = False,
) -> None:
    """Contracts that a full list left out: nobody calls them until somebody explains it."""
    from backoffice_core.loans import sources

    async def work(house: House) -> list[sources.MissingLoan]:
        async with house.database.begin() as session:
            return await sources.missing(session, explained=explained)

    found = run(work)
    if as_json:
        say_json([asdict(one) for one in found])
        return
    head = ("contract", "source", "borrower", "balance", "", "days late", "since (UTC)", "explanation")
    rows = [
        (m.contract_no, m.source, m.borrower, m.balance, m.currency, m.days_past_due, _utc(m.missing_since),
         m.note) for m in found
    ]  # fmt: skip
    table("missing contracts", head, rows)


@imports.command("explain")
def explain_command(
    contract: Annotated[str, typer.Argument(help="the contract's number")],
    reason: Annotated[str, typer.Option(help="why the list left it out")],
) -> None:
    """Say why a full list left a contract out; the next queue calls it again."""
    from backoffice_core.loans import sources

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            await sources.explain(session, contract, reason, by=getpass.getuser())

    run(work)
    say(f"{contract} is explained. Run `backoffice nightly` to build today's queue with it.")


# --- the stop-list -------------------------------------------------------------------------------------------------


@imports.command("stop-list")
def stop_list_command(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: person_ref, contract_no or phone; reason; since; until")],
    source: Annotated[str, typer.Option(help="who sends it")] = "",
    encoding: Encoding = "",
    sheet: Sheet = "",
    as_json: Json = False,
) -> None:
    """Stop calls to people, contracts and numbers, those that ring included. Bad rows are told, the good ones count.

    Exit code 1 when a row could not be used.
    """
    from backoffice_core.loans import stop_list
    from backoffice_core.loans.table_file import BadFile

    async def work(house: House) -> tuple[stop_list.StopFile, stop_list.Stopped]:
        stops = stop_list.read_stops(
            file, today=house.clock.today(), country=house.settings.jurisdiction, encoding=encoding, sheet=sheet
        )
        async with house.database.begin() as session:
            done = await stop_list.import_stops(
                session, stops, at=house.clock.now(), by=getpass.getuser(), source=source
            )
        await house.tell(StopListChanged())
        return stops, done

    stops, done = run(work)
    if as_json:
        problems = [asdict(problem) for problem in stops.problems]
        say_json({**asdict(done), "stops": len(stops.stops), "refused": stops.refused, "problems": problems})
    elif done.already:
        say(f"{file.name} is already taken over; nothing was done.")
    else:
        for problem in stops.problems[:SHOWN_PROBLEMS]:
            say(str(problem))
        say(f"{done.new} new stops, {done.changed} changed, {len(stops.stops) - done.new - done.changed} as before.")
    if stops.refused:
        raise BadFile(
            f"{file.name}: {stops.refused} rows stop nobody; the others count.",
            remedy="Correct them and import it again.",
        )


@imports.command("lift-stop")
def lift_command(
    kind: Annotated[str, typer.Argument(help="person, contract or phone")],
    value: Annotated[str, typer.Argument(help="person_ref, contract number, or number")],
) -> None:
    """Take an entry off the stop-list."""
    from backoffice_core.loans import stop_list

    async def work(house: House) -> int:
        said = value
        if kind == "phone":
            from backoffice_core.borrowers.phones import read_phone

            try:
                said = read_phone(value, house.settings.jurisdiction).value
            except ValueError as error:
                raise BadInput(f"“{value}”: {error}.", remedy="Write it with its country code.") from None
        if kind not in stop_list.KINDS:
            raise BadInput(f"“{kind}” cannot be stopped.", remedy=f"Say one of {', '.join(stop_list.KINDS)}.")
        async with house.database.begin() as session:
            return await stop_list.lift(session, kind, said, by=getpass.getuser())

    say("Lifted." if run(work) else "No such entry; nothing was done.")


# --- contacts made elsewhere ---------------------------------------------------------------------------------------


@imports.command("contacts")
def contacts_command(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: external_id, at, phone or contract_no …; see the docs")],
    source: Annotated[str, typer.Option(help="who sends it, as set up by `backoffice contacts source`")],
    encoding: Encoding = "",
    sheet: Sheet = "",
    as_json: Json = False,
) -> None:
    """Count contacts made elsewhere (gateway, agency, another dialer), once each. Exit code 1 when a row was refused."""
    from backoffice_core.compliance import elsewhere
    from backoffice_core.loans.table_file import BadFile

    async def work(house: House) -> elsewhere.Done:
        with bar("reading") as step:
            async with house.database.begin() as session:
                return await elsewhere.import_file(
                    session, file, source, now=house.clock.now(), zone=house.clock.zone,
                    country=house.settings.jurisdiction, by=getpass.getuser(), encoding=encoding, sheet=sheet, progress=step,
                )  # fmt: skip

    done = run(work)
    if as_json:
        say_json(asdict(done))
    elif done.already:
        say(f"{file.name} is already taken over; nothing was done.")
    else:
        for problem in done.problems[:SHOWN_PROBLEMS]:
            say(str(problem))
        say(f"{done.new} new contacts, {done.changed} changed, {done.unmatched} with nobody we know.")
    if done.refused:
        raise BadFile(
            f"{file.name}: {done.refused} rows count for nobody; the others count.",
            remedy="Correct them and import it again.",
        )


@imports.command("consents")
def consents_command(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX: external_id, person_ref or contract_no, purpose …; see the docs")
    ],
    source: Annotated[str, typer.Option(help="who sends it; its ids are its own")],
    encoding: Encoding = "",
    sheet: Sheet = "",
    as_json: Json = False,
) -> None:
    """Record what people agreed to, and what they withdrew; the same id is one consent. Exit code 1 when a row was refused."""
    from backoffice_core.compliance import consents
    from backoffice_core.events import QueueChanged
    from backoffice_core.loans.table_file import BadFile

    async def work(house: House) -> consents.Done:
        async with house.database.begin() as session:
            done = await consents.import_file(
                session, file, source, now=house.clock.now(), zone=house.clock.zone,
                country=house.settings.jurisdiction, by=getpass.getuser(), encoding=encoding, sheet=sheet,
            )  # fmt: skip
        await house.tell(QueueChanged())
        return done

    done = run(work)
    if as_json:
        say_json(asdict(done))
    else:
        for problem in done.problems[:SHOWN_PROBLEMS]:
            say(str(problem))
        say(f"{done.new} new consents, {done.changed} changed, {done.known} as before.")
    if done.refused:
        raise BadFile(
            f"{file.name}: {done.refused} rows are nobody's consent; the others count.",
            remedy="Correct them and import it again.",
        )


# --- numbers -------------------------------------------------------------------------------------------------------


@phones.command("parse")
def parse_command(
    country: Annotated[str, typer.Option(help="two letters, as UA; default: that of the bank")] = "",
    area_code: Annotated[str, typer.Option(help="the branch's, for local numbers, as 044")] = "",
    language: Annotated[str, typer.Option(help="of the refusals: uk, ru, en")] = "en",
    as_json: Json = False,
) -> None:
    """Read cells as banks have them, one a line from standard input: numbers, extensions, owners, or why not."""
    from backoffice_core.borrowers.phones import read_cell

    region = (country or config.load().jurisdiction).strip().upper()
    if len(region) != 2 or not region.isascii() or not region.isalpha():
        raise BadInput(f"“{country}” is no country.", remedy="Give two letters, as in --country UA.")
    sentence = _sentences(language)
    for cell in _lines(sys.stdin.buffer.read()):
        found = read_cell(cell, region, area_code)
        refused = " ".join(sentence(refusal) for refusal in found.refused) or None
        if as_json:
            numbers = [
                {"e164": p.value, "extension": p.extension or None, "owner": p.owner_kind} for p in found.numbers
            ]
            line = json.dumps({"cell": cell, "numbers": numbers, "refused": refused}, ensure_ascii=False)
            sys.stdout.buffer.write(line.translate(_ENDS_OF_LINES).encode() + b"\n")
        else:
            shown = [
                p.value + (f" ext. {p.extension}" if p.extension else "") + f" {p.owner_kind}"
                + (" fax" if p.number_type == "fax" else "")
                for p in found.numbers
            ]  # fmt: skip
            say(f"{cell} → " + "; ".join([*shown, *([refused] if refused else [])]))


# What some readers take for the end of a line, and JSON leaves as it is.
_ENDS_OF_LINES = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def _lines(raw: bytes) -> list[str]:
    """Only a line feed ends a cell: a cell may hold the other signs that Unicode calls ends of lines."""
    text = raw.decode("utf-8-sig", errors="replace")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _sentences(language: str) -> Callable[[Any], str]:
    from backoffice_core.catalogue import FOLDER, Catalogue

    catalogue = Catalogue.load(FOLDER, config.load().own_words)
    if language not in catalogue.languages:
        raise BadInput(f"“{language}” is not spoken here.", remedy=f"Say one of {', '.join(catalogue.languages)}.")
    words = catalogue.words(language)
    return lambda r: words(f"phone-refused-{r.code}", piece=r.piece, country=r.country)


@phones.command("shared")
def shared_command(
    at_least: Annotated[int, typer.Option(min=2, help="borrowers with the same number")] = 2,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
    as_json: Json = False,
) -> None:
    """Numbers that stand with several borrowers, the most shared first: a relative's, an employer's, or a clerk's own."""
    from backoffice_core.borrowers import service as borrowers

    async def work(house: House) -> list[borrowers.SharedNumber]:
        async with house.database.begin() as session:
            return await borrowers.shared_numbers(session, at_least=at_least, limit=limit)

    found = run(work)
    if as_json:
        say_json([asdict(one) for one in found])
        return
    table("shared numbers", ("number", "borrowers", "who"), [(s.value, s.persons, ", ".join(s.refs)) for s in found])


@phones.command("terms")
def terms_command(
    change: Annotated[str, typer.Option("--set", help="name=value, as needed=2.5")] = "",
    since: Annotated[str, typer.Option(help="the first day, as 2026-12-01; default: today")] = "",
    source: Annotated[str, typer.Option(help="who decided it, and why")] = "",
    as_json: Json = False,
) -> None:
    """Weights and thresholds by which numbers become suspect, dead or unreachable, as in force; --set changes one."""
    from backoffice_core.borrowers import evidence

    name, _, value = change.partition("=")

    async def work(house: House) -> dict[str, float]:
        day = house.clock.today()
        async with house.database.begin() as session:
            if change:
                try:
                    number, first = Decimal(value.strip()), date.fromisoformat(since) if since else day
                except (ArithmeticError, ValueError):
                    raise BadInput(
                        f"“{change}” from “{since}” is not understood.", remedy="Write --set needed=2.5."
                    ) from None
                await evidence.set_term(session, name.strip(), number, since=first, source=source)
            return asdict(await evidence.terms(session, day))

    found = run(work)
    if as_json:
        say_json(found)
        return
    table("terms of verdicts", ("term", "value"), [(term, f"{v:g}") for term, v in found.items()])


def register(app: typer.Typer, as_help: Callable[[str], str]) -> None:
    """Adds them to `backoffice`."""
    from backoffice_core.loans import portfolio_file

    imports.command("portfolio", help=as_help(portfolio_file.__doc__ or ""))(portfolio_command)
    imports.callback()(lambda: None)
    app.add_typer(imports, name="import")
    app.add_typer(phones, name="phones")
