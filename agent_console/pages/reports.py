"""Reports as at any day: figures with a chart, each figure opens its rows, all of it as files (DM-05, DM-08, CK-24)."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from agent_console import reads
from agent_console.deps import ReportsWork, Work
from agent_console.forms import past_day
from agent_console.pages.tasks import sheet
from agent_console.view import page
from backoffice_core import chart
from backoffice_core.catalogue import Words, masked
from backoffice_core.collection import bands
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.reports import arms, service, tables
from backoffice_core.reports.question import FILTERS, WITHOUT, Question, read
from backoffice_core.reports.tables import PAGE, Family, Line, Report
from backoffice_core.staff import units
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/reports")
DRAWN = 12  # bars of a chart; the table has all
TONES = {"rolls": (0, 3, 2, 1)}  # of parts: what is best in blue, what is worst in ink


@dataclass
class Asked:
    """One request: what was typed, the question that it means (None = it cannot be read), and the words for codes."""

    family: Family
    given: dict[str, str]
    question: Question | None
    bad: BadInput | None
    choices: dict[str, dict[str, str]]
    words: Words
    units: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def url(self, path: str = "", **changes: object) -> str:
        """The same question with changes; an empty one takes a word away. A change begins at the first page."""
        kept = {k: v for k, v in self.given.items() if k != "offset"} | {k: str(v) for k, v in changes.items()}
        kept = {k: v for k, v in kept.items() if v}
        where = f"/reports/{self.family.name}{path}"
        return f"{where}?{urlencode(kept)}" if kept else where

    def other(self, name: str) -> str:
        """Another report as at the same day, of the same loans."""
        kept = {k: v for k, v in self.given.items() if k in {"as_at", "first", *FILTERS}}
        return f"/reports/{name}?{urlencode(kept)}" if kept else f"/reports/{name}"

    def opens(self, line: Line, figure: str) -> str:
        by = self.question.by if self.question else self.family.cuts[0]
        return self.url("/rows", **{by: line.key or WITHOUT, "by": "", "figure": figure, "currency": line.currency})

    def compares(self, one: arms.Comparison, arm: str, figure: str) -> str:
        """The rows of one arm behind a comparison."""
        place = {} if one.stage is None else {"stage": one.stage, "segment": one.segment or WITHOUT}
        narrow = {"strategy": one.strategy, "arm": arm, "currency": one.currency, **place}
        return self.url("/rows", by="", figure=figure, **narrow)

    def codes(self, column: str) -> str:
        """The family of words that a column's codes have; "" = its values are no codes."""
        state = "promise" if self.family.name == "promises" else "step-state"
        return {
            "stage": "stage", "kind": "task", "state": state, "reason": "skip-reason", "channel": "contact-channel",
            "grievance": "grievance", "act": "late-act",
        }.get(column, "")  # fmt: skip

    def said(self, column: str, value: Any) -> str:
        """A key of a cut, or a narrowed value, in words."""
        if value in {"", WITHOUT, None}:
            return self.words("report-without")
        if column in {"owner", "maker", "person"}:
            return self.names.get(str(value), str(value))
        if column == "unit":
            return self.units.get(value, value)
        family = self.codes(column)
        if column in {"bucket", "after"} and value != "0":
            return self.words("report-bucket", days=str(value).replace("-", "–"))
        return self.words.code(family, str(value)) if family else str(value)

    @property
    def narrows(self) -> list[str]:
        """What narrows the rows beside the fields of the form."""
        return [name for name in self.given if name in {"currency", *self.family.cuts, *self.family.extra} - {*FILTERS}]


async def _asked(work: Work, name: str) -> Asked:
    one = service.family(name)
    given = {k: v[:80] for k, v in work.request.query_params.items() if v.strip()}
    choices, today, another = await service.choices(work.s), work.console.clock.today(), ""
    if own := work.user.branch:  # a login of a branch counts that branch alone (CP-05)
        another = given.get("branch", own) if given.get("branch", own) != own else ""
        given["branch"], choices["branch"] = own, {own: own}
    asked = Asked(one, given, None, None, choices, work.words)
    asked.units = {u.code: u.name or work.words.code("unit", u.code) for u in await units.listed(work.s)}
    asked.names = {str(k): v for k, v in (await reads.names(work.s)).items()}
    try:
        asked.question = read(
            given, one.shape(), today=today, zone=work.console.clock.zone, known=choices, day=lambda text: past_day(text, today)
        )  # fmt: skip
        buckets = await _buckets(work, asked.question.as_at)
        _known(asked, {"bucket": buckets} | await _words_known(work, set(asked.question.narrow)))
        if another:
            raise BadInput(f"There is no branch “{another}”.", remedy="Choose one from the list.", field="branch")
    except BadInput as refused:
        asked.bad = refused
        asked.question = None if refused.details.get("field") == "early" else asked.question
    return asked


