"""Reads rule rows (YAML or JSON) into `Rule`. An unknown word is refused with the file, the row and the word, because
a rule that matches nothing would silently permit. The words are explained at the top of `compliance_rules.yaml`."""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

import yaml
from holidays import list_supported_countries

from backoffice_core.compliance import terms
from backoffice_core.compliance.terms import Applies, Rule, Window
from backoffice_core.errors import BadInput

SHIPPED = Path(__file__).with_name("compliance_rules.yaml")

JURISDICTIONS = frozenset(list_supported_countries(include_aliases=False)) | {"*", "EU"}
UNITS = frozenset({"attempt", "conversation", "interaction", "message", "visit", "minutes"})
WINDOW_TYPES = frozenset({"calendar_day", "iso_week", "calendar_month", "rolling_days"})
APPLIES: Mapping[str, frozenset[str]] = {
    "channel": terms.CHANNELS | {"all_contact"},
    "actor": terms.ACTORS,
    "subject": terms.SUBJECTS,
    "purpose": terms.PURPOSES,
    "stage": terms.STAGES,
    "number_type": terms.NUMBER_TYPES,
    "template_tag": frozenset({"legal_threat"}),
    "object": frozenset({"recording", "message", "case", "call_log", "letter"}),
    "outcome": terms.OUTCOMES,
    "event": frozenset({"agency_placed", "agency_breach"}),
    "decision": frozenset({"refuse_loan", "legal_action"}),
}
FIELDS = frozenset(
    [
        "id",
        "jurisdiction",
        "bound",
        "kind",
        "applies_to",
        "params",
        "day_class",
        "count_unit",
        "window",
        "scope",
        "exceptions",
        "on_breach",
        "contract_date",
        "effective_from",
        "effective_to",
        "source",
        "verified",
        "note",
    ]
)


class RuleRefused(BadInput):
    """A compliance rule cannot be read."""

    code = "RULE_REFUSED"


