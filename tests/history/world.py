"""A bank with known truth: loans with monthly instalments, borrowers who pay, promise and answer by dice of their own.

Nothing here knows the product. Every decision is drawn from the seed, the borrower and the day, so that neither the order of
events nor a repetition changes it. The rates of payment, answer and promise are those of domain figures by bucket.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

# First day past due -> answers, right party of answers, promises of right parties, kept; share that pays in a month
RATES = (
    (0, 0.0, 0.0, 0.0, 0.0, 0.96), (1, 0.42, 0.80, 0.60, 0.68, 0.62), (31, 0.35, 0.72, 0.50, 0.55, 0.36),
    (61, 0.29, 0.64, 0.42, 0.45, 0.24), (91, 0.23, 0.55, 0.32, 0.35, 0.10), (181, 0.17, 0.45, 0.22, 0.25, 0.03),
)  # fmt: skip
BUCKETS = (
    (0, "0"),
    (1, "1-30"),
    (31, "31-60"),
    (61, "61-90"),
    (91, "91-120"),
    (121, "121-180"),
    (181, "181-360"),
    (361, "361+"),
)
START = ((0.86, 0, 0), (0.06, 1, 30), (0.03, 31, 60), (0.02, 61, 90), (0.015, 91, 180), (0.015, 181, 400))
TOLERANCE = Decimal("1.00")


def bucket_of(days: int) -> str:
    return [name for first, name in BUCKETS if days >= first][-1]


@dataclass(slots=True)
class Loan:
    n: int
    person: int
    instalment: Decimal
    due_day: int  # of the month
    unpaid: list[tuple[date, Decimal]] = field(default_factory=list)  # due, what is left of it
    rest: Decimal = Decimal(0)  # not due yet

    def overdue(self, today: date) -> Decimal:
        return sum((left for due, left in self.unpaid if due < today), Decimal(0))

    def days(self, today: date) -> int:
        late = [due for due, _ in self.unpaid if due < today]
        return (today - min(late)).days if late and self.overdue(today) >= TOLERANCE else 0

    def pay(self, amount: Decimal) -> Decimal:
        """Fills up the oldest; returns what could be used."""
        used, left = Decimal(0), amount
        kept = []
        for due, owed in self.unpaid:
            part = min(left, owed)
            used, left = used + part, left - part
            if owed > part:
                kept.append((due, owed - part))
        self.unpaid = kept
        part = min(left, self.rest)
        self.rest -= part
        return used + part


@dataclass(slots=True)
class Vow:
    """A promise as the borrower remembers it."""

    person: int
    amount: Decimal
    made: date
    due: date
    paid: Decimal = Decimal(0)
    clean: bool = False  # nothing of his was overdue any more, before the grace was over
    means_it: bool = False


class World:
    GRACE = 1

    def __init__(self, loans: int, seed: int, first: date) -> None:
        self.seed, self.first = seed, first
        self.loans = [self._loan(n) for n in range(1, loans + 1)]
        self.by_person: dict[int, list[Loan]] = {}
        for loan in self.loans:
            self.by_person.setdefault(loan.person, []).append(loan)
        self.vows: list[Vow] = []
        self.attempts = self.right_parties = self.promises = 0
        self.days_on: dict[date, dict[int, int]] = {}

    def _dice(self, *what: object) -> random.Random:
        return random.Random(f"{self.seed}|{'|'.join(map(str, what))}")

    def _loan(self, n: int) -> Loan:
        dice = self._dice("loan", n)
        loan = Loan(n, n - (n % 5 == 0), Decimal(dice.randrange(60_000, 400_000)) / 100, dice.randrange(1, 29))
        loan.rest = loan.instalment * dice.randrange(6, 30)
        _, first, last = dice.choices(START, [share for share, *_ in START])[0]
        due = self.first - timedelta(days=dice.randint(first, last)) if last else None
        while due is not None and due < self.first:
            loan.unpaid.append((due, loan.instalment))
            due += timedelta(days=30)
        return loan

    def morning(self, today: date) -> Iterator[tuple[Loan, Decimal, int]]:
        """The core's books of yesterday: each loan with its overdue sum and its days; what falls due today is added."""
        self.days_on[today] = {loan.n: loan.days(today) for loan in self.loans}
        for loan in self.loans:
            yield loan, loan.overdue(today), self.days_on[today][loan.n]
            if today.day == loan.due_day and loan.rest > 0:
                part = min(loan.instalment, loan.rest)
                loan.rest -= part
                loan.unpaid.append((today, part))

    def _rates(self, days: int) -> tuple[float, ...]:
        return [row for row in RATES if days >= row[0]][-1][1:]

    def worst(self, person: int, today: date) -> int:
        return max(loan.days(today) for loan in self.by_person[person])

    def call(self, person: int, today: date) -> tuple[str, str, Decimal, date | None]:
        """Telephony result, outcome, and the sum and day of a promise."""
        self.attempts += 1
        dice = self._dice("call", person, today)
        answers, right, promises, keeps, _ = self._rates(self.worst(person, today))
        if dice.random() >= answers:
            return "NO_ANSWER", "", Decimal(0), None
        if dice.random() >= right:
            return "ANSWERED_HUMAN", "LEFT_MSG_3P", Decimal(0), None
        self.right_parties += 1
        owed = sum((loan.overdue(today) for loan in self.by_person[person]), Decimal(0))
        if dice.random() >= promises or owed < 10:
            return "ANSWERED_HUMAN", "REFUSE", Decimal(0), None
        self.promises += 1
        whole = dice.random() < 0.6
        amount = owed if whole else (owed / 2).quantize(Decimal("0.01"))
        due = today + timedelta(days=dice.randint(1, 10))
        self.vows.append(Vow(person, amount, today, due, means_it=dice.random() < keeps))
        return "ANSWERED_HUMAN", "PTP_FULL" if whole else "PTP_PART", amount, due

    def payments(self, today: date) -> Iterator[tuple[Loan, Decimal]]:
        """What comes in at noon: promises that are meant, and what each borrower pays by himself."""
        for vow in self.vows:
            if vow.means_it and today == vow.due:
                left = vow.amount
                for loan in self.by_person[vow.person]:
                    part = min(left, loan.overdue(today))
                    if part > 0:
                        left -= part
                        yield loan, self._take(loan, part, today)
        for loan in self.loans:
            dice = self._dice("pays", loan.n, today.year, today.month)
            if not loan.unpaid or today.day != dice.randint(1, 28):
                continue
            willing = self._rates(loan.days(today))[-1]
            if dice.random() < willing:
                all_of_it = dice.random() < 0.5
                owed = sum((left for _, left in loan.unpaid), Decimal(0)) if all_of_it else loan.unpaid[0][1]
                yield loan, self._take(loan, owed, today)

    def _take(self, loan: Loan, amount: Decimal, today: date) -> Decimal:
        loan.pay(amount)
        for vow in self.vows:
            if vow.person == loan.person and today <= vow.due + timedelta(days=self.GRACE):
                vow.paid += amount
        return amount

    def evening(self, today: date) -> None:
        """Who owes nothing late any more has kept what he promised, whatever he paid."""
        for vow in self.vows:
            if today <= vow.due + timedelta(days=self.GRACE) and not vow.clean:
                owed = sum((loan.overdue(today) for loan in self.by_person[vow.person]), Decimal(0))
                vow.clean = owed < TOLERANCE

    # --- the truth -------------------------------------------------------------------------------------------------

    def truth(self, last: date) -> dict[str, tuple[int, int]]:
        """Each figure as (of, n), from the world's own books. `last`: the last morning."""
        due = [vow for vow in self.vows if vow.due + timedelta(days=self.GRACE) < last]
        kept = [vow for vow in due if vow.clean or vow.paid >= vow.amount]
        found = {
            "rpc_per_attempt": (self.right_parties, self.attempts), "ptp_per_rpc": (self.promises, self.right_parties),
            "kept": (len(kept), len(due)),
        }  # fmt: skip
        names = [name for _, name in BUCKETS]
        late = cured = 0
        start, further = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        mornings = moments(self.first, last)
        for one, two in itertools.pairwise(mornings):
            for n, days in self.days_on[one].items():
                later = self.days_on[two][n]
                late += days > 0
                cured += days > 0 and later == 0
                start[bucket_of(days)] += 1
                place = names.index(bucket_of(days))
                further[bucket_of(days)] += place + 1 < len(names) and bucket_of(later) == names[place + 1]
        found["cure"] = (cured, late)
        return found | {f"roll_{name}": (further[name], start[name]) for name in names[:-1]}


def moments(first: date, last: date) -> list[date]:
    """The mornings between which rolls are counted: each thirtieth, and the last."""
    found = [first + timedelta(days=30 * n) for n in range((last - first).days // 30 + 1)]
    return found if found[-1] == last else [*found, last]
