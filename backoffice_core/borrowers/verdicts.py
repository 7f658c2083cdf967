"""What all that was heard of a number amounts to (CC-10, CC-11; domain.md 4.2 Phone). Pure: evidence in, verdict out.

A sign of death weighs by what said it, fades with a half-life, counts once a day, and weighs against the last sign of life.
Every weight and threshold is a term: dated rows of the table `number_terms` replace the defaults of `Terms`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

UNUSABLE = frozenset({"DEAD", "UNREACHABLE", "WRONG_PARTY"})  # never dialed
LIFE = frozenset({"alive", "right_party", "revived"})
REFUSED = frozenset({"dead", "trunk"})
_INCOMPLETE = (frozenset({484}), frozenset({28}))  # SIP, cause: the address may be wrong by our own writing
NO_CONTACT = ("NO_ANSWER", "BUSY", "REJECTED", "ANNOUNCEMENT", "ANSWERED_MACHINE")  # results that speak of absence
TEST, BY_ABSENCE = "test", "no_contact"  # reasons of a state


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Weights of signs, thresholds, spans. What each is for stands in docs/operator.md, *Numbers that are no more*."""

    exact: float = 1.0  # 404, 410, cause 1, the network's words "not in service"
    incomplete: float = 0.6  # 484, cause 28
    rang_after_s: float = 4.0  # a refusal after so long a ringing …
    rang: float = 0.5  # … weighs so much of it: dead numbers do not ring
    half_life_days: float = 21.0
    rings: float = 0.7  # a day on which it rang, or was busy, leaves so much of the signs before it
    other_trunk: float = 0.25  # added when a second trunk says the same
    needed: float = 1.75  # to be DEAD: two exact signs within nine days
    days: float = 2.0  # on at least so many different days
    lived: float = 1.0  # more is needed of a number that has just been answered …
    lived_half_life_days: float = 30.0  # … fading so
    unreachable_attempts: float = 24.0  # so many attempts without an answer …
    unreachable_days: float = 30.0  # … over so many days
    rest_days: float = 60.0  # then an unreachable number is tried again; 0: never
    test_attempts: float = 2.0  # so many tries a test has
    trunk_hours: float = 24.0  # a trunk is judged by so long
    trunk_liars: float = 3.0  # numbers proved alive that it refuses: so many …
    trunk_share: float = 0.1  # … and this share of those it lets answer: it lies
    trunk_refused: float = 12.0  # or: refuses so many numbers of one network …
    trunk_ratio: float = 10.0  # … so many times those it lets answer
    trunk_nobody: float = 5.0  # or: nobody was answered in those hours, and it refused so many since somebody was


NAMES = tuple(f.name for f in fields(Terms))


def terms_of(rows: Iterable[tuple[str, float]]) -> Terms:
    """`rows`: name and value of the terms in force, the later one wins; unknown names are left out."""
    known: Mapping[str, float] = {name: float(value) for name, value in rows if name in NAMES}
    return replace(Terms(), **known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One observation on one day of the person's clock. `sign`: dead, alive, right_party, wrong_party, revived, rings (kept of
    suspects only); trunk and announcement count for nothing. `rang_s`: seconds of ringing before a refusal."""

    day: date
    sign: str
    sip_code: int | None = None
    cause: int | None = None
    announcement: str = ""
    trunk: str = ""
    rang_s: int | None = None

    @property
    def code(self) -> str:
        """What it said, for people."""
        if self.announcement:
            return self.announcement
        return f"sip {self.sip_code}" if self.sip_code else f"cause {self.cause}" if self.cause else self.sign


@dataclass(frozen=True, slots=True)
class Judged:
    """`score` against `needed`; `codes`: what the signs since the last answer said, and how often; on how many trunks and
    over how many days."""

    state: str
    score: float = 0.0
    needed: float = 0.0
    codes: tuple[tuple[str, int], ...] = ()
    trunks: int = 0
    span_days: int = 0

    def facts(self) -> dict[str, Any]:
        """JSON for the number's row; empty when nothing speaks against it."""
        if not self.codes:
            return {}
        return {
            "codes": dict(self.codes), "trunks": self.trunks, "days": self.span_days, "score": round(self.score, 2),
            "needed": round(self.needed, 2),
        }  # fmt: skip


