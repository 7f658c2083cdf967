"""Reads what the product says after a run, as `truth` judges it."""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile
from sqlalchemy import func, literal_column, select

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.calls.contacts import call_contact, flags_of
from backoffice_core.call_centre.models import AgentStateChange, CallAttempt, Recording
from backoffice_core.cases.models import Case, CaseEvent
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.errors import NotFound
from backoffice_core.staff.models import User
from far_end import tones
from recordings import playback
from tests.chaos.house import ChaosHouse
from tests.chaos.truth import Attempt, Done, Seen, read_calls

LISTENED_S = 0.8  # of each side, from its middle


async def collect(one: ChaosHouse, robots_log: Path, faults: list[Done], freed_s: float) -> Seen:
    settings = one.settings
    seen = Seen(read_calls(one.carrier_events()), [], faults=faults, freed_s=freed_s, offset=one.clock.offset)
    seen.robots = [json.loads(line) for line in robots_log.read_text().splitlines()]  # noqa: ASYNC240 (after the run)
    async with one.database() as database, database.begin() as s:
        seen.rules, seen.calendar = await compliance.rulebook(s), await compliance.calendar(s)
        users = {user.id: user for user in (await s.execute(select(User))).scalars()}
        committed = func.pg_xact_commit_timestamp(literal_column("agent_state_changes.xmin"))
        changes = await s.execute(select(AgentStateChange, committed).order_by(AgentStateChange.id))
        withdrawn = _withdrawn((change, at) for change, at in changes.all())
        lines = Counter((await s.execute(select(CaseEvent.call_id).where(CaseEvent.kind == "call"))).scalars())
        rows = {row.call_id: row for row in (await s.execute(select(Recording))).scalars()}
        query = (
            select(CallAttempt, Person, ContactPoint, Case)
            .join(Person, Person.id == CallAttempt.person_id)
            .join(ContactPoint, ContactPoint.id == CallAttempt.contact_point_id)
            .join(Case, Case.id == CallAttempt.case_id)
            .order_by(CallAttempt.claimed_at)
        )
        contacts = {}
        for call, person, phone, case in (await s.execute(query)).all():
            contacts[str(call.id)] = call_contact(
                settings, person, phone, await flags_of(s, person.id), purpose=call.purpose, campaign=call.campaign,
                stage=case.stage, caller_id=call.caller_id, declared=True,
            )  # fmt: skip
            agent, row = users.get(call.agent_id) if call.agent_id else None, rows.get(call.id)
            attempt = Attempt(
                id=str(call.id), task_id=str(call.task_id), person_id=call.person_id, number=call.number,
                claimed_at=call.claimed_at, answered_at=call.answered_at, bridged_at=call.bridged_at,
                ended_at=call.ended_at, result=call.result, agent=agent.login if agent else "",
                agent_user=f"agent-{agent.extension}" if agent else "", outcome=call.outcome, lines=lines[call.id],
                recording=row.state if row else "none",
                withdrawn=[(users[user].login, since, until) for user, since, until in withdrawn[call.id]],
            )  # fmt: skip
            if row and row.state == "SEALED":
                _listen(settings, row, attempt)
            seen.attempts.append(attempt)
    seen.contacts = contacts
    seen.strange_files = _strange_files(settings, rows.values())
    return seen


def _withdrawn(
    changes: Iterable[tuple[AgentStateChange, datetime]],
) -> dict[UUID, list[tuple[UUID, datetime, datetime]]]:
    """By call: agents who were reserved for it and let go of it before the voices met and before the call was over; until
    that was committed, all who read saw the call as theirs."""
    found: dict[UUID, list[tuple[UUID, datetime, datetime]]] = defaultdict(list)
    reserved: dict[UUID, AgentStateChange] = {}
    for change, committed_at in changes:
        before = reserved.pop(change.session_id, None)
        if change.to_state == "RESERVED":
            reserved[change.session_id] = change
            continue
        lost = change.to_state != "TALKING" and change.reason != "CALL_ENDED"
        if lost and before and before.call_id and before.call_id == change.call_id:
            found[before.call_id].append((change.user_id, before.at, committed_at))
    return found


def _listen(settings: Settings, row: Recording, attempt: Attempt) -> None:
    """Who is on each side of a sealed recording."""
    sound = _sealed(settings, row)
    attempt.file = sound is not None
    if sound is None:
        return
    for side, first, name in (
        (0, tones.FIRST + tones.HALF_STEP, "agent_chord"),
        (1, tones.FIRST, "borrower_chord"),
    ):
        loud = np.flatnonzero(np.abs(sound[:, side]) > 1000)
        if not len(loud):
            continue
        middle, half = int(loud[len(loud) // 2]), int(LISTENED_S * tones.RATE / 2)
        chord = tones.heard(sound[max(middle - half, 0) : middle + half, side].astype(float).tolist(), first)
        setattr(attempt, name, str(chord) if chord else None)


def _sealed(settings: Settings, row: Recording) -> "np.ndarray | None":
    """Both sides as 16-bit samples, 8000 a second; None when there is no file."""
    try:
        with playback.open_sound(settings, row) as opened:
            kept = io.BytesIO(opened.whole())
    except NotFound:
        return None
    sound, rate = soundfile.read(kept, dtype="int16", always_2d=True)
    return sound[:: rate // tones.RATE]


def _strange_files(settings: Settings, rows: "object") -> list[str]:
    """Files below the recordings folder that no row of a recorded call stands for."""
    known = {row.path for row in rows if row.state in {"SEALED", "EXPECTED"}}  # type: ignore[attr-defined]
    folder = settings.recordings_dir
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(
        str(f.relative_to(folder)) for f in found if str(f.relative_to(folder))[: len("2026/01/01/") + 36] not in known
    )
