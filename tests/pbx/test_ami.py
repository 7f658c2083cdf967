"""Each mend of panoramisk 1.4 (libraries.md section 2), against a server that provokes the fault."""

import asyncio
import copy
import logging
import pickle
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from ami_listener.heard import parse
from backoffice_core.config import FAR_END
from backoffice_core.errors import BadInput
from backoffice_core.pbx import ami as ami_module
from backoffice_core.pbx.actions import hang_up, list_channels, mute_recording, originate_borrower, originate_leg
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, Event, LinkDown, LinkUp, LoginRefused
from tests.conftest import until
from tests.pbx.fake_ami import FakeAmi, fake_ami

QUEUED = "Response: Success\r\nActionID: {id}\r\nMessage: Originate successfully queued\r\n\r\n"


@pytest.fixture
async def fake() -> AsyncIterator[FakeAmi]:
    async with fake_ami() as server:
        yield server


def link(fake: FakeAmi, *wanted: str, **more: int) -> Ami:
    return Ami("127.0.0.1", fake.port, "dialer", "secret", wanted=frozenset(wanted), **more)


async def call(ami: Ami, number: str = "+380671234020", **fields: object) -> None:
    given = {
        "recording": "2026/11/ab-01",
        "language": "uk",
        "caller_id": "+380445550100",
        "ring_timeout_s": 20,
    } | fields
    await originate_borrower(ami, call_id=uuid4(), number=number, trunk=FAR_END, **given)  # type: ignore[arg-type]


async def next_event(ami: Ami) -> Event | LinkUp:
    async with asyncio.timeout(5):
        return await anext(aiter(ami.events()))


