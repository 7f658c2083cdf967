"""Refused contacts as events: read from the decisions, as `GET /decisions` reads them, for who asked for that kind by name.

No trigger: decisions are written by the claim of each call and by the hundred thousand at night, and nobody there is to wait
for a subscriber. What a transaction that still runs has written is told after it; nothing is passed over.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.calls import feed
from backoffice_core.outbox.models import Webhook
from backoffice_core.outbox.rules import REFUSED

IN_ONE_GO = 2_000

_GATHER = text(
    """
    -- outbox_refusals: the next decisions; of those that refused, an event
    WITH next AS MATERIALIZED (
      SELECT d.* FROM compliance_decisions d WHERE d.id > :after AND d.id < :before ORDER BY d.id LIMIT :most),
    told AS (
      INSERT INTO outbox (webhook_id, event_id, kind, subject, at, data)
      SELECT :hook, 'decision-' || n.id, :kind, 'person ' || n.person_id, n.at, jsonb_build_object(
               'decision_id', n.id, 'person_ref', p.external_ref, 'channel', n.contact->>'channel',
               'purpose', n.contact->>'purpose', 'reasons', n.reasons, 'next_allowed_at', n.next_allowed_at,
               'call_id', n.call_id)
        FROM next n LEFT JOIN persons p ON p.id = n.person_id WHERE NOT n.allow ORDER BY n.id
      ON CONFLICT DO NOTHING)
    SELECT id FROM next ORDER BY id DESC LIMIT 1
    """
)


async def gather(s: AsyncSession, hook: Webhook) -> None:
    """Some of them; the rest at the next look. From the subscription on, and what a pause held up."""
    if REFUSED not in hook.kinds or hook.decisions_after is None:
        return
    given = {"hook": hook.id, "kind": REFUSED, "after": hook.decisions_after, "most": IN_ONE_GO}
    last = await s.scalar(_GATHER, given | {"before": await feed.told_before(s)})
    if last is not None:
        hook.decisions_after = last
