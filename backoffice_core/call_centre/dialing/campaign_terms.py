"""How a campaign orders its cases and tries again (pure): `campaigns.ordering` and `campaigns.retries`, read and checked.

`ordering`: `by` (value: overdue × the chance of a kept promise; amount; days: days past due), `cost` (of one call, in the
currency's units by currency: only what is expected above it counts), `weights` (of stages 0–4: a multiplier), `hours` (by
value only; wait: a case that is likelier reached at another hour of the day waits for it while agents have time then; order:
it only stands behind; off: what was learned of numbers and hours is not used).
`whom`: whose cases it takes: `stages` (0–4), `products`, `portfolios`, `given` (true: those of the list that was given to
it); a case must fit all that is said; nothing said takes none. `weight`: its part of the calls among campaigns of its priority.
`script`: what its agents say once the right party is confirmed, by language.
`robot` (agentless): `message` (the prompt), `lines` (calls at once), `per_second` (calls begun in any second).
`retries`: `max_attempts` a day, and by result `after_minutes`, `backoff` (each further call waits so many times longer) and
`next_number_minutes` (the borrower's other number is called after so long; without it no sooner than the same one). What
the law allows is the evaluator's business, whatever stands here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from backoffice_core.call_centre.rules import MAX_ATTEMPTS_A_DAY, RETRY_AFTER
from backoffice_core.errors import BadInput

BY = ("value", "amount", "days")
USE_OF_HOURS = ("wait", "order", "off")
ONCE = ("INVALID_NUMBER", "FAX")  # not called again, but the other number is
_NEXT_NUMBER = {"BUSY": 10, "NO_ANSWER": 10, "INVALID_NUMBER": 1, "FAX": 1, "ANNOUNCEMENT": 10, "REJECTED": 60}
DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class Strategy:
    by: str = "value"
    cost: Mapping[str, Decimal] = field(default_factory=dict)
    weights: Mapping[int, Decimal] = field(default_factory=dict)
    hours: str = "wait"


@dataclass(frozen=True, slots=True)
class Retry:
    after: timedelta
    backoff: Decimal = Decimal(1)
    next_number: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Retries:
    by_result: Mapping[str, Retry]
    max_attempts: int = MAX_ATTEMPTS_A_DAY

    def after(self, result: str, attempts: int) -> timedelta:
        """How long the same number rests after the `attempts`-th call of the day; never beyond a day."""
        one = self.by_result[result]
        grown = one.after * float(one.backoff ** max(attempts - 1, 0))
        return min(grown, timedelta(days=1))

    def next_number(self, result: str) -> timedelta | None:
        one = self.by_result.get(result)
        return one.next_number if one else None


def strategy(said: Mapping[str, Any]) -> Strategy:
    """Raises BadInput naming the field."""
    _known(said, ("by", "cost", "weights", "hours"), "ordering")
    by, hours = said.get("by", "value"), said.get("hours", "wait")
    for value, values in ((by, BY), (hours, USE_OF_HOURS)):
        if value not in values:
            raise BadInput(f"ordering cannot be “{value}”.", remedy=f"One of: {', '.join(values)}.", field="ordering")
    cost = {
        str(name): _number(value, "ordering", 0, 10**9) for name, value in _object(said, "cost", "ordering").items()
    }
    weights = {}
    for stage, value in _object(said, "weights", "ordering").items():
        if str(stage) not in {"0", "1", "2", "3", "4"}:
            raise BadInput(f"There is no stage {stage}.", remedy="Stages are 0 to 4.", field="ordering")
        weights[int(stage)] = _number(value, "ordering", 0, 1000)
    return Strategy(by, cost, weights, hours)


@dataclass(frozen=True, slots=True)
class Whom:
    stages: frozenset[int] = frozenset()
    products: frozenset[str] = frozenset()
    portfolios: frozenset[str] = frozenset()
    given: bool = False

    @property
    def nobody(self) -> bool:
        return not (self.stages or self.products or self.portfolios or self.given)

    def fits(self, stage: int, products: Collection[str], portfolios: Collection[str], given: bool) -> bool:
        return not self.nobody and (
            (not self.stages or stage in self.stages)
            and (not self.products or not self.products.isdisjoint(products))
            and (not self.portfolios or not self.portfolios.isdisjoint(portfolios))
            and (given or not self.given)
        )


def whom(said: Mapping[str, Any]) -> Whom:
    """Raises BadInput naming the field."""
    _known(said, ("stages", "products", "portfolios", "given", "weight"), "whom")
    lists: dict[str, list[Any]] = {}
    for name in ("stages", "products", "portfolios"):
        lists[name] = said.get(name, [])
        if not isinstance(lists[name], list):
            raise BadInput(f"{name} must be a list.", remedy='Write it in brackets, as ["card"].', field="whom")
    for stage in lists["stages"]:
        if str(stage) not in {"0", "1", "2", "3", "4"}:
            raise BadInput(f"There is no stage {stage}.", remedy="Stages are 0 to 4.", field="whom")
    weight(said)
    return Whom(
        frozenset(int(one) for one in lists["stages"]), frozenset(map(str, lists["products"])),
        frozenset(map(str, lists["portfolios"])), bool(said.get("given", False)),
    )  # fmt: skip


def weight(said: Mapping[str, Any]) -> float:
    """Its part of the calls among campaigns of one priority; 1 = as any other. Raises BadInput."""
    return float(_number(said.get("weight", 1), "whom", 0, 100))


@dataclass(frozen=True, slots=True)
class Robot:
    message: str = "robot"
    lines: int = 5
    per_second: int = 1


ROBOT = Robot()  # as shipped

_MESSAGE = re.compile(r"robot(-[a-z0-9]+)*")


def robot(said: Mapping[str, Any]) -> Robot:
    """Raises BadInput naming the field."""
    _known(said, ("message", "lines", "per_second"), "robot")
    message = str(said.get("message", ROBOT.message))
    if not _MESSAGE.fullmatch(message) or len(message) > 40:
        raise BadInput(
            f"There is no message “{message}”.",
            remedy="robot, or one of the bank's own: robot-<name>.",
            field="message",
        )
    return Robot(
        message, int(_number(said.get("lines", ROBOT.lines), "lines", 1, 500)),
        int(_number(said.get("per_second", ROBOT.per_second), "per_second", 1, 50)),
    )  # fmt: skip


LANGUAGES = ("uk", "ru", "en")
SCRIPT_MOST = 4000  # characters


def script(said: Mapping[str, Any]) -> dict[str, str]:
    """Texts by language; a blank one is none. Raises BadInput naming the field."""
    _known(said, LANGUAGES, "script")
    for text in said.values():
        if not isinstance(text, str) or len(text) > SCRIPT_MOST:
            raise BadInput(
                f"A script is a text of at most {SCRIPT_MOST} characters.",
                remedy="Write it by language: uk, ru, en.", field="script",
            )  # fmt: skip
    return {language: text.strip() for language, text in said.items() if text.strip()}


def spoken(said: Mapping[str, Any], *languages: str) -> tuple[str, str]:
    """Text of a script and its language: the first of these that it has, else any; two blanks for none."""
    texts = script(said)
    return next(((texts[one], one) for one in (*languages, *LANGUAGES) if one in texts), ("", ""))


def retries(said: Mapping[str, Any]) -> Retries:
    """What is not said is as shipped. Raises BadInput naming the field."""
    known = (*RETRY_AFTER, *ONCE)
    _known(said, ("max_attempts", *known), "retries")
    found = {}
    for result in known:
        own = _object(said, result, "retries")
        _known(own, ("after_minutes", "backoff", "next_number_minutes"), "retries")
        minutes = own.get("after_minutes", RETRY_AFTER.get(result, timedelta()).total_seconds() / 60)
        other = own.get("next_number_minutes", _NEXT_NUMBER.get(result))
        found[result] = Retry(
            _minutes(minutes),
            _number(own.get("backoff", 1), "retries", 1, 10),
            None if other is None else _minutes(other),
        )
    most = int(_number(said.get("max_attempts", MAX_ATTEMPTS_A_DAY), "retries", 1, 20))
    return Retries(found, most)


def _minutes(said: Any) -> timedelta:
    return timedelta(minutes=float(_number(said, "retries", 0, DAY_MINUTES)))


def _object(said: Mapping[str, Any], name: str, field_name: str) -> Mapping[str, Any]:
    found = said.get(name, {})
    if not isinstance(found, Mapping):
        raise BadInput(f"{field_name} must be a JSON object.", remedy="Write it as JSON, in braces.", field=field_name)
    return found


def _known(said: Mapping[str, Any], names: tuple[str, ...], field_name: str) -> None:
    for name in said:
        if name not in names:
            raise BadInput(
                f"A campaign has no {name}.", remedy=f"It has {', '.join(names)}.", field=field_name
            )  # fmt: skip


def _number(said: Any, field_name: str, least: int, most: int) -> Decimal:
    try:
        number = Decimal(str(said).replace(",", "."))
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and least <= number <= most):
        raise BadInput(
            f"{field_name} cannot be “{said}”.", remedy=f"Give a number from {least} to {most}.", field=field_name
        )
    return number
