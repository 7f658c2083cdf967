"""Time to first contact (domain.md 2.4): of the cases opened between two days, when the first contact came after the opening.

A contact is a talk, in or out, whose result is one (domain.md 2.3: with the borrower or with somebody else; no machine, no
silence). A case that was reached by nobody up to the end of the day waits; it is no part of the mean, which says so by its
denominator: hours / cases reached.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.rules import OUTCOMES
from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

CONTACTS = sorted(code for code, rule in OUTCOMES.items() if rule.contact)
_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "unit", "week", "day", "opened",
         "reached_at", "outcome", "seconds", "reached")  # fmt: skip
_SQL = f"""
    -- report_reach
    SELECT x.id, x.person_id, x.id AS case_id, '' AS currency, coalesce(d.portfolio, '') AS portfolio,
           coalesce(d.branch, '') AS branch, coalesce(d.product, '') AS product, x.owner, x.case_unit AS unit,
           to_char(x.opened_at AT TIME ZONE CAST(:zone AS text), 'IYYY-"W"IW') AS week,
           to_char(x.opened_at AT TIME ZONE CAST(:zone AS text), 'YYYY-MM-DD') AS day,
           to_char(x.opened_at AT TIME ZONE CAST(:zone AS text), 'YYYY-MM-DD HH24:MI') AS opened,
           coalesce(to_char(x.at AT TIME ZONE CAST(:zone AS text), 'YYYY-MM-DD HH24:MI'), '') AS reached_at,
           coalesce(x.outcome, '') AS outcome, coalesce(CAST(extract(epoch FROM x.at - x.opened_at) AS int), 0) AS seconds,
           x.at IS NOT NULL AS reached
      FROM (SELECT c.id, c.person_id, c.opened_at, e.at, e.outcome, {standing.owner()}
              FROM cases c {standing.handed()}
              LEFT JOIN LATERAL (SELECT v.at, v.data->>'outcome' AS outcome FROM case_events v
                                  WHERE v.case_id = c.id AND v.kind = 'outcome' AND v.at >= c.opened_at
                                    AND v.at < CAST(:until AS timestamptz)
                                    AND v.data->>'outcome' = ANY(CAST(:contacts AS text[]))
                                  ORDER BY v.at, v.id LIMIT 1) e ON true
             WHERE c.opened_at >= CAST(:begins AS timestamptz) AND c.opened_at < CAST(:until AS timestamptz)) x
      LEFT JOIN ({standing.leading()}) d ON d.person_id = x.person_id
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"until": q.until, "begins": q.begins, "zone": str(q.zone), "contacts": CONTACTS}
    return sql(_SQL, _ROWS, given | await standing.buckets(s, q.as_at))


_DAY = 24 * 3600
FAMILY = Family(
    name="reach", base=_base, cuts=("week", "day", "unit", "branch", "product", "owner", "portfolio"),
    figures=(
        Figure("cases"), Figure("reached", "reached"), Figure("day_one", f"reached AND seconds < {_DAY}"),
        Figure("later", f"reached AND seconds >= {_DAY}"), Figure("waiting", "NOT reached"),
        Figure("seconds", "reached", "seconds", unit="seconds"),
    ),
    rates=(
        Rate("mean_hours", "seconds", ("reached",), times=1, per=3600), Rate("reached_share", "reached", ("cases",)),
        Rate("day_one_share", "day_one", ("cases",)),
    ),
    columns=(
        Column("opened"), Column("reached_at"), Column("seconds", "seconds"), Column("outcome", "outcome"),
        Column("unit", "unit"), Column("owner", "name"), Column("branch"), Column("product"),
    ),
    order=("opened", "id"), chart=("day_one", "later", "waiting"), hidden=("seconds", "later"),
)  # fmt: skip
