"""The dossier as a PDF, set by Typst from data alone: what people wrote is text there and never markup."""

import json
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typst

from backoffice_core.catalogue import Words, phone, short_name
from backoffice_core.dossier.service import Contact, Dossier

_SOURCE = Path(__file__).with_name("dossier.typ")


@cache
def _compiler() -> typst.Compiler:
    """Made once: a new one looks through the fonts each time. Its own fonts have Cyrillic, so that no machine's lack any.

    From the file's path: one that was made from the file's bytes sets one document and fails at the second (0.15).
    """
    return typst.Compiler(str(_SOURCE), ignore_system_fonts=True)


def as_pdf(file: Dossier, words: Words, zone: ZoneInfo) -> bytes:
    data = json.dumps(_data(file, words, zone), ensure_ascii=False)
    made = _compiler().compile(format="pdf", sys_inputs={"data": data})
    assert isinstance(made, bytes)  # noqa: S101 (one file, not one for each page)
    return made


def _data(file: Dossier, w: Words, zone: ZoneInfo) -> dict[str, Any]:
    def stamp(at: datetime | None) -> str:
        return f"{w.date(at.astimezone(zone).date())} {at.astimezone(zone):%H:%M}" if at else ""

    def day(on: date | None) -> str:
        return w.date(on) if on else ""

    def name(key: Any) -> str:
        return short_name(file.names[key]) if key in file.names else ""

    def contact(one: Contact) -> list[str]:
        told = [w.code("result", one.result) if one.channel == "call" else w.code("contact-result", one.result)]
        told += [w.code("outcome", one.outcome)] if one.outcome else []
        told += [f"«{one.note}»"] if one.note else []
        law = "" if one.allowed is None else w("dossier-allowed" if one.allowed else "dossier-refused")
        heard = "; ".join(f"{short_name(who) if who else '—'} {stamp(at)}" for at, who in one.heard)
        kept = w.code("recording", one.recording) if one.recording else ""
        return [
            stamp(one.at),
            f"{w.code('contact-channel', one.channel)} {'←' if one.direction == 'in' else '→'}\n{phone(one.number)}",
            "\n".join(told),
            _lines(short_name(one.agent) if one.agent else one.source, w.duration(one.seconds)),
            _lines(law, ", ".join(one.rules)),
            _lines(kept, one.digest[:16], heard and w("dossier-heard", who=heard)),
        ]  # fmt: skip

    def unit(code: str) -> str:
        return w.code("unit", code) if code else "—"

    def act(move: Any) -> str:
        told = f"{w.code('task-move', move.act)} {stamp(move.at)} {name(move.by)}"
        if move.act == "HAND_OVER":
            told += f" → {name(move.to_owner) or w.code('unit', move.to_unit)}, {w('tasks-act', n=str(move.id))}"
        return f"{told}: {move.note}" if move.note else told

    contact_head = [w(f"dossier-col-{n}") for n in ("when", "how", "came", "who", "law", "recording")]
    widths = [13, 17, 22, 12, 19, 17]
    parts: list[dict[str, Any]] = []

    def part(title: str, head: list[str], rows: list[list[str]], size: list[int]) -> None:
        parts.append({"title": title, "head": head, "rows": rows, "widths": size, "none": w("dossier-none")})

    if file.day:
        part(w("dossier-of-day", date=day(file.day)), contact_head, [contact(one) for one in file.of_day], widths)
    part(w("dossier-steps"), [w(k) for k in ("proof-step", "proof-due", "proof-deadline", "col-state", "proof-evidence")], [
        [w.code("task", r.due.kind), day(r.due.due_date), day(r.due.deadline),
         _lines(w.code("step-state", r.state), w.code("skip-reason", r.due.reason) if r.due.reason else "", r.due.detail),
         f"{w.code('evidence', r.due.evidence)} {stamp(r.due.done_at)} {short_name(r.owner_name) if r.owner_name else ''}".strip()
         if r.due.done_on else ""]
        for r in file.steps
    ], [22, 14, 14, 26, 24])  # fmt: skip
    part(w("dossier-contacts"), contact_head, [contact(one) for one in file.contacts], widths)
    part(w("promises"), [w(k) for k in ("dossier-col-when", "dossier-until", "dossier-sum", "col-state", "dossier-col-who")], [
        [stamp(p.made_at), day(p.due_date), w.money(p.amount, p.currency), w.code("promise", p.state), name(p.made_by)]
        for p in file.promises
    ], [20, 20, 20, 20, 20])  # fmt: skip
    part(w("dossier-tasks"), [w(k) for k in ("tasks-task", "tasks-when", "col-state", "tasks-moves")], [
        [w.code("task", task.kind), day(task.control_date), _task_end(task, w),
         "\n".join(act(m) for m in moves)]
        for task, moves in file.tasks
    ], [22, 14, 24, 40])  # fmt: skip
    part(w("dossier-hand-overs"), [w(k) for k in ("dossier-col-when", "dossier-what", "col-state", "dossier-col-who")], [
        [stamp(h.proposed_at), _lines(w("cw-act", n=str(h.act_no)), f"{unit(h.from_unit)} → {unit(h.to_unit)}", h.reason),
         _lines(w.code("hand-over", h.state), stamp(h.decided_at), h.decided_why),
         _lines(name(h.proposed_by), name(h.decided_by))]
        for h in file.hand_overs
    ], [20, 35, 25, 20])  # fmt: skip
    part(w("dossier-holds"), [w(k) for k in ("dossier-what", "dossier-col-when", "dossier-until", "dossier-col-who")], [
        [_lines(w.code("outcome", h.kind), ", ".join(w.code("hold-stop", one) for one in h.stops), h.evidence),
         day(h.valid_from), _lines(day(h.valid_to), why(h.lifted_why, w)), name(h.placed_by)]
        for h in file.holds
    ], [40, 20, 20, 20])  # fmt: skip
    part(w("dossier-moves"), [w(k) for k in ("dossier-col-when", "dossier-what", "dossier-col-who")], [
        [stamp(e.at), moved(e.kind, e.data, w), name(e.actor_id)] for e in file.moves
    ], [25, 50, 25])  # fmt: skip
    loans = [
        f"{one.contract_no}: {w.money(one.overdue, one.currency)} / {w.money(one.balance, one.currency)}, "
        f"{w('days', n=one.days_past_due)} ({stamp(one.as_at)})" for one in file.loans
    ]  # fmt: skip
    facts = [
        [w("nav-case"), f"{file.case.number}, {w.code('case-state', file.case.state).lower()}, "
                        f"{w.code('stage', str(file.case.stage)).lower()}"],
        [w("borrower"), file.person.full_name], [w("loans"), "\n".join(loans)],
        [w("phones"), "\n".join(f"{phone(p.value)} – {w.code('phone-state', p.state).lower()}" for p in file.phones)],
        [w("dossier-flags"), ", ".join(w.code("flag", f.flag) for f in file.flags)],
    ]  # fmt: skip
    return {
        "title": w("dossier-title", number=str(file.case.number)), "lang": w.lang, "parts": parts,
        "as_at": w("dossier-as-at", time=stamp(file.as_at)), "facts": [one for one in facts if one[1]],
    }  # fmt: skip


