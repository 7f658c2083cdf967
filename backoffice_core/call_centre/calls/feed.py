"""What happened, page by page for the bank's systems: each line once, and none is passed over by one that was committed late.

Lines are told in the order of their transactions, and only once every older transaction is over. So a reader that goes on
from where it stopped misses nothing; while a long transaction runs (the night's), the newest lines wait for its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.errors import BadInput

MOST = 1000
SKEW = timedelta(seconds=2)  # clocks of programs that make keys, on one or several machines
START = "0-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`after`: the cursor of the page before, "" = from the beginning. `since`, `until`: business time, the second excluded."""

    after: str = ""
    most: int = 200
    since: datetime | None = None
    until: datetime | None = None
    person_ref: str = ""

    @property
    def given(self) -> dict[str, Any]:
        return {"most": self.most + 1, "since": self.since, "until": self.until, "person": self.person_ref}


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: what to ask after, now or later. `more`: there is more already."""

    rows: list[dict[str, Any]]
    next: str
    more: bool


_LINES = """
    SELECT e.xid, e.id, e.kind, e.at, e.case_id, e.call_id, e.data FROM case_events e
     WHERE e.kind = {kind} AND (e.xid, e.id) > (:xid, :id)
       AND e.xid < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
       AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since) AND (CAST(:until AS timestamptz) IS NULL OR e.at < :until)
       AND (CAST(:person AS text) = '' OR e.case_id IN (SELECT c.id FROM cases c JOIN persons p ON p.id = c.person_id
                                                         WHERE p.external_ref = :person))
     ORDER BY e.xid, e.id LIMIT :most"""


def _lines(*kinds: str) -> str:
    each = " UNION ALL ".join(f"({_LINES.format(kind=repr(kind))})" for kind in kinds)
    return f"SELECT * FROM ({each}) lines ORDER BY xid, id LIMIT :most"  # noqa: S608


_PROMISES = text(
    f"""
    -- feed_promises: a plan that was approved tells all its instalments
    WITH e AS ({_lines("promise", "plan")})
    SELECT e.xid, e.id, p.id AS promise_id, coalesce(CASE e.kind WHEN 'promise' THEN e.data->>'state' END, 'OPEN') AS became,
           e.at, c.number AS case_number, n.external_ref AS person_ref, p.plan_id, p.amount, p.currency, p.due_date,
           p.grace_days, p.state, p.matched, p.made_at, p.call_id
      FROM e LEFT JOIN promises p ON CASE e.kind WHEN 'promise' THEN p.id = CAST(e.data->>'promise_id' AS uuid)
                 ELSE e.data->>'state' = 'ACTIVE' AND p.plan_id = CAST(e.data->>'plan_id' AS uuid) END
      LEFT JOIN cases c ON c.id = e.case_id LEFT JOIN persons n ON n.id = c.person_id
     ORDER BY e.xid, e.id, p.due_date
    """  # noqa: S608
)
_CONTACTS = text(
    f"""
    -- feed_contacts: a call when it ended, and again when its result was recorded
    WITH e AS ({_lines("call", "outcome")})
    SELECT e.xid, e.id, e.kind AS what, e.at, c.number AS case_number, n.external_ref AS person_ref, e.call_id, a.direction,
           a.number, a.result, a.outcome, coalesce(CAST(o.data->>'rpc' AS boolean), false) AS right_party, a.abandoned,
           a.business_at AS begun_at, CAST(extract(epoch FROM a.ended_at - a.bridged_at) AS int) AS talk_s, a.campaign,
           u.full_name AS agent, a.decision_id
      FROM e LEFT JOIN call_attempts a ON a.id = e.call_id LEFT JOIN staff_users u ON u.id = a.agent_id
      LEFT JOIN case_events o ON o.call_id = e.call_id AND o.kind = 'outcome'
      LEFT JOIN cases c ON c.id = e.case_id LEFT JOIN persons n ON n.id = c.person_id
     ORDER BY e.xid, e.id
    """  # noqa: S608
)
_DECISIONS = text(
    """
    -- feed_decisions: keys are made in the order of time; those of transactions that still run are not told yet
    SELECT d.id, d.at, p.external_ref AS person_ref, d.contact->>'channel' AS channel, d.contact->>'purpose' AS purpose,
           d.allow, d.reasons, d.next_allowed_at, d.must, d.consulted, d.call_id
      FROM compliance_decisions d LEFT JOIN persons p ON p.id = d.person_id
     WHERE d.id > :after AND d.id < :before
       AND (CAST(:since AS timestamptz) IS NULL OR d.at >= :since) AND (CAST(:until AS timestamptz) IS NULL OR d.at < :until)
       AND (CAST(:person AS text) = '' OR d.person_id = (SELECT id FROM persons WHERE external_ref = :person))
       AND (CAST(:allow AS boolean) IS NULL OR d.allow = :allow)
     ORDER BY d.id LIMIT :most
    """
)
_OLDEST_WRITER = text(
    "SELECT least(clock_timestamp(), min(xact_start)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
)


async def promises(s: AsyncSession, asked: Asked) -> Page:
    """Each change of a promise, with the promise as it is now."""
    return await _page(s, asked, _PROMISES, "promise_id")


async def contacts(s: AsyncSession, asked: Asked) -> Page:
    """Each call that ended, and again when somebody said what came of it; as it is now."""
    return await _page(s, asked, _CONTACTS, "call_id")


async def _page(s: AsyncSession, asked: Asked, query: Any, needs: str) -> Page:
    xid, line = _cursor(asked.after)
    rows = [dict(row) for row in (await s.execute(query, asked.given | {"xid": xid, "id": line})).mappings()]
    told = dict.fromkeys((row["xid"], row["id"]) for row in rows)  # lines: one of a plan has several rows
    kept = list(told)[: asked.most]
    end = kept[-1] if kept else (xid, line)
    shown = [row for row in rows if (row["xid"], row["id"]) in set(kept) and row[needs] is not None]
    for row in shown:
        row["cursor"] = f"{row.pop('xid')}-{row.pop('id')}"
    return Page(shown, f"{end[0]}-{end[1]}", len(told) > asked.most)


def _cursor(after: str) -> tuple[int, int]:
    """Raises BadInput."""
    xid, _, line = (after or START).partition("-")
    if not (xid.isdecimal() and line.isdecimal() and len(after) <= 40):
        raise BadInput("This is no cursor.", remedy="Give `next` of the page before, or nothing.", field="after")
    return min(int(xid), 2**63 - 1), min(int(line), 2**63 - 1)


async def decisions(s: AsyncSession, asked: Asked, *, allow: bool | None = None) -> Page:
    """Whether a contact was allowed, by which rules; each once."""
    try:
        after = UUID(asked.after) if asked.after else UUID(int=0)
    except ValueError:
        raise BadInput(
            "This is no cursor.", remedy="Give `next` of the page before, or nothing.", field="after"
        ) from None
    given = asked.given | {"after": after, "before": await told_before(s), "allow": allow}
    rows = [dict(row) for row in (await s.execute(_DECISIONS, given)).mappings()]
    shown: Sequence[dict[str, Any]] = rows[: asked.most]
    end = str(shown[-1]["id"]) if shown else asked.after
    return Page(list(shown), end, len(rows) > asked.most)


async def told_before(s: AsyncSession) -> UUID:
    """The key before which no decision can come any more."""
    oldest: datetime = (await s.execute(_OLDEST_WRITER)).scalar_one()
    return first_key(oldest - SKEW)


def first_key(at: datetime) -> UUID:
    """The smallest UUIDv7 of this moment."""
    return UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))
