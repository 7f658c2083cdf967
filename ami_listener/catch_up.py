"""What was missed: after each login, and for calls whose end nobody told, the truth is looked for.

First in Asterisk's list of channels, then in its CEL file. Found = the true end; absent after the quarantine =
UNKNOWN, which counts against the limits and is never dialed again by itself.
"""

import contextlib
import csv
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from ami_listener.heard import Line, party
from asterisk_conf import CEL_COLUMNS
from backoffice_core.call_centre.rules import CallFacts

YOUNG = timedelta(seconds=8)  # a claim this fresh may still be on its way to the exchange
QUARANTINE = timedelta(seconds=20)
TAIL_BYTES = 32 * 1024 * 1024  # some 150,000 rows: more than a day of one node


def read_cel(file: Path, calls: Iterable[UUID]) -> dict[UUID, CallFacts]:
    """What the CEL file knows of these calls, those only that have ended. CEL has the cause, but no SIP code.

    A call whose channel began but whose HANGUP is missing (Asterisk was killed) ends at its last row.
    """
    wanted = {str(call) for call in calls}
    rows: dict[str, list[dict[str, str]]] = {}
    try:
        with file.open("rb") as raw:
            raw.seek(0, 2)
            start = max(raw.tell() - TAIL_BYTES, 0)
            raw.seek(start)
            if start:
                raw.readline()  # the first line may be cut
            lines = raw.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return {}
    for values in csv.reader(lines):
        row = dict(zip(CEL_COLUMNS, values, strict=False))
        if row.get("uniqueid") in wanted:
            rows.setdefault(row["uniqueid"], []).append(row)
    return {UUID(call): _facts(found) for call, found in rows.items()}


def _facts(rows: list[dict[str, str]]) -> CallFacts:
    def first(*kinds: str) -> datetime | None:
        stamps = [float(r["eventtime"]) for r in rows if r["eventtype"] in kinds]
        return datetime.fromtimestamp(stamps[0], UTC) if stamps else None

    end = next((r for r in rows if r["eventtype"] == "HANGUP"), None)
    cause, source = None, ""
    if end is not None:
        with contextlib.suppress(ValueError, AttributeError):
            extra = json.loads(end["extra"])
            cause, source = int(extra.get("hangupcause", 0)) or None, str(extra.get("hangupsource", ""))
    last = max(float(r["eventtime"]) for r in rows)
    message = [float(r["eventtime"]) for r in rows if r.get("userevent") == "BoMessage"]
    return CallFacts(
        rang_at=None,
        answered_at=first("ANSWER"),
        bridged_at=first("BRIDGE_ENTER"),
        message_at=datetime.fromtimestamp(message[0], UTC) if message else None,
        ended_at=datetime.fromtimestamp(float(end["eventtime"]) if end else last, UTC),
        cause=cause,
        far_side_hung_up=end is not None and source == end["channame"],
    )


def joined(heard: CallFacts, cel: CallFacts | None) -> CallFacts:
    """What was heard of a call's end, with what the CEL file knows of its beginning."""
    if cel is None:
        return heard
    return replace(
        heard,
        answered_at=heard.answered_at or cel.answered_at,
        bridged_at=heard.bridged_at or cel.bridged_at,
        message_at=heard.message_at or cel.message_at,
        cause=cel.cause or heard.cause,
        far_side_hung_up=heard.far_side_hung_up or cel.far_side_hung_up,
    )


def lines_of(uniqueids: Iterable[str]) -> set[Line]:
    return {who for who in map(party, uniqueids) if isinstance(who, Line)}
