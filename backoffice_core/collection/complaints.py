"""Complaints of borrowers and others about how they were treated: noted with a case, answered in time by somebody else."""

from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, Task
from backoffice_core.cases.rules import COMPLAINT, next_working_day
from backoffice_core.collection.models import Complaint
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, Conflict, NotAllowed, NotFound

KINDS = ("TONE", "TOO_OFTEN", "HOUR", "DISCLOSED", "NOT_MINE", "OTHER")
CHANNELS = ("call", "robot", "sms", "email", "letter", "visit")
ANSWERS = ("UPHELD", "REJECTED")
ANSWER_WORKING_DAYS = 5  # of the house; a law that gives less is for the bank to say on the work list
LONGEST = 2000


async def note(
    s: AsyncSession, case_id: UUID, *, kind: str, channel: str, text: str, about: UUID | None, at: datetime, by: UUID,
    is_working: Callable[[date], bool] = lambda day: day.weekday() < 5,
) -> Complaint:  # fmt: skip
    """What was complained of; a task to answer it stands on a list until then. Raises BadInput by field."""
    if kind not in KINDS:
        raise BadInput("What is it about?", remedy="Choose one of the list.", field="kind")
    if channel not in CHANNELS:
        raise BadInput("By which channel did it happen?", remedy="Choose one of the list.", field="channel")
    text = text.strip()
    if not text:
        raise BadInput("What was said?", remedy="Write it down in the words of the complaint.", field="text")
    if len(text) > LONGEST:
        raise BadInput("This is too long.", remedy=f"Give at most {LONGEST} signs.", field="text")
    one = Complaint(
        id=new_key(), case_id=case_id, kind=kind, channel=channel, about=about, text=text, noted_at=at, noted_by=by, state="OPEN",
        answer_by=next_working_day(at.date(), is_working, ANSWER_WORKING_DAYS),
    )  # fmt: skip
    s.add(one)
    await s.flush()
    await cases.raise_task(
        s, case_id, COMPLAINT, one.answer_by, f"{COMPLAINT}:{one.id}", data={"note": text[:200], "complaint": str(one.id)}, at=at,
        owned=False,
    )  # fmt: skip
    await _told(s, one, at, by)
    return one


async def answer(s: AsyncSession, complaint_id: UUID, state: str, words: str, *, at: datetime, by: UUID) -> Complaint:
    """Upheld or rejected, with what was answered. Raises BadInput, Conflict, NotAllowed for whom it is about."""
    one = await s.get(Complaint, complaint_id, with_for_update=True)
    if one is None:
        raise NotFound
    if one.state != "OPEN":
        raise Conflict("This complaint is answered already.")
    if by == one.about:
        raise NotAllowed("Whom a complaint is about does not answer it.", remedy="Ask another person.")
    if state not in ANSWERS:
        raise BadInput("Is it upheld or rejected?", remedy="Choose one of the list.", field="state")
    if not words.strip():
        raise BadInput("What was answered?", remedy="The person who complained is told it.", field="why")
    one.state, one.decided_at, one.decided_by, one.answer = state, at, by, words.strip()[:LONGEST]
    ends = update(Task).where(Task.dedupe_key == f"{COMPLAINT}:{one.id}", Task.state == "OPEN")
    await s.execute(ends.values(state="DONE", closed_at=at, closed_by=by, result="DONE"))
    await s.flush()
    await _told(s, one, at, by)
    return one


async def of_case(s: AsyncSession, case_id: UUID) -> list[Complaint]:
    """The newest first."""
    return list(
        await s.scalars(select(Complaint).where(Complaint.case_id == case_id).order_by(Complaint.number.desc()))
    )


async def open_ones(s: AsyncSession) -> list[Complaint]:
    """Those without an answer, the oldest first."""
    return list(await s.scalars(select(Complaint).where(Complaint.state == "OPEN").order_by(Complaint.number)))


async def _told(s: AsyncSession, one: Complaint, at: datetime, by: UUID) -> None:
    data = {"number": one.number, "complaint": one.kind, "state": one.state, "note": one.answer or one.text}
    await cases.add_event(s, one.case_id, "complaint", at, by, data={k: v for k, v in data.items() if k != "number"})
    number = await s.scalar(select(Case.number).where(Case.id == one.case_id))
    audit.note(s, f"user:{by}", "COMPLAINT_NOTED" if one.state == "OPEN" else "COMPLAINT_ANSWERED", str(number),
               {"complaint": one.number, "state": one.state})  # fmt: skip
