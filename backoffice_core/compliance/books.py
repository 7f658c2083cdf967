"""Rules and calendar as they stand in the tables, and what a process keeps of them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import column, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.compliance import loader, rules, workdays
from backoffice_core.compliance.late import LateSource
from backoffice_core.compliance.models import ComplianceBook, ComplianceRule, WorkCalendar
from backoffice_core.compliance.records import book_digest, row_digest
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import Calendar


async def load_rules(session: AsyncSession, by: str, rows: Sequence[dict[str, Any]] | None = None) -> int:
    """Takes over the shipped rule file (or rows of `loader.read_file`): a row that differs from the newest version of
    its rule becomes the next version. Returns how many were added; a rule absent from the file stays as it is.

    Raises loader.RuleRefused, and then nothing has been added.
    """
    wanted = loader.read_file() if rows is None else rows
    for row in wanted:
        loader.parse(row)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key("compliance_rules")})
    stored = (await session.execute(select(ComplianceRule).order_by(ComplianceRule.version))).scalars()
    known = {rule.rule_id: rule for rule in stored}  # the newest stays
    added = [
        {"rule_id": row["id"], "version": known[row["id"]].version + 1 if row["id"] in known else 1, "row": row}
        for row in wanted
        if row["id"] not in known or known[row["id"]].row != row
    ]
    if added:
        await session.execute(insert(ComplianceRule), [{**each, "loaded_by": by} for each in added])
        versions = {str(each["rule_id"]): each["version"] for each in added}
        audit.note(session, f"os:{by}", "RULES_LOADED", data={"versions": versions})
    return len(added)


@dataclass(slots=True)
class Kept:
    stamp: tuple[Any, ...]
    rules: RuleBook
    calendar: Calendar
    row: dict[str, Any]  # its ComplianceBook
    written: bool = False  # that row was seen committed
    sources: list[Any] = field(default_factory=list)  # those that report contacts made elsewhere, as just read

    def late(self, at: datetime) -> tuple[LateSource, ...]:
        """Sources that should have been heard of again before `at`."""
        found = []
        for name, channel, actor, every, covered in self.sources:
            since = datetime.fromisoformat(covered)
            if at - since > timedelta(minutes=every):
                found.append(LateSource(name, channel, actor, since))
        return tuple(found)


def _source_digest() -> str:
    """Of the evaluator's own files: an answer that another version of them gave can be told from a changed one."""
    folder = Path(rules.__file__).parent
    files = ("rules.py", "grounds.py", "rulebook.py", "counting.py", "terms.py", "loader.py", "late.py", "agreed.py")
    return hashlib.sha256(b"\0".join((folder / name).read_bytes() for name in files)).hexdigest()[:16]


CODE = _source_digest()


_kept: list[Kept] = []  # the last one read by this process


_STAMP = text("""
    -- rules_stamp: asked at each question, so written out once
    SELECT (SELECT count(*) FROM compliance_rules), (SELECT max(loaded_at) FROM compliance_rules),
           (SELECT count(*) FROM work_calendar), (SELECT max(updated_at) FROM work_calendar),
           (SELECT jsonb_agg(jsonb_build_array(name, channel, actor, every_minutes, covered_to)) FROM contact_sources
             WHERE every_minutes > 0) AS sources
""").columns(column("rules"), column("loaded"), column("days"), column("changed"), column("sources", JSONB))


async def current(session: AsyncSession) -> Kept:
    """Rules and calendar as they stand; read anew only when a row was added or changed."""
    row = (await session.execute(_STAMP)).one()
    stamp, sources = tuple(row[:-1]), row[-1] or []
    for kept in _kept:
        if kept.stamp == stamp:
            kept.sources = sources
            return kept
    t = ComplianceRule
    versions = (await session.execute(select(t.row, t.version).order_by(t.rule_id, t.version))).all()
    book = RuleBook(loader.parse(one, where="compliance_rules", version=version) for one, version in versions)
    w = WorkCalendar
    days = (await session.execute(select(w.jurisdiction, w.day, w.working).order_by(w.jurisdiction, w.day))).all()
    listed = [[one["id"], version, row_digest(one)] for one, version in versions]
    dated = [[place, day.isoformat(), working] for place, day, working in days]
    written = {"digest": book_digest(listed, dated, CODE), "versions": listed, "calendar": dated, "code": CODE}
    days_off = Calendar((place, day, working) for place, day, working in days)
    kept = Kept(stamp, book, days_off, written, sources=sources)
    _kept[:] = [kept]
    return kept


def known() -> Kept | None:
    """As this process read it last, without a look: compare its `stamp` with a later answer."""
    return _kept[0] if _kept else None


async def write_book(session: AsyncSession, book: Kept) -> None:
    """The state of the rules stands before the first decision by it. That it is committed is known only when a later
    transaction finds it there; until then it is written with each."""
    if book.written:
        return
    statement = pg_insert(ComplianceBook).values(book.row).on_conflict_do_nothing().returning(ComplianceBook.digest)
    book.written = (await session.execute(statement)).first() is None


async def rulebook(session: AsyncSession) -> RuleBook:
    return (await current(session)).rules


async def calendar(session: AsyncSession) -> Calendar:
    return (await current(session)).calendar


async def seed_calendar(
    session: AsyncSession, years: Iterable[int], jurisdictions: Iterable[str] = workdays.SHIPPED
) -> int:
    """Writes the holidays of these years; days that already have a row keep it. Returns how many were added."""
    days = workdays.days_of(jurisdictions, years)
    rows = [{"jurisdiction": place, "day": day, "working": False, "name": name} for place, day, name in days]
    if not rows:
        return 0
    statement = pg_insert(WorkCalendar).values(rows).on_conflict_do_nothing().returning(WorkCalendar.day)
    return len((await session.execute(statement)).all())


async def working_days(session: AsyncSession, jurisdiction: str, first: date, days: int = 30) -> dict[date, bool]:
    """For each of `days` days from `first`, whether it is a working day; an unknown year goes by the weekday."""
    known = await calendar(session)
    found: dict[date, bool] = {}
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        working = known.working(jurisdiction, day)
        found[day] = day.weekday() < 5 if working is None else working
    return found


async def last_working_day(session: AsyncSession, jurisdiction: str, day: date) -> date:
    """`day` itself, or the nearest working day before it (at most 30 days back): the date of the newest list there is."""
    working = await working_days(session, jurisdiction, day - timedelta(days=30), days=31)
    return max((one for one, works in working.items() if works), default=day)


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
