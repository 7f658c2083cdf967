"""Questions and answers of the evaluator as JSON, as `compliance_decisions` keeps them, and back (pure)."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any
from uuid import UUID

from backoffice_core.compliance.late import LateSource
from backoffice_core.compliance.terms import (
    Address,
    ConsentView,
    Contact,
    Decision,
    Entry,
    Flag,
    Must,
    PersonView,
    Reason,
)


def plain(value: Any) -> Any:
    """Keys, dates and decimals as text, sets and tuples as lists."""
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, frozenset | set):
        return sorted(plain(each) for each in value)
    return value


def contact_json(contact: Contact) -> dict[str, Any]:
    person, address = contact.person, contact.address
    flags = [
        {"name": flag.name, "since": plain(flag.since), "until": plain(flag.until), "evidence": flag.evidence}
        for flag in person.flags
    ]
    return {
        "person": {
            "id": str(person.id),
            "jurisdictions": list(person.jurisdictions),
            "zones": list(person.zones),
            "flags": flags,
        },
        "address": {"value": address.value, "number_type": address.number_type} if address else None,
        **{name: plain(getattr(contact, name)) for name in CONTACT_FIELDS},
        **({"consents": [consent_json(one) for one in contact.consents]} if contact.consents else {}),
        **({"standing": sorted(contact.standing)} if contact.standing is not None else {}),
    }


_APART = {"person", "address", "consents", "standing"}
CONTACT_FIELDS = tuple(name for name in Contact.__dataclass_fields__ if name not in _APART)


def consent_json(one: ConsentView) -> dict[str, Any]:
    return {each.name: plain(getattr(one, each.name)) for each in fields(ConsentView)}


def consent_of(said: Mapping[str, Any]) -> ConsentView:
    """What consent_json wrote, or PostgreSQL's `to_jsonb` of such a row."""
    withdrawn = said.get("withdrawn_at")
    return ConsentView(
        UUID(said["id"]), said["purpose"], said["channel"], said["number"], datetime.fromisoformat(said["given_at"]),
        _day(said.get("until")), datetime.fromisoformat(withdrawn) if withdrawn else None,
    )  # fmt: skip


def reason_json(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code.value,
        "rule": reason.rule_id,
        "params": plain(dict(reason.params)),
        "until": plain(reason.until),
    }


def must_json(must: Must) -> dict[str, Any]:
    return {"kind": must.kind, "rule": must.rule_id, "params": plain(dict(must.params))}


# --- what the answer hangs on --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inputs:
    """Beside the contact: the state of rules and calendar (`ComplianceBook.digest`), the entries that were counted,
    which sources of contacts made elsewhere were late, whether another attempt was live, and what went to the number
    with other persons (where a rule counts by number)."""

    book: str
    ledger: tuple[Entry, ...]
    live: bool = False
    late: tuple[LateSource, ...] = ()
    of_number: tuple[Entry, ...] = ()


def inputs_json(inputs: Inputs) -> dict[str, Any]:
    said: dict[str, Any] = {"book": inputs.book, "ledger": [entry_json(entry) for entry in inputs.ledger]}
    late = [
        {"name": one.name, "channel": one.channel, "actor": one.actor, "since": plain(one.since)} for one in inputs.late
    ]
    if inputs.of_number:
        said["of_number"] = [entry_json(entry) for entry in inputs.of_number]
    return said | ({"live": True} if inputs.live else {}) | ({"late": late} if late else {})


def inputs_of(said: Mapping[str, Any]) -> Inputs:
    """Raises KeyError, ValueError, TypeError for what inputs_json did not write."""
    late = tuple(LateSource(**{**one, "since": datetime.fromisoformat(one["since"])}) for one in said.get("late", ()))
    ledger = tuple(entry_of(each) for each in said["ledger"])
    others = tuple(entry_of(each) for each in said.get("of_number", ()))
    return Inputs(said["book"], ledger, bool(said.get("live")), late, others)


_WRITTEN: Mapping[str, Callable[[Any], Any]] = {"at": plain, "debt": plain, "minutes": plain, "exceptions": plain}
_ENTRY = tuple((each.name, each.default, _WRITTEN.get(each.name)) for each in fields(Entry))
_values = attrgetter(*(each.name for each in fields(Entry)))


def entry_json(entry: Entry) -> dict[str, Any]:
    """Only what differs from an entry's defaults, in a fixed order."""
    said = {}
    for (name, default, written), value in zip(_ENTRY, _values(entry), strict=True):
        if value != default:
            said[name] = written(value) if written else value
    return said


def entry_of(said: Mapping[str, Any]) -> Entry:
    values = dict(said)
    values["at"] = datetime.fromisoformat(values["at"])
    if values.get("debt"):
        values["debt"] = UUID(values["debt"])
    if values.get("minutes") is not None:
        values["minutes"] = Decimal(values["minutes"])
    if "exceptions" in values:
        values["exceptions"] = frozenset(values["exceptions"])
    return Entry(**values)


def contact_of(said: Mapping[str, Any]) -> Contact:
    """What contact_json wrote. Raises KeyError, ValueError, TypeError for anything else."""
    person, address = said["person"], said["address"]
    values: dict[str, Any] = {name: said[name] for name in CONTACT_FIELDS if name in said}
    for name in ("template_tags", "given"):
        values[name] = frozenset(values.get(name, ()))
    values["debt"] = UUID(values["debt"]) if values.get("debt") else None
    given = values.get("consent_at")
    values["consent_at"] = datetime.fromisoformat(given) if given else None
    values["consents"] = tuple(consent_of(one) for one in said.get("consents", ()))
    values["standing"] = None if said.get("standing") is None else frozenset(said["standing"])
    flags = tuple(
        Flag(flag["name"], _day(flag["since"]), _day(flag["until"]), flag["evidence"]) for flag in person["flags"]
    )
    view = PersonView(UUID(person["id"]), tuple(person["jurisdictions"]), tuple(person["zones"]), flags)
    return Contact(
        person=view, address=Address(address["value"], address["number_type"]) if address else None, **values
    )


def _day(said: str | None) -> date | None:
    return date.fromisoformat(said) if said else None


def answer_json(decision: Decision) -> dict[str, Any]:
    """The answer as its row has it; two are the same when these are equal."""
    return {
        "allow": decision.allow,
        "reasons": [reason_json(reason) for reason in decision.reasons],
        "next_allowed_at": plain(decision.next_allowed_at),
        "must": [must_json(must) for must in decision.must],
        "consulted": [{"rule": rule, "version": version} for rule, version in decision.consulted],
    }


# --- the state of rules and calendar -------------------------------------------------------------------------------


def row_digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(row)).hexdigest()


def book_digest(versions: Iterable[Any], calendar: Iterable[Any], code: str) -> str:
    return hashlib.sha256(_canonical([list(versions), list(calendar), code])).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
