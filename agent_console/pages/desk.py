"""The agent's desk.

Programs (robot agents) use the same addresses as the page, with the cookie of POST /login and the header X-CSRF-Token
(given in that answer and in GET /desk/state). These stay as they are:

    GET  /desk/state       JSON: state, reason, since (ms), line, phone, call_id, case_id, wants_pause, needs_result, csrf
    POST /desk/line        check my line: it is called if need be and sent to an echo (state: line_check ECHO)
    POST /desk/line/heard  I hear myself: the test is passed, refused while the exchange hears nothing (LINE_SILENT)
    POST /desk/ready       ready for calls; refused before the test of the line (LINE_NOT_CHECKED, LINE_NOT_UP)
    POST /desk/pause       form: reason = BREAK | LUNCH | TRAINING | TECHNICAL
    WS   /live             {"kind": "screen_pop", "call_id": …}, "agent" (v = state:reason:line[/test[+]]:call_id:wished pause),
                           "call", "stop", "reread", "beat"; the page says {"shown": call_id} once it shows a card,
                           and then the voices meet
    GET  /desk/card        HTML of the present call's card, with data-call-id; ?call_id=… for one of one's own calls
    POST /desk/identity    form: call_id, field = birth_date | tax_id_last4 | code_word, answer → match or not
    POST /desk/notice      form: call_id; the warning that the call is recorded has been said
    POST /desk/machine     form: call_id, said = MACHINE | PERSON: what answered, where the ear's verdict is a sample
    POST /desk/note        form: call_id, note (a draft; nothing comes back)
    POST /desk/result      form: call_id, outcome, amount, due_date, call_back_at, anybody, note, wants = ready | pause
    POST /desk/caller…     whose call it is that came in: caller.py
    POST /desk/more        30 s more for the result, once a call (409 afterwards)
    POST /desk/preview…    the card before the dial: preview.py
    POST /desk/hangup      ends the borrower's channel

With `Accept: application/json` the POSTs answer JSON, otherwise the desk's HTML as it is now.
"""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, JSONResponse

from agent_console import reads
from agent_console.deps import DeskWork, Work
from agent_console.forms import Typed, typed_result
from agent_console.live import version
from agent_console.view import page, toast
from backoffice_core.call_centre.calls import callers
from backoffice_core.call_centre.calls.history import day_figures, last_calls
from backoffice_core.call_centre.desks import agents, desk, line_check, preview, wrap_up
from backoffice_core.call_centre.dialing import machines, stop
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.call_centre.rules import OUTCOMES, STRANGER_OUTCOMES, outcomes_of
from backoffice_core.errors import BadInput, NotFound, Refused
from backoffice_core.events import AgentChanged, CallChanged
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/desk")


class ExchangeAway(Refused):
    """The telephone exchange does not answer."""

    code = "EXCHANGE_AWAY"


# --- what the desk shows -----------------------------------------------------------------------------------------


async def _context(work: Work, typed: Typed | None = None) -> dict[str, Any]:
    seat = await agents.current(work.s, work.user.id)
    phone = _phone_of(work)
    if seat is None and phone is not None:
        seat = await agents.open_session(work.s, work.user, phone, work.wall, work.console.settings.line)
        work.news.append(AgentChanged(agent_id=work.user.id))
    call = await desk.current_call(work.s, work.user.id)
    age = work.console.settings.balance_max_age
    card = await desk.card(work.s, work.user.id, call.id, work.now, max_age=age) if call else None
    stranger = await callers.stranger(work.s, work.user.id, call.id, _local(work)) if call and card is None else None
    context: dict[str, Any] = {"seat": seat, "card": card, "typed": typed or Typed()}
    context["outcomes"] = outcomes_of(call.purpose) if call else OUTCOMES
    context |= {"call": call, "stranger": stranger, "who": card.person.full_name if card else ""}
    context |= {"shown": None, "nothing": None, "refused": None}
    listened = call is not None and call.machine_mode
    context["sample"] = await machines.sample_of(work.s, work.user.id, call.id) if call and listened else None
    context["stopped"] = stop.stopped(work.console.settings)
    context["v"] = f"{work.user.language}:{_version(seat)}"
    shown = await preview.card(work.s, work.user.id, work.now) if seat and seat.previewing else None
    if shown is not None:
        context |= await _of_preview(work, shown)
    elif card is not None:
        await _note_seen(work, card)
        context["mode"] = _mode(card, seat)
        context["case_waits"] = card.call.outcome is None
        context["prompt"] = work.console.catalogue.words(card.call.language or card.person.language)
    elif stranger is not None:
        context |= _of_stranger(work, stranger, seat)
    else:
        context["mode"] = "ready"
        context |= await _ready(work)
        if seat is not None and seat.state == "READY":
            today = work.console.clock.today()
            context["nothing"] = await preview.standing(work.s, work.console.settings, work.user.id, today)
            context["refused"] = await preview.last_refusal(work.s, work.user.id, work.wall)
    return context


