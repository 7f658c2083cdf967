"""Units: who belongs where, and whose list late tasks go up to."""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.models import Unit, User

_CODE = re.compile(r"[a-z][a-z0-9_]{1,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    code: str
    name: str
    head: str
    members: int
    active: bool


async def listed(s: AsyncSession) -> list[UnitRow]:
    """By code, with how many people work there."""
    head = select(User.full_name).where(User.id == Unit.head_id).scalar_subquery()
    members = select(func.count()).where(User.unit == Unit.code, User.active).scalar_subquery()
    query = select(Unit.code, Unit.name, func.coalesce(head, ""), members, Unit.active).order_by(Unit.code)
    rows = (await s.execute(query)).all()
    return [UnitRow(code=c, name=n, head=h, members=m, active=a) for c, n, h, m, a in rows]


async def find(s: AsyncSession, code: str) -> Unit:
    """Raises NotFound."""
    unit = await s.get(Unit, code)
    if unit is None:
        raise NotFound(f"There is no unit {code}.", remedy="`backoffice unit list` names them.", field="unit")
    return unit


async def put(
    s: AsyncSession,
    code: str,
    *,
    who: str,
    name: str | None = None,
    head: str | None = None,
    active: bool | None = None,
) -> Unit:
    """Makes a unit, or changes what is given. `head`: a login, "none" = nobody. Raises BadInput, NotFound."""
    if not _CODE.fullmatch(code):
        raise BadInput(f"“{code}” cannot be a unit.", remedy="Use 2–40 of a–z, 0–9 and _.", field="unit")
    unit = await s.get(Unit, code)
    if unit is None:
        s.add(unit := Unit(code=code))
    if name is not None:
        unit.name = name.strip()
    if head is not None:
        unit.head_id = None if head == "none" else (await person(s, head)).id
    if active is not None:
        unit.active = active
    await s.flush()
    audit.note(s, who, "UNIT_SET", code, {"name": unit.name, "head": str(unit.head_id or ""), "active": unit.active})
    return unit


async def join(s: AsyncSession, login: str, code: str, *, who: str) -> None:
    """The person works in this unit from now on; "none" = in none. Raises NotFound."""
    member = await person(s, login)
    member.unit = None if code == "none" else (await find(s, code)).code
    await s.flush()
    audit.note(s, who, "UNIT_JOINED", login, {"unit": code})


async def person(s: AsyncSession, login: str) -> User:
    """Raises NotFound."""
    found = await s.scalar(select(User).where(User.login == login))
    if found is None:
        raise NotFound(f"There is no login {login}.", remedy="`backoffice user list` names them.", field="login")
    return found


async def people(s: AsyncSession) -> list[tuple[UUID, str, str]]:
    """Who works here: id, name, unit; by name."""
    query = select(User.id, User.full_name, func.coalesce(User.unit, "")).where(User.active, User.role != "admin")
    return [(a, b, c) for a, b, c in (await s.execute(query.order_by(User.full_name))).all()]
