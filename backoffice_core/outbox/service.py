"""Subscriptions, and the events that wait for them: taken, told, given up, sent again.

An event is written by a trigger in the transaction of its fact, for every subscriber of its kind. It is told at least
once; of one subject the next is told only after the one before was told or given up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.call_centre.calls import feed
from backoffice_core.config import Settings
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.outbox.models import OutboxEvent, OutboxTry, Webhook
from backoffice_core.outbox.rules import BY_NAME_ALONE, KINDS, REFUSED, refusal, told

KEPT = timedelta(days=30)  # events that were told
_NAME = 40


# --- subscriptions -------------------------------------------------------------------------------------------------


async def subscribe(
    s: AsyncSession, settings: Settings, name: str, url: str, kinds: Sequence[str], *, wall: datetime, by: str,
    new: bool = False,
) -> Webhook:  # fmt: skip
    """A new subscription, or, unless it must be `new`, another address or other kinds of one that is there. `by`: an account, or
    user:<id>. Raises BadInput."""
    name = name.strip().lower()
    if not (2 <= len(name) <= _NAME and name.replace("-", "").replace(".", "").isalnum() and name.isascii()):
        raise BadInput(f"“{name}” cannot be a client.", remedy="Use 2–40 of a–z, 0–9, dot, dash.", field="name")
    if why := refusal(url, settings.webhook_hosts):
        raise BadInput(
            f"The address {why}.", remedy="Name its host in the setting webhook_hosts, and write https.", field="url"
        )
    known = KINDS[:-1]  # a test comes only when it is asked for
    wanted = sorted({kind for one in kinds or ["*"] for kind in known if _covers(one, kind)})
    if strange := [one for one in kinds if not any(_covers(one, kind) for kind in known)]:
        raise BadInput(
            f"There is no kind “{strange[0]}”.",
            remedy=f"Kinds: {', '.join(known)}; or promise.*, case.* …",
            field="kind",
        )
    hook = await _find(s, name)
    if hook is not None and new:
        raise BadInput(f"“{name}” is told already.", remedy="Change that one, or take another name.", field="name")
    if hook is None:
        hook = Webhook(id=new_key(), name=name, secret_no=1, state="ACTIVE", created_at=wall, created_by=by)
        s.add(hook)
    if REFUSED not in wanted:
        hook.decisions_after = None
    elif hook.decisions_after is None:  # from now on
        hook.decisions_after = feed.first_key(wall)
    hook.url, hook.kinds = url, wanted
    await s.flush()
    audit.note(s, _who(by), "WEBHOOK_SET", name, {"url": url.partition("?")[0], "kinds": wanted})
    return hook


def _covers(asked: str, kind: str) -> bool:
    every = kind not in BY_NAME_ALONE and asked == "*"
    return every or asked == kind or (asked.endswith(".*") and kind.startswith(asked[:-1]))


def _who(by: str) -> str:
    """For the audit."""
    return by if ":" in by else f"os:{by}"


async def change(s: AsyncSession, name: str, *, by: str, state: str = "", new_secret: bool = False) -> Webhook:
    """ACTIVE, PAUSED (events wait), ENDED (what waited is dropped); a new secret from the next try on. Raises NotFound."""
    hook = await find(s, name)
    hook.state = state or hook.state
    hook.secret_no += new_secret
    if state == "ENDED":
        await s.execute(delete(OutboxEvent).where(OutboxEvent.webhook_id == hook.id, OutboxEvent.state == "WAITING"))
    await s.flush()
    audit.note(s, _who(by), "WEBHOOK_SET", hook.name, {"state": hook.state, "secret": hook.secret_no})
    return hook


def secret(settings: Settings, hook: Webhook) -> str:
    """With which its events are signed; derived from the installation's one master secret."""
    return settings.derived_secret(f"webhook:{hook.id}:{hook.secret_no}")


async def find(s: AsyncSession, name: str) -> Webhook:
    """Raises NotFound."""
    hook = await _find(s, name.strip().lower())
    if hook is None:
        raise NotFound(f"There is no webhook “{name}”.", remedy="`backoffice webhook list` shows them.", field="name")
    return hook


