"""Versions of strategies: drafted, submitted, approved by a second person, live from a day, withdrawn. Old ones are kept."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, Conflict, NotAllowed, NotFound
from backoffice_core.strategy import rules
from backoffice_core.strategy.models import StrategyVersion
from backoffice_core.strategy.rules import Version

DEFAULT = Path(__file__).with_name("default.yaml")
OPEN = ("DRAFT", "SUBMITTED")


async def versions(s: AsyncSession, strategy: str = "") -> list[StrategyVersion]:
    """The newest first; of all strategies without an argument."""
    query = select(StrategyVersion).order_by(StrategyVersion.strategy, StrategyVersion.version.desc())
    return list(await s.scalars(query.where(StrategyVersion.strategy == strategy) if strategy else query))


async def find(s: AsyncSession, strategy: str, version: int, *, lock: bool = False) -> StrategyVersion:
    """Raises NotFound."""
    query = select(StrategyVersion).where(StrategyVersion.strategy == strategy, StrategyVersion.version == version)
    one = await s.scalar(query.with_for_update() if lock else query)
    if one is None:
        raise NotFound(
            f"There is no version {version} of the strategy {strategy}.",
            remedy="`backoffice strategy list` names them.",
        )
    return one


async def live(s: AsyncSession, day: date) -> list[tuple[StrategyVersion, Version]]:
    """What governs on a day: of each strategy the newest approved version that is in force, by the strategy's code."""
    t = StrategyVersion
    query = select(t).where(t.state == "APPROVED", t.live_from <= day, or_(t.live_to.is_(None), t.live_to >= day))
    newest = {one.strategy: one for one in await s.scalars(query.order_by(t.strategy, t.version))}
    return [(one, rules.read(one.strategy, one.content)) for one in newest.values()]


# --- drafting ------------------------------------------------------------------------------------------------------


async def draft(
    s: AsyncSession, strategy: str, content: Mapping[str, Any], *, who: str, at: datetime, title: str = ""
) -> StrategyVersion:
    """A new version to work on. Raises BadInput for content that cannot be used, Conflict when a draft stands."""
    if not strategy.replace("_", "").isalnum() or not strategy.isascii() or len(strategy) > 40:
        raise BadInput(
            f"“{strategy}” cannot be a strategy.", remedy="Use up to 40 of a–z, 0–9 and _.", field="strategy"
        )
    rules.read(strategy, content)
    known = await versions(s, strategy)
    if any(one.state in OPEN for one in known):
        raise Conflict("This strategy has a draft already.", remedy="Submit it or withdraw it first.")
    one = StrategyVersion(
        id=new_key(), strategy=strategy, version=known[0].version + 1 if known else 1, content=deepcopy(dict(content)),
        title=title.strip()[:200] or (known[0].title if known else strategy), editors=[who], changed_at=at,
    )  # fmt: skip
    s.add(one)
    await s.flush()
    audit.note(s, who, "STRATEGY_DRAFTED", f"{strategy}/{one.version}", {"title": one.title})
    return one


async def copy(s: AsyncSession, strategy: str, version: int, *, who: str, at: datetime) -> StrategyVersion:
    """A draft that begins as this version is."""
    return await draft(s, strategy, (await find(s, strategy, version)).content, who=who, at=at)


async def change(
    s: AsyncSession, strategy: str, version: int, content: Mapping[str, Any], *, who: str, at: datetime, what: str,
    title: str = "",
) -> StrategyVersion:  # fmt: skip
    """The draft becomes this; without `title` it keeps its own. Raises BadInput naming the field, Conflict when it is no draft
    any more."""
    one = await find(s, strategy, version, lock=True)
    if one.state != "DRAFT":
        raise Conflict("Only a draft is changed.", remedy="Make a new version from it.")
    rules.read(strategy, content)
    one.content, one.changed_at = dict(content), at
    one.title = title or one.title
    if who not in one.editors:
        one.editors = [*one.editors, who]
    audit.note(s, who, "STRATEGY_CHANGED", f"{strategy}/{version}", {"what": what})
    return one


# --- submitting, approving, withdrawing ----------------------------------------------------------------------------


