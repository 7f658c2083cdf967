"""News over Redis: a link that is dead without being cut is noticed, and made again."""

import asyncio

import pytest

from backoffice_core import bus as buses
from backoffice_core.bus import Bus
from backoffice_core.config import Settings
from backoffice_core.events import News, QueueChanged
from backoffice_core.parts.process import free_ports
from tests.chaos.links import Link
from tests.conftest import until


async def test_a_mute_link_is_noticed_and_made_again(valkey: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 4, losing any link: news come again after a silence behind which nobody was; a quiet server is no dead one."""
    monkeypatch.setattr(buses, "QUIET_S", 0.3)
    (port,) = free_ports(1)
    link = Link("redis", port, valkey.ports.redis)
    await link.start()
    bus, heard = Bus(valkey.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"})), list[News | None]()

    async def hear() -> None:
        async for news in bus.hear():
            heard.append(news)

    hearing = asyncio.create_task(hear())
    await until(lambda: bus.connected)
    await asyncio.sleep(1.5)  # several silences in which the server is asked and answers
    assert heard == [None]
    link.mute(True)
    await until(lambda: not bus.connected, 10, what="the silence is noticed")
    link.mute(False)
    await until(lambda: bus.connected, 10)
    speaker = Bus(valkey)
    await speaker.publish(QueueChanged())
    await until(lambda: heard[-1] == QueueChanged(), 5)
    assert heard.count(None) >= 2, "whoever hears is told that something may have been missed"
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    await bus.close()
    await speaker.close()
    await link.close()
