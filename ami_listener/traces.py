"""What is known of calls outside the database: the exchange's own record, names of recordings, the carrier's records.

After a restore these say who was called since the restored point (FL-13). Files only, no database.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from ami_listener.call_story import CallEnded, Meaning, Stories
from ami_listener.heard import Line, parse_cel, party
from asterisk_conf import CEL_COLUMNS
from backoffice_core.call_centre.calls.recreated import Trace
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.errors import BadInput

NAMES = UUID("6f1f4c1e-6a0e-4a52-9c5f-0d0a4f0f5a11")  # of calls that only the carrier knows
_ACCOUNT = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})(\.robot)?")
_TRUNK = re.compile(r"PJSIP/([a-z][a-z0-9-]{0,30})-[0-9a-f]{8}")
_RECORDING = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[.-].*")
_TALK = {"BRIDGE_ENTER", "BRIDGE_EXIT"}


@dataclass
class _Seen:
    first: float = 0.0
    last: float = 0.0
    account: str = ""
    trunk: str = ""
    bridges: set[str] = field(default_factory=set)


def _rows(files: Iterable[Path]) -> Iterator[dict[str, str]]:
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace", newline="") as lines:
                for values in csv.reader(line.replace("\0", "") for line in lines):
                    yield dict(zip(CEL_COLUMNS, values, strict=False))
        except FileNotFoundError:
            continue


class _Fold:
    """The listener's own fold of events, over a whole file."""

    def __init__(self) -> None:
        self._stories, self._ends = Stories(), dict[UUID, CallFacts]()

    def hear(self, row: dict[str, str]) -> None:
        if heard := parse_cel(row):
            self._take(self._stories.hear(heard))

    def _take(self, meanings: Sequence[Meaning]) -> None:
        for meaning in meanings:
            if isinstance(meaning, CallEnded):
                self._ends.setdefault(meaning.call_id, meaning.facts)

    def facts(self) -> dict[UUID, CallFacts]:
        """A call without an end (the exchange was killed) ends at its last event; unanswered, it is of unknown end."""
        self._take(self._stories.overdue(datetime.now(UTC) + timedelta(days=1)))
        for who in [one for one in self._stories.open if isinstance(one, UUID)]:
            at = self._stories.last_evidence(who) or datetime.now(UTC)
            facts = self._stories.give_up(who, at).facts
            self._ends.setdefault(who, replace(facts, heard=facts.answered_at is not None))
        return self._ends


def from_cel(files: list[Path], since: datetime) -> list[Trace]:
    """Borrowers' calls of which any event is not older than `since`, oldest first. A damaged line is passed over."""
    calls: dict[UUID, _Seen] = {}
    lines: dict[str, Line] = {}  # bridge -> the agent's line in it
    fold = _Fold()
    for row in _rows(files):
        who, stamp = party(row.get("uniqueid", "")), row.get("eventtime", "")
        if who is None or not re.fullmatch(r"\d+\.\d+", stamp):
            continue
        fold.hear(row)
        bridge = re.search(r'"bridge_id":"([^"]+)"', row.get("extra", "")) if row.get("eventtype") in _TALK else None
        if isinstance(who, Line):
            if bridge:
                lines[bridge[1]] = who
            continue
        seen = calls.setdefault(who, _Seen(first=float(stamp)))
        seen.first, seen.last = min(seen.first, float(stamp)), max(seen.last, float(stamp))
        seen.account = seen.account or row.get("account", "")
        if trunk := _TRUNK.match(row.get("channame", "")):
            seen.trunk = trunk[1]
        if bridge:
            seen.bridges.add(bridge[1])
    wanted = {call: seen for call, seen in calls.items() if seen.last >= since.timestamp()}
    facts = fold.facts()
    traces = []
    for call, seen in sorted(wanted.items(), key=lambda item: item[1].first):
        account = _ACCOUNT.fullmatch(seen.account)
        line = next((lines[b] for b in seen.bridges if b in lines), None)
        traces.append(
            Trace(
                call_id=call, source="cel", begun_at=datetime.fromtimestamp(seen.first, UTC), facts=facts.get(call),
                task_id=UUID(account[1]) if account else None, contact_point_id=UUID(account[2]) if account else None,
                trunk=seen.trunk, session_id=line.session_id if line else None, robot=bool(account and account[3]),
            )
        )  # fmt: skip
    return traces


