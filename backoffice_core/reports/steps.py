"""Steps of strategies on time (CK-25): due = done + late + skipped + open, as strategy/proof.py counts them."""

from sqlalchemy import Subquery, Text, cast, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql
from backoffice_core.strategy import proof
from backoffice_core.strategy.models import StepDue
from backoffice_core.strategy.rules import STATES

_CASES = f"""
    -- report_cases: whose each case was, and the place of its borrower's leading loan
    SELECT c.id AS case_id, {standing.owner()}, coalesce(d.portfolio, '') AS portfolio, coalesce(d.branch, '') AS branch,
           coalesce(d.product, '') AS product
      FROM cases c {standing.handed()} LEFT JOIN ({standing.leading()}) d ON d.person_id = c.person_id
     WHERE EXISTS (SELECT FROM step_dues x WHERE x.case_id = c.id)
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    ask = proof.Ask(as_at=q.as_at, first=q.first, last=q.as_at)
    t = StepDue
    state = proof.state_at(q.as_at)
    due = proof.due(
        ask, t.id, t.case_id, t.person_id, t.kind, t.step, t.due_date, t.deadline, state.label("state"), t.reason, t.done_on,
        t.unit, func.coalesce(cast(proof.step_owner(), Text), "").label("person"), proof.version_name().label("version"),
        t.arm, cast(t.stage, Text).label("stage"),
    ).subquery("due")  # fmt: skip
    given = {"until": q.until, **await standing.buckets(s, q.as_at)}
    places = sql(_CASES, ("case_id", "owner", "case_unit", "portfolio", "branch", "product"), given).alias("places")
    more = [places.c[name] for name in ("owner", "portfolio", "branch", "product")]
    query = select(due, *more, literal_column("''").label("currency"))
    return query.join(places, places.c.case_id == due.c.case_id).subquery("r")


FAMILY = Family(
    name="steps", base=_base, cuts=("unit", "person", "kind", "version", "arm", "stage", "branch", "product", "owner"),
    figures=(Figure("due"), *(Figure(state.lower(), f"state = '{state}'") for state in STATES)),
    rates=(Rate("late_rate", "late", ("done", "late", "open")),),
    columns=(
        Column("kind", "task"), Column("version"), Column("due_date", "date"), Column("deadline", "date"),
        Column("state", "step-state"), Column("reason", "skip-reason"), Column("done_on", "date"), Column("unit", "unit"),
        Column("person", "name"), Column("branch"),
    ),
    order=("due_date", "id"), chart=("done", "late", "skipped", "open"), extra=("state", "reason"),
)  # fmt: skip
