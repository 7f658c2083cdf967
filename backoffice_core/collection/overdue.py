"""The notice to the credit department (DM-13): which loans turned overdue on a business day.

A loan stands in it when its person's case was opened or opened again that day, or when the bank's statement of that day is the
first that calls it overdue: so a second loan of somebody whose case is open already is told, too.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.loans import balances

_TURNED = text(
    f"""
    -- turned_overdue: as the loans stood at the end of the day; a loan without a kept statement as its row says
    WITH persons_of_cases AS (
      SELECT DISTINCT c.person_id FROM case_events e JOIN cases c ON c.id = e.case_id
       WHERE e.kind = 'state' AND e.at >= :start AND e.at < :end
         AND (e.data->>'from' = '' OR (e.data->>'from' = 'CURED' AND e.data->>'to' = 'ACTIVE'))),
    told AS (
      SELECT b.loan_id FROM loan_balances b
        LEFT JOIN LATERAL (SELECT p.days_past_due FROM loan_balances p WHERE p.loan_id = b.loan_id AND p.as_at < b.as_at
                            ORDER BY p.as_at DESC, p.id DESC LIMIT 1) before ON true
       WHERE b.recorded_at >= :start AND b.recorded_at < :end AND b.days_past_due > 0 AND NOT b.correction
         AND b.overdue_principal + b.overdue_interest + b.overdue_penalty + b.overdue_fee >= 1.00
         AND coalesce(before.days_past_due, 0) = 0),
    whose AS (SELECT coalesce(array_agg(l.id), '{{}}') AS ids FROM loans l
               WHERE l.person_id IN (SELECT person_id FROM persons_of_cases) OR l.id IN (SELECT loan_id FROM told)),
    stood AS ({balances.AS_AT.replace(":until", ":end").replace(":known", "NULL").replace(":ids", "(SELECT ids FROM whose)")}),
    shown AS (
      SELECT l.id, l.person_id, l.contract_no, l.currency, coalesce(m.portfolio, l.portfolio) AS portfolio,
             coalesce(m.branch, l.branch) AS branch, coalesce(m.product, l.product) AS product,
             coalesce(x.days_past_due, l.days_past_due) AS days_past_due, coalesce(x.balance, l.balance) AS balance,
             coalesce(x.as_at, l.as_at) AS as_at, CASE WHEN x.loan_id IS NULL THEN l.next_due ELSE x.next_due END AS next_due,
             coalesce(x.overdue_principal + x.overdue_interest + x.overdue_penalty + x.overdue_fee,
                      l.overdue_principal + l.overdue_interest + l.overdue_penalty + l.overdue_fee) AS overdue
        FROM loans l LEFT JOIN stood x ON x.loan_id = l.id
        LEFT JOIN LATERAL (SELECT * FROM loan_places o WHERE o.loan_id = l.id AND o.till >= :end
                            ORDER BY o.till, o.id LIMIT 1) m ON true
       WHERE l.id = ANY(CAST((SELECT ids FROM whose) AS uuid[])))
    SELECT l.contract_no, l.branch, l.product, l.portfolio, l.currency, l.days_past_due, l.balance, l.as_at, l.next_due,
           l.overdue,
           p.last_name || ' ' || p.first_name || CASE p.middle_name WHEN '' THEN '' ELSE ' ' || p.middle_name END AS person,
           (SELECT max(c.number) FROM cases c WHERE c.person_id = p.id AND c.opened_at < :end
               AND (c.closed_at IS NULL OR c.closed_at >= :end)) AS case_number
      FROM shown l JOIN persons p ON p.id = l.person_id
     WHERE l.days_past_due > 0 AND l.overdue >= 1.00 AND (CAST(:branch AS text) = '' OR l.branch = :branch)
     ORDER BY l.branch, l.contract_no LIMIT :most
    """  # noqa: S608
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A loan, with what was overdue of it at the end of the day. `case_number` None = no case was open then."""

    contract_no: str
    branch: str
    product: str
    portfolio: str
    currency: str
    days_past_due: int
    balance: Decimal
    overdue: Decimal
    as_at: datetime
    next_due: date | None
    person: str
    case_number: int | None


async def turned(
    session: AsyncSession, start: datetime, end: datetime, *, branch: str = "", most: int = 100_000
) -> list[Turned]:
    """Of the business day [start, end), as at its end, by branch and contract: those paid by then are left out. What came later
    changes nothing."""
    given = {"start": start, "end": end, "branch": branch, "most": most}
    return [Turned(**row) for row in (await session.execute(_TURNED, given)).mappings()]