async def submit(s: AsyncSession, strategy: str, version: int, *, who: str, at: datetime) -> StrategyVersion:
    """For a second person to approve. Twice is once. Raises BadInput for one without steps, Conflict."""
    one = await find(s, strategy, version, lock=True)
    if one.state == "SUBMITTED":
        return one
    if one.state != "DRAFT":
        raise Conflict("Only a draft is submitted.", remedy="Make a new version from it.")
    if not one.content.get("steps"):
        raise BadInput("A strategy without steps does nothing.", remedy="Add a step first.", field="steps")
    one.state, one.submitted_by, one.submitted_at = "SUBMITTED", who, at
    if who not in one.editors:
        one.editors = [*one.editors, who]
    audit.note(s, who, "STRATEGY_SUBMITTED", f"{strategy}/{version}")
    return one


async def approve(
    s: AsyncSession, strategy: str, version: int, *, who: str, at: datetime, today: date, live_from: date
) -> StrategyVersion:
    """Live from that day on. Raises NotAllowed for whoever changed or submitted it, BadInput for a day that is over."""
    one = await find(s, strategy, version, lock=True)
    if one.state == "APPROVED" and one.decided_by == who and one.live_from == live_from:
        return one
    if one.state != "SUBMITTED":
        raise Conflict("Only what was submitted is approved.", remedy="Look at its state again.")
    if who in one.editors:
        raise NotAllowed("A second person approves it: you have changed or submitted it.", remedy="Ask a colleague.")
    if live_from < today:
        raise BadInput("A strategy cannot begin in the past.", remedy="Give a day from today on.", field="live_from")
    one.state, one.decided_by, one.decided_at, one.live_from = "APPROVED", who, at, live_from
    audit.note(s, who, "STRATEGY_APPROVED", f"{strategy}/{version}", {"live_from": str(live_from)})
    return one


async def give_back(
    s: AsyncSession, strategy: str, version: int, *, who: str, at: datetime, why: str
) -> StrategyVersion:
    """A submitted version becomes a draft again, with words. Raises BadInput without them, Conflict."""
    one = await find(s, strategy, version, lock=True)
    if not why.strip():
        raise BadInput("Say what is to be mended.", field="why")
    if one.state != "SUBMITTED":
        raise Conflict("Only what was submitted is given back.", remedy="Look at its state again.")
    one.state, one.decided_by, one.decided_at, one.decided_why = "DRAFT", who, at, why.strip()[:500]
    audit.note(s, who, "STRATEGY_GIVEN_BACK", f"{strategy}/{version}", {"why": one.decided_why})
    return one


async def withdraw(
    s: AsyncSession, strategy: str, version: int, *, who: str, at: datetime, today: date, why: str
) -> StrategyVersion:
    """What is not live yet is withdrawn; what is live ends today, and the version before it governs no more either."""
    one = await find(s, strategy, version, lock=True)
    if not why.strip():
        raise BadInput("Say why it is withdrawn.", field="why")
    if one.state == "WITHDRAWN" or (one.live_to is not None and one.live_to <= today):
        return one
    if one.state == "APPROVED" and one.live_from is not None and one.live_from <= today:
        for other in await versions(s, strategy):
            if other.state == "APPROVED" and other.live_from is not None and other.live_from <= today:
                other.live_to = min(other.live_to or today, today)
    else:
        one.state = "WITHDRAWN"
    one.decided_why = why.strip()[:500]
    audit.note(s, who, "STRATEGY_WITHDRAWN", f"{strategy}/{version}", {"why": one.decided_why})
    return one


def read_file(file: Path) -> tuple[str, str, dict[str, Any]]:
    """Code, title and content of a strategy's file (YAML). Raises BadInput naming what cannot be used."""
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(
            f"{file} cannot be read: {error}.", remedy="Give a strategy's file in YAML.", field="file"
        ) from None
    if not isinstance(data, dict) or "strategy" not in data:
        raise BadInput(f"{file} is no strategy.", remedy="It begins with `strategy: code`.", field="file")
    content = {name: data[name] for name in ("scope", "segments", "arms", "steps") if name in data}
    for n, step in enumerate(content.get("steps") or [], 1):
        step.setdefault("key", f"s{n}")
    rules.read(str(data["strategy"]), content)
    return str(data["strategy"]), str(data.get("title", "")), content
