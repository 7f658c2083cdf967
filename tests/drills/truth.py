"""What the far end saw of a drill, beside what the database says of it."""

import itertools
from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from backoffice_core.call_centre.models import CallAttempt
from tests.running import RunningHouse


def at(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["at"])


def invites(running: RunningHouse) -> list[dict[str, Any]]:
    """Calls that left us, oldest first. Another try of one call by another trunk would be another line here."""
    return [line for line in running.carrier_events() if line["event"] == "INVITE"]


def talks_up(running: RunningHouse) -> int:
    """Borrowers who answered and have not hung up."""
    lines = running.carrier_events()
    over = {line["call_id"] for line in lines if line["event"] in {"BYE", "LOST"}}
    return sum(line["event"] == "ANSWER" and line["call_id"] not in over for line in lines)


def cut(running: RunningHouse) -> list[str]:
    """Numbers of answered calls that the borrower did not end himself: robots never hang up in a drill."""
    return [
        line["number"]
        for line in running.carrier_events()
        if line["event"] == "LOST" or (line["event"] == "BYE" and line["who"] == "them")
    ]


def longest_pause(running: RunningHouse, begin: datetime, end: datetime) -> float:
    """The longest time between two calls of which any part lies between these moments, in seconds."""
    stamps = [at(line) for line in invites(running)]
    pauses = [(b - a).total_seconds() for a, b in itertools.pairwise(stamps) if b >= begin and a <= end]
    return round(max(pauses, default=float("inf")), 1)


async def compare(running: RunningHouse) -> dict[str, Any]:
    """attempts_lost: calls that left us and are not in the database; dialed_again: numbers called more than once."""
    dialed = Counter(line["number"].lstrip("+") for line in invites(running))
    async with running.database() as database, database.begin() as s:
        query = select(CallAttempt.number, func.count()).where(CallAttempt.ended_at.is_not(None))
        known = {number.lstrip("+"): n for number, n in (await s.execute(query.group_by(CallAttempt.number))).all()}
        results = select(CallAttempt.result, func.count()).group_by(CallAttempt.result)
        told = {result or "LIVE": n for result, n in (await s.execute(results)).all()}
    return {
        "calls": sum(dialed.values()),
        "attempts_lost": sum(max(n - known.get(number, 0), 0) for number, n in dialed.items()),
        "dialed_again": sum(n > 1 for n in dialed.values()),
        "talks_cut": len(cut(running)),
        "results": told,
    }
