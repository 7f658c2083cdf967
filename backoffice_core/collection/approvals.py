"""What waits for a second person stands on a work list until he has decided: nothing is forgotten between two people."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Task
from backoffice_core.cases.rules import APPROVE, next_working_day


async def wait(session: AsyncSession, case_id: UUID, thing: UUID, *, note: str, at: datetime) -> None:
    """A task for whoever may approve `thing` (a plan, a correction), until the next working day."""
    due = next_working_day(at.date(), lambda day: day.weekday() < 5)
    await cases.raise_task(
        session, case_id, APPROVE, due, f"{APPROVE}:{thing}", data={"note": note}, at=at, owned=False
    )  # fmt: skip


async def decided(session: AsyncSession, thing: UUID, *, at: datetime, by: UUID | None) -> None:
    """Ends the task, whatever was decided."""
    waits = update(Task).where(Task.dedupe_key == f"{APPROVE}:{thing}", Task.state == "OPEN")
    await session.execute(waits.values(state="DONE", closed_at=at, closed_by=by, result="DONE"))
