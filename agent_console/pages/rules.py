"""Compliance's rules as they are in force: each with its versions, its dates, its source, and who confirmed it."""

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from agent_console.deps import RulesWork
from agent_console.rule_words import rule_words
from agent_console.view import page
from backoffice_core.compliance.models import ComplianceRule

router = APIRouter(prefix="/rules")
MOST = 80  # characters of a search


@router.get("")
async def listed(work: RulesWork, q: str = "", country: str = "", kind: str = "", code: str = "") -> HTMLResponse:
    """`q`: a code or any word of a row; one hit opens, as does `code`."""
    query = select(ComplianceRule).order_by(ComplianceRule.rule_id, ComplianceRule.version.desc())
    every: dict[str, list[ComplianceRule]] = {}
    for one in await work.s.scalars(query):
        every.setdefault(one.rule_id, []).append(one)
    asked, w = q.strip()[:MOST], work.words
    found = {
        rule_id: versions for rule_id, versions in every.items()
        if _fits(versions[0], rule_words(w, rule_id), asked) and country in {"", versions[0].row.get("jurisdiction")}
        and kind in {"", versions[0].row.get("kind")}
    }  # fmt: skip
    exact = next((rule_id for rule_id in found if rule_id.lower() == asked.lower()), "")
    chosen = code if code in every else exact or (next(iter(found)) if len(found) == 1 else "")
    newest = [versions[0] for versions in every.values()]
    return page(
        work, "rules.html", found=found, q=asked, country=country, kind=kind, chosen=every.get(chosen, []), total=len(every),
        countries=_counts(one.row.get("jurisdiction", "") for one in newest), state=_state,
        kinds=_counts(one.row.get("kind", "") for one in newest), rows_of=_rows_of,
        unconfirmed=sum(not one.row.get("verified") for one in newest),
    )  # fmt: skip


def _fits(one: ComplianceRule, words: str, asked: str) -> bool:
    if not asked:
        return True
    told = f"{words} {json.dumps(one.row, ensure_ascii=False)}".lower()
    return all(word in told for word in asked.lower().split())


def _counts(codes: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for code in codes:
        counts[code] = counts.get(code, 0) + 1
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _state(row: dict[str, Any], today: date) -> str:
    """FUTURE, OVER, or IN_FORCE on this day."""
    if str(row.get("effective_from") or "") > today.isoformat():
        return "FUTURE"
    return "OVER" if row.get("effective_to") and str(row["effective_to"]) < today.isoformat() else "IN_FORCE"


def _rows_of(said: Any, name: str = "") -> list[tuple[str, str]]:
    """What a rule's row says, flat: (`window.n`, `1`)."""
    if isinstance(said, dict):
        return [pair for key, value in said.items() for pair in _rows_of(value, f"{name}.{key}" if name else str(key))]
    if isinstance(said, list):
        return [(name, ", ".join(" + ".join(map(str, one)) if isinstance(one, list) else str(one) for one in said))]
    return [(name, str(said))] if said not in (None, "") else []