async def _buckets(work: Work, day: date) -> set[str]:
    """Raises BadInput for a day before the first bands: no report can count as at it."""
    try:
        return {one.code for one in (await bands.in_force(work.s, "bucket", day)).bands}
    except NotFound:
        raise BadInput(field="early", name=work.words.date(day)) from None


async def _words_known(work: Work, narrow: set[str]) -> dict[str, Collection[str]]:
    """What may be asked of the columns whose values the bank makes."""
    known: dict[str, Collection[str]] = {}
    if narrow & {"strategy", "version", "arm", "segment"}:
        known |= await service.strategy_words(work.s)
    if "currency" in narrow:
        known["currency"] = await service.currencies(work.s)
    return known


def _known(asked: Asked, known: Mapping[str, Collection[str]]) -> None:
    """Raises BadInput for a value that nothing of this report can have: an empty list would look like an answer."""
    for column, value in (asked.question.narrow if asked.question else {}).items():
        if column in FILTERS or value == WITHOUT:
            continue
        match column:
            case "bucket" | "after":
                fits = value in {*known["bucket"], "0"} or value[0].isdecimal()  # bands of former days have other codes
            case "person" | "maker":
                fits = value in asked.names
            case "unit":
                fits = value in asked.units
            case "stage" | "kind" | "state" | "reason" | "channel" | "grievance" | "act":
                fits = asked.words.catalogue.has(asked.words.lang, f"{asked.codes(column)}-{value}")
            case "week":
                fits = re.fullmatch(r"\d{4}-W(0[1-9]|[1-4]\d|5[0-3])", value) is not None
            case _:
                fits = column not in known or value in known[column]
        if not fits:
            raise BadInput(field="unknown", name=f"{column}={value}")


def _page(work: Work, template: str, asked: Asked, /, **more: Any) -> HTMLResponse:
    bad = asked.bad
    return page(
        work, template, status=422 if bad else 200, asked=asked, question=asked.question, family=asked.family,
        families=list(service.FAMILIES), filters=FILTERS, bad=str(bad.details.get("field", "")) if bad else "",
        bad_name=str(bad.details.get("name", "")) if bad else "", **more,
    )  # fmt: skip


@router.get("")
async def begin(work: ReportsWork) -> Response:
    return RedirectResponse("/reports/portfolio", 303)


@router.get("/{name}")
async def figures(work: ReportsWork, name: str) -> HTMLResponse:
    asked = await _asked(work, name)
    report, compared = await service.ask(work.s, asked.question) if asked.question else (Report([], []), [])
    return _page(
        work, "report.html", asked, report=report, drawn=_drawn(asked, report), compared=compared,
        intervals=_intervals(asked, compared), rates=asked.family.rates, more_bars=len(report.lines) > DRAWN,
    )  # fmt: skip


@router.get("/{name}/rows")
async def rows(work: ReportsWork, name: str) -> HTMLResponse:
    asked = await _asked(work, name)
    found, total = await tables.rows(work.s, asked.family, asked.question) if asked.question else ([], 0)
    if asked.question and not found and asked.question.offset:
        asked.bad, asked.question, total = BadInput(field="offset"), None, 0
    return _page(work, "report_rows.html", asked, rows=found, total=total, page_size=PAGE, cell=_cell)


@router.get("/{name}/{what}.{kind}")
async def export(
    work: ReportsWork, name: str, what: Literal["figures", "rows"], kind: Literal["csv", "xlsx"]
) -> Response:  # fmt: skip
    """The figures as they are shown, or all rows behind one. The journal has a line of it."""
    asked = await _asked(work, name)
    if asked.bad or not asked.question:
        raise asked.bad or BadInput()
    if what == "figures":
        report, _ = await service.ask(work.s, asked.question)
        head, lines = _figures_sheet(asked, report)
    else:
        found = await tables.every_row(work.s, asked.family, asked.question)
        head, lines = _rows_sheet(asked, found)
    note_access(work.s, work.user.id, "REPORT_EXPORTED", work.wall, report=name, what=what, rows=len(lines), file=kind)
    return await asyncio.to_thread(sheet, kind, f"{name}-{asked.question.as_at}", head, lines)


# --- in words ------------------------------------------------------------------------------------------------------


def fig(family: Family, name: str) -> str:
    """The key of a figure's or a rate's words."""
    return f"report-{family.name}-{name}"