async def _find(s: AsyncSession, name: str) -> Webhook | None:
    return await s.scalar(select(Webhook).where(Webhook.name == name, Webhook.state != "ENDED").with_for_update())


async def active(s: AsyncSession) -> list[Webhook]:
    return list(await s.scalars(select(Webhook).where(Webhook.state == "ACTIVE").order_by(Webhook.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HookState:
    """`oldest`: business time of the first fact that waits."""

    name: str
    url: str
    state: str
    kinds: list[str]
    secret_no: int
    waiting: int
    oldest: datetime | None
    dead: int
    sent: int


async def states(s: AsyncSession) -> list[HookState]:
    """Subscriptions that are not ended, by name."""
    count = func.count().filter
    query = (
        select(
            Webhook, count(OutboxEvent.state == "WAITING"), count(OutboxEvent.state == "DEAD"),
            count(OutboxEvent.state == "SENT"), func.min(OutboxEvent.at).filter(OutboxEvent.state == "WAITING"),
        )
        .outerjoin(OutboxEvent, OutboxEvent.webhook_id == Webhook.id).where(Webhook.state != "ENDED")
        .group_by(Webhook.id).order_by(Webhook.name)
    )  # fmt: skip
    return [
        HookState(
            name=hook.name, url=hook.url, state=hook.state, kinds=hook.kinds, secret_no=hook.secret_no,
            waiting=waiting, oldest=oldest, dead=dead,
            sent=sent,
        )
        for hook, waiting, dead, sent, oldest in await s.execute(query)
    ]  # fmt: skip


# --- events --------------------------------------------------------------------------------------------------------

_TAKE = text(
    """
    -- outbox_take: the first of each subject; while it is being told (lease), it holds back the next
    WITH due AS (
      SELECT o.id FROM outbox o
       WHERE o.webhook_id = :webhook AND o.state = 'WAITING' AND o.next_at <= clock_timestamp()
         AND NOT EXISTS (SELECT FROM outbox b WHERE b.webhook_id = o.webhook_id AND b.subject = o.subject
                            AND b.state = 'WAITING' AND b.id < o.id)
       ORDER BY o.id LIMIT :most FOR UPDATE OF o SKIP LOCKED)
    UPDATE outbox o SET tries = o.tries + 1, next_at = clock_timestamp() + CAST(:lease AS interval)
      FROM due WHERE o.id = due.id
    RETURNING o.id
    """
)
_WHOLE = text(
    """
    -- outbox_whole: with the case, whose it is, and the sums of the promise as it is now
    SELECT o.id, o.event_id, o.kind, o.at, o.tries, o.data, c.number AS case_number, p.external_ref AS person_ref,
           (SELECT array_agg(l.contract_no ORDER BY l.contract_no) FROM loans l WHERE l.person_id = p.id) AS contracts,
           CASE WHEN m.id IS NOT NULL THEN jsonb_build_object('amount', CAST(m.amount AS text), 'currency', m.currency,
                'due_date', m.due_date, 'matched', CAST(m.matched AS text)) ELSE '{}' END AS promise
      FROM outbox o LEFT JOIN cases c ON c.id = o.case_id LEFT JOIN persons p ON p.id = c.person_id
      LEFT JOIN promises m ON o.kind LIKE 'promise.%' AND m.id = CAST(o.data->>'promise_id' AS uuid)
     WHERE o.id = ANY(:ids) ORDER BY o.id
    """
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """An event as it is told, and how often that was tried, this time included."""

    id: int
    event_id: str
    tries: int
    said: dict[str, Any]


async def take(s: AsyncSession, webhook_id: UUID, *, most: int, lease: timedelta) -> list[Parcel]:
    """Events whose time has come, for the caller to tell after his commit. One that he never reports on comes again
    after `lease`."""
    ids = list(await s.scalars(_TAKE, {"webhook": webhook_id, "most": most, "lease": lease}))
    if not ids:
        return []
    return [_parcel(row) for row in (await s.execute(_WHOLE, {"ids": ids})).mappings()]


def _parcel(row: Any) -> Parcel:
    said: dict[str, Any] = {
        "event_id": row["event_id"], "kind": row["kind"], "at": row["at"].isoformat(), "sequence": row["id"],
        "data": told({**row["data"], **row["promise"]}),
    }  # fmt: skip
    if row["case_number"] is not None:
        said["case"] = {
            "number": row["case_number"], "person_ref": row["person_ref"], "contracts": list(row["contracts"] or ()),
        }  # fmt: skip
    return Parcel(row["id"], row["event_id"], row["tries"], said)


async def was_told(s: AsyncSession, event: int, *, status: int) -> None:
    change = update(OutboxEvent).where(OutboxEvent.id == event)
    await s.execute(change.values(state="SENT", sent_at=func.clock_timestamp(), answered=status, error=""))


async def was_not(s: AsyncSession, event: int, *, status: int | None, error: str, wait: timedelta, last: bool) -> None:
    """`last`: it is given up (DEAD), until a person sends it again."""
    change = update(OutboxEvent).where(OutboxEvent.id == event)
    values = {"answered": status, "error": error[:200], "state": "DEAD" if last else "WAITING"}
    await s.execute(change.values(**values, next_at=func.clock_timestamp() + wait))


def note_try(s: AsyncSession, event: int, *, ms: int, status: int | None, error: str) -> None:
    """Each attempt, with how long it took."""
    s.add(OutboxTry(outbox_id=event, ms=ms, answered=status, error=error[:200]))


async def tries_of(s: AsyncSession, event: int) -> list[OutboxTry]:
    """Newest first."""
    return list(
        await s.scalars(select(OutboxTry).where(OutboxTry.outbox_id == event).order_by(OutboxTry.id.desc()).limit(200))
    )


async def again(s: AsyncSession, name: str = "", *, event_id: str = "", by: str) -> int:
    """Dead events of a webhook, or one event in any state, go out once more. Raises NotFound."""
    change = update(OutboxEvent).values(state="WAITING", tries=0, next_at=func.clock_timestamp(), error="")
    if name:
        change = change.where(OutboxEvent.webhook_id == (await find(s, name)).id)
    change = change.where(OutboxEvent.event_id == event_id) if event_id else change.where(OutboxEvent.state == "DEAD")
    done = len((await s.execute(change.returning(OutboxEvent.id))).all())
    if event_id and not done:
        raise NotFound(f"There is no event “{event_id}”.", remedy="`backoffice webhook events` shows them.")
    audit.note(s, _who(by), "WEBHOOK_AGAIN", name or event_id, {"events": done})
    return done


async def listed(
    s: AsyncSession, *, state: str = "", name: str = "", most: int = 100, before: int | None = None, kind: str = ""
) -> list[tuple[OutboxEvent, str]]:
    """Newest first, with the subscriber's name. `before`: the number of an event, for the page after it."""
    query = select(OutboxEvent, Webhook.name).join(Webhook, Webhook.id == OutboxEvent.webhook_id)
    if state:
        query = query.where(OutboxEvent.state == state)
    if name:
        query = query.where(Webhook.name == name)
    if kind:
        query = query.where(OutboxEvent.kind == kind)
    if before is not None:
        query = query.where(OutboxEvent.id < before)
    rows = await s.execute(query.order_by(OutboxEvent.id.desc()).limit(most))
    return [(event, hook) for event, hook in rows]


async def test(s: AsyncSession, name: str, *, at: datetime, by: str) -> str:
    """An event of the kind `test` for this subscriber; its id. Raises NotFound."""
    hook = await find(s, name)
    event_id = f"test-{new_key()}"
    s.add(OutboxEvent(webhook_id=hook.id, event_id=event_id, kind="test", subject=event_id, at=at, data={}))
    await s.flush()
    audit.note(s, _who(by), "WEBHOOK_TESTED", hook.name)
    return event_id


async def dead(s: AsyncSession) -> int:
    return await s.scalar(select(func.count()).select_from(OutboxEvent).where(OutboxEvent.state == "DEAD")) or 0


async def forget(s: AsyncSession, wall: datetime) -> int:
    """Events that were told more than KEPT ago."""
    old = delete(OutboxEvent).where(OutboxEvent.state == "SENT", OutboxEvent.sent_at < wall - KEPT)
    return len((await s.execute(old.returning(OutboxEvent.id))).all())
