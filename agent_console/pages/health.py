"""`/health`: what the supervisor and the login page want to know. Says no secret, asks for no login."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from agent_console.console import Console
from agent_console.deps import console_of
from backoffice_core.call_centre.dialing import stop

router = APIRouter()


async def _answers(ping: Any) -> bool:
    try:
        await asyncio.wait_for(ping(), 2)
    except Exception:  # whatever it was: it does not answer
        return False
    return True


async def state(console: Console) -> dict[str, bool]:
    database, redis = await asyncio.gather(_answers(console.database.ping), _answers(console.bus.ping))
    return {
        "database": database,
        "redis": redis,
        "telephony": bool(console.ami and console.ami.up),
        "stopped": stop.stopped(console.settings) is not None,
    }


@router.get("/health")
async def health(request: Request) -> dict[str, bool]:
    return await state(console_of(request))