async def _of_preview(work: Work, shown: preview.PreviewCard) -> dict[str, Any]:
    if not await reads.noted(work.s, work.user.id, "CARD_SHOWN", str(shown.preview.id)):
        note_access(
            work.s, work.user.id, "CARD_SHOWN", work.wall, case_id=shown.case.id, object_id=str(shown.preview.id),
            preview=True,
        )  # fmt: skip
    return {
        "mode": "preview", "shown": shown, "who": shown.person.full_name, "others": await preview.taken(work.s),
        "refused": await preview.last_refusal(work.s, work.user.id, work.wall),
    }  # fmt: skip


def _local(work: Work) -> datetime:
    return work.now.astimezone(work.console.clock.zone)


def _of_stranger(work: Work, stranger: callers.Stranger, seat: AgentSession | None) -> dict[str, Any]:
    words = work.console.catalogue.words(stranger.call.language or work.console.settings.language)
    mode = "wrap" if seat is not None and seat.state == "WRAP_UP" else "call"
    shown = {
        "mode": mode,
        "prompt": words,
        "call_waits": stranger.call.outcome is None,
        "who": work.words("caller-unknown"),
    }
    return shown | {"stranger_outcomes": STRANGER_OUTCOMES}


def _phone_of(work: Work) -> agents.Phone | None:
    """What he chose at his login, where he still has it; None without any phone."""
    chosen = work.request.cookies.get("phone", "browser")
    if work.console.settings.bank_pbx and work.user.bank_number and (chosen == "bank" or work.user.extension is None):
        return "bank"
    if work.user.extension is None:
        return None
    return "desk" if chosen == "desk" else "browser"


def _mode(card: desk.Card, seat: AgentSession | None) -> str:
    """wrap = the borrower has gone, the result is due; rpc = the right party is confirmed; call = not yet."""
    if seat is not None and seat.state == "WRAP_UP":
        return "wrap"
    return "rpc" if card.confirmed else "call"


async def _ready(work: Work) -> dict[str, Any]:
    start, end = work.console.clock.day_bounds(work.console.clock.today())
    return {
        "figures": await day_figures(work.s, start, end, work.user.id),
        "times": await reads.time_in_states(work.s, work.user.id, start - work.console.clock.offset, work.wall),
        "callbacks": await reads.callbacks(work.s, work.user.id, work.console.clock.today()),
        "dues": await reads.promises_due(work.s, work.user.id, work.console.clock.today()),
        "calls": await last_calls(work.s, work.user.id),
    }


async def _note_seen(work: Work, card: desk.Card) -> None:
    """Who looked at whom: one line when the card comes, one when its secrets do."""
    act = "CARD_SEEN" if card.confirmed else "CARD_SHOWN"
    if not await reads.noted(work.s, work.user.id, act, str(card.call.id)):
        note_access(work.s, work.user.id, act, work.wall, case_id=card.case.id, object_id=str(card.call.id))


def _version(seat: AgentSession | None) -> str:
    if seat is None:
        return ""
    tested = seat.line_check, seat.line_heard_at
    return version(seat.state, seat.reason, seat.line, seat.call_id, seat.wants_pause, *tested)


async def show(work: Work, typed: Typed | None = None, status: int = 200) -> HTMLResponse:
    """The desk as it is now."""
    return page(work, "desk_view.html", status=status, **await _context(work, typed))


def _wants_json(work: Work) -> bool:
    return "application/json" in work.request.headers.get("accept", "")


async def answer(work: Work) -> Response:
    return JSONResponse(await _state(work)) if _wants_json(work) else await show(work)


# --- reading -----------------------------------------------------------------------------------------------------


@router.get("")
async def desk_page(work: DeskWork) -> HTMLResponse:
    return page(work, "desk.html", **await _context(work))


@router.get("/view")
async def view(work: DeskWork) -> HTMLResponse:
    return await show(work)


@router.get("/card")
async def card(work: DeskWork, call_id: UUID | None = None) -> HTMLResponse:
    """The three panes of one of the agent's own calls. 404 for another's, and when there is no call."""
    seat = await agents.current(work.s, work.user.id)
    call_id = call_id or (seat.call_id if seat else None)
    age = work.console.settings.balance_max_age
    found = await desk.card(work.s, work.user.id, call_id, work.now, max_age=age) if call_id else None
    if found is None:
        return await _stranger_card(work, seat, call_id)
    await _note_seen(work, found)
    prompt = work.console.catalogue.words(found.call.language or found.person.language)
    return page(
        work, "desk_card.html", card=found, seat=seat, mode=_mode(found, seat), typed=Typed(),
        outcomes=outcomes_of(found.call.purpose), prompt=prompt, v=f"{work.user.language}:{_version(seat)}",
        case_waits=found.call.outcome is None,
    )  # fmt: skip


