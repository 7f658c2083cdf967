"""The API for the bank's systems, /api/v1: contacts made elsewhere (FL-09), the stop-list (FL-08), payments, counts.

A key in `Authorization: Bearer …` opens it, cookies never do. Every post may be repeated: it is joined with what is
there and counts once. Answers are JSON; a refusal names the field and the remedy.
"""

from fastapi import APIRouter

from agent_console.pages.api import contacts, counts, payments, shelter, stop_list

router = APIRouter(prefix="/api/v1", tags=["v1"])
for part in (contacts, stop_list, payments, shelter, counts):
    router.include_router(part.router)