def weight(one: Seen, terms: Terms) -> float:
    """Of one sign of death on its own day."""
    sips, causes = _INCOMPLETE
    incomplete = not one.announcement and (one.sip_code in sips or (one.sip_code is None and one.cause in causes))
    return (terms.incomplete if incomplete else terms.exact) * (
        terms.rang if one.rang_s is not None and one.rang_s >= terms.rang_after_s and not one.announcement else 1.0
    )


def judge(seen: Iterable[Seen], terms: Terms | None = None) -> Judged:
    """The verdict on all evidence, oldest first, as of the last of it.

    Any answer wipes out the signs of death; a talk with the right person makes the number VERIFIED for good; a person's
    word "it works" (`revived`) wipes out everything. WRONG_PARTY is an agent's word and yields only to another talk with
    the right person or to such a word: whoever lives behind a wrong number, the machine hears him as "alive".
    """
    terms = terms or Terms()
    state, verified, lived = "UNVERIFIED", False, None
    against: list[Seen] = []
    rang: set[date] = set()
    for one in seen:
        if one.sign in {"right_party", "revived"}:
            verified = verified or one.sign == "right_party"
            state, lived = "VERIFIED" if verified else "UNVERIFIED", one.day
            against.clear()
        elif one.sign == "wrong_party":
            verified, state = False, "WRONG_PARTY"
            against.clear()
        elif state == "WRONG_PARTY":
            continue
        elif one.sign == "alive":
            state, lived = "VERIFIED" if verified else "UNVERIFIED", one.day
            against.clear()
        elif one.sign == "dead":
            against.append(one)
        elif one.sign == "rings":
            rang.add(one.day)
    return Judged(state) if not against else _weighed(against, rang, lived, terms)


def _weighed(against: list[Seen], rang: set[date], lived: date | None, terms: Terms) -> Judged:
    last = against[-1].day
    by_day: dict[date, float] = {}
    for one in against:
        by_day[one.day] = max(by_day.get(one.day, 0.0), weight(one, terms))
    score = sum(
        w
        * 0.5 ** ((last - day).days / terms.half_life_days)
        * terms.rings ** sum(day < other <= last for other in rang)
        for day, w in by_day.items()
    )
    trunks = len({one.trunk for one in against} - {""})
    score += terms.other_trunk if trunks > 1 else 0.0
    needed = terms.needed
    if lived is not None:
        needed += terms.lived * 0.5 ** ((last - lived).days / terms.lived_half_life_days)
    dead = score >= needed and len(by_day) >= terms.days
    codes = Counter(one.code for one in against)
    span = (last - against[0].day).days + 1
    return Judged("DEAD" if dead else "SUSPECT", score, needed, tuple(codes.most_common()), trunks, span)


@dataclass(frozen=True, slots=True)
class Heard:
    """Distinct numbers that one trunk was heard of in its window: refused, of these proved alive before, and answered.
    `since_answer`: refused since anybody was answered on it, however long ago."""

    refused: int
    refused_alive: int
    answered: int
    since_answer: int = 0


def trunk_lies(whole: Heard, of_network: Heard, terms: Terms) -> str:
    """Whether refusals of a trunk speak of the trunk: those of one "network" (a broken route), "all" of them, or "" = no.

    Numbers that were answered before are the witnesses; where there are none yet, only a network that nearly nobody
    answers in is believed to be broken, for an old list may be half dead by itself.
    """
    for scope, heard in (("network", of_network), ("all", whole)):
        witnesses = (
            heard.refused_alive >= terms.trunk_liars and heard.refused_alive > terms.trunk_share * heard.answered
        )
        silence = heard.refused >= terms.trunk_refused * (2 if scope == "all" else 1) and (
            heard.refused > terms.trunk_ratio * heard.answered
        )
        if witnesses or silence:
            return scope
    # few calls go out on it, and none gets through: a trunk that refuses everybody condemns nobody
    return "all" if not whole.answered and whole.since_answer >= terms.trunk_nobody else ""


def network_of(number: str) -> str:
    """The beginning of a number in E.164 by which routes are chosen: country and network code."""
    return number[:6]
