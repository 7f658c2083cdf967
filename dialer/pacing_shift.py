"""How far the shift has gone and what is left of it, as far as the horizon that is told can be believed (pure)."""

import math
from typing import Any

HOUR_S = 3600.0
FAR_S = 26 * HOUR_S  # a shift that ends later than this has no end that is known
PROOF_S = 600.0  # after so long the rest must have shrunk as time went by
QUIET_S = 1800.0  # no answer for so long: what begins then may be another shift
SOON_S, FIRST_S = 1200.0, 5400.0  # of a shift whose end nobody knows: it may end so soon, but lasts at least


class ShiftClock:
    """`gone`, `left`: seconds. `left` is None where no end is known: none was told, or one that moves along with time."""

    def __init__(self, memory: list[Any] | None) -> None:
        told: list[Any] = memory or [0.0, None, 0.0, 0.0]
        self.gone: float = told[0]
        self.left: float | None = told[1]
        self.shrunk: float = told[2]
        self.quiet: float = told[3]
        self.begun = memory is not None

    def memory(self) -> list[Any] | None:
        return [self.gone, self.left, self.shrunk, self.quiet] if self.begun else None

    def passed(self, dt: float | None, told: float, answers: int) -> bool:
        """`dt`: seconds since the last time, None when that is not known as another leader's zero of time is another.
        `told`: seconds left by the horizon. True when another shift has begun: the rest has grown by an hour, and nobody
        was there to see it or nobody answered for long. A horizon that is put off while calls go on lengthens the shift.
        """
        left = max(told, 0.0) if told <= FAR_S else None  # not a number is no end either
        shrank = self.left - left if self.left is not None and left is not None else 0.0
        quiet = self.quiet + (dt or 0.0)
        self.quiet = 0.0 if answers else quiet
        another = not self.begun or (shrank < -HOUR_S and (dt is None or quiet >= QUIET_S))
        if another:
            self.gone = self.shrunk = 0.0
        else:
            step = min(max(shrank, 0.0), HOUR_S) if dt is None else dt
            self.gone += step
            self.shrunk += min(max(shrank, 0.0), step)
        self.begun, self.left = True, left
        return another

    @property
    def known(self) -> bool:
        return self.left is not None and (self.gone < PROOF_S or self.shrunk > self.gone / 2 or self.left == 0)

    def ahead(self) -> float:
        """Seconds whose answers the account may count on."""
        if self.left is not None and self.known:
            return self.left
        return max(SOON_S, FIRST_S - self.gone)

    def hour(self) -> tuple[int, float]:
        """Which one of the shift this is, 0 the first, and seconds to its end."""
        number = int((self.gone + 1e-6) / HOUR_S)
        return number, min((number + 1) * HOUR_S - self.gone, self._rest())

    def hour_from_end(self) -> tuple[int, float]:
        """The same with hours counted back from the end of the shift, 1 the last."""
        if self.left is None or not self.known:
            return self.hour()
        number = math.ceil(self.left / HOUR_S - 1e-9)
        return number, self.left - (number - 1) * HOUR_S

    def within(self, seconds: float) -> float:
        return min(seconds, self._rest())

    def _rest(self) -> float:
        return self.left if self.left is not None and self.known else math.inf
