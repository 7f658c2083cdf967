"""What is asked of a report: as at the end of which day, since when, of whom, cut by what. One type for all reports."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backoffice_core.days import meant
from backoffice_core.errors import BadInput

FILTERS = ("portfolio", "branch", "product", "owner")
WITHOUT = "-"  # in an address: those for whom it is empty
SPAN = 30  # days back, when no first day is named


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`narrow`: column → value, WITHOUT = empty; filters and what a figure stands for alike. `figure`: whose rows.

    `zone`: the bank's; a day ends when the next one begins there.
    """

    report: str
    as_at: date
    first: date
    zone: ZoneInfo
    by: str
    narrow: Mapping[str, str] = field(default_factory=dict)
    figure: str = ""
    offset: int = 0

    @property
    def until(self) -> datetime:
        """Facts before this moment are known: the end of `as_at`."""
        return _begins(self.as_at + timedelta(days=1), self.zone)

    @property
    def begins(self) -> datetime:
        """The first moment of `first`."""
        return _begins(self.first, self.zone)

    @property
    def start(self) -> datetime:
        """The end of `first`: what two portfolios are compared from."""
        return _begins(self.first + timedelta(days=1), self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which words a report understands."""

    report: str
    cuts: tuple[str, ...]
    columns: tuple[str, ...]  # that a figure's rows may be narrowed by
    figures: tuple[str, ...]


def read(
    given: Mapping[str, str], shape: Shape, *, today: date, zone: ZoneInfo, known: Mapping[str, Collection[str]],
    day: Callable[[str], date] = date.fromisoformat,
) -> Question:  # fmt: skip
    """A question from words, as an address or a command gives them; a blank one counts as not given.

    `known`: what a filter may be. `day`: reads a date, raises ValueError. Raises BadInput naming the field: nothing that was
    asked for is left out in silence.
    """
    asked = {name: value.strip() for name, value in given.items() if value.strip()}
    words = {"as_at", "first", "by", "figure", "offset", *FILTERS, *shape.columns}
    if unknown := sorted(set(asked) - words):
        raise BadInput(
            f"This report cannot be narrowed by {unknown[0]}.", remedy=f"Known are {', '.join(sorted(words))}.",
            field="unknown", name=unknown[0],
        )  # fmt: skip
    as_at = _day(asked, "as_at", day) or today
    if as_at > today:
        raise BadInput(
            "as_at: this day is not over, nothing is known of it.", remedy="Give today or earlier.", field="as_at"
        )
    first = _day(asked, "first", day) or as_at - timedelta(days=SPAN)
    if first > as_at:
        raise BadInput(
            "first: this day is after the one as at which is counted.", remedy="Give an earlier one.", field="first"
        )
    _choice(asked, "by", shape.cuts)
    _choice(asked, "figure", shape.figures)
    for name in FILTERS:
        if name in asked and asked[name] != WITHOUT and asked[name] not in known[name]:
            raise BadInput(f"There is no {name} “{asked[name]}”.", remedy="Choose one from the list.", field=name)
    narrow = {name: value for name, value in asked.items() if name in {*FILTERS, *shape.columns}}
    return Question(
        report=shape.report, as_at=as_at, first=first, zone=zone, by=asked.get("by", shape.cuts[0]), narrow=narrow,
        figure=asked.get("figure", ""), offset=_offset(asked),
    )  # fmt: skip


def _day(asked: Mapping[str, str], name: str, day: Callable[[str], date]) -> date | None:
    if name not in asked:
        return None
    try:
        return meant(day(asked[name]))
    except ValueError:
        raise BadInput(
            f"{name}: “{asked[name]}” is not a date.", remedy="Write it as 2026-12-31.", field=name
        ) from None  # fmt: skip


def _choice(asked: Mapping[str, str], name: str, known: Collection[str]) -> None:
    if name in asked and asked[name] not in known:
        raise BadInput(
            f"A report has no {name} “{asked[name]}”.", remedy=f"Known are {', '.join(known)}.", field=name
        )  # fmt: skip


def _offset(asked: Mapping[str, str]) -> int:
    text = asked.get("offset", "0")
    if not text.isdecimal() or len(text) > 9:
        raise BadInput("A page begins at a whole number of rows.", remedy="Go to the first page.", field="offset")
    return int(text)


def _begins(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
