"""Questions and answers of the evaluator as JSON, as `compliance_decisions` keeps them (pure)."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from backoffice_core.compliance.terms import Contact, Must, Reason


def plain(value: Any) -> Any:
    """Keys, dates and decimals as text, sets and tuples as lists."""
    if isinstance(value, UUID | Decimal):
        return str(value)
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
    }


CONTACT_FIELDS = tuple(name for name in Contact.__dataclass_fields__ if name not in {"person", "address"})


def reason_json(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code.value,
        "rule": reason.rule_id,
        "params": plain(dict(reason.params)),
        "until": plain(reason.until),
    }


def must_json(must: Must) -> dict[str, Any]:
    return {"kind": must.kind, "rule": must.rule_id, "params": plain(dict(must.params))}
