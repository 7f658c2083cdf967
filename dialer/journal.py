"""Keeps what the pools decided and learned: decisions each second, memory each minute, both for whoever comes after."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from backoffice_core.call_centre.dialing import pacing_book
from backoffice_core.db import AWAY, Database
from dialer.pool import Plan, Pool

log = structlog.get_logger()
WRITE_S = 1.0
MEMORY_S = 60.0
PRUNE_S = 3600.0
QUIET_S = 60.0  # a floor that stands still is told of anew so often


class Journal:
    def __init__(self, database: Database) -> None:
        self.database = database
        self._rows: list[dict[str, Any]] = []
        self._told: dict[str, tuple[str, float, Any]] = {}  # by pool: bound, when, accounts
        self._wrote = self._kept = self._pruned = time.monotonic()

    def note(self, pool: str, plan: Plan, placed: int, bound: str, wall: datetime) -> None:
        """A decision that placed calls, or was bound by something else than the last one; a moved account once a minute."""
        now = time.monotonic()
        last, at, accounts = self._told.get(pool, ("", 0.0, None))
        if not placed and bound == last and (now - at < QUIET_S or accounts == plan.accounts):
            return
        self._told[pool] = (bound, now, plan.accounts)
        terms = {name: round(value, 4) for name, value in plan.decision.terms.items()}
        self._rows.append(
            {"at": wall, "pool": pool, "calls": placed, "bound": bound, "terms": terms | {"accounts": plan.accounts},
             "given": {name: calls for name, calls in plan.given.items() if calls}}
        )  # fmt: skip

    async def write(self, pools: Mapping[str, Pool], wall: datetime) -> None:
        """What is due. A database that is away loses these rows, not the dialing."""
        now = time.monotonic()
        keep, prune = now - self._kept >= MEMORY_S, now - self._pruned >= PRUNE_S
        if not keep and not prune and (not self._rows or now - self._wrote < WRITE_S):
            return
        rows, self._rows, self._wrote = self._rows, [], now
        try:
            async with self.database.begin() as s:
                await pacing_book.keep_decisions(s, rows)
                if keep:
                    self._kept = now
                    for name, pool in pools.items():
                        await pacing_book.keep_memory(s, name, pool.memory(), wall)
                if prune:
                    self._pruned = now
                    await pacing_book.prune(s, wall)
        except AWAY as error:
            log.warning("decisions not kept", error=type(error).__name__, rows=len(rows))