class _Row:
    """One row being read, and how it is refused."""

    def __init__(self, raw: Any, where: str) -> None:
        self.where = where
        if not isinstance(raw, dict):
            self.refuse(f"a row is a mapping, not {raw!r}")
        self.raw: dict[str, Any] = raw
        self.where = f"{where}: row {raw.get('id', '?')}"

    def refuse(self, why: str) -> NoReturn:
        raise RuleRefused(f"{self.where}: {why}.", remedy="Correct the row; no rule of this file was taken over.")

    def word(self, field: str, value: Any, words: frozenset[str]) -> str:
        if not isinstance(value, str) or value not in words:
            self.refuse(f"unknown word {value!r} in {field}; known: {', '.join(sorted(words)[:40])}")
        return value

    def words(self, field: str, value: Any, words: frozenset[str]) -> frozenset[str]:
        if not isinstance(value, list) or not value:
            self.refuse(f"{field} must be a list with at least one word, not {value!r}")
        return frozenset(self.word(field, each, words) for each in value)

    def keys(self, field: str, value: Any, known: frozenset[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.refuse(f"{field} must be a mapping, not {value!r}")
        for key in value:
            self.word(f"{field}, a name," if field else "the row, a name,", key, known)
        return value

    def day(self, field: str, value: Any) -> date:
        try:
            return date.fromisoformat(value if isinstance(value, str) else value.isoformat())
        except (AttributeError, ValueError):
            self.refuse(f"{field} must be a date, not {value!r}")

    def text(self, field: str) -> str:
        value = self.raw.get(field)
        if not isinstance(value, str) or not value.strip():
            self.refuse(f"{field} must be a text, not {value!r}")
        return value


# --- params: one check for each name, by kind ----------------------------------------------------------------------

Check = Callable[[_Row, str, Any], object]


def _whole(least: int) -> Check:
    def check(row: _Row, name: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            row.refuse(f"{name} must be a whole number, {least} or more, not {value!r}")

    return check


def _bool(row: _Row, name: str, value: Any) -> None:
    if not isinstance(value, bool):
        row.refuse(f"{name} must be true or false, not {value!r}")


def _decimal(row: _Row, name: str, value: Any) -> None:
    try:
        good = isinstance(value, str) and Decimal(value) >= 0
    except InvalidOperation:
        good = False
    if not good:
        row.refuse(f"{name} must be a decimal number in quotes, 0 or more, not {value!r}")


def _text(row: _Row, name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        row.refuse(f"{name} must be a text, not {value!r}")


def _clock(row: _Row, name: str, value: Any) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        row.refuse(f'{name} must be a time in quotes as in "08:00", not {value!r}')


def _day(row: _Row, name: str, value: Any) -> None:
    row.day(name, value)


def _one(*words: str) -> Check:
    return lambda row, name, value: row.word(name, value, frozenset(words))


def _some(*words: str) -> Check:
    return lambda row, name, value: row.words(name, value, frozenset(words))


def _one_or_some(*words: str) -> Check:
    return lambda row, name, value: (_some if isinstance(value, list) else _one)(*words)(row, name, value)


def _ranks(*words: str) -> Check:
    def check(row: _Row, name: str, value: Any) -> None:
        if not isinstance(value, list) or not value:
            row.refuse(f"{name} must be a list, not {value!r}")
        flat = [word for rank in value for word in (rank if isinstance(rank, list) else [rank])]
        row.words(name, flat, frozenset(words))
        if len(set(flat)) != len(flat):
            row.refuse(f"{name} names something twice")

    return check


_SAY = [
    "creditor",
    "creditor_full_name",
    "caller_name",
    "caller_full_name",
    "recording",
    "basis",
    "agency_name",
    "location",
    "post",
    "lender_name",
    "phone",
    "address",
]
_COUNT, _AT_LEAST_ONE = _whole(0), _whole(1)

PARAMS: Mapping[str, Mapping[str, Check]] = {
    "time_window": {
        "from": _clock,
        "to": _clock,
        "tz": _one("person"),
        "closed": _bool,
        "needs": _some("prior_consent", "agreed_place_time"),
    },
    "frequency_cap": {"max": _COUNT, "min_gap_minutes": _AT_LEAST_ONE, "max_per_day": _COUNT},
    "cooldown_after": {"day_of_talk_counts": _bool},
    "status_block": {
        "flags": _some(*terms.FLAGS),
        "needs_document": _bool,
        "representative": _one("advocate"),
        "min_delinquency_months": _AT_LEAST_ONE,
        "until": _text,
        "days": _AT_LEAST_ONE,
        "days_after_treatment": _AT_LEAST_ONE,
        "freeze": _some("interest", "fees", "penalty", "enforcement"),
    },
    "channel_ban": {
        "ban": _one("hidden_number", "undeclared_number"),
        "label": _one("name_and_category"),
        "change_told_within_days": _AT_LEAST_ONE,
    },
    "third_party": {
        "needs": _some("debtor_consent", "third_party_consent", "named_in_contract"),
        "amount_needs": _one("debtor_consent"),
    },
    "disclosure": {
        "say_first": _text,
        "say": _some(*_SAY),
        "first_contact": _some(*_SAY),
        "identity_before_debt": _bool,
    },
    "recording": {"record": _one("all"), "warn_at_start": _bool},
    "retention": {"years": _AT_LEAST_ONE, "days": _AT_LEAST_ONE, "from": _one("event", "last_collection_activity")},
    "notice_duty": {
        "within_working_days": _AT_LEAST_ONE,
        "by": _one("registered_letter"),
        "min_dpd": _COUNT,
        "arrears_notice_within_days": _AT_LEAST_ONE,
        "sale_ban_until": _day,
        "sale_min_months_after": _COUNT,
    },
    "dialer_limit": {
        "max_abandon_pct": _decimal,
        "of": _one("live_answers"),
        "per": _one_or_some("campaign", "caller_id"),
        "window": _one("calendar_day"),
        "window_days": _AT_LEAST_ONE,
        "connect_within_s": _decimal,
        "from": _one("completed_greeting", "start_of_speech"),
        "ring_min_s": _AT_LEAST_ONE,
        "ring_min_rings": _AT_LEAST_ONE,
        "ring_max_s": _AT_LEAST_ONE,
        "redial_hold_hours": _AT_LEAST_ONE,
        "redial_ok_if": _one("agent_guaranteed"),
        "amd_same_day": _one("agent_guaranteed"),
        "message": _some("name", "phone", "neutral_name", "call_back_number"),
        "cli": _one("required"),
        "keep_records": _bool,
    },
    "late_source": {"source": _text, "assume_per_day": _COUNT, "fail_closed": _bool},
    "content_gate": {
        "required": _some("neutral_business_name", "request_reply", "contact_person", "phone"),
        "block_if": _one("time_barred"),
    },
    "money_order": {
        "order": _ranks(
            "overdue_interest", "overdue_principal", "current_interest", "current_principal", "other", "penalty"
        )
    },
    "money_cap": {
        "with_interest_pct_year": _decimal,
        "without_interest_pct_day": _decimal,
        "nbu_rate_multiple": _decimal,
        "penalty": _decimal,
        "fine": _decimal,
        "rate_rise": _one("forbidden"),
        "until": _text,
        "overdue_pct": _decimal,
        "total_of_loan_pct": _decimal,
    },
    "consent_needed": {
        "consent": _one("prior_express", "explicit_per_channel"),
        "never_if": _some("in_arrears", "hardship", "refused_interaction"),
    },
    "manual_review": {
        "human_review_on_request": _bool,
        "reasons": _bool,
        "max_per_year": _COUNT,
        "then": _one("end_contract"),
    },
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "frequency_cap": ("max",),
    "status_block": ("flags",),
    "channel_ban": ("ban",),
    "retention": ("from",),
    "money_order": ("order",),
    "late_source": ("source",),
}


# --- reading -------------------------------------------------------------------------------------------------------


def read_file(path: Path = SHIPPED) -> list[dict[str, Any]]:
    """The rows of a rule file, each checked, as they can be kept in JSON (dates as ISO text).

    Raises RuleRefused naming file, row and word.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as trouble:
        raise RuleRefused(f"{path.name}: cannot be read: {trouble}.", remedy="Give a YAML file in UTF-8.") from trouble
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        raise RuleRefused(f"{path.name}: there is no list `rules`.", remedy="Compare with the shipped file.")
    if unknown := set(document) - {"version", "channels", "rules"}:
        raise RuleRefused(f"{path.name}: unknown word {sorted(unknown)[0]!r}.", remedy="Compare with the shipped file.")
    groups = document.get("channels", {})
    if groups and (set(groups) != {"all_contact"} or set(groups["all_contact"]) != terms.ALL_CONTACT):
        raise RuleRefused(f"{path.name}: channels must say all_contact: {sorted(terms.ALL_CONTACT)}.")
    seen: set[str] = set()
    for raw in document["rules"]:
        rule = parse(raw, where=path.name)
        if rule.id in seen:
            raise RuleRefused(f"{path.name}: row {rule.id}: the id stands twice.", remedy="Give each row its own id.")
        seen.add(rule.id)
    return [_plain(raw) for raw in document["rules"]]


def parse(raw: Any, *, where: str = "row", version: int = 1) -> Rule:
    """One row as a rule. Raises RuleRefused."""
    row = _Row(raw, where)
    row.keys("", raw, FIELDS)
    kind = row.word("kind", raw.get("kind"), frozenset(PARAMS))
    if not isinstance(raw.get("verified"), bool):
        row.refuse(f"verified must be true or false, not {raw.get('verified')!r}")
    rule = Rule(
        id=row.text("id"),
        version=version,
        jurisdiction=row.word("jurisdiction", raw.get("jurisdiction"), JURISDICTIONS),
        kind=kind,
        params=_params(row, kind),
        applies_to=_applies(row),
        bound=row.words("bound", raw["bound"], terms.BOUND) if "bound" in raw else frozenset(),
        day_class=row.word("day_class", raw.get("day_class", "any"), frozenset({"working", "nonworking", "any"})),
        count_unit=row.word("count_unit", raw["count_unit"], UNITS) if "count_unit" in raw else None,
        window=_window(row),
        scope=row.word("scope", raw.get("scope", "person"), terms.SCOPES),
        exceptions=row.words("exceptions", raw["exceptions"], terms.EXCEPTIONS) if "exceptions" in raw else frozenset(),
        on_breach=_on_breach(row),
        effective_from=row.day("effective_from", raw.get("effective_from")),
        effective_to=row.day("effective_to", raw["effective_to"]) if raw.get("effective_to") else None,
        source=row.text("source"),
        verified=raw["verified"],
        note=raw.get("note", ""),
    )
    _hangs_together(row, rule)
    return rule


def _params(row: _Row, kind: str) -> dict[str, Any]:
    checks = PARAMS[kind]
    params = row.keys("params", row.raw.get("params", {}), frozenset(checks))
    for name, value in params.items():
        checks[name](row, f"params.{name}", value)
    for name in NEEDED.get(kind, ()):
        if name not in params:
            row.refuse(f"params.{name} is missing")
    if kind == "retention" and ("years" in params) == ("days" in params):
        row.refuse("params.years is missing, or params.days in its place")
    if kind == "time_window" and not params.get("closed"):
        if not {"from", "to"} <= set(params):
            row.refuse("a time window needs params.from and params.to, or params.closed: true")
        if time.fromisoformat(params["from"]) >= time.fromisoformat(params["to"]):
            row.refuse("params.from must be before params.to")
    return params


def _applies(row: _Row) -> Applies:
    stated = row.keys("applies_to", row.raw.get("applies_to", {}), frozenset(APPLIES))
    read = {name: row.words(f"applies_to.{name}", value, APPLIES[name]) for name, value in stated.items()}
    if "all_contact" in read.get("channel", ()):
        read["channel"] = (read["channel"] | terms.ALL_CONTACT) - {"all_contact"}
    return Applies(**read)


def _window(row: _Row) -> Window | None:
    if "window" not in row.raw:
        return None
    stated = row.keys("window", row.raw["window"], frozenset({"type", "n"}))
    n = stated.get("n", 1)
    _AT_LEAST_ONE(row, "window.n", n)
    return Window(row.word("window.type", stated.get("type"), WINDOW_TYPES), n)


def _on_breach(row: _Row) -> str | None:
    if row.raw.get("on_breach") is None:
        return None
    return row.word("on_breach", row.raw["on_breach"], frozenset({"block", "warn", "report", "manual_review"}))


def _hangs_together(row: _Row, rule: Rule) -> None:
    if rule.applies_to.outcome and rule.kind != "retention":
        row.refuse("applies_to.outcome stands in rows of retention only")
    if rule.kind in {"frequency_cap", "cooldown_after"}:
        if rule.count_unit is None or rule.window is None:
            row.refuse(f"a {rule.kind} needs count_unit and window")
        if rule.kind == "cooldown_after" and (rule.count_unit == "minutes" or rule.window.type != "rolling_days"):
            row.refuse("a cooldown_after follows a contact, not minutes, and lasts rolling_days")
    if rule.effective_to and rule.effective_to < rule.effective_from:
        row.refuse("effective_to is before effective_from")
    contract = row.keys("contract_date", row.raw.get("contract_date", {}), frozenset({"from", "to"}))
    for name, value in contract.items():
        row.day(f"contract_date.{name}", value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