def _cell(asked: Asked, column: tables.Column, row: dict[str, Any]) -> str:
    """A row's value as a page shows it."""
    w, value = asked.words, row[column.name]
    if value is None or value == "":
        return ""
    match column.kind:
        case "money":
            return w.number(value, 2)
        case "number":
            return w.number(value)
        case "date":
            return w.date(value)
        case "seconds":
            return w.duration(value) if value else ""
        case "flag":
            return w("report-yes") if value else ""
        case "name":
            return asked.names.get(str(value), "")
        case "unit":
            return asked.units.get(value, value)
        case "text":
            return asked.said(column.name, value) if column.name in {"bucket", "after"} else str(value)
        case codes:
            return w.code(codes, str(value))


def _file_value(asked: Asked, column: tables.Column, row: dict[str, Any]) -> Any:
    """The same for a file: numbers, sums and days stay what they are; days past due are not read as a date."""
    value = row[column.name]
    if column.kind in {"money", "number", "date", "seconds"} or (
        column.kind == "text" and column.name not in {"bucket", "after"}
    ):
        return value
    return _cell(asked, column, row)


def _figures_sheet(asked: Asked, report: Report) -> tuple[list[str], list[list[Any]]]:
    w, one, question = asked.words, asked.family, asked.question
    assert question is not None  # noqa: S101 (the caller has refused otherwise)
    shown = [f for f in one.figures if f.name not in one.hidden]
    head = [
        w(f"report-by-{question.by}"),
        w("report-currency"),
        *(w(fig(one, f.name)) for f in shown),
        *(w(fig(one, r.name)) for r in one.rates),
    ]

    def values(line: Line) -> list[Any]:
        return [line.currency, *(line.values[f.name] for f in shown), *(r.rounded(line.values) for r in one.rates)]

    lines = [[asked.said(question.by, x.key), *values(x)] for x in report.lines]
    return head, lines + [[w("proof-total"), *values(x)] for x in report.totals]


def _rows_sheet(asked: Asked, found: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    w, columns = asked.words, asked.family.columns
    head = [w("nav-case"), w("borrower"), *(w(f"report-col-{c.name}") for c in columns), w("report-currency")]
    lines = [
        [r["case_number"], masked(r["borrower"]), *(_file_value(asked, c, r) for c in columns), r["currency"]] for r in found
    ]  # fmt: skip
    return head, lines


# --- drawn ---------------------------------------------------------------------------------------------------------


def _drawn(asked: Asked, report: Report) -> str:
    """The bars of the currency that has the most lines; "" = nothing to draw."""
    one, question, w = asked.family, asked.question, asked.words
    if question is None or not report.totals:
        return ""
    currency = max(report.totals, key=lambda x: sum(1 for line in report.lines if line.currency == x.currency)).currency
    some = [line for line in report.lines if line.currency == currency][:DRAWN]
    money = len(one.chart) == 1 and bool(next(f for f in one.figures if f.name == one.chart[0]).sum)
    bars = [(asked.said(question.by, x.key), [float(x.values[name]) for name in one.chart]) for x in some]
    if not any(sum(values) for _, values in bars):
        return ""
    if one is arms.FAMILY:
        return ""  # its chart is the comparison
    most, values = max(bars, key=lambda bar: sum(bar[1]))
    title = w("report-chart-alt", what=w(fig(one, "title")), most=most, n=w.number(Decimal(sum(values))))
    return Markup(chart.bars(  # noqa: S704 (chart.py escapes every word)
        title, bars, [w(fig(one, name)) for name in one.chart],
        lambda value: w.money(Decimal(value), currency, digits=0) if money else w.number(Decimal(value)),
        of_whole=one.name == "rolls", tones=TONES.get(one.name, ()), own_colours=False,
    ))  # fmt: skip


def _intervals(asked: Asked, compared: Sequence[arms.Comparison]) -> str:
    """The differences of shares over all strata."""
    w = asked.words
    spans = [
        chart.Span(
            w(f"report-arms-{one.measure}"), one.interval.low, one.interval.mid, one.interval.high, points(w, one.interval.mid)
        )
        for one in compared if one.stage is None and one.measure != "paid" and one.interval
    ][:DRAWN]  # fmt: skip
    if not spans:
        return ""
    return Markup(chart.intervals(w("report-arms-chart"), spans, own_colours=False))  # noqa: S704 (chart.py escapes)


def points(w: Words, share: float) -> str:
    """A difference of shares, in points of a percent, with its sign."""
    text = w.number(Decimal(str(share * 100)), 1)
    return w("report-points", n=text if share < 0 else f"+{text}")
