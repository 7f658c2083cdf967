"""Logins: people, passwords (argon2id), browser sessions, and the journal of who saw what.

Passwords are checked in a thread: one check takes tens of milliseconds and must not hold up live calls.
"""

import asyncio
import hashlib
import re
import secrets
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.models import AccessEntry, Login, User
from backoffice_core.staff.rules import EXTENSIONS, LOCK_AFTER, LOCK_MINUTES, LOGIN_HOURS, ROLES

MIN_PASSWORD = 8
_BANK_NUMBER = re.compile(r"\+?[0-9]{2,15}")
LINES = ("kept", "per_call")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
_hasher = PasswordHash((Argon2Hasher(),))


@cache
def _nobodys_hash() -> str:
    """Checked when the login is unknown, so that the answer takes as long as for a known one."""
    return _hasher.hash(secrets.token_hex(16))


async def create_user(
    s: AsyncSession,
    *,
    login: str,
    full_name: str,
    role: str,
    password: str,
    wall: datetime,
    extension: int | None = None,
    language: str = "uk",
    robot: bool = False,
    by: str = "",
    bank_number: str | None = None,
    line: str = "",
) -> User:
    """Adds a person. Raises BadInput, whose `details["field"]` names what cannot be used."""
    login = login.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise BadInput(f"“{login}” cannot be a login.", remedy="Use 2–40 of a–z, 0–9, dot, dash.", field="login")
    _refuse_role(role)
    _refuse_password(password)
    if not full_name.strip():
        raise BadInput("A name is needed.", field="full_name")
    if (await s.execute(select(User.id).where(User.login == login))).first():
        raise BadInput(f"Another person has this login: {login}.", field="login")
    if extension is not None:
        await _refuse_extension(s, extension)
    if bank_number is not None:
        await _refuse_bank_number(s, bank_number)
    _refuse_line(line)
    user = User(
        login=login, full_name=full_name.strip(), role=role, language=language, extension=extension, robot=robot,
        bank_number=bank_number, line=line, password_hash=await asyncio.to_thread(_hasher.hash, password), created_at=wall,
    )  # fmt: skip
    s.add(user)
    await s.flush()
    told = {"login": login, "role": role, "extension": extension}
    told |= {"bank_number": bank_number} if bank_number else {}
    audit.note(s, f"os:{by}" if by else "program:staff", "USER_ADDED", login, told)
    return user


def _refuse_role(role: str) -> None:
    if role not in ROLES:
        raise BadInput(f"There is no role “{role}”.", remedy=f"Roles: {', '.join(ROLES)}.", field="role")


