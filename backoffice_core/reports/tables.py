"""One set of rows a report: its figures are counted from it, and each figure opens the part that it counted.

So a total is the sum of its rows because it can be nothing else. A report gives its rows as a query (`Family.base`); this
file groups, narrows, pages them. Sums of different currencies stand on different lines.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Subquery, Text, and_, bindparam, cast, column, func, literal_column, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import NULLTYPE

from backoffice_core.borrowers.models import Person
from backoffice_core.cases.models import Case
from backoffice_core.errors import BadInput
from backoffice_core.reports.question import WITHOUT, Question, Shape

PAGE, MOST = 50, 200_000  # rows of a page, of a file


@dataclass(frozen=True, slots=True)
class Figure:
    """How many rows there are (`sum` ""), or what a column of them adds up to, of those for which `where` holds."""

    name: str
    where: str = "true"
    sum: str = ""
    unit: str = ""  # of a sum: "" = money, "seconds"


@dataclass(frozen=True, slots=True)
class Rate:
    """A figure as a share of others added up; with `times` no share but a number: part × times / per / whole. A whole below
    `least` says nothing yet."""

    name: str
    part: str
    whole: tuple[str, ...]
    times: int = 0
    per: int = 1
    least: int = 0

    def of(self, values: Mapping[str, Any]) -> Decimal | None:
        """None = there is nothing to divide by."""
        whole = sum((Decimal(values[name]) for name in self.whole), Decimal(0))
        return (
            Decimal(values[self.part]) * (self.times or 1) / self.per / whole if whole and whole >= self.least else None
        )

    def rounded(self, values: Mapping[str, Any]) -> Decimal | None:
        """For files: a share as 0.1234, a number with two decimals."""
        found = self.of(values)
        return None if found is None else found.quantize(Decimal("0.01") if self.times else Decimal("0.0001"))


@dataclass(frozen=True, slots=True)
class Column:
    """Of a row. `kind`: text, number, money, date, flag, name (a person who works here), or a family of codes' words."""

    name: str
    kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`base` gives the rows; each has case_id, person_id, currency and the FILTERS beside `cuts` and `columns`."""

    name: str
    base: Callable[[AsyncSession, Question], Awaitable[Subquery]]
    cuts: tuple[str, ...]
    figures: tuple[Figure, ...]
    rates: tuple[Rate, ...] = ()
    columns: tuple[Column, ...]
    order: tuple[str, ...]  # of rows
    spans: bool = True  # asks for a first day
    chart: tuple[str, ...] = ()  # figures that are drawn, as parts of one bar
    under: Mapping[str, str] = field(default_factory=dict)  # a count's figure → the sum that is shown under it
    hidden: tuple[str, ...] = ()  # figures that only others are made of
    extra: tuple[str, ...] = ()  # columns beside cuts by which rows may be narrowed

    @property
    def shown(self) -> tuple[Figure, ...]:
        """Figures with a column of their own in a table for people."""
        aside = {*self.under.values(), *self.hidden}
        return tuple(one for one in self.figures if one.name not in aside)

    def shape(self) -> Shape:
        columns = tuple(dict.fromkeys(("currency", *self.cuts, *self.extra)))
        return Shape(report=self.name, cuts=self.cuts, columns=columns, figures=tuple(f.name for f in self.figures))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One value of the cut in one currency ("" = the report has no money). Counts are int, sums Decimal."""

    key: str
    currency: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """`totals`: one line a currency."""

    lines: list[Line]
    totals: list[Line]


def sql(words: str, names: Sequence[str], given: Mapping[str, Any]) -> Subquery:
    """A statement as a set of rows with these columns; of `given` it takes what it names. The set stands before anything is
    asked of it: a filter inside it has the planner expect one row, and look at each loan again for each loan."""
    statement = text(f"WITH every_row AS MATERIALIZED ({words}) SELECT * FROM every_row")  # noqa: S608 (no value)
    # without a type of SQLAlchemy's: the server knows what it compares with
    used = [bindparam(name, given[name], type_=NULLTYPE) for name in statement.compile().params]
    return statement.bindparams(*used).columns(*[column(name) for name in names]).subquery("r")


