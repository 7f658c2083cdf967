"""One function writes what was done: `note`. The row stands when the caller's transaction commits, and not otherwise.

Rows are chained at the very end of the transaction, under one lock that is held only while it commits: nobody waits
for another's work, and the order of the chain is the order of the commits.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from backoffice_core.audit import rules
from backoffice_core.audit.models import AuditEntry
from backoffice_core.audit.rules import GENESIS, Finding, Head, Row
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.errors import BadInput

LOCK = 0x0A0D17  # pg_advisory_xact_lock: the end of the chain
IN_ONE_GO = 5_000
_WAITING = "audit"  # key of Session.info


@dataclass(frozen=True, slots=True)
class _Note:
    content: dict[str, Any]
    at: datetime
    inside: SessionTransaction | None  # the savepoint it was made in


def note(s: AsyncSession, who: str, act: str, subject: str = "", data: Mapping[str, Any] | None = None) -> None:
    """`who`: user:<id>, os:<account>, client:<name>, program:<name>. `act`: a code. `data`: JSON; no secrets.

    Written with the caller's commit; after a rollback it never was.
    """
    at = Clock.wall()
    content = {"who": who, "act": act, "subject": subject, "data": dict(data or {})}
    one = _Note(rules.plain(content), at, s.sync_session.get_nested_transaction())
    s.sync_session.info.setdefault(_WAITING, []).append(one)


@event.listens_for(Session, "before_commit")
def _chain(session: Session) -> None:
    """The outermost commit only: everything else is written, then the end of the chain is taken and moved."""
    waiting: list[_Note] = session.info.get(_WAITING, [])
    if not waiting or session.in_nested_transaction():
        return
    session.flush()
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    last = session.execute(select(AuditEntry.seq, AuditEntry.hash).order_by(AuditEntry.seq.desc()).limit(1)).first()
    seq, prev = (last.seq, last.hash) if last else (0, GENESIS)
    rows = []
    for one in waiting:
        seq += 1
        made = rules.digest(seq, prev, {"at": rules.stamp(one.at), **one.content})
        rows.append({"seq": seq, "at": one.at, **one.content, "prev": prev, "hash": made})
        prev = made
    session.execute(insert(AuditEntry), rows)
    session.info[_WAITING] = []


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, undone: SessionTransaction) -> None:
    """What was rolled back did not happen: all of it, or what was noted inside the savepoint."""
    waiting: list[_Note] = session.info.get(_WAITING, [])
    session.info[_WAITING] = [one for one in waiting if undone.nested and one.inside is not undone]


# --- reading and testing -------------------------------------------------------------------------------------------


async def entries(
    s: AsyncSession, *, act: str = "", who: str = "", subject: str = "", limit: int = 50
) -> Sequence[AuditEntry]:
    """Newest first."""
    query = select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(limit)
    for column, said in ((AuditEntry.act, act), (AuditEntry.who, who), (AuditEntry.subject, subject)):
        query = query.where(column == said) if said else query
    return (await s.scalars(query)).all()


async def head(s: AsyncSession, key: str) -> Head:
    """The end of the chain as it stands, signed."""
    query = select(AuditEntry.seq, AuditEntry.hash).order_by(AuditEntry.seq.desc()).limit(1)
    last = (await s.execute(query)).first()
    seq, made = (last.seq, last.hash) if last else (0, GENESIS)
    return Head(seq, made, Clock.wall()).signed(key)


async def verify(s: AsyncSession, key: str, heads: Sequence[Head] = ()) -> tuple[int, list[Finding]]:
    """Walks the whole chain; how many rows it has, and what is wrong. `heads`: exported before, against cut-offs."""
    genuine = [one for one in heads if one.genuine(key)]
    walk = rules.Verification(rules.by_seq(genuine))
    for one in heads:
        if one not in genuine:
            walk.found.append(Finding(one.seq, "forged_head", f"{one.where} was not signed by this installation"))
    t = AuditEntry
    columns = (t.seq, t.at, t.who, t.act, t.subject, t.data, t.prev, t.hash)
    while True:
        page = (await s.execute(select(*columns).where(t.seq > walk.seq).order_by(t.seq).limit(IN_ONE_GO))).all()
        for row in page:
            walk.show(Row(*row))
        if len(page) < IN_ONE_GO:
            return walk.rows, walk.finish()


# --- heads on disk -------------------------------------------------------------------------------------------------


def secret(settings: Settings) -> str:
    return settings.derived_secret("audit-heads")


def folder(settings: Settings) -> Path:
    return settings.data / "audit-heads"


def keep(settings: Settings, one: Head, file: Path | None = None) -> Path:
    """Appends the head to this month's file of the installation, or to `file`. Raises OSError."""
    wanted = file or folder(settings) / f"{one.at:%Y-%m}.jsonl"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    with wanted.open("a", encoding="utf-8") as out:
        out.write(one.line() + "\n")
        out.flush()
        os.fsync(out.fileno())
    return wanted


def kept(settings: Settings, file: Path | None = None) -> list[Head]:
    """The heads of `file`, or all that this installation keeps. Raises BadInput for a file that holds none."""
    found: list[Head] = []
    for each in [file] if file else sorted(folder(settings).glob("*.jsonl")):
        try:
            lines = each.read_text(encoding="utf-8").splitlines()
            found += [rules.head_of(line, f"{each.name}:{n}") for n, line in enumerate(lines, 1) if line.strip()]
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{each} holds no heads of the audit: {error}.", remedy="Give a file of `backoffice audit export`."
            ) from None
    return found
