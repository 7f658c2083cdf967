"""Which of our numbers a call may show, and when one has gone bad, pure (FL-03).

The pool of a campaign is what was assigned to it. Calls are never spread over it: the first usable id in the order of
assignment is shown, so that no id stays under the operators' thresholds by being hidden among others; and an id that
left the pool is followed only by one that had been assigned to the campaign before. An id whose account of abandoned calls is
spent rests, and the next one is shown, until its window lets it back: that is the limit per caller id, not a way around signs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

SPANS = ("hour", "day", "week")
SIGNS = (
    "SHORT_TALKS", "NEW_NUMBERS", "SILENT", "RECORDED", "NO_CALL_BACK", "COMPLAINTS", "ANSWERS_BELOW_POOL",
)  # fmt: skip
SIGNS_NEEDED = "SIGNS_NEEDED"  # the row that says how many signs take an id out


@dataclass(frozen=True, kw_only=True)
class IdView:
    """One row of the table of caller ids. An empty bound of validity is open."""

    number: str
    trunks: frozenset[str]
    campaigns: frozenset[str]
    position: int = 1
    declared_on: date | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    state: str = "IN"
    rests: bool = False  # its account of abandoned calls is spent

    def valid(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def declared(self, day: date) -> bool:
        return self.declared_on is not None and self.declared_on <= day


_REFUSALS = (
    "CALLER_ID_ABSENT",
    "CALLER_ID_OUT",
    "CALLER_ID_EXPIRED",
    "CALLER_ID_NOT_ADMITTED",
)  # the nearest to usable last


def choose(ids: Iterable[IdView], trunk: str, campaign: str, day: date) -> IdView | str:
    """The id to show for this campaign on this trunk, or why there is none: a code of the family `reason`.

    One that rests is shown only while no other can be: then it is dialed without risk (`dialer.pool`).
    """
    nearest, resting = 0, list[IdView]()
    pool = (one for one in ids if campaign in one.campaigns and one.state != "RETIRED")
    for one in sorted(pool, key=lambda i: (i.position, i.number)):
        if one.state != "IN":
            nearest = max(nearest, 1)
        elif not one.valid(day):
            nearest = max(nearest, 2)
        elif trunk not in one.trunks:
            nearest = max(nearest, 3)
        elif one.rests:
            resting.append(one)
        else:
            return one
    return resting[0] if resting else _REFUSALS[nearest]


# --- health ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one id did in one span. `talks` met an agent. Call-backs are None while nothing counts them."""

    calls: int = 0
    answered: int = 0
    talks: int = 0
    talk_s: float = 0.0  # of all talks together
    short_talks: int = 0  # under 60 s
    new_numbers: int = 0  # calls to numbers that this id had never called
    silent: int = 0
    abandoned: int = 0
    recorded: int = 0
    call_backs: int | None = None
    call_backs_answered: int | None = None
    complaints: int = 0

    @property
    def answer_rate(self) -> float | None:
        return self.answered / self.calls if self.calls else None

    @property
    def mean_talk_s(self) -> float | None:
        return self.talk_s / self.talks if self.talks else None


@dataclass(frozen=True, kw_only=True)
class SignRow:
    """One dated threshold."""

    sign: str
    span: str
    threshold: Decimal
    min_calls: int
    valid_from: date
    valid_to: date | None = None

    def in_force(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


def signs_met(
    figures: Mapping[str, Figures], pool: Mapping[str, Figures], rows: Iterable[SignRow], day: date
) -> list[str]:
    """The operators' signs that an id shows on this day, each once. `figures`, `pool`: by span."""
    met = {
        row.sign
        for row in rows
        if row.in_force(day) and row.sign in SIGNS and row.span in figures
        and _meets(figures[row.span], pool.get(row.span, Figures()), row)
    }  # fmt: skip
    return [sign for sign in SIGNS if sign in met]


def _meets(seen: Figures, pool: Figures, row: SignRow) -> bool:
    limit = float(row.threshold)
    match row.sign:
        case "SHORT_TALKS":
            return seen.talks >= row.min_calls and seen.talk_s < limit * seen.talks
        case "NEW_NUMBERS":
            return seen.calls >= row.min_calls and seen.new_numbers > limit * seen.calls
        case "SILENT":
            return seen.answered >= row.min_calls and seen.silent + seen.abandoned > limit * seen.answered
        case "RECORDED":
            return seen.answered >= row.min_calls and seen.recorded > limit * seen.answered
        case "NO_CALL_BACK":
            back, answered = seen.call_backs or 0, seen.call_backs_answered or 0
            return back >= row.min_calls and back - answered > limit * back
        case "COMPLAINTS":
            return seen.complaints >= limit
        case _:  # ANSWERS_BELOW_POOL: against the other ids of the pool
            others = pool.calls - seen.calls
            if seen.calls < row.min_calls or others < row.min_calls:
                return False
            return seen.answered / seen.calls < limit * (pool.answered - seen.answered) / others


def needed(rows: Iterable[SignRow], day: date) -> int:
    """How many signs take an id out of the pool; two unless a row says otherwise."""
    said: Sequence[int] = [int(row.threshold) for row in rows if row.sign == SIGNS_NEEDED and row.in_force(day)]
    return said[-1] if said else 2