async def _stranger_card(work: Work, seat: AgentSession | None, call_id: UUID | None) -> HTMLResponse:
    found = await callers.stranger(work.s, work.user.id, call_id, _local(work)) if call_id else None
    if found is None:
        raise NotFound
    return page(
        work, "desk_caller.html", stranger=found, seat=seat, typed=Typed(), v=f"{work.user.language}:{_version(seat)}",
        **_of_stranger(work, found, seat),
    )  # fmt: skip


async def _state(work: Work) -> dict[str, Any]:
    seat = await agents.current(work.s, work.user.id)
    if seat is None:
        return {"state": "OFF", "csrf": work.csrf}
    call = await desk.current_call(work.s, work.user.id)
    return {
        "state": seat.state, "reason": seat.reason, "since": round(seat.since.timestamp() * 1000), "line": seat.line,
        "phone": seat.phone, "call_id": str(call.id) if call else None,
        "case_id": str(call.case_id) if call and call.case_id else None,
        "wants_pause": seat.wants_pause, "needs_result": bool(call and call.outcome is None and call.ended_at),
        "line_check": seat.line_check, "line_heard": seat.line_heard_at is not None,
        "line_checked": seat.line_checked_at is not None, "csrf": work.csrf, "now": round(work.wall.timestamp() * 1000),
    }  # fmt: skip


@router.get("/state")
async def state(work: DeskWork) -> dict[str, Any]:
    return await _state(work)


