"""What a dialer can know of a pool: the only thing pacing policies see (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a dialer knows of one pool at one moment. Times in seconds. `Pacer.decide` wants one every 0.5 … 1 s."""

    t: float  # monotonic, any zero; never decreases
    horizon: float  # the t at which the shift ends
    free: tuple[float, ...]  # seconds waited, each free agent
    talking: tuple[float, ...]  # elapsed, each; only agents who will come back to this pool
    wrapping: tuple[float, ...]
    ringing: tuple[float, ...]  # since Originate, each call not yet ended
    waiting: tuple[float, ...]  # since answer, each live call without an agent (machine detection included)
    on_break: int
    logged_in: int
    trunks_free: int
    attempts: tuple[
        tuple[str, float], ...
    ] = ()  # ringing that ended since the last decide(): outcome, seconds from Originate
    talks: tuple[float, ...] = ()  # ended since the last decide()
    wraps: tuple[float, ...] = ()
    live: int = 0  # running counts of the account's window, this run included
    abandoned: int = 0
    answer_limit: float = 2.0
    ring_timeout: float = 25.0
