"""The form of one campaign: its JSON terms as fields that a person fills in, and what was typed as terms again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_lists import REST
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_rules import CHOICES, NAME, RANGES
from backoffice_core.call_centre.dialing.campaign_terms import BY, LANGUAGES, ONCE, SCRIPT_MOST, USE_OF_HOURS
from backoffice_core.call_centre.rules import RETRY_AFTER
from backoffice_core.errors import BadInput

STAGES = ("0", "1", "2", "3", "4")
RESULTS = tuple(RETRY_AFTER)  # of these the same number is called again, after ONCE only another one
PLAIN = ("purpose", "mode", "priority", "target_abandon_pct", "abandon_window", "denominator", "ratio", "skill", "machines",
         "machine_sample_pct")  # fmt: skip
Form = Mapping[str, Any]  # values as typed; a list where several may be chosen
MOST = {"max_attempts": (1, 20), "weight": (0, 100), "lines": (1, 500), "per_second": (1, 50)}


class Refused(BadInput):
    """A value of the form cannot be. `words`: key of the catalogue and what goes into it."""

    def __init__(self, field: str, key: str, **words: Any) -> None:
        super().__init__(f"{field} cannot be so.", field=field)
        self.key, self.words = key, words


@dataclass(frozen=True)
class Known:
    """What cases and prompts there are: names that a form may say."""

    products: Sequence[str]
    portfolios: Sequence[str]
    currencies: Sequence[str]
    messages: Sequence[str]


def typed(one: Campaign) -> dict[str, Any]:
    """The campaign as the form shows it; what it does not say is shown as shipped."""
    order, whom = campaign_terms.strategy(one.ordering), campaign_terms.whom(one.whom)
    retry, robot = campaign_terms.retries(one.retries), campaign_terms.robot(one.robot)
    form: dict[str, Any] = {name: _plain(getattr(one, name)) for name in PLAIN}
    form |= {
        "active": "1" if one.active else "", "stages": [str(n) for n in sorted(whom.stages)],
        "products": ", ".join(sorted(whom.products)), "portfolios": ", ".join(sorted(whom.portfolios)),
        "given": "1" if whom.given else "", "weight": _plain(Decimal(str(campaign_terms.weight(one.whom)))),
        "by": order.by, "hours": order.hours, "max_attempts": str(retry.max_attempts),
        "cost": ", ".join(f"{name} {_plain(value)}" for name, value in sorted(order.cost.items())),
        "message": robot.message, "lines": str(robot.lines), "per_second": str(robot.per_second),
    }  # fmt: skip
    form |= {f"script_{language}": one.script.get(language, "") for language in LANGUAGES}
    form |= {f"weight_{n}": _plain(order.weights[int(n)]) if int(n) in order.weights else "" for n in STAGES}
    for result in (*RESULTS, *ONCE):
        terms = retry.by_result[result]
        form[f"after_{result}"] = _plain(Decimal(str(terms.after.total_seconds() / 60)))
        form[f"backoff_{result}"] = _plain(terms.backoff)
        form[f"next_{result}"] = (
            "" if terms.next_number is None else _plain(Decimal(str(terms.next_number.total_seconds() / 60)))
        )
    return form


def label_of(field: str) -> str:
    """The stem of the field's words: those of one kind share them."""
    stem = field.partition("_")[0]
    return {"after": "after", "backoff": "backoff", "next": "next", "weight": "weight-stage", "script": "script"}.get(
        stem if "_" in field else "", field
    )


