"""Gives stored decisions again, from their stored inputs and the versions of the rules they were made with.

A difference means that the row, a rule's version or the calendar is not what it was, or that another version of the
program would answer otherwise; which of these is told.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.compliance import loader, rules
from backoffice_core.compliance.books import CODE
from backoffice_core.compliance.models import ComplianceBook, ComplianceDecision, ComplianceRule
from backoffice_core.compliance.records import answer_json, book_digest, contact_of, inputs_of, plain, row_digest
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.slots import one_at_a_time
from backoffice_core.compliance.terms import Calendar, Decision, LedgerView

IN_ONE_GO = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """`field`: of the decision, or book, inputs; `code_changed`: another version of the evaluator decided then."""

    decision: UUID
    at: datetime
    field: str
    stored: Any
    again: Any
    code_changed: bool = False


@dataclass(slots=True)
class Recomputed:
    """`old`: decisions of a version that did not keep its inputs; they cannot be given again."""

    checked: int = 0
    same: int = 0
    old: int = 0
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Book:
    rules: RuleBook
    calendar: Calendar
    code: str
    wrong: str  # why it is not what it was; "" = it is


async def recompute(
    s: AsyncSession, sample: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Recomputed:
    """`sample` decisions by chance, or all when there are fewer."""
    t, done, books = ComplianceDecision, Recomputed(), dict[str, _Book]()
    chosen = list(await s.scalars(select(t.id).order_by(func.random()).limit(sample)))
    for start in range(0, len(chosen), IN_ONE_GO):
        page = await s.scalars(select(t).where(t.id.in_(chosen[start : start + IN_ONE_GO])))
        for row in page:
            await _check(s, row, books, done)
        progress(min(start + IN_ONE_GO, len(chosen)), len(chosen))
    done.differences.sort(key=lambda d: (str(d.decision), d.field))
    return done


async def _check(s: AsyncSession, row: ComplianceDecision, books: dict[str, _Book], done: Recomputed) -> None:
    done.checked += 1
    if row.inputs is None:
        done.old += 1
        return
    digest = str(row.inputs.get("book"))
    if digest not in books:
        books[digest] = await _read(s, digest)
    book = books[digest]
    if book.wrong:
        done.differences.append(Difference(row.id, row.at, "book", digest, book.wrong))
        return
    changed = book.code != CODE
    try:
        again = answer_json(_again(row, book))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        done.differences.append(Difference(row.id, row.at, "inputs", "", f"cannot be read: {error!r}", changed))
        return
    found = [
        Difference(row.id, row.at, name, stored, again[name], changed)
        for name in again
        if (stored := plain(getattr(row, name))) != again[name]
    ]
    if str(row.person_id) != row.contact["person"]["id"]:
        found.append(Difference(row.id, row.at, "person_id", str(row.person_id), row.contact["person"]["id"]))
    done.same += not found
    done.differences += found


def _again(row: ComplianceDecision, book: _Book) -> Decision:
    inputs, guard = inputs_of(row.inputs or {}), int(row.contact["guard_minutes"])
    contact, ledger = contact_of(row.contact), LedgerView(inputs.ledger, inputs.of_number)
    decision = rules.decide(contact, row.at, book.rules, book.calendar, ledger, guard_minutes=guard, late=inputs.late)
    return one_at_a_time(decision, row.at) if inputs.live else decision


async def _read(s: AsyncSession, digest: str) -> _Book:
    """The rules and the calendar of then; tested against the digest, which stands in each decision."""
    kept = await s.get(ComplianceBook, digest)
    if kept is None:
        return _Book(RuleBook(()), Calendar(()), "", "it is not there")
    t = ComplianceRule
    rows = {(rule, version): row for rule, version, row in await s.execute(select(t.rule_id, t.version, t.row))}
    found, wrong = [], ""
    for rule, version, sign in kept.versions:
        row = rows.get((rule, version))
        if row is None or row_digest(row) != sign:
            wrong = f"rule {rule}, version {version}, " + ("is gone" if row is None else "was changed")
            break
        found.append(loader.parse(row, where="compliance_rules", version=version))
    if not wrong and book_digest(kept.versions, kept.calendar, kept.code) != digest:
        wrong = "its list of rules or its calendar was changed"
    days = Calendar((place, date.fromisoformat(day), working) for place, day, working in kept.calendar)
    return _Book(RuleBook(found), days, kept.code, wrong)
