"""What a network said before any answer (pure): a heard sound against a library of known ones.

`not_in_service` alone speaks against a number, so it is believed least: its end must be heard, for announcements of one
network begin alike and differ at the end, and nothing harmless may fit as well. The numbers below were chosen on the
far end's announcements with noise 10 dB below the speech, behind G.711, GSM and Opus: there the end of the same
announcement is alike by 0.7 or more, that of another one by less than 0.4 (`tests/bench/announcements.py` measures).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from recordings.fingerprint import Match, Print, compare

MEANINGS = ("not_in_service", "switched_off", "forbidden", "no_funds", "voicemail", "ringback")
CONDEMNING = "not_in_service"
UNKNOWN = "unknown"

ALIKE = 0.6  # similarity of the end, from which two sounds are the same announcement
ALIKE_CONDEMNING = 0.65
PART_ALIKE = 0.65  # of what was heard, when the end was not
LEAST_S = 1.5  # seconds of active sound that make an announcement
RINGING_LEAST_S = 0.5
MARGIN = 0.15  # a harmless meaning that fits nearly as well wins


@dataclass(frozen=True)
class Known:
    """One fingerprint of the library. `key`: whose it is; `meaning` "" = nobody has named it yet."""

    key: int
    meaning: str
    print: Print
    language: str = ""
    carrier: str = ""


@dataclass(frozen=True)
class Verdict:
    """`meaning`: one of MEANINGS, `unknown` (an announcement that the library does not have) or "" (nothing that can be
    told: silence, noise, or the beginning of something known). `distance`: 0 = the same sound, 1 = nothing in common;
    None without a library entry. `key`: the entry, of an unnamed one too."""

    meaning: str
    distance: float | None = None
    key: int | None = None


def recognise(heard: Print, library: Iterable[Known], carrier: str = "") -> Verdict:
    """`carrier`: who the heard call went to; between entries that fit alike, its own is taken."""
    found = [(known, match) for known in library if (match := compare(known.print, heard)) is not None]
    whole = sorted(
        ((match.end + (0.02 if carrier and known.carrier == carrier else 0.0), known) for known, match in found
         if _is_whole(known, match)),
        key=lambda one: -one[0],
    )  # fmt: skip
    if whole:
        return _of_whole(whole)
    parts = [(match.whole, known) for known, match in found if _is_part(match)]
    told = {known.meaning for _, known in parts}
    if parts and (CONDEMNING in told or len(told) > 1):
        return Verdict("")  # the beginning of something known: what it goes on to say was not heard
    if parts:
        similarity, known = max(parts, key=lambda one: one[0])
        return Verdict(known.meaning or UNKNOWN, _distance(similarity), known.key)
    if heard.seconds >= LEAST_S:
        return Verdict(UNKNOWN)
    return Verdict("ringback", 0.0) if heard.ringing >= RINGING_LEAST_S else Verdict("")


def same(one: Print, other: Print) -> bool:
    """Whether two sounds are the same announcement, whichever of them is the longer."""
    matches = (compare(one, other), compare(other, one))
    return any(match is not None and (match.end >= ALIKE or _is_part(match)) for match in matches)


def _is_whole(known: Known, match: Match) -> bool:
    if known.meaning == CONDEMNING:
        return match.end >= ALIKE_CONDEMNING and match.last >= ALIKE_CONDEMNING and match.whole >= 0.4
    return match.end >= ALIKE


def _is_part(match: Match) -> bool:
    return match.whole >= PART_ALIKE and match.seconds >= LEAST_S


def _of_whole(fitting: list[tuple[float, Known]]) -> Verdict:
    similarity, best = fitting[0]
    if best.meaning == CONDEMNING:
        harmless = next((one for one in fitting if one[1].meaning != CONDEMNING), None)
        if harmless is not None and harmless[0] > similarity - MARGIN:
            similarity, best = harmless
    return Verdict(best.meaning or UNKNOWN, _distance(similarity), best.key)


def _distance(similarity: float) -> float:
    return round(min(max(1.0 - similarity, 0.0), 1.0), 3)
