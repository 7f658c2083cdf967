"""Whether a list may be believed (FL-07): its figures against its trailer line and against the last list accepted. Pure.

What contradicts itself is refused. What is only strange is a question for a person, with the figures; the answer is a
code that belongs to this very file and these very figures.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from backoffice_core.errors import BadInput
from backoffice_core.loans.layout import Trailer
from backoffice_core.loans.portfolio_file import LoanRow
from backoffice_core.loans.table_file import Problems

MAX_MOVE = Decimal("0.2")  # share of the last list's figure; a source may set its own


@dataclass(frozen=True, slots=True)
class Figures:
    """`overdue` by currency. A loan is overdue when a sum or days are late."""

    rows: int
    overdue_count: int
    overdue: Mapping[str, Decimal] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        sums = {currency: str(amount) for currency, amount in sorted(self.overdue.items())}
        return {"rows": self.rows, "overdue_count": self.overdue_count, "overdue": sums}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Figures":
        sums = {currency: Decimal(amount) for currency, amount in said.get("overdue", {}).items()}
        return cls(int(said.get("rows", 0)), int(said.get("overdue_count", 0)), sums)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One strange thing. `code`: ROWS, OVERDUE_COUNT, OVERDUE_SUM, BUSINESS_DATE, NOT_NEWER; `what`: currency or ""."""

    code: str
    before: str
    now: str
    what: str = ""

    def __str__(self) -> str:
        return {
            "ROWS": f"loans in the list: {self.before} in the last one accepted, {self.now} now",
            "OVERDUE_COUNT": f"overdue loans: {self.before} in the last list accepted, {self.now} now",
            "OVERDUE_SUM": f"overdue in {self.what}: {self.before} in the last list accepted, {self.now} now",
            "BUSINESS_DATE": f"the list is of {self.now}, expected was {self.before}",
            "NOT_NEWER": f"the list is of {self.now}, and one of {self.before} is already loaded",
        }[self.code]


class ImportQuestion(BadInput):
    """The list is strange: a person has to say that it is right."""

    code = "IMPORT_QUESTION"

    def __init__(self, name: str, doubts: list[Doubt], confirm: str) -> None:
        super().__init__(
            f"{name}: is this list right? " + "; ".join(map(str, doubts)) + ". Nothing was imported.",
            remedy=f"Ask who sent it. If it is right, import it again with --confirm {confirm}.",
        )
        self.doubts, self.confirm = doubts, confirm


def figures_of(loans: Iterable[LoanRow]) -> Figures:
    rows = late = 0
    sums: dict[str, Decimal] = {}
    for loan in loans:
        rows += 1
        overdue = loan.overdue
        late += overdue > 0 or loan["days_past_due"] > 0
        sums[loan["currency"]] = sums.get(loan["currency"], Decimal(0)) + overdue
    return Figures(rows, late, sums)


def check_trailer(trailer: Trailer | None, figures: Figures, loans: Iterable[LoanRow], problems: Problems) -> None:
    """A list that contradicts its own trailer is cut off or spoilt: adds a problem for each total that differs."""
    if trailer is None:
        return
    pairs: list[tuple[str, object, object]] = [
        ("rows", trailer.rows, figures.rows),
        ("overdue_count", trailer.overdue_count, figures.overdue_count),
        ("overdue", trailer.overdue, sum(figures.overdue.values(), Decimal(0))),
    ]
    wanted = set(trailer.sums) | ({"balance"} if trailer.balance is not None else set())
    if wanted:
        sums = dict.fromkeys(wanted, Decimal(0))
        for loan in loans:
            for column in wanted:
                sums[column] += loan[column]
        pairs += [(column, total, sums[column]) for column, total in trailer.sums.items()]
        if trailer.balance is not None:
            pairs.append(("balance", trailer.balance, sums["balance"]))
    for name, said, counted in pairs:
        if said is not None and said != counted:
            problems.add(trailer.line, name, f"the trailer line says {said}, the rows make {counted}")


def oldest_expected(today: date, lag_days: int, days_off: Collection[date] = ()) -> date:
    """The date that a list of today must bear at least: `lag_days` before, and then back to a working day: one from
    Monday to Friday that is none of `days_off` (holidays)."""
    day = today - timedelta(days=lag_days)
    while lag_days and (day.weekday() >= 5 or day in days_off):
        day -= timedelta(days=1)
    return day


def doubts(
    now: Figures, before: Figures | None, *, of: date, today: date, lag_days: int, last_day: date | None,
    share: Decimal = MAX_MOVE, full: bool = True, days_off: Collection[date] = (),
) -> list[Doubt]:  # fmt: skip
    """What a person has to explain. `of`: the list's business date; `last_day`: that of the last one accepted.

    A delta list has its own size each day: only its date is looked at.
    """
    found: list[Doubt] = []
    oldest = oldest_expected(today, lag_days, days_off)
    if not oldest <= of <= today:
        found.append(Doubt("BUSINESS_DATE", str(oldest), str(of)))
    if last_day is not None and of < last_day:
        found.append(Doubt("NOT_NEWER", str(last_day), str(of)))
    if before is None or not full:
        return found
    if _moved(before.rows, now.rows, share):
        found.append(Doubt("ROWS", str(before.rows), str(now.rows)))
    if _moved(before.overdue_count, now.overdue_count, share):
        found.append(Doubt("OVERDUE_COUNT", str(before.overdue_count), str(now.overdue_count)))
    for currency in sorted({*before.overdue, *now.overdue}):
        was, is_ = before.overdue.get(currency, Decimal(0)), now.overdue.get(currency, Decimal(0))
        if _moved(was, is_, share):
            found.append(Doubt("OVERDUE_SUM", str(was), str(is_), currency))
    return found


def _moved(before: Decimal | int, now: Decimal | int, share: Decimal) -> bool:
    """More than the share of what was; from nothing to something is a move, too."""
    return abs(Decimal(now) - Decimal(before)) > share * Decimal(before)


def confirmation(digest: str, found: list[Doubt]) -> str:
    """Six signs that fit only this file with these doubts."""
    said = "\n".join([digest, *(f"{d.code} {d.what} {d.before} {d.now}" for d in found)])
    return hashlib.sha256(said.encode()).hexdigest()[:6].upper()
