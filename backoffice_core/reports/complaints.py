"""Complaints per 10,000 contacts (domain.md 2.4): complaints noted between two days / contacts of these days × 10,000.

A contact is a talk, in or out, whose result is one (as in the report of time to first contact), or a message, letter or visit
that the ledger of contacts holds. A complaint stands under the channel and the person that it is about. As at the second day: an
answer given later leaves it unanswered.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.reach import CONTACTS
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "item", "channel", "grievance",
         "answered", "person", "unit", "week", "day", "at")  # fmt: skip
_SQL = f"""
    -- report_complaints
    WITH items AS (
      SELECT a.id, a.person_id, a.case_id, 'CONTACT' AS item, 'call' AS channel, '' AS grievance, '' AS answered,
             a.agent_id AS who, a.business_at AS moment
        FROM call_attempts a
        JOIN case_events e ON e.call_id = a.id AND e.kind = 'outcome' AND e.at < CAST(:until AS timestamptz)
                          AND e.data->>'outcome' = ANY(CAST(:contacts AS text[]))
       WHERE a.business_at >= CAST(:begins AS timestamptz) AND a.business_at < CAST(:until AS timestamptz)
         AND a.case_id IS NOT NULL
      UNION ALL
      SELECT l.id, l.person_id, CAST(NULL AS uuid), 'CONTACT', l.channel, '', '', CAST(NULL AS uuid), l.at
        FROM contact_ledger l
       WHERE l.call_id IS NULL AND l.state = 'COMMITTED' AND l.at >= CAST(:begins AS timestamptz)
         AND l.at < CAST(:until AS timestamptz) AND (l.conversation OR l.delivered OR l.channel NOT IN ('call', 'robot'))
      UNION ALL
      SELECT k.id, c.person_id, k.case_id, 'COMPLAINT', k.channel, k.kind,
             CASE WHEN k.decided_at < CAST(:until AS timestamptz) THEN k.state ELSE 'OPEN' END, k.about, k.noted_at
        FROM complaints k JOIN cases c ON c.id = k.case_id
       WHERE k.noted_at >= CAST(:begins AS timestamptz) AND k.noted_at < CAST(:until AS timestamptz))
    SELECT i.id, i.person_id, i.case_id, '' AS currency, coalesce(d.portfolio, '') AS portfolio,
           coalesce(d.branch, '') AS branch, coalesce(d.product, '') AS product, coalesce(o.owner, '') AS owner, i.item,
           i.channel, i.grievance, i.answered, coalesce(CAST(i.who AS text), '') AS person, coalesce(u.unit, '') AS unit,
           to_char(i.moment AT TIME ZONE CAST(:zone AS text), 'IYYY-"W"IW') AS week,
           to_char(i.moment AT TIME ZONE CAST(:zone AS text), 'YYYY-MM-DD') AS day,
           to_char(i.moment AT TIME ZONE CAST(:zone AS text), 'YYYY-MM-DD HH24:MI') AS at
      FROM items i
      LEFT JOIN (SELECT c.id, {standing.owner()} FROM cases c {standing.handed()}) o ON o.id = i.case_id
      LEFT JOIN staff_users u ON u.id = i.who
      LEFT JOIN ({standing.leading()}) d ON d.person_id = i.person_id
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"until": q.until, "begins": q.begins, "zone": str(q.zone), "contacts": CONTACTS}
    return sql(_SQL, _ROWS, given | await standing.buckets(s, q.as_at))


_COMPLAINT = "item = 'COMPLAINT'"
FAMILY = Family(
    name="complaints", base=_base,
    cuts=("channel", "grievance", "person", "unit", "week", "day", "branch", "product", "owner", "portfolio"),
    figures=(
        Figure("contacts", "item = 'CONTACT'"), Figure("complaints", _COMPLAINT),
        Figure("upheld", f"{_COMPLAINT} AND answered = 'UPHELD'"), Figure("rejected", f"{_COMPLAINT} AND answered = 'REJECTED'"),
        Figure("open", f"{_COMPLAINT} AND answered = 'OPEN'"),
    ),
    rates=(Rate("per_10000", "complaints", ("contacts",), times=10_000), Rate("upheld_share", "upheld", ("complaints",))),
    columns=(
        Column("at"), Column("item", "complaints-item"), Column("channel", "contact-channel"), Column("grievance", "grievance"),
        Column("answered", "complaint"), Column("person", "name"), Column("unit", "unit"), Column("branch"), Column("product"),
    ),
    order=("item", "at", "id"), chart=("upheld", "rejected", "open"),
)  # fmt: skip
