"""What the supervisor knows of a running part: how to prepare it, start it, see that it works, and end it."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Part:
    """One process. `prepare` raises PartMissing or BadInput with the remedy before anything is started."""

    name: str
    argv: list[str]
    healthy: Callable[[], bool]
    prepare: Callable[[], None] = _nothing
    after_start: Callable[[], None] = _nothing
    port: int | None = None
    sign: int = signal.SIGTERM
    start_limit_s: float = 30.0
    stop_limit_s: float = 4.0
    variables: dict[str, str] = field(default_factory=dict)
