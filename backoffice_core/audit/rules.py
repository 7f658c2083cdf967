"""How a chain of audit rows is made and tested (pure): canonical JSON, SHA-256 over it and the hash before, signed heads.

Found are a changed row, a missing one, two that changed places, and, against a head that was kept elsewhere, rows cut
off at the end or a chain that was written anew from some row on.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

GENESIS = "0" * 64  # the hash before the first row
MOST_COMPARED = 200  # changed rows among which swapped pairs are looked for


def plain(value: Any) -> Any:
    """As JSON can keep it and PostgreSQL gives it back unchanged: no floats, no NUL, moments in UTC."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(str(plain(each)) for each in value)
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the chain. `seq` counts from 1 without a gap."""

    seq: int
    at: datetime
    who: str
    act: str
    subject: str
    data: Mapping[str, Any]
    prev: str
    hash: str

    def content(self) -> dict[str, Any]:
        return {"at": stamp(self.at), "who": self.who, "act": self.act, "subject": self.subject, "data": self.data}


def digest(seq: int, prev: str, content: Mapping[str, Any]) -> str:
    """The hash of a row: over its number, the hash before and its content as canonical JSON (sorted keys, UTF-8)."""
    body = {"seq": seq, "prev": prev, **content}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# --- heads ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row when it was exported, with a signature that only the installation's secret makes."""

    seq: int
    hash: str
    at: datetime
    sign: str = ""
    where: str = ""  # file and line it was read from

    def signed(self, key: str) -> "Head":
        return Head(self.seq, self.hash, self.at, self._sign(key))

    def genuine(self, key: str) -> bool:
        return hmac.compare_digest(self.sign, self._sign(key))

    def _sign(self, key: str) -> str:
        said = f"{self.seq}\n{self.hash}\n{stamp(self.at)}"
        return hmac.new(key.encode(), said.encode(), hashlib.sha256).hexdigest()

    def line(self) -> str:
        return json.dumps({"seq": self.seq, "hash": self.hash, "at": stamp(self.at), "hmac": self.sign})


def head_of(line: str, where: str = "") -> Head:
    """Raises ValueError for a line that is no head."""
    try:
        said = json.loads(line)
        at = datetime.fromisoformat(said["at"])
        return Head(int(said["seq"]), str(said["hash"]), at.replace(tzinfo=at.tzinfo or UTC), str(said["hmac"]), where)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not the head of a chain") from error


# --- the test ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at row `seq`. kind: changed, missing, swapped, unlinked, cut_off, rewritten, forged_head."""

    seq: int
    kind: str
    says: str


@dataclass(slots=True)
class Verification:
    """Rows are shown to it in order of `seq`; `finish()` gives what was found."""

    heads: Mapping[int, list[Head]] = field(default_factory=dict)
    rows: int = 0
    seq: int = 0
    hash: str = GENESIS
    found: list[Finding] = field(default_factory=list)
    _changed: list[Row] = field(default_factory=list)
    _unlinked: set[int] = field(default_factory=set)
    _heads_met: set[int] = field(default_factory=set)

    def show(self, row: Row) -> None:
        self.rows += 1
        if row.seq != self.seq + 1:
            rows = f"row {self.seq + 1}" if row.seq == self.seq + 2 else f"rows {self.seq + 1} to {row.seq - 1}"
            self.found.append(Finding(self.seq + 1, "missing", f"{rows}: taken out before row {row.seq}"))
        elif row.prev != self.hash:
            self._unlinked.add(row.seq)
        if digest(row.seq, row.prev, row.content()) != row.hash:
            self._changed.append(row)
        for head in self.heads.get(row.seq, ()):
            self._heads_met.add(row.seq)
            if head.hash != row.hash:
                says = f"row {row.seq} or one before it is not what it was when {head.where} was exported"
                self.found.append(Finding(row.seq, "rewritten", says))
        self.seq, self.hash = row.seq, row.hash

    def finish(self) -> list[Finding]:
        swapped = self._swapped()
        for row in self._changed:
            if row.seq in swapped:
                other = swapped[row.seq]
                self.found.append(Finding(row.seq, "swapped", f"row {row.seq} holds what row {other} held"))
            else:
                self.found.append(Finding(row.seq, "changed", f"row {row.seq} ({row.act}) is not what was written"))
        touched = {row.seq for row in self._changed}
        for seq in sorted(self._unlinked - touched - {s + 1 for s in touched}):
            says = f"row {seq} does not follow the row that stands before it: row {seq - 1} was put in another's place"
            self.found.append(Finding(seq, "unlinked", says))
        for seq, heads in self.heads.items():
            if seq > self.seq:
                says = f"rows {self.seq + 1} to {seq} are gone: {heads[0].where} was exported when they were there"
                self.found.append(Finding(self.seq + 1, "cut_off", says))
            elif seq == 0 and any(head.hash != GENESIS for head in heads):
                self.found.append(Finding(0, "forged_head", f"{heads[0].where} names an empty chain with a hash"))
        return sorted(self.found, key=lambda f: (f.seq, f.kind))

    def _swapped(self) -> dict[int, int]:
        """Changed rows of which one's content makes another's hash at the other's place."""
        if not 2 <= len(self._changed) <= MOST_COMPARED:
            return {}
        found: dict[int, int] = {}
        for here in self._changed:
            for other in self._changed:
                if here is not other and digest(other.seq, other.prev, here.content()) == other.hash:
                    found[here.seq] = other.seq
        return found


def by_seq(heads: Iterable[Head]) -> dict[int, list[Head]]:
    found: dict[int, list[Head]] = {}
    for head in heads:
        found.setdefault(head.seq, []).append(head)
    return found