def _refuse_password(password: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise BadInput("The password is too short.", remedy=f"At least {MIN_PASSWORD} characters.", field="password")


async def _refuse_extension(s: AsyncSession, extension: int, login: str = "") -> None:
    """`login`: whose own number it may already be."""
    if extension not in EXTENSIONS:
        raise BadInput(
            f"{extension} cannot be an extension: it is not 2 to 6 digits.",
            remedy="Give one as 101.",
            field="extension",
        )
    holder = await s.scalar(select(User.login).where(User.extension == extension, User.login != login))
    if holder is not None:
        raise BadInput(
            f"Another person has this extension: {extension} is that of {holder}.",
            remedy=f"Choose another, or first run `backoffice user set {holder} --extension none`.", field="extension",
        )  # fmt: skip


def _refuse_line(line: str) -> None:
    if line not in ("", *LINES):
        raise BadInput(
            f"A line is not “{line}”.", remedy="kept = up all shift; per_call = rung for each.", field="line"
        )


async def _refuse_bank_number(s: AsyncSession, number: str, login: str = "") -> None:
    """`login`: whose own number it may already be."""
    if not _BANK_NUMBER.fullmatch(number):
        raise BadInput(
            f"“{number}” cannot be a number on the bank's exchange: it is not 2 to 15 digits.",
            remedy="Give it as that exchange dials it, as 2345.", field="bank_number",
        )  # fmt: skip
    holder = await s.scalar(select(User.login).where(User.bank_number == number, User.login != login))
    if holder is not None:
        raise BadInput(
            f"Another person has this phone: {number} is that of {holder}.",
            remedy=f"Choose another, or first run `backoffice user set {holder} --bank-number none`.",
            field="bank_number",
        )


async def find_user(s: AsyncSession, login: str, *, lock: bool = False) -> User:
    """Raises NotFound."""
    query = select(User).where(User.login == login.strip().lower())
    user = (await s.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if user is None:
        raise NotFound(f"There is no login “{login}”.", remedy="`backoffice user list` shows them.")
    return user


async def change_user(s: AsyncSession, user: User, wall: datetime, by: str, changes: dict[str, Any]) -> int:
    """`changes`: any of password, role, extension (None = no phone), bank_number (None = none), line, region, branch,
    active, unlock (True). One line in the journal.

    After a new password, a new role or the end of work the person's browsers are logged out; returns how many.
    Raises BadInput.
    """
    if "role" in changes:
        _refuse_role(changes["role"])
        user.role = changes["role"]
    if "password" in changes:
        _refuse_password(changes["password"])
        user.password_hash = await asyncio.to_thread(_hasher.hash, changes["password"])
    if "extension" in changes:
        if changes["extension"] is not None:
            await _refuse_extension(s, changes["extension"], user.login)
        user.extension = changes["extension"]
    if "bank_number" in changes:
        if changes["bank_number"] is not None:
            await _refuse_bank_number(s, changes["bank_number"], user.login)
        user.bank_number = changes["bank_number"]
    if "line" in changes:
        _refuse_line(changes["line"])
        user.line = changes["line"]
    if "region" in changes:
        user.region = changes["region"]
    if "branch" in changes:
        user.branch = changes["branch"]
    if "active" in changes:
        user.active = changes["active"]
    if "unlock" in changes or "password" in changes:
        user.failed_logins, user.locked_until = 0, None
    ended = 0
    if changes.keys() & {"password", "role", "active"}:
        open_ones = update(Login).where(Login.user_id == user.id, Login.ended_at.is_(None))
        ended = len((await s.execute(open_ones.values(ended_at=wall).returning(Login.user_id))).all())
    told = {name: value for name, value in changes.items() if name != "password"}
    note_access(s, None, "USER_CHANGED", wall, object_id=user.login, by=by, what=sorted(changes), **told)
    return ended


async def authenticate(s: AsyncSession, login: str, password: str, wall: datetime) -> User | None:
    """The person, or None: unknown login, wrong password, left, or locked out; the caller says the same to all.

    Counts failures; the fifth in a row closes the login for 15 minutes. The caller commits in either case. The row
    is locked meanwhile, so that parallel guesses are counted one by one.
    """
    query = select(User).where(User.login == login.strip().lower()).with_for_update()
    user = (await s.execute(query)).scalar_one_or_none()
    if user is None or not user.active:
        await asyncio.to_thread(_hasher.verify, password, _nobodys_hash())
        return None
    right = await asyncio.to_thread(_hasher.verify, password, user.password_hash)
    if user.locked_until is not None and user.locked_until > wall:
        return None
    if not right:
        user.failed_logins += 1
        if user.failed_logins >= LOCK_AFTER:
            user.failed_logins, user.locked_until = 0, wall + timedelta(minutes=LOCK_MINUTES)
            note_access(s, user.id, "LOGIN_LOCKED", wall)
        else:
            note_access(s, user.id, "LOGIN_FAILED", wall)
        return None
    user.failed_logins, user.locked_until = 0, None
    return user


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def start_login(s: AsyncSession, user: User, wall: datetime) -> tuple[str, Login]:
    """A new browser session of 12 hours: the cookie's value, and its row, which holds only the value's digest."""
    token = secrets.token_urlsafe(32)
    login = Login(
        token_hash=_digest(token), user_id=user.id, csrf=secrets.token_urlsafe(24),
        created_at=wall, expires_at=wall + timedelta(hours=LOGIN_HOURS),
    )  # fmt: skip
    s.add(login)
    note_access(s, user.id, "LOGIN", wall)
    await s.flush()
    return token, login


async def find_login(s: AsyncSession, token: str, wall: datetime) -> tuple[User, Login] | None:
    """Whose cookie this is; None when it ended, is too old, or its person has left."""
    query = (
        select(User, Login)
        .join(Login, Login.user_id == User.id)
        .where(Login.token_hash == _digest(token), Login.ended_at.is_(None), Login.expires_at > wall, User.active)
    )
    row = (await s.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def end_others(s: AsyncSession, user_id: UUID, wall: datetime) -> int:
    """Ends this person's logins because a later one takes his desk; how many they were."""
    open_ones = update(Login).where(Login.user_id == user_id, Login.ended_at.is_(None), Login.expires_at > wall)
    ended = await s.execute(open_ones.values(ended_at=wall, ended_why="TAKEN").returning(Login.user_id))
    return len(ended.all())


async def taken_at(s: AsyncSession, token: str) -> datetime | None:
    """When a later login of the same person ended this one; None when it did not."""
    return await s.scalar(select(Login.ended_at).where(Login.token_hash == _digest(token), Login.ended_why == "TAKEN"))


async def open_tokens(s: AsyncSession, user_id: UUID, wall: datetime) -> set[str]:
    """Digests of this person's cookies that open something."""
    query = select(Login.token_hash).where(Login.user_id == user_id, Login.ended_at.is_(None), Login.expires_at > wall)
    return set(await s.scalars(query))


async def end_login(s: AsyncSession, token: str, wall: datetime) -> None:
    await s.execute(
        update(Login).where(Login.token_hash == _digest(token), Login.ended_at.is_(None)).values(ended_at=wall)
    )


def note_access(
    s: AsyncSession,
    user_id: UUID | None,
    act: str,
    wall: datetime,
    *,
    case_id: UUID | None = None,
    object_id: str = "",
    **detail: Any,
) -> None:
    """One line of the journal, and the same in the audit's chain; both stand once the caller commits.

    `detail["by"]` names who did it when it was not a login (a command).
    """
    s.add(AccessEntry(at=wall, user_id=user_id, act=act, case_id=case_id, object_id=object_id, detail=detail))
    who = f"user:{user_id}" if user_id else f"os:{detail.get('by', '')}"
    told = {name: value for name, value in detail.items() if name != "by"}
    audit.note(s, who, act, object_id, told | ({"case": str(case_id)} if case_id else {}))
