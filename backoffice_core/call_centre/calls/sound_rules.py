"""RTCP's figures of a leg (pure): readings of `CHANNEL(rtcp,all)` while a talk lasts -> how good its sound is.

Asterisk counts from the leg's beginning, and an agent's leg lives all shift: a talk is the difference of readings. Lost
packets are those of its last report, one each five seconds. Its names of the two jitters are the wrong way round (tried
on 22.10: `txjitter` is that of what it receives, `rxjitter` what the phone reports).
"""

from dataclasses import dataclass
from typing import Literal

ENOUGH_PACKETS = 100  # two seconds of sound: of less nothing is said
SILENT_READINGS = 2  # so many in a row without one packet, while the other side gets its own: one-way

OneWay = Literal["", "FROM_PHONE", "FROM_BORROWER"]


@dataclass(frozen=True)
class Reading:
    """Packets since the leg began; jitter (RFC 3550) in milliseconds, as it is now."""

    received: int
    sent: int
    lost: int  # on the way to us
    lost_there: int  # on the way from us, as the other side reports
    jitter_ms: float
    jitter_there_ms: float


def reading(text: str) -> Reading | None:
    """None when the leg told nothing."""
    pairs = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    try:
        return Reading(
            int(pairs["rxcount"]), int(pairs["txcount"]), int(pairs["lp"]), int(pairs["rlp"]),
            min(float(pairs["txjitter"]) * 1000, 10_000.0), min(float(pairs["rxjitter"]) * 1000, 10_000.0),
        )  # fmt: skip
    except (KeyError, ValueError):
        return None


def since(first: Reading, last: Reading) -> Reading:
    """What came between two readings of one leg; never negative, a leg may count anew."""
    return Reading(
        max(last.received - first.received, 0), max(last.sent - first.sent, 0), max(last.lost - first.lost, 0),
        max(last.lost_there - first.lost_there, 0), last.jitter_ms, last.jitter_there_ms,
    )  # fmt: skip


def silent(phone: Reading, borrower: Reading | None) -> OneWay:
    """Whether one side sent nothing between two readings while sound went to it."""
    if phone.received == 0 and phone.sent >= ENOUGH_PACKETS:
        return "FROM_PHONE"
    if borrower is not None and borrower.received == 0 and borrower.sent >= ENOUGH_PACKETS:
        return "FROM_BORROWER"
    return ""


def loss_percent(lost: int, arrived: int) -> float:
    """Percent of what was sent, 0 to 100, to two places."""
    return round(100 * lost / (lost + arrived), 2) if lost > 0 else 0.0


def mean(before: float, n: int, further: float) -> float:
    """The mean of n values and one more."""
    return (before * n + further) / (n + 1)
