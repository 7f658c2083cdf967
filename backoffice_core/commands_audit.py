"""Commands of the audit: its rows, its verification, its heads; decisions given again."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, bar, fields_of, run, say, say_json, table

audit = typer.Typer(no_args_is_help=True, help="Who did what, and whether the record is whole.")
SHOWN = 50


@audit.callback()
def _audit() -> None:
    """Who did what, and whether the record is whole."""


@audit.command("list")
def list_command(
    act: Annotated[str, typer.Option(help="only this act, as STOP_LIFTED")] = "",
    who: Annotated[str, typer.Option(help="only this actor, as os:olena or client:crm")] = "",
    subject: Annotated[str, typer.Option(help="only about this")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: Json = False,
) -> None:
    """What was done, newest first."""
    from backoffice_core.audit import service

    async def work(house: House) -> list[dict[str, Any]]:
        async with house.database.begin() as session:
            found = await service.entries(session, act=act.upper(), who=who, subject=subject, limit=limit)
            return [fields_of(row, "seq", "at", "who", "act", "subject", "data") for row in found]

    rows = run(work)
    if as_json:
        say_json(rows)
    else:
        table("audit", ("row", "at (UTC)", "who", "act", "about", "more"), [list(_short(row).values()) for row in rows])


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"at": f"{row['at']:%Y-%m-%d %H:%M:%S}", "data": str(row["data"])[:80] if row["data"] else ""}


@audit.command("verify")
def verify_command(
    heads: Annotated[
        Path | None, typer.Option(help="a file of `audit export`; default: all in the data folder")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the chain: changed, missing and swapped rows; rows cut off since a head was exported. Exit code 1 when wrong."""
    from backoffice_core.audit import service

    async def work(house: House) -> dict[str, Any]:
        kept = service.kept(house.settings, heads)
        async with house.database.begin() as session:
            rows, found = await service.verify(session, service.secret(house.settings), kept)
        return {"whole": not found, "rows": rows, "heads": len(kept), "findings": [asdict(one) for one in found]}

    done = run(work)
    if as_json:
        say_json(done)
    else:
        for one in done["findings"][:SHOWN]:
            say(f"{one['kind']}: {one['says']}")
        verdict = "the chain is whole" if done["whole"] else f"{len(done['findings'])} findings"
        say(f"{done['rows']} rows, {done['heads']} heads: {verdict}.")
        if not done["heads"]:
            say("Without a head that was exported before, rows cut off at the end are not found.")
    if not done["whole"]:
        raise typer.Exit(1)


@audit.command("export")
def export_command(
    to: Annotated[Path | None, typer.Option(help="a file to append to; default: data/audit-heads/")] = None,
    as_json: Json = False,
) -> None:
    """Write the chain's signed head to a file. Keep it on another machine: against it, a cut-off is found."""
    from backoffice_core.audit import service

    async def work(house: House) -> tuple[Any, Path]:
        async with house.database.begin() as session:
            head = await service.head(session, service.secret(house.settings))
        return head, service.keep(house.settings, head, to)

    head, file = run(work)
    if as_json:
        say_json({"seq": head.seq, "hash": head.hash, "at": head.at, "hmac": head.sign, "file": file})
    else:
        say(f"Head of row {head.seq} is in {file}.")


@audit.command("recompute")
def recompute_command(
    sample: Annotated[int, typer.Option(min=1, max=10_000_000, help="how many decisions, chosen by chance")] = 1000,
    as_json: Json = False,
) -> None:
    """Give stored compliance decisions again from their inputs and the rules of then. Exit code 1 when one differs."""
    from backoffice_core.compliance import recompute

    async def work(house: House) -> recompute.Recomputed:
        with bar("recomputing") as step:
            async with house.database.begin() as session:
                return await recompute.recompute(session, sample, step)

    done = run(work)
    if as_json:
        say_json(asdict(done))
    else:
        for one in done.differences[:SHOWN]:
            why = " (another version of the program decided then)" if one.code_changed else ""
            say(f"decision {one.decision}, {one.field}: stored {one.stored!r}, again {one.again!r}{why}")
        old = f", {done.old} older than kept inputs" if done.old else ""
        say(f"{done.checked} decisions: {done.same} the same, {len(done.differences)} differences{old}.")
    if done.differences:
        raise typer.Exit(1)