async def test_an_originate_is_never_sent_twice_and_its_result_is_unknown(fake: FakeAmi) -> None:
    """Defect 1: panoramisk sends an unanswered Originate again after the reconnect."""

    async def die(_: object, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    fake.on_action = die
    async with link(fake) as ami:
        with pytest.raises(ActionUnknown):
            await call(ami)
        await until(lambda: fake.logins >= 2 and ami.up)
        fake.on_action = None
        fake.answers["corestatus"] = "Response: Success\r\nActionID: {id}\r\n\r\n"
        await ami.action("CoreStatus")  # whatever was kept would have gone before it
    assert [action["action"] for action in fake.received] == [["Originate"], ["CoreStatus"]]


async def test_nothing_is_kept_for_later_while_the_link_is_down(fake: FakeAmi) -> None:
    """Defects 1 and 12: an action without a link is refused at once and never leaves."""
    ami = link(fake)
    with pytest.raises(LinkDown):
        await call(ami)
    async with ami:
        assert ami.up
    with pytest.raises(LinkDown):
        await call(ami)
    assert fake.received == []


async def test_no_answer_in_time_is_unknown_and_leaves_nothing_behind(fake: FakeAmi) -> None:
    async with link(fake) as ami:
        with pytest.raises(ActionUnknown):
            await ami.action("Originate", timeout_s=0.2)
        assert ami._link is not None
        assert ami._link.protocol.responses == {}


async def test_a_half_open_link_is_noticed(fake: FakeAmi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 2: pings without a time limit."""
    assert ami_module.PING_EVERY_S + ami_module.PING_LIMIT_S < 10
    monkeypatch.setattr(ami_module, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(ami_module, "PING_LIMIT_S", 0.4)
    async with link(fake):
        await until(lambda: fake.pings >= 2)
        assert fake.logins == 1
        fake.answer_pings = False
        await until(lambda: fake.logins >= 2, what="a new link")


async def test_a_slow_or_failing_reader_does_not_hurt_the_link(fake: FakeAmi) -> None:
    """Defects 3 and 15: an exception in a callback closed the link and lost the rest of the chunk."""
    async with link(fake, "Hangup") as ami:
        assert isinstance(await next_event(ami), LinkUp)
        fake.say(b"".join(b"Event: Hangup\r\nUniqueid: %d\r\n\r\n" % n for n in range(3)))

        async def fail() -> None:
            async for event in ami.events():
                raise RuntimeError(event)

        with pytest.raises(RuntimeError):
            await fail()
        rest = [await next_event(ami), await next_event(ami)]
        assert [event.get("Uniqueid") for event in rest if isinstance(event, Event)] == ["1", "2"]
        assert fake.logins == 1


OVER = "Event: OriginateResponse\r\nActionID: {id}\r\nResponse: Failure\r\n\r\n"


@pytest.mark.parametrize("answer", [QUEUED + OVER, OVER + QUEUED])
async def test_originate_is_asynchronous_and_its_response_is_an_event(fake: FakeAmi, answer: str) -> None:
    """Defects 4 and 14: a missing Async killed the link; OriginateResponse went to the action's future."""
    fake.answers["originate"] = answer
    async with link(fake, "OriginateResponse") as ami:
        reply = await ami.action("Originate", Channel="PJSIP/1@far-end", Context="borrower", Exten="s", Priority=1)
        assert reply.ok
        assert isinstance(await next_event(ami), LinkUp)
        event = await next_event(ami)
        assert isinstance(event, Event)
        assert (event.name, event.get("Response")) == ("OriginateResponse", "Failure")
    assert fake.received[0]["async"] == ["true"]


async def test_frames_are_decoded_whole_and_repeated_keys_kept(fake: FakeAmi) -> None:
    """Defects 7 and 9: a letter split over two reads vanished; one variable could not be read."""
    frame = "Event: Hangup\r\nName: Тарас\r\nChanVariable: A=1\r\nChanVariable: B=2\r\nEmpty: \r\n\r\n".encode()
    async with link(fake, "Hangup") as ami:
        assert isinstance(await next_event(ami), LinkUp)
        for at in range(len(frame)):
            fake.say(frame[at : at + 1])
            await fake.links[-1].drain()
            await asyncio.sleep(0)
        event = await next_event(ami)
        assert isinstance(event, Event)
        assert event["Name"] == "Тарас"
        assert event.getall("ChanVariable") == ["A=1", "B=2"]
        assert event.get("Empty") == ""
        assert event.get("NoSuchKey", None) is None
        assert "Тарас" not in repr(event)


@pytest.mark.parametrize("bad", ["x\r\n\r\nAction: Command", "x\ny", "x\0", "x\x7f", "x\u2028y"])
async def test_control_characters_are_refused_in_every_value(fake: FakeAmi, bad: str) -> None:
    """Defect 8: a line end in a value was a header, or an action, of its own."""
    async with link(fake) as ami:
        for fields in ({"Channel": bad}, {"Variable": ["A=1", bad]}):
            with pytest.raises(BadInput):
                await ami.action("Originate", **fields)  # type: ignore[arg-type]
        with pytest.raises(BadInput):
            await ami.action(f"Ping{bad}")
        with pytest.raises(BadInput):
            await ami.action("Ping", **{bad: "1"})  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        Ami("127.0.0.1", fake.port, "dialer", bad)
    assert fake.received == []


async def test_a_wrong_password_is_said_once_and_not_hammered(fake: FakeAmi, caplog: pytest.LogCaptureFixture) -> None:
    """Defect 10: no error, and a login attempt every two seconds for ever."""
    fake.accept_logins = False
    ami = link(fake)
    with pytest.raises(LoginRefused, match="dialer"):
        await ami.connect()
    with caplog.at_level(logging.WARNING):
        task = asyncio.create_task(ami.run())
        await until(lambda: "refused the login" in caplog.text)
        await asyncio.sleep(0.5)
    assert fake.logins == 2
    assert caplog.text.count("refused the login") == 1
    assert "secret" not in caplog.text.replace("secret there", "")
    await ami.close()
    task.cancel()


async def test_close_closes_also_while_it_reconnects(fake: FakeAmi) -> None:
    """Defect 11: close() during the wait, and it reconnected anyway."""
    ami = link(fake)
    async with ami:
        fake.cut()
        await until(lambda: not ami.up)
    logins = fake.logins
    await asyncio.sleep(0.5)
    assert fake.logins == logins
    assert [event async for event in ami.events() if not isinstance(event, LinkUp)] == []
    with pytest.raises(LinkDown):
        await ami.connect()


async def test_close_ends_a_waiting_action_and_the_event_stream(fake: FakeAmi) -> None:
    ami = link(fake)
    await ami.connect()
    waiting = asyncio.create_task(ami.action("Originate"))
    await until(lambda: fake.received)
    await ami.close()
    with pytest.raises(ActionUnknown):
        await waiting


async def test_each_login_is_marked_for_the_catch_up(fake: FakeAmi) -> None:
    async with link(fake) as ami:
        first = await next_event(ami)
        fake.cut()
        second = await next_event(ami)
        assert isinstance(first, LinkUp)
        assert isinstance(second, LinkUp)
        assert (first.uptime, first.last_reload) == (77, 66)
        assert second.at > first.at
        assert ami.up


async def test_nobody_there_is_told_with_the_address(unused_tcp_port: int) -> None:
    ami = Ami("127.0.0.1", unused_tcp_port, "dialer", "secret")
    with pytest.raises(LinkDown, match=str(unused_tcp_port)):
        await ami.connect()
    task = asyncio.create_task(ami.run())
    await asyncio.sleep(0.3)
    assert not task.done()
    await ami.close()
    task.cancel()


async def test_unwanted_events_are_dropped_and_a_full_queue_pauses_reading(fake: FakeAmi) -> None:
    """A slow consumer holds back the wire, not the memory; nothing is lost when it comes back."""
    async with link(fake, "Hangup", queue_limit=100) as ami:
        assert isinstance(await next_event(ami), LinkUp)
        count = 30_000
        for n in range(count):
            fake.say(
                b"Event: VarSet\r\nUniqueid: x\r\n\r\nEvent: Hangup\r\nUniqueid: %d\r\nPad: %s\r\n\r\n"
                % (n, b"x" * 200)
            )
        await until(lambda: ami._paused)
        await asyncio.sleep(0.1)
        assert ami._queue.qsize() < 5_000
        seen = []
        async with asyncio.timeout(30):
            async for event in ami.events():
                seen.append(event.get("Uniqueid") if isinstance(event, Event) else "")
                if len(seen) == count:
                    break
        assert seen == [str(n) for n in range(count)]


async def test_a_full_queue_pauses_the_next_link_too(fake: FakeAmi) -> None:
    async with link(fake, "Hangup", queue_limit=10) as ami:
        for _ in range(2):
            fake.say(b"Event: Hangup\r\nUniqueid: x\r\n\r\n" * 20)
            await until(lambda: ami._paused)
            fake.cut()
            ami._set_reading(True)  # so that the cut is seen at once
            await until(lambda: ami.up and not ami._paused)


async def test_a_list_is_collected_while_other_events_go_on(fake: FakeAmi) -> None:
    fake.answers["coreshowchannels"] = (
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\nMessage: Channels will follow\r\n\r\n"
        "Event: CoreShowChannel\r\nActionID: {id}\r\nChannel: PJSIP/a-1\r\nUniqueid: u1\r\nLinkedid: l1\r\n"
        "ChannelStateDesc: Up\r\nApplication: BridgeWait\r\nContext: agent-hold\r\nDuration: 01:02:03\r\nBridgeId: b\r\n\r\n"
        "Event: Hangup\r\nUniqueid: other\r\n\r\n"
        "Event: CoreShowChannelsComplete\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: 1\r\n\r\n"
    )
    async with link(fake, "Hangup") as ami:
        (one,) = await list_channels(ami)
        assert (one.uniqueid, one.name, one.seconds, one.bridge_id) == ("u1", "PJSIP/a-1", 3723, "b")
        assert isinstance(await next_event(ami), LinkUp)
        other = await next_event(ami)
        assert isinstance(other, Event)
        assert other.get("Uniqueid") == "other"
        fake.answers["coreshowchannels"] = "Response: Error\r\nActionID: {id}\r\nMessage: Permission denied\r\n\r\n"
        with pytest.raises(ActionRefused):
            await list_channels(ami)


@pytest.mark.parametrize("number", ["500&PJSIP/trunk/1416", "1@evil", "1,2", "", "+", "38067 1", "٣٨٠", "1\r\nX: y"])
async def test_a_number_is_digits_or_it_is_refused(fake: FakeAmi, number: str) -> None:
    async with link(fake) as ami:
        with pytest.raises(BadInput):
            await call(ami, number)
    assert fake.received == []


@pytest.mark.parametrize(
    "fields",
    [
        {"recording": "../../etc/passwd"},
        {"recording": "/abs"},
        {"recording": "a,B=1"},
        {"recording": ""},
        {"language": "uk,X=1"},
        {"caller_id": '"x" <1>'},
        {"ring_timeout_s": 0},
    ],
)
async def test_what_goes_into_variables_has_a_form(fake: FakeAmi, fields: dict[str, object]) -> None:
    async with link(fake) as ami:
        with pytest.raises(BadInput):
            await call(ami, **fields)
    assert fake.received == []


async def test_legs_channels_and_endpoints_have_a_form(fake: FakeAmi) -> None:
    async with link(fake) as ami:
        for channel_id, endpoint in (
            ("leg-1-1", "far-end"),
            ("leg-1-1", "agent-101&x"),
            ("x", "agent-101"),
            ("leg-1", "agent-101"),
        ):
            with pytest.raises(BadInput):
                await originate_leg(ami, channel_id=channel_id, endpoint=endpoint, ring_timeout_s=10)
        for channel in ("/.*/", "", "a b", "x\r\ny"):
            with pytest.raises(BadInput):
                await hang_up(ami, channel)
        with pytest.raises(BadInput):
            await mute_recording(ami, "/.*/", True)
    assert fake.received == []


async def test_what_an_originate_says(fake: FakeAmi) -> None:
    fake.answers["originate"] = QUEUED
    call_id = uuid4()
    trunk = FAR_END.model_copy(update={"number_prefix": "00"})
    async with link(fake) as ami:
        await originate_borrower(
            ami, call_id=call_id, number="+380671234020", trunk=trunk, caller_id="+380445550100", ring_timeout_s=25,
            recording="2026/11/18/ab", language="ru",
        )  # fmt: skip
        (sent,) = fake.received
        assert sent["channel"] == ["PJSIP/00380671234020@far-end"]
        assert sent["channelid"] == sent["actionid"] == [str(call_id)]
        assert sent["variable"] == ["BO_REC=2026/11/18/ab", "BO_LANG=ru"]
        assert (sent["context"], sent["timeout"], sent["async"]) == (["borrower"], ["25000"], ["true"])
        assert "earlymedia" not in sent
        fake.answers["originate"] = "Response: Error\r\nActionID: {id}\r\nMessage: Permission denied\r\n\r\n"
        with pytest.raises(ActionRefused):
            await call(ami)


async def test_a_frame_without_end_cannot_fill_the_memory(fake: FakeAmi) -> None:
    async with link(fake):
        began = time.monotonic()
        fake.say(b"x" * (ami_module.MAX_FRAME + 10))
        await until(lambda: fake.logins >= 2)
        assert time.monotonic() - began < 10


def test_an_event_tells_typos_and_can_be_copied() -> None:
    """Defects 9 and 13: one variable could not be read, a misspelt name gave '', and a copy raised."""
    event = Event.from_frame(b"Event: Hangup\r\nChanVariable: BO_REC=2026/11/ab\r\nno colon here\r\nX: a: b")
    assert event.getall("ChanVariable") == ["BO_REC=2026/11/ab"]
    assert event["X"] == "a: b"
    for twin in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):  # noqa: S301 (our own bytes)
        assert dict(twin) == dict(event)
    with pytest.raises(KeyError):
        event["Uniqueld"]
    assert not hasattr(event, "Uniqueld")


async def test_calls_of_one_second_are_never_mixed(fake: FakeAmi) -> None:
    """Defect 6: panoramisk's CallManager takes the second of the id for the call. Ours is the whole id, whatever its form."""
    async with link(fake, "Hangup") as ami:
        assert isinstance(await next_event(ami), LinkUp)
        ids = [
            "1795303338.1",
            "1795303338.12",
            "01900000-0000-7000-8000-000000000001",
            "01900000-0000-7000-8000-000000000002",
        ]
        fake.say("".join(f"Event: Hangup\r\nUniqueid: {one}\r\nTimestamp: 1.0\r\n\r\n" for one in ids).encode())
        heard = [parse(await next_event(ami)) for _ in ids]  # type: ignore[arg-type]
    assert [str(one.who) if one else None for one in heard] == [None, None, *ids[2:]]
