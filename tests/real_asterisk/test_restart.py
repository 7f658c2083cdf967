"""Asterisk ends and comes back: the programs' link says so, and a call that was up is gone without a Hangup."""

import asyncio
from pathlib import Path

from asterisk_conf import cel_file
from backoffice_core.parts import asterisk as asterisk_part
from backoffice_core.pbx.actions import list_channels
from backoffice_core.pbx.frames import Event, LinkUp
from tests.conftest import fresh_settings, running, until
from tests.real_asterisk.conftest import Exchange, carrier


async def test_a_restart_is_a_new_link_with_a_young_uptime_and_the_call_is_not_listed(tmp_path: Path) -> None:
    """FL: after a restart the listener reads the list of channels and goes on."""
    exchange = Exchange(fresh_settings(tmp_path / "data"))
    part = asterisk_part.part(exchange.settings, phones=[])
    seen: list[Event | LinkUp] = []
    dialer = exchange.ami("dialer", frozenset({"Hangup", "Newstate"}))

    async def listen() -> None:
        async for event in dialer.events():
            seen.append(event)

    with carrier(exchange.settings):
        listening = asyncio.create_task(listen())
        with running(part, tmp_path / "asterisk.log") as first:
            keeping = asyncio.create_task(dialer.run())
            await until(lambda: dialer.up)
            await asyncio.sleep(2.1)  # so that the second uptime is younger; nothing is waited for
            call_id = await exchange.call(dialer, "700")
            await until(lambda: any(isinstance(e, Event) and e.get("ChannelStateDesc") == "Ringing" for e in seen))
            assert [one.uniqueid for one in await list_channels(dialer)] == [call_id]
            first.kill()
            await asyncio.to_thread(first.wait)
            await until(lambda: not dialer.up)
        with running(part, tmp_path / "asterisk.log"):
            await until(lambda: dialer.up, 20)
            ups = [event for event in seen if isinstance(event, LinkUp)]
            assert len(ups) == 2
            assert ups[1].uptime <= 3
            assert await list_channels(dialer) == []
            assert not any(isinstance(event, Event) and event.name == "Hangup" for event in seen)
            text = cel_file(exchange.settings).read_text()
            assert call_id in text
            assert '"HANGUP"' not in text
            await dialer.close()
            await asyncio.gather(keeping, listening, return_exceptions=True)
