"""The plan of faults (pure): the same seed gives the same faults at the same relative events."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

PROGRAMS = ("dialer", "ami_listener", "agi", "agent_console", "worker")
SERVERS = ("postgres", "valkey", "asterisk")
LINKS = ("ami", "postgres", "redis")
TRIGGERS = ("INVITE", "ANSWER", "BYE", "originate-before", "originate-after", "time")

# kind -> how often it stands in the deck from which faults are drawn
DECK = {
    "kill dialer": 4, "kill ami_listener": 4, "kill agi": 3, "kill agent_console": 3, "kill worker": 2,
    "kill postgres": 3, "kill valkey": 2, "kill asterisk": 3, "flush valkey": 1,
    "cut ami": 2, "cut postgres": 2, "cut redis": 1, "mute ami": 2, "mute postgres": 1, "mute redis": 1,
    "slow ami": 1, "slow postgres": 1, "slow redis": 1,
    "freeze dialer": 2, "freeze ami_listener": 2, "freeze agi": 2, "freeze agent_console": 1, "freeze worker": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """`trigger`: the event after which (and `delay_s` later) it begins: a line of the far end's log, an Originate on the
    wire (before or after it is let through), or only time. `lasts_s`: for cut, mute, slow and freeze. `together`: the
    next fault does not wait until the house has recovered from this one."""

    kind: str
    trigger: str
    delay_s: float
    lasts_s: float
    together: bool

    @property
    def what(self) -> str:
        """kill, flush, cut, mute, slow or freeze."""
        return self.kind.partition(" ")[0]

    @property
    def whom(self) -> str:
        return self.kind.partition(" ")[2]


def plan(kills: int, seed: int, only: str = "") -> list[Fault]:
    """`kills` faults. `only`: words of which a kind must contain one; ValueError when none does."""
    dice = random.Random(seed)
    cards = _cards(dice, [word for word in only.split(",") if word])
    return [_fault(dice, next(cards)) for _ in range(kills)]


def _cards(dice: random.Random, words: list[str]) -> Iterator[str]:
    deck = [kind for kind, n in DECK.items() for _ in range(n) if not words or any(word in kind for word in words)]
    if not deck:
        raise ValueError(f"no fault is called {', '.join(words)}; there are: {', '.join(DECK)}")
    while True:
        dice.shuffle(deck)
        yield from deck


def _fault(dice: random.Random, kind: str) -> Fault:
    lasts = {"cut": (0.2, 3.0), "mute": (1.0, 8.0), "slow": (2.0, 4.0), "freeze": (0.5, 4.0)}.get(
        kind.split(maxsplit=1)[0], (0, 0)
    )
    return Fault(
        kind=kind,
        trigger=dice.choice(TRIGGERS),
        delay_s=round(dice.choice((0.0, 0.0, dice.uniform(0, 0.1), dice.uniform(0, 1.0))), 3),
        lasts_s=round(dice.uniform(*lasts), 3),
        together=dice.random() < 0.25,
    )
