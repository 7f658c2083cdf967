"""Templates: the environment, what every template knows, and how a page or a fragment becomes an answer."""

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agent_console.console import Console
from agent_console.deps import Work
from agent_console.icons import ICONS
from agent_console.rule_words import rule_link, shipped
from backoffice_core import catalogue
from backoffice_core.call_centre.rules import FAST_RESULT_S, wrap_up_limit
from backoffice_core.catalogue import Words
from backoffice_core.staff import rules
from backoffice_core.staff.models import User

HERE = Path(__file__).parent
STATIC = HERE / "static"
THEMES = ("light", "dark")


@lru_cache(maxsize=64)
def static_url(name: str) -> str:
    """The address of a static file; its digest in the address lets browsers keep it for ever."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def _why(words: Words, why: dict[str, Any]) -> str:
    """The terms of a task's place in the queue, as a manager reads them."""
    parts = [words.code("why", str(why.get("group", "VALUE")))]
    if why.get("overdue"):
        parts.append(words.money(Decimal(str(why["overdue"])), str(why.get("currency") or "UAH")))
    if why.get("days_past_due") is not None:
        parts.append(words("days", n=int(why["days_past_due"])))
    if why.get("times_typical"):
        parts.append(words("why-times", n=words.number(Decimal(str(why["times_typical"])), 1)))
    if why.get("reach"):
        parts += _why_now(words, why)
    return " · ".join(parts)


def _why_now(words: Words, why: dict[str, Any]) -> list[str]:
    """The chance to reach him in this hour, his best one, and how many calls say so."""
    now, best = Decimal(str(why["reach"])), Decimal(str(why["best_reach"]))
    said = [words("why-reach", now=words.number(now * 100, 0))]
    if why.get("pays") is False:
        said.append(words("why-not-paid"))
    if best > now:
        hour = f"{int(why['best_hour']):02}:00"
        said.append(words("why-best-hour", hour=hour, chance=words.number(best * 100, 0)))
    said.append(words("why-tried", n=int(why["tried"])) if why.get("tried") else words("why-not-tried"))
    return said


def _reason_of(words: Words, code: str) -> str:
    """A task's reason is one of not calling, or the result of its last call."""
    return words.code("reason" if words.catalogue.has(words.lang, f"reason-{code}") else "result", code)


def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, enable_async=False,
    )  # fmt: skip
    env.globals.update(
        static=static_url, icons=ICONS, phone=catalogue.phone, short_name=catalogue.short_name,
        may=rules.may, permissions=lambda role: rules.PERMISSIONS.get(role, frozenset()),
        zone=ZoneInfo, iso=datetime.fromisoformat,
        why=_why, reason_of=_reason_of, rule_link=rule_link, shipped=shipped, wrap_limit=wrap_up_limit, fast_s=FAST_RESULT_S,
    )  # fmt: skip
    env.filters["stamp"] = lambda at: int(at.timestamp() * 1000)
    env.filters["decimal"] = Decimal
    env.filters["isodate"] = date.fromisoformat
    env.filters["uuid"] = UUID
    return env


ENV = environment()


def warm_up() -> None:
    """Compiles every template, so that the first card of the day is as quick as the others."""
    for name in ENV.list_templates():
        ENV.get_template(name)


def render(console: Console, request: Request, template: str, user: User | None, csrf: str, /, **context: Any) -> str:
    lang = (
        user.language
        if user
        else getattr(request.state, "lang", None) or request.cookies.get("lang", console.settings.language)
    )
    words = console.catalogue.words(lang)
    zone = console.clock.zone
    theme = request.cookies.get("theme", "")

    def local(at: datetime, zone: ZoneInfo = zone) -> datetime:
        return at.astimezone(zone)

    return ENV.get_template(template).render(
        t=words, w=words, lang=words.lang, languages=console.catalogue.languages, theme=theme if theme in THEMES else "",
        user=user, csrf=csrf, path=request.url.path, settings=console.settings, local=local,
        may=lambda role, act: rules.may(role, act, user.branch if user else ""),
        wall=console.clock.wall(), now=console.clock.now(), business=console.clock.business,
        today=console.clock.today(), misread=getattr(request.state, "misread", []), **context,
    )  # fmt: skip


def page(work: Work, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    html = render(work.console, work.request, template, work.user, work.csrf, **context)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def toast(response: HTMLResponse, words: Words, key: str, /, kind: str = "ok", **args: Any) -> HTMLResponse:
    """Shows a line at the bottom right once the answer is on the page."""
    response.headers["HX-Trigger"] = json.dumps({"toast": {"kind": kind, "text": words(key, **args)}})
    return response
