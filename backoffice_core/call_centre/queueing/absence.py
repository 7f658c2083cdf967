"""Numbers on which nobody has answered for a long time (CC-11): judged by the night from the attempts themselves."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.evidence import terms
from backoffice_core.borrowers.verdicts import BY_ABSENCE, LIFE, NO_CONTACT, TEST

LOOKED_BACK = 4  # times `unreachable_days`: older attempts are no news

# An attempt counts when nothing was heard of the number's life after it, and, of a number that is tried again, since then.
_LOSE = text(
    """
    WITH quiet AS (
        SELECT c.id, count(*) AS tries, min(a.business_at) AS first, max(a.business_at) AS last,
               bool_or(c.state_reason = :test) AS tested
        FROM call_attempts a JOIN contact_points c ON c.id = a.contact_point_id
        WHERE a.direction = 'out' AND a.result = ANY(:no_contact) AND a.business_at > :since
          AND c.state IN ('UNVERIFIED', 'VERIFIED', 'SUSPECT')
          AND (c.state_reason <> :test OR a.business_at >= c.state_since)
          AND NOT EXISTS (SELECT 1 FROM phone_evidence e
                          WHERE e.contact_point_id = c.id AND e.sign = ANY(:life) AND e.at >= a.business_at)
        GROUP BY c.id
    )
    UPDATE contact_points c
    SET state = 'UNREACHABLE', state_since = :now, state_reason = :reason,
        state_facts = jsonb_build_object('attempts', q.tries, 'days', ceil(extract(epoch FROM q.last - q.first) / 86400))
    FROM quiet q
    WHERE q.id = c.id
      AND CASE WHEN q.tested THEN q.tries >= :test_attempts ELSE q.tries >= :attempts AND q.last - q.first >= :long END
    """
)
_TRY_AGAIN = text(
    """
    UPDATE contact_points SET state = 'SUSPECT', state_since = :now, state_reason = :test
    WHERE state = 'UNREACHABLE' AND state_reason = :reason AND state_since <= :rested
    """
)


async def judge_absence(session: AsyncSession, now: datetime) -> dict[str, int]:
    """Numbers become UNREACHABLE after so many attempts over so many days (`verdicts.Terms`), and after their rest are
    tried again. `now` is business time. Returns how many of each."""
    t = await terms(session, now.date())
    again = 0
    if t.rest_days > 0:
        rested = {"now": now, "test": TEST, "reason": BY_ABSENCE, "rested": now - timedelta(days=t.rest_days)}
        again = (await session.execute(_TRY_AGAIN, rested)).rowcount  # type: ignore[attr-defined]
    lost = await session.execute(
        _LOSE,
        {
            "now": now, "test": TEST, "reason": BY_ABSENCE, "no_contact": list(NO_CONTACT), "life": sorted(LIFE),
            "since": now - LOOKED_BACK * timedelta(days=t.unreachable_days), "attempts": t.unreachable_attempts,
            "long": timedelta(days=t.unreachable_days), "test_attempts": t.test_attempts,
        },
    )  # fmt: skip
    return {"unreachable": lost.rowcount, "tried_again": again}  # type: ignore[attr-defined]
