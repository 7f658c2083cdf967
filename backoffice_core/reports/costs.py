"""What a contact costs the bank, dated, by kind and currency; and what was spent on a case (DM-08, domain.md 2.4).

Rates are the bank's own: none is shipped, and what has no rate costs nothing. A case's contacts are counted in the currency
of its debt, by the rates of that currency, so that no sums of two currencies are added up.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.errors import BadInput
from backoffice_core.reports.models import ContactCost

# attempt: each dial; line_minute: from the answer to the end; agent_minute: from the bridge to the result (at most five minutes
# after the end); the others: each contact of that channel, ours or told by another system.
KINDS = (
    "attempt",
    "line_minute",
    "agent_minute",
    "sms",
    "email",
    "push",
    "messenger",
    "voice_message",
    "letter",
    "visit",
)
MOST = Decimal(1_000_000)

SPENT = """
    WITH whom AS (SELECT c.id, c.person_id, c.opened_at, x.currency
                    FROM unnest(CAST(:ids AS uuid[]), CAST(:currencies AS text[])) AS x(id, currency)
                    JOIN cases c ON c.id = x.id),
         calls AS (SELECT o.currency, t.* FROM whom o JOIN call_attempts t ON t.case_id = o.id
                    WHERE t.business_at >= o.opened_at AND t.business_at < CAST(:until AS timestamptz)),
         used AS (
           SELECT case_id, currency, 'attempt' AS kind, business_at AS at, 1.0 AS n FROM calls WHERE direction = 'out'
           UNION ALL
           SELECT t.case_id, t.currency, v.kind, t.business_at, greatest(0, extract(epoch FROM v.till - v.since)) / 60
             FROM calls t
             CROSS JOIN LATERAL (VALUES ('line_minute', t.answered_at, t.ended_at),
                                        ('agent_minute', CASE WHEN t.agent_id IS NOT NULL THEN t.bridged_at END,
                                         least(greatest(t.outcome_at, t.ended_at), t.ended_at + interval '5 minutes')))
                   AS v(kind, since, till)
            WHERE v.since IS NOT NULL AND v.till IS NOT NULL
           UNION ALL
           SELECT o.id, o.currency, e.channel, e.at, 1.0 FROM whom o JOIN contact_ledger e ON e.person_id = o.person_id
            WHERE e.call_id IS NULL AND e.direction = 'outbound' AND e.state = 'COMMITTED' AND e.channel NOT IN ('call', 'robot')
              AND e.at >= o.opened_at AND e.at < CAST(:until AS timestamptz)),
         rate AS (SELECT kind, currency, amount, valid_from,
                         lead(valid_from) OVER (PARTITION BY kind, currency ORDER BY valid_from) AS till FROM contact_costs)
    SELECT u.case_id, round(sum(u.n * r.amount), 2) AS cost
      FROM (SELECT *, CAST(at AT TIME ZONE CAST(:zone AS text) AS date) AS day FROM used) u
      JOIN rate r ON r.kind = u.kind AND r.currency = u.currency AND u.day >= r.valid_from AND (r.till IS NULL OR u.day < r.till)
     GROUP BY u.case_id
"""
"""By case, of those in `:ids` with the currency of their debt (`:currencies`): what was spent from its opening up to `:until`."""


async def rates(s: AsyncSession) -> Sequence[ContactCost]:
    """All, by kind and currency, the oldest first."""
    query = select(ContactCost).order_by(ContactCost.kind, ContactCost.currency, ContactCost.valid_from)
    return list(await s.scalars(query))


async def put(s: AsyncSession, kind: str, currency: str, amount: Decimal, valid_from: date, *, by: str) -> None:
    """A rate from that day on; what held before stays. The same day again is said anew. Raises BadInput."""
    if kind not in KINDS:
        raise BadInput(f"“{kind}” is nothing that has a cost.", remedy=f"Known are {', '.join(KINDS)}.", field="kind")
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        raise BadInput(f"“{currency}” is no currency.", remedy="Write it as UAH.", field="currency")
    if not 0 <= amount < MOST or amount != round(amount, 4):
        raise BadInput("A cost is from 0 to a million, with at most four decimals.", field="amount")
    await s.merge(ContactCost(kind=kind, currency=currency, valid_from=valid_from, amount=amount, set_by=by))
    await s.flush()
    told = {"currency": currency, "amount": str(amount), "valid_from": str(valid_from)}
    audit.note(s, f"os:{by}", "CONTACT_COST_SET", kind, told)
