"""A decision of the dialer in words, and the one sentence that says why dialing is slow (FL-17)."""

from typing import Any

from backoffice_core.call_centre.dialing.campaign_models import PacingDecision
from backoffice_core.catalogue import Words

BOUNDS = ("agents", "lines", "legs", "account", "list", "clock", "caller_ids", "shift", "campaign", "rules")
"""What may hold dialing back; with `agents` nothing does: every free agent has a call on its way."""


BESIDES = (("ratio", 2), ("in_hand", 0), ("callers", 0), ("pace", 1))
"""Further terms of a decision, told when there are any, with the digits of their numbers."""


def decision(words: Words, row: PacingDecision) -> str:
    """As «12 placed: 4 free + 2.3 expected to be free; 3 expected answers in flight; budget 1.4», with what else led to it."""
    terms: dict[str, Any] = row.terms
    said = {"calls": row.calls, "free": words.number(terms.get("free", 0))}
    if "lines" in terms:
        robot = words("pacing-robot", live=words.number(terms["in_flight"]), lines=words.number(terms["lines"]))
        return words("pacing-agentless", calls=row.calls, now=robot)
    if "budget" in terms:
        told = words(
            "pacing-ahead", **said, coming=words.number(terms["expected_free"], 1),
            answers=words.number(terms["expected_answers"], 1), budget=words.number(terms["budget"], 1),
        )  # fmt: skip
    else:
        told = words("pacing-plain", **said, flying=words.number(terms.get("in_flight", 0)))
    return "; ".join([told, *(words(f"pacing-{name}", n=words.number(terms[name], digits))
                              for name, digits in BESIDES if terms.get(name))])  # fmt: skip


def slow(words: Words, row: PacingDecision) -> str:
    """Why no more calls go out; "" when every free agent has one on its way."""
    return words.code("slow", row.bound) if row.bound not in {"agents", "campaign"} else ""