def _lines(*parts: str) -> str:
    return "\n".join(filter(None, parts))


def why(said: str, w: Words) -> str:
    """The words of a program's reason; a person's own words stay."""
    for family in ("hold-why", "move-why", "outcome"):
        if w.catalogue.has(w.lang, f"{family}-{said}"):
            return w(f"{family}-{said}")
    return said


def _task_end(task: Any, w: Words) -> str:
    if task.state == "OPEN":
        return w("step-state-OPEN")
    return _lines(w.code("task-end", task.state), w.code("task-result", task.result) if task.result else "", task.note)


def moved(kind: str, data: dict[str, Any], w: Words) -> str:
    """How the case moved, or what was noted of it, by its line in the history."""
    if kind == "state":
        reason = why(str(data.get("reason") or ""), w)
        moved = f"{w.code('case-state', data.get('from'))} → {w.code('case-state', data.get('to'))}"
        return f"{moved} ({reason})" if reason else moved
    if kind == "stage":
        return f"{w.code('stage', str(data.get('from')))} → {w.code('stage', str(data.get('to')))}"
    if kind == "late_act":
        told = f"{w.code('late-act', data.get('act'))}: {w.code('late-act-state', data.get('state')).lower()}"
        return _lines(f"{told}, {w('cw-late-no', n=str(data.get('act_no')))}", str(data.get("note", "")))
    if kind == "complaint":
        told = f"{w('event-complaint')}: {w.code('grievance', data.get('complaint')).lower()}"
        return _lines(f"{told}, {w.code('complaint', data.get('state')).lower()}", str(data.get("note", "")))
    if kind == "court":
        return f"{w('cw-court-' + str(data.get('act')))}: {data.get('note', '')}"
    return w.code("flag", str(data.get("flag", "")))