@router.get("/phone")
async def phone(work: DeskWork) -> Response:
    """What the browser phone needs to register: for this person's own line only."""
    seat = await agents.current(work.s, work.user.id)
    if seat is None or seat.phone != "browser":
        raise NotFound
    settings, request = work.console.settings, work.request
    secure = request.url.scheme == "https"
    host = request.url.hostname or "127.0.0.1"
    body = {
        "uri": f"sip:{seat.endpoint}@{host}",
        "user": seat.endpoint,
        "password": settings.derived_secret(f"phone:{work.user.extension}"),
        "ws": f"{'wss' if secure else 'ws'}://{host}:{settings.ports.asterisk_http}/ws",
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


# --- acts --------------------------------------------------------------------------------------------------------


@router.post("/ready")
async def ready(work: DeskWork) -> Response:
    sure = line_check.require_sure if work.console.settings.echo_test == "required" else None
    await agents.go_ready(work.s, work.user.id, work.wall, sure)
    work.news.append(AgentChanged(agent_id=work.user.id))
    return await answer(work)


@router.post("/line")
async def check_line(work: DeskWork) -> Response:
    await line_check.ask(work.s, work.user.id, work.wall)
    work.news.append(AgentChanged(agent_id=work.user.id))
    return await answer(work)


@router.post("/line/heard")
async def line_heard(work: DeskWork) -> Response:
    await line_check.confirm(work.s, work.user.id, work.wall)
    work.news.append(AgentChanged(agent_id=work.user.id))
    return await answer(work)


@router.post("/pause")
async def pause(work: DeskWork, reason: Annotated[str, Form()] = "BREAK") -> Response:
    await agents.pause(work.s, work.user.id, reason, work.wall)
    work.news.append(AgentChanged(agent_id=work.user.id))
    return await answer(work)


@router.post("/more")
async def more_time(work: DeskWork) -> Response:
    """Thirty seconds more for the result, once a call."""
    await wrap_up.more_time(work.s, work.user.id, work.wall, work.console.settings.wrap_up_s)
    work.news.append(AgentChanged(agent_id=work.user.id))
    return await answer(work)


@router.post("/hangup")
async def hang_up(work: DeskWork) -> Response:
    """Ends the borrower's channel, whose Uniqueid is the call's id; the agent's line returns to waiting."""
    from backoffice_core.pbx import actions

    seat = await agents.require_in_call(work.s, work.user.id)
    ami = work.console.ami
    if ami is None or not ami.up:
        raise ExchangeAway
    call = await work.s.get_one(CallAttempt, seat.call_id)
    await actions.hang_up(ami, call.channel_id or str(call.id))
    return await answer(work)


@router.post("/notice")
async def notice(work: DeskWork, call_id: Annotated[UUID, Form()]) -> Response:
    """The line of the script that says that the call is recorded has been read."""
    call = await desk.current_call(work.s, work.user.id)
    language = call.language if call and call.id == call_id else work.user.language
    await desk.note_notice(work.s, work.user.id, call_id, language, work.wall)
    return await answer(work)


@router.post("/identity")
async def identity(
    work: DeskWork, call_id: Annotated[UUID, Form()], field: Annotated[str, Form()], answer: Annotated[str, Form()]
) -> Response:
    """One answer; the page learns only whether it matched."""
    try:
        check = await desk.check_identity(work.s, work.user.id, call_id, field, answer[:80], work.wall)
    except BadInput as error:
        if _wants_json(work):
            raise
        return await show(work, Typed(errors={str(error.details.get("field")): error.code}))
    note_access(
        work.s, work.user.id, "IDENTITY_CHECKED", work.wall, object_id=str(call_id), field=field, match=check.match
    )
    if check.confirmed:
        work.news.append(CallChanged(call_id=call_id, agent_id=work.user.id))
    if _wants_json(work):
        body = {"match": check.match, "matches": check.matches, "misses": check.misses, "locked": check.locked}
        return JSONResponse(body | {"confirmed": check.confirmed})
    return await show(work)


@router.post("/machine")
async def who_answered(work: DeskWork, call_id: Annotated[UUID, Form()], said: Annotated[str, Form()] = "") -> Response:
    """The agent's word on a sampled verdict: MACHINE or PERSON."""
    await machines.judge(work.s, work.user.id, call_id, said, work.wall)
    await work.s.flush()
    return await answer(work)


@router.post("/note")
async def note(work: DeskWork, call_id: Annotated[UUID, Form()], note: Annotated[str, Form()] = "") -> Response:
    await desk.save_note(work.s, work.user.id, call_id, note)
    return Response(status_code=204)


@router.get("/next")
async def next_line(
    work: DeskWork, call_id: UUID, outcome: str = "", due_date: str = "", call_back_at: str = ""
) -> HTMLResponse:
    """The line above the save button: what this result would lead to. Nothing is saved."""
    call = await desk.current_call(work.s, work.user.id)
    if call is None or call.id != call_id or outcome not in OUTCOMES:
        return page(work, "desk_next.html", step=None)
    typed = typed_result(work, outcome=outcome, due_date=due_date, call_back_at=call_back_at)
    return page(work, "desk_next.html", step=await desk.next_step(work.s, call, typed.result, _today(work)))


def _today(work: Work) -> date:
    return work.console.clock.today()


@router.post("/result")
async def result(
    work: DeskWork,
    call_id: Annotated[UUID, Form()],
    outcome: Annotated[str, Form()] = "",
    amount: Annotated[str, Form()] = "",
    due_date: Annotated[str, Form()] = "",
    call_back_at: Annotated[str, Form()] = "",
    anybody: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
    wants: Annotated[str, Form()] = "ready",
) -> Response:
    """Saves the disposition. A wrong input comes back as it was typed, with the field named (422).

    Sent twice, the second time changes nothing and answers as the first.
    """
    zone = await reads.zone_of_call(work.s, work.user.id, call_id)
    typed = typed_result(
        work,
        outcome=outcome,
        amount=amount,
        due_date=due_date,
        call_back_at=call_back_at,
        note=note,
        wants=wants,
        zone=zone,
        anybody=bool(anybody),
    )
    try:
        if typed.errors:
            raise BadInput(field=next(iter(typed.errors)))
        async with work.s.begin_nested():
            step = await desk.record_result(
                work.s, work.user.id, call_id, typed.result, now=work.now, today=_today(work), wall=work.wall
            )
    except (BadInput, desk.OutcomeNeedsConfirmation, desk.CallerNotChosen) as error:
        if _wants_json(work):
            raise
        field = str(error.details.get("field", "outcome"))
        typed.errors.setdefault(field, f"{field}-{error.code}")
        return await show(work, typed, 422)
    work.news += [CallChanged(call_id=call_id, agent_id=work.user.id), AgentChanged(agent_id=work.user.id)]
    if _wants_json(work):
        control = step.control_date.isoformat() if step.control_date else None
        return JSONResponse({"task": step.task, "control_date": control, "case_state": step.case_state})
    words = work.words
    said = words.code("outcome", outcome)
    if typed.result.amount is not None and typed.result.due_date is not None:
        return toast(
            await show(work), words, "saved-promise",
            amount=words.money(typed.result.amount, await reads.promised_in(work.s, call_id)),
            date=words.short_date(typed.result.due_date),
        )  # fmt: skip
    return toast(await show(work), words, "saved-result", result=said)
