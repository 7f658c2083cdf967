"""The API for the bank's systems, /api/v1.

In: persons, loans, balances, schedules, payments, the stop-list, consents, contacts made elsewhere. Out: decisions, promises,
contacts, counts.

A key in `Authorization: Bearer …` opens it, cookies never do. Every post may be repeated: it is joined with what is
there and counts once; with an `Idempotency-Key` the first answer comes again for three days. Rows that cannot be taken
come back in `refused` with field and remedy, the others count. Answers are JSON; a refusal names the field and the remedy.
"""

from fastapi import APIRouter

from agent_console.pages.api import consents, contacts, counts, feed, payments, portfolio, schedules, shelter, stop_list

router = APIRouter(prefix="/api/v1", tags=["v1"])
for part in (portfolio, schedules, payments, stop_list, consents, contacts, shelter, feed, counts):
    router.include_router(part.router)
