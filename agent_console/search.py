"""The search field: a case by its number, a contract, a phone however it is written, or a name."""

import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.borrowers.phones import read_cell
from backoffice_core.cases.models import Case
from backoffice_core.loans.models import Loan

MOST = 20
SHORTEST_NAME = 2  # letters; one letter finds everybody


@dataclass(frozen=True, kw_only=True)
class Found:
    number: int
    person_name: str
    state: str
    place: str


async def cases(s: AsyncSession, asked: str, region: str, *, branch: str = "") -> list[Found]:
    """Cases that fit what was asked, by name; one more than MOST when there are more. `region`: two letters, UA. `branch`: only
    of borrowers with a loan there.

    The first way of reading that finds anything wins: number, contract, phone, name.
    """
    there = Case.person_id.in_(select(Loan.person_id).where(Loan.branch == branch)) if branch else true()
    for where in _readings(asked, region):
        query = (
            select(Case.number, Person, Case.state)
            .join(Person, Person.id == Case.person_id)
            .where(where, there)
            .order_by(Person.last_name, Person.first_name, Case.number)
            .limit(MOST + 1)
        )
        if rows := (await s.execute(query)).all():
            return [
                Found(number=number, person_name=person.full_name, state=state, place=person.place or person.region)
                for number, person, state in rows
            ]
    return []


def _readings(asked: str, region: str) -> list[ColumnElement[bool]]:
    readings: list[ColumnElement[bool]] = []
    if (number := re.fullmatch(r"\D?\s*(\d{1,15})", asked)) is not None:
        readings.append(Case.number == int(number[1]))
    if asked:
        contract = select(Loan.person_id).where(func.lower(Loan.contract_no) == asked.lower())
        readings.append(Case.person_id.in_(contract))
    if numbers := [phone.value for phone in read_cell(asked, region).numbers]:
        owners = select(ContactPoint.person_id).where(ContactPoint.kind == "phone", ContactPoint.value.in_(numbers))
        readings.append(Case.person_id.in_(owners))
    words = re.findall(r"[^\W\d_][\w'’ʼ-]*", asked)
    if words and max(len(word) for word in words) >= SHORTEST_NAME:
        parts = (Person.last_name, Person.first_name, Person.middle_name)
        readings.append(and_(*(or_(*(part.istartswith(word, autoescape=True) for part in parts)) for word in words)))
    return readings
