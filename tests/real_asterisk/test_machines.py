"""Who answers, on a real Asterisk: the ear streams the borrower's side out while the call goes on, and nothing else changes."""

import socket
import time
import uuid
from uuid import UUID

import numpy as np

from agi.ear import _messages
from agi.session import AgiSession, serve
from backoffice_core.call_centre.dialing.machine_rules import LIMITS, Detector, Verdict
from backoffice_core.pbx.actions import hang_up, originate_borrower
from backoffice_core.pbx.ami import Ami
from tests.conftest import until
from tests.real_asterisk.conftest import Exchange, Leg, Listener

CALLS = {  # ending of the number -> what must be heard beside the talk
    "981": "PERSON", "982": "PERSON", "987": "PERSON", "983": "MACHINE", "984": "MACHINE", "986": "MACHINE", "985": "UNSURE",
}  # fmt: skip


class Heard:
    """Stands for the AGI program: every borrower gets the same agent line; verdicts are kept."""

    def __init__(self, line: str) -> None:
        self.line, self.verdicts = line, dict[UUID, Verdict]()
        self.began: dict[UUID, float] = {}

    async def connect(self, session: AgiSession) -> None:
        await session.run(session.set_variable, "AGENT_CHANNEL", self.line)

    async def sound(self, link: socket.socket, begun: bytes) -> None:
        detector, call_id, rest = Detector(LIMITS["beside"]), None, b""
        async for kind, payload in _messages(link, begun):
            if kind == 1:
                call_id = UUID(bytes=payload)
            if kind == 16 and call_id:
                self.began.setdefault(call_id, time.time())
            rest += payload if kind == 16 else b""
            while len(rest) >= 320:
                frame, rest = rest[:320], rest[320:]
                if call_id and (verdict := detector.hear(np.frombuffer(frame, "<i2"))):
                    self.verdicts[call_id] = verdict
                    return


async def test_the_ear_hears_who_answers_beside_the_talk(
    exchange: Exchange, dialer: Ami, listener: Listener, agent: Leg
) -> None:
    """Issue 5, answering machines: short hello, hello with noise and a chatty one are people, a greeting with a beep, one with
    noise and a beep alone are machines, silence is uncertain; the agent is bridged at once meanwhile."""
    heard = Heard(agent.channel_id)
    server = await serve("127.0.0.1", exchange.settings.ports.agi, heard.connect, request_limit_s=12, sound=heard.sound)
    calls: dict[UUID, str] = {}
    try:
        for ending in CALLS:
            call_id = uuid.uuid4()
            calls[call_id] = ending
            await originate_borrower(
                dialer, call_id=call_id, number=f"+380671234{ending}", trunk=exchange.settings.trunks[0],
                caller_id="+380445550100", ring_timeout_s=15, recording=f"2026/11/{call_id}", language="uk", listen="beside",
            )  # fmt: skip
        await until(lambda: len(heard.verdicts) == len(calls), 25, what="a verdict of each call")
        ups = [await listener.first(str(call), "Newstate", ChannelStateDesc="Up") for call in calls]
        late = {
            calls[UUID(up.get("Uniqueid"))]: heard.began[UUID(up.get("Uniqueid"))] - float(up.get("Timestamp"))
            for up in ups
        }
        assert max(late.values()) < 0.4, "the ear comes too late for a short hello"
        found = {ending: heard.verdicts[call].kind for call, ending in calls.items()}
        assert found == CALLS, {ending: heard.verdicts[call] for call, ending in calls.items()}
        met = [event for call in calls for event in listener.of(str(call), "BridgeEnter")]
        assert len(met) == 1, "one line, one talk; the others heard the message: listening has delayed nobody"
        first = next(up for up in ups if up.get("Uniqueid") == met[0].get("Uniqueid"))
        assert float(met[0].get("Timestamp")) - float(first.get("Timestamp")) < 0.5
    finally:
        for call in calls:
            await hang_up(dialer, str(call))
        for call in calls:
            await listener.first(str(call), "Hangup")
        await server.stop(0.2)
