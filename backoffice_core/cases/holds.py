"""Holds that a person places and lifts: with evidence, an end, and what they stop (rules.HOLD_STOPS)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, Hold
from backoffice_core.cases.rules import CHANNEL_HOLD, CHANNELS_BY_HAND, OVER, WAITS_WITH
from backoffice_core.days import FIRST, LAST, end
from backoffice_core.errors import BadInput, Conflict, NotFound

BY_HAND = ("DISPUTE", "HARDSHIP", "BREATHING_SPACE", "PROTECTED", CHANNEL_HOLD)
LONGEST = 1000  # signs of evidence
MOST_OPEN = timedelta(days=5 * 366)  # of the others: what lasts longer is a mistyped day
OPEN_ENDED = frozenset({"PROTECTED", CHANNEL_HOLD})  # may stand until a person lifts it


# Whether a hold of this case stops a channel on a day, as an SQL expression over these columns, words or parameters.
STOPPED_SQL = """EXISTS (SELECT FROM holds h WHERE h.case_id = {case} AND h.lifted_at IS NULL AND h.stops ? '{channel}'
             AND h.valid_from <= {day} AND (h.valid_to IS NULL OR h.valid_to >= {day}))"""


async def place(
    session: AsyncSession, case_id: UUID, kind: str, *, evidence: str, until: date | None, today: date, at: datetime, by: UUID,
    since: date | None = None, channels: Sequence[str] = (),
) -> Hold:  # fmt: skip
    """`channels`: what a CHANNEL_HOLD stops; the others stop what rules.HOLD_STOPS says.

    Raises BadInput for a kind that nobody places by hand, without evidence, or without an end where one is needed;
    Conflict when the case is over."""
    if kind not in BY_HAND:
        raise BadInput("Which hold?", remedy="Choose one of the list.", field="kind")
    channels = [one for one in CHANNELS_BY_HAND if one in channels]
    if channels and kind != CHANNEL_HOLD:
        raise BadInput(
            "Channels are chosen only where channels are stopped; this kind stops what is its own.",
            remedy="Take the ticks away, or choose the stop of channels.", field="channels",
        )  # fmt: skip
    if kind == CHANNEL_HOLD and not channels:
        raise BadInput("Which channels does it stop?", remedy="Mark at least one.", field="channels")
    if not evidence.strip():
        raise BadInput(
            "A hold needs its evidence.", remedy="Name the paper or the message and its date.", field="evidence"
        )
    if len(evidence.strip()) > LONGEST:
        raise BadInput("The evidence is too long.", remedy=f"Give at most {LONGEST} signs.", field="evidence")
    asked = until
    try:
        until = end(until)
    except ValueError:
        raise BadInput(
            "This day is not one that can be meant.", remedy=f"Give a day from {FIRST} to {LAST}.", field="until"
        ) from None
    last = today + MOST_OPEN
    if kind not in OPEN_ENDED and asked and asked > last:
        raise BadInput(
            f"This hold has to end by {last}.", remedy="Give its last day, that one or an earlier.", field="until"
        )
    if until is None and kind not in OPEN_ENDED:
        raise BadInput("Until when?", remedy="Give the last day of the hold.", field="until")
    if until is not None and until < today:
        raise BadInput("The last day is over already.", remedy="Give today or a later day.", field="until")
    if since is not None and (since > today or (until and since > until)):
        raise BadInput("A hold begins today or earlier, and before it ends.", field="since")
    case = await session.get_one(Case, case_id, with_for_update=True)
    if case.state in OVER:
        raise Conflict("This case is over: nothing is left to hold.")
    moved = case.state
    await cases.hold(
        session, case_id, reason=kind, at=at, actor_id=by, until=until, evidence=evidence.strip(), since=since or today,
        channels=channels,
    )  # fmt: skip
    placed = await session.scalar(select(Hold).where(Hold.case_id == case_id).order_by(Hold.id.desc()).limit(1))
    assert placed is not None  # noqa: S101 (written above)
    if (
        WAITS_WITH not in placed.stops or moved == case.state != "ON_HOLD"
    ):  # it stays where it is; its history says so too
        await _note(session, placed, "placed", at, by)
    return placed


async def lift(session: AsyncSession, hold_id: UUID, *, why: str, at: datetime, by: UUID) -> str:
    """Ends one hold; with the last the case goes back to what it was. Returns its state. Raises BadInput, Conflict, NotFound."""
    if not why.strip():
        raise BadInput("Why is it lifted?", remedy="Give a reason; the history keeps it.", field="why")
    hold = await session.get(Hold, hold_id, with_for_update=True)
    if hold is None:
        raise NotFound
    if hold.lifted_at is not None:
        raise Conflict("This hold is lifted already.")
    case = await session.get_one(Case, hold.case_id, with_for_update=True)
    hold.lifted_at, hold.lifted_by, hold.lifted_why = at, by, why.strip()
    await session.flush()
    standing = list(
        await session.scalars(
            select(Hold)
            .where(Hold.case_id == case.id, Hold.lifted_at.is_(None), Hold.stops.contains([WAITS_WITH]))
            .order_by(Hold.placed_at.desc())
        )
    )
    await _note(session, hold, "lifted", at, by)
    if case.state != "ON_HOLD" or WAITS_WITH not in hold.stops:
        return case.state
    if not standing:
        return await cases.lift_hold(session, case.id, reason="HOLD_LIFTED", at=at, actor_id=by)
    ends = [one.valid_to for one in standing]
    case.hold_reason, case.hold_until = standing[0].kind, max(end for end in ends if end) if all(ends) else None
    await session.flush()
    return case.state


async def _note(session: AsyncSession, hold: Hold, act: str, at: datetime, by: UUID) -> None:
    data = {"hold": hold.kind, "act": act, "until": hold.valid_to.isoformat() if hold.valid_to else None}
    if act == "lifted":
        data["note"] = hold.lifted_why
    await cases.add_event(session, hold.case_id, "hold", at, by, data=data)


_END = text(
    """
    -- holds_over: those for which no case waits end with their last day
    WITH over AS (
        UPDATE holds h SET lifted_at = :at, lifted_why = 'HOLD_ENDED' FROM cases c
         WHERE c.id = h.case_id AND c.person_id BETWEEN :low AND :high AND h.lifted_at IS NULL AND h.valid_to < :day
           AND NOT h.stops ? :waits RETURNING h.case_id, h.kind)
    INSERT INTO case_events (case_id, at, kind, data)
    SELECT case_id, :at, 'hold', jsonb_build_object('hold', kind, 'act', 'lifted', 'note', 'HOLD_ENDED') FROM over
    """
)


async def end_those_over(session: AsyncSession, day: date, *, at: datetime, of: tuple[UUID, UUID]) -> None:
    """The night's: of persons from one to another."""
    given = {"day": day, "at": at, "low": of[0], "high": of[1], "waits": WAITS_WITH}
    await session.execute(_END, given)