async def count(s: AsyncSession, family: Family, question: Question, rows: Subquery | None = None) -> Report:
    """The figures by the question's cut, the fullest first (`in_order` sorts as people read). `rows`: the family's base,
    when the caller has it already."""
    rows = rows if rows is not None else await family.base(s, question)
    found = await grouped(s, family, question, rows, (question.by,))
    lines = [Line(key=key[0], currency=key[-1], values=values) for key, values in found]
    totals = [
        Line(key="", currency=currency, values=_added([one for one in lines if one.currency == currency], family))
        for currency in dict.fromkeys(one.currency for one in lines)
    ]
    return Report(lines, totals)


async def grouped(
    s: AsyncSession, family: Family, question: Question, rows: Subquery, by: Sequence[str]
) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Keys (those of `by`, then the currency) with the figures of each group."""
    keys = [func.coalesce(cast(rows.c[name], Text), "") for name in (*by, "currency")]
    query = select(*keys, *[_value(one) for one in family.figures]).select_from(rows)
    query = _narrowed(query, rows, question).group_by(*[literal_column(str(n + 1)) for n in range(len(keys))])
    found = (
        await s.execute(query.order_by(func.count().desc(), *[literal_column(str(n + 1)) for n in range(len(keys))]))
    ).all()
    return [
        (
            tuple(row[: len(keys)]),
            {one.name: value for one, value in zip(family.figures, row[len(keys) :], strict=True)},
        )
        for row in found
    ]


def _value(figure: Figure) -> Any:
    if figure.sum:
        return func.coalesce(func.sum(literal_column(figure.sum)).filter(text(figure.where)), literal_column("0.00"))
    return func.count().filter(text(figure.where))


def _added(lines: Sequence[Line], family: Family) -> dict[str, Any]:
    return {
        one.name: sum((line.values[one.name] for line in lines), Decimal(0) if one.sum else 0) for one in family.figures
    }


def _narrowed(query: Any, rows: Subquery, question: Question) -> Any:
    for name, value in question.narrow.items():
        query = query.where(func.coalesce(cast(rows.c[name], Text), "") == ("" if value == WITHOUT else value))
    return query


def _behind(query: Any, rows: Subquery, question: Question, family: Family) -> Any:
    """The rows that the question's figure counts."""
    figure = next((one for one in family.figures if one.name == question.figure), None)
    query = _narrowed(query.select_from(rows), rows, question)
    return query.where(text(figure.where)) if figure else query


async def rows(s: AsyncSession, family: Family, question: Question, *, limit: int = PAGE) -> tuple[list[Any], int]:
    """A page of the rows behind a figure with the borrower's name and the case's number, and how many there are in all."""
    base = await family.base(s, question)
    order = [base.c[name] for name in family.order]
    part = _behind(select(base, func.count().over().label("of")), base, question, family)
    part = part.order_by(*order).offset(question.offset).limit(limit).subquery("part")
    whose = or_(Case.id == part.c.case_id, and_(part.c.case_id.is_(None), Case.person_id == part.c.person_id))
    number = (
        select(Case.number)
        .where(whose, Case.opened_at < question.until)
        .order_by(Case.opened_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(part, Person, number.label("case_number")).outerjoin(Person, Person.id == part.c.person_id)
    found = (await s.execute(query.order_by(*[part.c[name] for name in family.order]))).mappings().all()
    if not found and question.offset:
        total = await s.scalar(_behind(select(func.count()), base, question, family)) or 0
    else:
        total = found[0]["of"] if found else 0
    return [dict(row) | {"borrower": row["Person"].full_name if row["Person"] else ""} for row in found], total


async def every_row(s: AsyncSession, family: Family, question: Question) -> list[Any]:
    """All rows behind a figure, for a file. Raises BadInput when a file cannot hold them."""
    found, total = await rows(s, family, replace(question, offset=0), limit=MOST)
    if total > MOST:
        raise BadInput(
            f"{total} rows are more than one file holds ({MOST}).", remedy="Narrow the report.", field="unknown"
        )  # fmt: skip
    return found


def in_order(lines: Sequence[Line], by: str) -> list[Line]:
    """Buckets, stages and weeks as they follow each other; all else as it came, what is named nowhere last."""
    if by in {"bucket", "after", "stage", "week", "day", "hour", "vintage"}:
        return sorted(lines, key=lambda one: (one.currency, _place(one.key)))
    return sorted(lines, key=lambda one: not one.key)


def _place(key: str) -> tuple[int, str]:
    digits = key.split("-", maxsplit=1)[0].rstrip("+")
    return (int(digits), key) if digits.isdecimal() else (-1, key)
