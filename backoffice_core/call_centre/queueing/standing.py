"""Where each open case stands today: callable now, waiting for an hour, in a call, done, or not called and why.

Every open case is in one of these; `unjudged` is empty as long as a night has run and the worker works.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.loans.service import OF_BRANCH

CLASSES = ("callable", "waiting", "dialing", "done", "not_callable", "unjudged")
LISTED = ("waiting", "done", "not_callable")
AT_HOUR = "AT_HOUR"  # the reason of a wait for the first lawful hour, or for the one that the borrower named


def who_ends(reason: str, rule: str, until: datetime | None) -> str:
    """A code: TIME (by itself at that hour), LIST (the bank's lists), RULES (who keeps the rules), LINES (who keeps trunks and
    numbers), DATA (new data of the borrower), OWNER (who works the case)."""
    if until is not None:
        return "TIME"
    if reason == "STOP_LIST" or rule in {"NO_FILE", "NOT_IN_FILE", "DPD_0"} or reason == "CLOSED":
        return "LIST"
    if reason == "NO_RULE":
        return "RULES"
    if reason.startswith(("DESTINATION_", "CALLER_ID_")) or reason in {"NO_TRUNK", "DEMO_ON_REAL_TRUNK"}:
        return "LINES"
    return "DATA" if reason in {"NO_PHONE", "NO_TIME_ZONE", "STATUS_BLOCK", "NO_CONSENT"} else "OWNER"


_WHERE = f"""
    SELECT c.id, c.number, c.person_id, c.owner_id, n.rule, t.attempts,
           CASE WHEN n.case_id IS NOT NULL THEN 'not_callable'
                WHEN t.state IN ('DIALING','SETTLING') THEN 'dialing'
                WHEN t.state IN ('DONE','EXHAUSTED','UNKNOWN') THEN 'done'
                WHEN t.state IN ('ELIGIBLE','RETRY_WAIT') AND coalesce(t.earliest_at <= :now, true) THEN 'callable'
                WHEN t.state IN ('ELIGIBLE','RETRY_WAIT') THEN 'waiting' ELSE 'unjudged' END AS class,
           CASE WHEN n.case_id IS NOT NULL THEN n.reason
                WHEN t.state IN ('DONE','EXHAUSTED','UNKNOWN') THEN t.state
                WHEN t.earliest_at > :now THEN coalesce(nullif(t.state_reason, ''), '{AT_HOUR}') ELSE '' END AS reason,
           coalesce(n.until, CASE WHEN t.state IN ('ELIGIBLE','RETRY_WAIT') THEN t.earliest_at END) AS until
    FROM cases c
    LEFT JOIN not_callable n ON n.case_id = c.id AND n.business_date = :day
    LEFT JOIN call_tasks t ON t.case_id = c.id AND t.business_date = :day
    WHERE c.closed_at IS NULL AND {OF_BRANCH.format(person="c.person_id")}
"""  # noqa: S608 (no value in it)


@dataclass(slots=True)
class Standing:
    """Counts of open cases. `reasons`: of each class, the most common first; their sums are the classes'."""

    open: int = 0
    classes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)


async def counts(s: AsyncSession, day: date, now: datetime, branch: str = "") -> Standing:
    """Reads all open cases (of a branch): for a page that somebody opens, not for one that refreshes itself."""
    query = text(f"SELECT class, reason, count(*) FROM ({_WHERE}) w GROUP BY 1, 2 ORDER BY 3 DESC, 2")  # noqa: S608
    found = Standing()
    for where, reason, count in await s.execute(query, {"day": day, "now": now, "branch": branch}):
        found.open += count
        found.classes[where] += count
        if where in LISTED:
            found.reasons.setdefault(where, {})[reason] = count
    return found


_WAITING = text(f"""
    -- waiting_counts: by the index of tasks that wait
    SELECT coalesce(nullif(state_reason, ''), '{AT_HOUR}') AS reason, count(*) FROM call_tasks
    WHERE business_date = :day AND state IN ('ELIGIBLE','RETRY_WAIT') AND earliest_at > :now
      AND {OF_BRANCH.format(person="person_id")} GROUP BY 1 ORDER BY 2 DESC, 1
""")  # noqa: S608


async def waiting_counts(s: AsyncSession, day: date, now: datetime, branch: str = "") -> dict[str, int]:
    rows = await s.execute(_WAITING, {"day": day, "now": now, "branch": branch})
    return {reason: count for reason, count in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`until`: when it may be called, business time; None = `who` must act (`who_ends`). `key`: for the next page."""

    key: int
    case_id: UUID
    case_number: int
    person_name: str
    where: str
    reason: str
    rule: str
    until: datetime | None
    who: str
    owner: str
    attempts: int


async def listed(
    s: AsyncSession, day: date, now: datetime, where: str, *, reason: str = "", search: str = "", after: int = 0,
    limit: int | None = None, branch: str = "",
) -> list[Row]:  # fmt: skip
    """Cases of one class (of `LISTED`) by number, those behind the number `after`. `search`: a part of the name, or the case's
    number."""
    asked: dict[str, Any] = {"day": day, "now": now, "class": where, "after": after, "limit": limit, "branch": branch}
    wanted = "w.class = :class AND w.number > :after"
    if reason:
        wanted, asked["reason"] = wanted + " AND w.reason = :reason", reason
    if search.strip().isdecimal():
        wanted, asked["number"] = wanted + " AND w.number = :number", int(search)
    elif search.strip():
        wanted += " AND concat_ws(' ', p.last_name, p.first_name, p.middle_name) ILIKE :name"
        asked["name"] = f"%{search.strip()}%"
    query = f"""
        SELECT w.*, concat_ws(' ', p.last_name, p.first_name, nullif(p.middle_name, '')) AS name, u.full_name AS owner
        FROM ({_WHERE}) w JOIN persons p ON p.id = w.person_id LEFT JOIN staff_users u ON u.id = w.owner_id
        WHERE {wanted} ORDER BY w.number LIMIT CAST(:limit AS int)"""  # noqa: S608 (no value in it)
    return [_row(dict(one)) for one in (await s.execute(text(query), asked)).mappings()]


def _row(one: Mapping[str, Any]) -> Row:
    rule = one["rule"] or ""
    return Row(
        key=one["number"], case_id=one["id"], case_number=one["number"], person_name=one["name"], where=one["class"],
        reason=one["reason"], rule=rule, until=one["until"], who=who_ends(one["reason"], rule, one["until"]),
        owner=one["owner"] or "", attempts=one["attempts"] or 0,
    )  # fmt: skip
