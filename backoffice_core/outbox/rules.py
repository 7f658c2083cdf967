"""Kinds of events, the signature, how long to wait between tries, and which addresses may be written to. Pure."""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

KINDS = (
    "promise.made", "promise.partial", "promise.kept", "promise.broken", "promise.cancelled", "promise.reopened",
    "call.ended", "contact.made",
    "case.opened", "case.reopened", "case.held", "case.resumed", "case.cured", "case.paid_off", "case.closed", "case.moved",
    "plan.proposed", "plan.active", "plan.done", "plan.breached", "plan.cancelled",
    "hand_over.proposed", "hand_over.accepted", "hand_over.refused",
    "balance.corrected", "stop.added", "stop.changed", "stop.lifted", "decision.refused", "test",
)  # fmt: skip
REFUSED = "decision.refused"  # read from the decisions by the sender, not written by a trigger
BY_NAME_ALONE = frozenset({REFUSED})  # so many that “all” does not mean them
# What leaves the house of a line in a case's history: codes, sums and dates, no words that somebody typed.
TOLD = frozenset({
    "promise_id", "plan_id", "call_id", "state", "amount", "currency", "due_date", "matched", "n", "last", "from", "to", "reason",
    "result", "outcome", "rpc", "direction", "seconds", "abandoned", "campaign", "act_no", "kind", "value", "since", "until",
    "source", "contract", "as_at", "decision_id", "person_ref", "channel", "purpose", "reasons", "next_allowed_at",
})  # fmt: skip
SIGNATURE, TIMESTAMP = "X-BackOffice-Signature", "X-BackOffice-Timestamp"
_WAITS_S = (10, 30, 60, 300, 900, 1800, 3600, 7200, 14400)  # after the first try, the second …; then the last again


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256, in hexadecimal, of the timestamp (Unix seconds), a dot and the body as it is sent."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def wait(tries: int) -> timedelta:
    """Until the next try, after so many in vain (from 1)."""
    return timedelta(seconds=_WAITS_S[min(max(tries, 1), len(_WAITS_S)) - 1])


def told(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in TOLD}


def refusal(url: str, hosts: Sequence[str]) -> str:
    """Why this address may not be written to, "" = it may. `hosts`: host or host:port, as the setting names them."""
    try:
        asked = urlsplit(url)
        port = asked.port
    except ValueError:
        return "is no address"
    host = (asked.hostname or "").lower()
    if asked.scheme not in {"https", "http"} or not host:
        return "is no https address"
    if asked.username or asked.password or asked.fragment:
        return "carries a name, a password or a fragment"
    if not {host, f"{host}:{port or (443 if asked.scheme == 'https' else 80)}"} & {one.lower() for one in hosts}:
        return f"leads to {host}, which webhook_hosts does not name"
    if asked.scheme == "http" and not _is_loopback(host):
        return "is not encrypted: write https"
    return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