def _plain(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def read(form: Form, name: str, known: Known) -> dict[str, Any]:
    """Fields for `campaigns.change`. Raises Refused naming the field of the form."""
    fields: dict[str, Any] = {key: form[key] for key in PLAIN if key in form}
    for key, choices in CHOICES.items():
        if key in fields and fields[key] not in choices:
            raise Refused(key, "campaign-bad-choice")
    for key, (least, most) in RANGES.items():
        if key in fields:
            _number(form, key, least, most)
    if fields.get("skill", "") and not NAME.fullmatch(str(fields["skill"]).strip()):
        raise Refused("skill", "campaign-bad-name")
    fields["active"] = bool(form.get("active"))
    for first, field, part in (
        ("weight", "whom", lambda: whom(form, name, known)), ("by", "ordering", lambda: _ordering(form, known)),
        ("max_attempts", "retries", lambda: _retries(form)), ("message", "robot", lambda: _robot(form, known)),
        ("script_uk", "script", lambda: _script(form)),
    ):  # fmt: skip
        if first in form:
            fields[field] = part()
    return fields


def _script(form: Form) -> dict[str, str]:
    texts = {language: str(form.get(f"script_{language}", "")).strip() for language in LANGUAGES}
    if long := next((language for language, text in texts.items() if len(text) > SCRIPT_MOST), None):
        raise Refused(f"script_{long}", "campaign-bad-script", most=SCRIPT_MOST)
    return {language: text for language, text in texts.items() if text}


def whom(form: Form, name: str, known: Known) -> dict[str, Any]:
    """Whose cases, and the weight; what nobody said is left out. What no campaign takes is `collection`'s: it says nothing."""
    said: dict[str, Any] = {}
    if name != REST:
        stages = [str(one) for one in form.get("stages", [])]
        if set(stages) - set(STAGES):
            raise Refused("stages", "campaign-bad-choice")
        said["stages"] = sorted(int(one) for one in stages)
        said["products"] = _names(form, "products", known.products)
        said["portfolios"] = _names(form, "portfolios", known.portfolios)
        said["given"] = bool(form.get("given"))
    weight = _number(form, "weight", *MOST["weight"])
    if weight is not None and weight != 1:
        said["weight"] = str(weight)
    return {key: value for key, value in said.items() if value}


def _names(form: Form, field: str, known: Sequence[str]) -> list[str]:
    names = sorted({one.strip() for one in str(form.get(field, "")).split(",") if one.strip()})
    if strange := next((one for one in names if one not in known), None):
        raise Refused(field, "campaign-bad-unknown", value=strange, known=", ".join(known) or "—")
    return names


def _number(form: Form, field: str, least: object, most: object) -> Decimal | None:
    """None for a blank."""
    text = re.sub(r"[\s\u00a0\u202f]", "", str(form.get(field, ""))).replace(",", ".")
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    low, high = Decimal(str(least)), Decimal(str(most))
    if not (number.is_finite() and low <= number <= high):
        raise Refused(field, "campaign-bad-number", least=str(least), most=str(most))
    return number


_COST = re.compile(r"([^\W\d_]{3})\s*(\d+(?:[.,]\d+)?)")


def _ordering(form: Form, known: Known) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for key, choices, usual in (("by", BY, "value"), ("hours", USE_OF_HOURS, "wait")):
        if (value := form.get(key, usual)) not in choices:
            raise Refused(key, "campaign-bad-choice")
        if value != usual:
            said[key] = value
    cost, text = {}, str(form.get("cost", ""))
    if _COST.sub("", text).strip(" ,;"):
        raise Refused("cost", "campaign-bad-cost")
    for currency, value in _COST.findall(text):
        if currency.upper() not in known.currencies:
            raise Refused("cost", "campaign-bad-unknown", value=currency, known=", ".join(known.currencies) or "—")
        cost[currency.upper()] = str(_number({"cost": value}, "cost", 0, 10**9))
    weights = {n: str(number) for n in STAGES if (number := _number(form, f"weight_{n}", 0, 1000)) is not None}
    return said | ({"cost": cost} if cost else {}) | ({"weights": weights} if weights else {})


def _retries(form: Form) -> dict[str, Any]:
    """Only what is not as shipped."""
    shipped, said = campaign_terms.retries({}), dict[str, Any]()
    for result in (*RESULTS, *ONCE):
        usual, own = shipped.by_result[result], dict[str, Any]()
        after = _number(form, f"after_{result}", 0, campaign_terms.DAY_MINUTES)
        if after is not None and after != Decimal(str(usual.after.total_seconds() / 60)):
            own["after_minutes"] = float(after)
        backoff = _number(form, f"backoff_{result}", 1, 10)
        if backoff is not None and backoff != usual.backoff:
            own["backoff"] = str(backoff)
        other = _number(form, f"next_{result}", 0, campaign_terms.DAY_MINUTES)
        known = None if usual.next_number is None else Decimal(str(usual.next_number.total_seconds() / 60))
        if other != known and f"next_{result}" in form and other is not None:
            own["next_number_minutes"] = float(other)
        said |= {result: own} if own else {}
    most = _number(form, "max_attempts", *MOST["max_attempts"])
    if most is not None and int(most) != shipped.max_attempts:
        said["max_attempts"] = int(most)
    return said


def _robot(form: Form, known: Known) -> dict[str, Any]:
    said: dict[str, Any] = {}
    message = str(form.get("message", campaign_terms.ROBOT.message))
    if message not in known.messages:
        raise Refused("message", "campaign-bad-unknown", value=message, known=", ".join(known.messages))
    if message != campaign_terms.ROBOT.message:
        said["message"] = message
    for key in ("lines", "per_second"):
        number = _number(form, key, *MOST[key])
        if number is not None and number != int(number):
            raise Refused(key, "campaign-bad-number", least=MOST[key][0], most=MOST[key][1])
        if number is not None and int(number) != getattr(campaign_terms.ROBOT, key):
            said[key] = int(number)
    return said
