"""Deleting what no rule keeps any longer: the key first, in one transaction with the row of the deletion, then the files."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from backoffice_core.call_centre.calls import recordings as rows
from backoffice_core.call_centre.calls.recordings import Aged
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from recordings import retention, store

_PAGE = 1000


@dataclass
class Disposed:
    """`looked` = sealed recordings asked about, `verdicts` = how many of each code, `deleted`: done, or with a dry run
    what would be done: call, path, rule and until when it was kept."""

    looked: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    deleted: list[dict[str, Any]] = field(default_factory=list)


async def run(database: Database, settings: Settings, clock: Clock, *, dry_run: bool = False) -> Disposed:
    """One look at all sealed recordings. Safe to repeat; whoever is stopped leaves nothing that the next run does not end."""
    now, done, after = clock.now(), Disposed(), None
    if not dry_run:
        await remove_files(database, settings, clock)
    async with database.begin() as s:
        rules = [r for r in (await compliance.rulebook(s)).in_force(clock.today()) if r.kind == "retention"]
    while True:
        async with database.begin() as s:
            page = await rows.aged(s, now - timedelta(days=1), after, _PAGE)
        for one in page:
            await _one(database, settings, clock, one, rules, done, dry_run)
        if len(page) < _PAGE:
            break
        after = page[-1].call_id
    if not dry_run:
        await remove_files(database, settings, clock)
    return done


async def _one(
    database: Database, settings: Settings, clock: Clock, one: Aged, rules: list[Any], done: Disposed, dry_run: bool
) -> None:
    subject = retention.Subject(
        called_at=one.called_at, last_activity=one.last_activity, purpose=one.purpose, outcome=one.outcome,
        jurisdictions=frozenset({one.jurisdiction, settings.jurisdiction}), held=one.held,
    )  # fmt: skip
    verdict = retention.judge(rules, subject, clock.now())
    done.looked += 1
    done.verdicts[verdict.code] += 1
    if verdict.code != retention.DUE or verdict.rule is None or verdict.until is None:
        return
    rule = verdict.rule
    said = {"jurisdiction": rule.jurisdiction, "params": dict(rule.params), "source": rule.source}
    if not dry_run:
        async with database.begin() as s:
            gone = await rows.delete(
                s, one, rule_id=rule.id, rule_version=rule.version, rule=said, wall=clock.wall()
            )  # fmt: skip
        if not gone:
            done.verdicts.subtract([retention.DUE])
            done.verdicts[retention.HELD] += 1
            return
    done.deleted.append(
        {"call_id": one.call_id, "path": one.path, "called_at": one.called_at, "rule": f"{rule.id}/{rule.version}",
         "kept_until": verdict.until}
    )  # fmt: skip


async def remove_files(database: Database, settings: Settings, clock: Clock) -> int:
    """The files of what is deleted already; how many were found."""
    count = 0
    while True:
        async with database.begin() as s:
            found = await rows.files_to_remove(s)
            for row in found:
                await asyncio.to_thread(store.remove_all, settings, row.path)
                row.files_gone_at = clock.wall()
        count += len(found)
        if not found:
            return count


async def rewrap(database: Database, settings: Settings, batch: int = 500) -> int:
    """Closes every file's key with the current one; no file of sound is touched. Returns how many were turned."""
    from recordings import keys
    from recordings.keys import Wrapped

    ring, turned = keys.load(settings), 0
    while True:
        async with database.begin() as s:
            found = await rows.wrapped_elsewhere(s, ring.current, batch)
            for row in found:
                assert row.wrapped_key is not None  # noqa: S101 (so the query asked)
                key = ring.unwrap(row.call_id, Wrapped(row.key_id, row.wrapped_key))
                wrapped = ring.wrap(row.call_id, key)
                row.key_id, row.wrapped_key = wrapped.key_id, wrapped.blob
                await asyncio.to_thread(_rewrap_file, settings, row.path, row.call_id, wrapped)
        turned += len(found)
        if not found:
            return turned


def _rewrap_file(settings: Settings, base: str, call_id: UUID, wrapped: Any) -> None:
    for folder in store.folders(settings):
        if store.read_key(folder, base) is not None:
            store.write_key(folder, base, wrapped)