def from_recordings(folder: Path, since: datetime) -> list[Trace]:
    """Calls by the names of files that were written since then. A name tells the call, not whose it was."""
    found: dict[UUID, datetime] = {}
    for file in folder.rglob("*") if folder.is_dir() else ():
        name = _RECORDING.fullmatch(file.name)
        if not name or not file.is_file():
            continue
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        if written >= since:
            call = UUID(name[1])
            found[call] = min(found.get(call, written), written)
    return [Trace(call_id=call, source="recording", begun_at=at) for call, at in sorted(found.items())]


# --- the carrier's records -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CarrierCall:
    """One line of the carrier's record. `number` is E.164 with its plus."""

    number: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    sip_code: int | None
    trunk: str
    id: str

    def call_id(self, person: UUID) -> UUID:
        """The same whenever the same line is read."""
        return uuid5(NAMES, f"{self.id or self.number}|{self.started_at.isoformat()}|{person}")

    def facts(self) -> CallFacts:
        return CallFacts(
            answered_at=self.answered_at, bridged_at=self.answered_at,  # whether an agent was with him, only we knew
            ended_at=self.ended_at or self.answered_at or self.started_at, sip_code=self.sip_code,
        )  # fmt: skip


CDR_COLUMNS = ("number", "started_at", "answered_at", "ended_at", "sip_code", "trunk", "id")


def read_carrier(file: Path, since: datetime) -> list[CarrierCall]:
    """CSV with a head of CDR_COLUMNS (`number` and `started_at` must be there), `,` or `;`, times with their zone.

    Calls that started at or after `since` less a minute. Raises BadInput with the line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file} cannot be read: {error}.", remedy="Give the carrier's records as CSV in UTF-8."
        ) from error
    head = text.split("\n", 1)[0].strip()
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head else ",")
    if not {"number", "started_at"} <= set(rows.fieldnames or ()):
        raise BadInput(
            f"{file.name} lacks the column number or started_at.",
            remedy=f"Its first line names the columns: {', '.join(CDR_COLUMNS)}.", field="cdr",
        )  # fmt: skip
    found = [_carrier_call(file, n, row) for n, row in enumerate(rows, start=2)]
    recent = [call for call in found if call.started_at >= since - timedelta(minutes=1)]
    return sorted(recent, key=lambda call: call.started_at)


def _carrier_call(file: Path, line: int, row: dict[str, str | None]) -> CarrierCall:
    def time(name: str) -> datetime | None:
        text = (row.get(name) or "").strip()
        if not text:
            return None
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("a time without its zone")
        return at.astimezone(UTC)

    try:
        digits = re.sub(r"[ ()-]", "", row.get("number") or "").lstrip("+").removeprefix("00")
        started = time("started_at")
        if not re.fullmatch(r"[0-9]{5,15}", digits) or started is None:
            raise ValueError("no number or no start")
        code = (row.get("sip_code") or "").strip()
        return CarrierCall(
            number=f"+{digits}", started_at=started, answered_at=time("answered_at"), ended_at=time("ended_at"),
            sip_code=int(code) if code else None, trunk=(row.get("trunk") or "").strip(), id=(row.get("id") or "").strip(),
        )  # fmt: skip
    except ValueError as error:
        raise BadInput(
            f"{file.name}, line {line}: {error}.", remedy="Times as 2026-11-22T10:15:07+02:00, numbers in E.164.",
            field="cdr",
        ) from error  # fmt: skip
