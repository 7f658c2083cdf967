"""What the console's pages share for the life of the process."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent_console.what_if import Runs
from backoffice_core.bus import Bus
from backoffice_core.catalogue import Catalogue
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database

if TYPE_CHECKING:
    from agent_console.live import Hub


@dataclass(frozen=True)
class Known:
    """Somebody who may stop dialing, as last read from the database."""

    name: str
    csrf: str
    expires_at: datetime


@dataclass
class Console:
    """`ami` is None when the exchange is away or the test has none: then hanging up says so."""

    settings: Settings
    database: Database
    bus: Bus
    clock: Clock
    catalogue: Catalogue
    ami: Any | None = None
    hub: "Hub" = field(init=False)
    password_checks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Argon2 takes 64 MB and a core for a moment: two at a time, and none holds a connection while it waits."""
    what_if: Runs = field(default_factory=Runs)
    known: dict[str, Known] = field(default_factory=dict)
    """Cookies of people who may stop dialing: the stop button must work while the database is dead (FL-01)."""

    def remember(self, token: str, name: str, csrf: str, expires_at: datetime) -> None:
        if token not in self.known and len(self.known) >= 500:
            self.known.pop(next(iter(self.known)))
        self.known[token] = Known(name, csrf, expires_at)
