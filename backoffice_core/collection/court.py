"""A case before the court: the claim is filed, the writ is given (domain.md 4.2). By these stages 5 and 6 are reached, which no
number of days gives (domain.md 4.1); from then on the night leaves the stage alone, and only payment of all ends the case."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.collection import bands
from backoffice_core.days import FIRST
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.loans import service as loans


@dataclass(frozen=True, slots=True)
class Act:
    """From which state to which, and the stage that the case reaches by it."""

    before: str
    after: str
    stage: int


ACTS = {"CLAIM": Act("PRE_LEGAL", "LEGAL", 5), "WRIT": Act("LEGAL", "ENFORCEMENT", 6)}
LONGEST = 200


def possible(case: Case) -> str:
    """The act that may be noted next; "" = none: the case is not with the lawyers."""
    return next((name for name, act in ACTS.items() if act.before == case.state), "")


async def note(
    session: AsyncSession, case_id: UUID, name: str, *, court: str, number: str, on: date | None, amount: Decimal | None,
    at: datetime, today: date, by: UUID,
) -> Case:  # fmt: skip
    """What the court's paper says. `amount`: claimed or awarded; None = the paper names none. Raises BadInput by field, Conflict
    when the case is elsewhere: first the act that brings it to the lawyers, then the claim, then the writ."""
    act = ACTS.get(name)
    if act is None:
        raise BadInput("Which act of the court?", remedy="Choose one of the list.", field="act")
    for field, text in (("court", court), ("number", number)):
        if not text.strip():
            raise BadInput("Which court, and under which number?", remedy="As its paper says.", field=field)
        if len(text.strip()) > LONGEST:
            raise BadInput("This is too long.", remedy=f"Give at most {LONGEST} signs.", field=field)
    if on is None or not FIRST <= on <= today:
        raise BadInput("On which day?", remedy="Give the day of the paper, today or earlier.", field="on")
    if amount is not None and amount <= 0:
        raise BadInput("The sum must be above nought.", field="amount")
    case = await session.get_one(Case, case_id, with_for_update=True)
    if case.state != act.before:
        raise Conflict(
            f"A case cannot go from {case.state} to {act.after}.", remedy="Hand it over to the lawyers first."
        )
    debts = (await loans.debts(session, [case.person_id])).get(case.person_id, [])
    data = {"act": name, "note": f"{court.strip()}, № {number.strip()}, {on}", "on": on.isoformat(),
            "amount": str(amount) if amount else "", "currency": debts[0].currency if debts else ""}  # fmt: skip
    await cases.add_event(session, case_id, "court", at, by, data=data)
    await cases.move(session, case, act.after, at=at, reason=name, actor_id=by)
    version = (await bands.in_force(session, "stage", today)).version
    days = max((d.days_past_due for d in debts), default=0)
    await bands.give_stage(session, case, act.stage, why="COURT", days=days, version=version, at=at, today=today, by=by)
    await session.flush()
    return case
