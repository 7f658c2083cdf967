"""Commands about the people who work here: logins, roles, phones."""

import getpass
import secrets
import sys
from typing import Annotated, Any

import typer

from backoffice_core import config
from backoffice_core.clock import Clock
from backoffice_core.command_line import House, Json, fields_of, run, say, say_json, table
from backoffice_core.errors import BadInput, PartMissing, Refused

user = typer.Typer(no_args_is_help=True, help="People who work here.")


def _new_password(generate: bool) -> str:
    if generate:
        return secrets.token_urlsafe(12)
    if not sys.stdin.isatty():
        raise BadInput("There is nobody to ask for the password.", remedy="Run it in a terminal, or give --generate.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _tell_asterisk(extension: int | None) -> str:
    """Makes the running Asterisk know the phones as they are now; returns what came of it, for the person at the
    terminal. What cannot be done is no error of the command: the login is written."""
    from backoffice_core.parts import asterisk

    settings = config.load()
    phone = f"phone agent-{extension}" if extension else "phone"
    if not asterisk.is_ours(settings):
        return f"Asterisk on {settings.asterisk_host} is not configured by us: make the {phone} known there."
    try:
        if not asterisk.runs(settings):
            return f"Asterisk does not run now; it learns of the {phone} when it starts."
        changed = asterisk.refresh(settings)
    except (Refused, OSError) as error:
        why, remedy = (error.message, error.remedy) if isinstance(error, Refused) else (str(error), "")
        typer.echo(f"error: Asterisk does not know of the {phone} yet: {why}", err=True)
        typer.echo(f"  what to do: {remedy or 'Run `backoffice down`, then `backoffice up`.'}", err=True)
        return "The running Asterisk could not be told."
    return f"Asterisk knows of the {phone} now." if changed else "Asterisk knew this already."


@user.command("add")
def user_add(
    login: str,
    name: Annotated[str, typer.Option(help="full name")],
    role: Annotated[str, typer.Option(help="agent, supervisor, manager, admin")] = "agent",
    extension: Annotated[int | None, typer.Option(help="number of his phone, 2 to 6 digits, as 101")] = None,
    bank_number: Annotated[str, typer.Option(help="number of his phone on the bank's own exchange, as 2345")] = "",
    line: Annotated[
        str, typer.Option(help="kept (up all shift) or per_call (rung for each); default: the house's")
    ] = "",
    language: Annotated[str, typer.Option(help="uk, ru, en")] = "uk",
    generate: Annotated[bool, typer.Option("--generate", help="make a password and print it once")] = False,
    as_json: Json = False,
) -> None:
    """Add a person. The password is asked for; a generated one is shown only here."""
    from backoffice_core.staff import service as staff

    password = _new_password(generate)

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            await staff.create_user(
                session, login=login, full_name=name, role=role, password=password, wall=Clock.wall(),
                extension=extension, language=language, by=getpass.getuser(), bank_number=bank_number or None, line=line,
            )  # fmt: skip

    run(work)
    phone = _tell_asterisk(extension) if extension else ""
    if as_json:
        made = password if generate else None
        say_json({"login": login, "role": role, "extension": extension, "bank_number": bank_number or None,
                  "line": line, "password": made, "phone": phone})  # fmt: skip
    else:
        say(f"{login} ({role}) may log in." + (f" Password: {password}" if generate else ""))
        if phone:
            say(phone)


@user.command("list")
def user_list(as_json: Json = False) -> None:
    """Everybody with a login."""
    from sqlalchemy import select

    from backoffice_core.staff.models import User

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            people = (await session.scalars(select(User).order_by(User.login))).all()
        names = (
            "login",
            "full_name",
            "role",
            "branch",
            "extension",
            "bank_number",
            "line",
            "language",
            "active",
            "robot",
        )
        rows = [fields_of(person, *names) for person in people]
        if as_json:
            say_json(rows)
        else:
            table("people", names, [list(row.values()) for row in rows])

    run(work)


def _changes(
    role: str, extension: str, bank_number: str, line: str, region: str, branch: str, active: bool | None, unlock: bool
) -> dict[str, Any]:
    """What `staff.change_user` takes, without what was not given."""
    if extension not in ("", "none") and not (extension.isascii() and extension.isdecimal()):
        raise BadInput(f"“{extension}” is no extension.", remedy="Give 2 to 6 digits, or none.", field="extension")
    given = {
        "role": role, "extension": extension, "bank_number": bank_number, "line": line, "region": region,
        "branch": branch, "unlock": unlock, "active": "" if active is None else str(active),
    }  # fmt: skip
    means: dict[str, Any] = {
        "role": role, "extension": None if extension == "none" else int(extension or 0),
        "bank_number": None if bank_number == "none" else bank_number, "line": "" if line == "house" else line,
        "region": "" if region == "none" else region.strip(),
        "branch": "" if branch == "none" else branch.strip(), "unlock": True, "active": active,
    }  # fmt: skip
    return {name: means[name] for name, value in given.items() if value}


async def _known_branch(s: Any, branch: str) -> None:
    """A login of a branch that no loan has would see nobody. Raises BadInput; nothing is asked before the first loans are in."""
    from backoffice_core.loans import service as loans

    known = await loans.branches(s) if branch else set()
    if known and branch not in known:
        raise BadInput(
            f"No loan is of branch {branch}.", remedy=f"Known are {', '.join(sorted(known))}.", field="branch"
        )


@user.command("set")
def user_set(
    login: str,
    password: Annotated[bool, typer.Option("--password", help="ask for a new password")] = False,
    generate: Annotated[bool, typer.Option("--generate", help="make a new password and print it once")] = False,
    role: Annotated[str, typer.Option(help="agent, supervisor, manager, admin")] = "",
    extension: Annotated[str, typer.Option(help="number of his phone, as 101; none = no phone")] = "",
    bank_number: Annotated[str, typer.Option(help="number of his phone on the bank's own exchange; none = none")] = "",
    line: Annotated[
        str, typer.Option(help="kept (up all shift), per_call (rung for each), house (as all others)")
    ] = "",
    region: Annotated[str, typer.Option(help="where he works, as alarms name it; none = nowhere")] = "",
    branch: Annotated[str, typer.Option(help="the branch whose cases alone he sees; none = of all")] = "",
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="whether he may log in")] = None,
    unlock: Annotated[bool, typer.Option("--unlock", help="open a login that wrong passwords have closed")] = False,
    as_json: Json = False,
) -> None:
    """Change a person. A new password, a new role and --inactive log his browsers out."""
    from backoffice_core.call_centre.desks import agents
    from backoffice_core.staff import service as staff

    changes = _changes(role, extension, bank_number, line, region, branch, active, unlock)
    if password or generate:
        changes["password"] = _new_password(generate)
    if not changes:
        raise BadInput("Nothing to change.", remedy="`backoffice user set --help` shows what can be changed.")

    async def work(house: House) -> tuple[int | None, str, int, bool]:
        async with house.database.begin() as session:
            found = await staff.find_user(session, login, lock=True)
            await _known_branch(session, changes.get("branch", ""))
            before, seat = found.extension, await agents.current(session, found.id)
            if (
                changes.keys() & {"extension", "bank_number", "line"}
                or changes.get("active") is False
                or changes.get("role", "agent") != "agent"
            ):
                await agents.close_session(session, found.id, Clock.wall())  # his seat holds the old phone
            ended = await staff.change_user(session, found, Clock.wall(), getpass.getuser(), changes)
            return found.extension or before, found.full_name, ended, seat is not None and seat.ended_at is not None

    number, name, ended, left = run(work)
    phone = _tell_asterisk(number) if number and changes.keys() & {"extension", "active"} else ""
    made = changes["password"] if generate else None
    if as_json:
        say_json({"login": login, "changed": sorted(changes), "password": made, "phone": phone, "name": name,
                  "logged_out": ended, "seat_closed": left})  # fmt: skip
        return
    if active is not None:
        say(f"{name} ({login}) {'may log in again' if active else 'may not log in any more'}.")
    if other := sorted(changes.keys() - {"active"}):
        say(f"{name} ({login}): {', '.join(other)} changed." + (f" Password: {made}" if made else ""))
    if changes.keys() & {"password", "role", "active"}:
        say(f"Browsers logged out: {ended}." + (" The seat on the floor is closed." if left else ""))
    if phone:
        say(phone)


@user.command("phone")
def user_phone(login: str) -> None:
    """What a desk phone needs to register. It shows a password, so only on a terminal; noted in the journal."""
    from backoffice_core.staff import service as staff

    if not sys.stdout.isatty():
        raise BadInput("A phone's password is shown on a terminal only.", remedy="Run it without a pipe or a file.")

    async def work(house: House) -> tuple[int, str]:
        async with house.database.begin() as session:
            found = await staff.find_user(session, login)
            if found.extension is None or not found.active:
                raise PartMissing(f"{login} has no phone.", remedy=f"`backoffice user set {login} --extension 101`.")
            by = getpass.getuser()
            staff.note_access(session, None, "PHONE_SHOWN", Clock.wall(), object_id=found.login, by=by)
            return found.extension, house.settings.derived_secret(f"phone:{found.extension}")

    extension, secret = run(work)
    settings = config.load()
    host = "this machine's address" if settings.bind == "0.0.0.0" else settings.bind  # noqa: S104 (compared, not bound)
    say(f"SIP user  agent-{extension}")
    say(f"registrar {host}, port {settings.ports.sip}, UDP")
    say(f"password  {secret}")
