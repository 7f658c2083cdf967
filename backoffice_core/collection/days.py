"""Days past due from the bank's schedules: oldest unpaid instalment minus pauses (rules: loans/rules.py).

Loans without a schedule keep the bank's own days. One statement for the night and for one loan.
"""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.db import typed_sql

# Instalments up to today by the day by which they must be paid; owed so far; paid since the schedule's own `paid`.
_DAYS = """
    WITH due AS (
      SELECT i.loan_id, l.person_id, coalesce(s.by, i.due_date) AS by, i.as_at,
             sum(i.amount - i.paid) OVER (PARTITION BY i.loan_id ORDER BY i.due_date) AS owed
        FROM instalments i JOIN loans l ON l.id = i.loan_id
        LEFT JOIN unnest(:off, :shifted) AS s(day, by) ON s.day = i.due_date
       WHERE l.person_id BETWEEN :low AND :high AND i.due_date < :today),
    paid AS (
      SELECT d.loan_id, sum(CASE p.kind WHEN 'REVERSAL' THEN -p.amount ELSE p.amount END) AS paid
        FROM (SELECT DISTINCT loan_id, as_at FROM due) d
        JOIN payments p ON p.loan_id = d.loan_id AND p.paid_at > d.as_at GROUP BY d.loan_id),
    oldest AS (
      SELECT d.loan_id, d.person_id,
             min(d.by) FILTER (WHERE d.by < :today AND d.owed - coalesce(p.paid, 0) >= 1.00) AS by
        FROM due d LEFT JOIN paid p USING (loan_id) GROUP BY d.loan_id, d.person_id),
    counted AS (
      SELECT o.loan_id, coalesce(CAST(:today AS date) - o.by, 0) - coalesce((
               SELECT sum(upper(r) - lower(r)) FROM unnest((
                 SELECT range_agg(daterange(h.valid_from, least(coalesce(h.valid_to, :today),
                                            coalesce(CAST(h.lifted_at AT TIME ZONE :zone AS date), :today)), '[]')
                                  * daterange(o.by + 1, :today, '[]'))
                   FROM holds h JOIN cases c ON c.id = h.case_id
                  WHERE c.person_id = o.person_id AND h.pauses_days AND o.by < :today AND h.valid_from <= :today)) AS r), 0)
             AS days
        FROM oldest o)
"""
_REFRESH = typed_sql(
    _DAYS  # noqa: S608
    + """
    , changed AS (
      UPDATE loans l SET days_past_due = greatest(c.days, 0) FROM counted c
       WHERE l.id = c.loan_id AND l.days_past_due <> greatest(c.days, 0) RETURNING l.*)
    , kept AS (
      -- what was counted is a fact of its own, so that a past day can be asked for
      INSERT INTO loan_balances (loan_id, as_at, recorded_at, balance, overdue_principal, overdue_interest, overdue_penalty,
             overdue_fee, days_past_due, next_due, next_amount, correction, note)
      SELECT id, greatest(:at, as_at), :at, balance, overdue_principal, overdue_interest, overdue_penalty, overdue_fee,
             days_past_due, next_due, next_amount, false, 'schedule' FROM changed)
    SELECT count(*) FROM changed
    """,
    off="date[]",
    shifted="date[]",
)


async def refresh(
    session: AsyncSession, today: date, low: UUID, high: UUID, *, at: datetime, zone: str,
    shifts: Mapping[date, date] | None = None,
) -> int:  # fmt: skip
    """Counts the days of the scheduled loans of these persons anew; returns how many changed.

    `shifts`: days off work, and the working day on which an instalment due then must be paid (empty = its own day).
    """
    given = {"today": today, "low": low, "high": high, "at": at, "zone": zone,
             "off": list(shifts or {}), "shifted": list((shifts or {}).values())}  # fmt: skip
    return await session.scalar(_REFRESH, given) or 0
