"""What the far end understands and writes: SIP messages, digests, session descriptions, G.711 and RTP."""

import asyncio
import wave
from pathlib import Path

import pytest

from far_end.media import DECODE, FRAME, PCMA, PCMU, SOUNDS, Engine, dbfs, frames
from far_end.sip import Challenge, Message, Session, address_of, describe, digest, parameter, user_of
from tests.conftest import until
from tests.far_end.lab import offer

INVITE = (
    b"INVITE sip:+380671234020@127.0.0.1:5070 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1;rport, "
    b'SIP/2.0/UDP 127.0.0.1:7;branch=z9hG4bK0\r\nFrom: "A, B" <sip:bank@127.0.0.1>;tag=x\r\n'
    b"t: <sip:1@127.0.0.1>\r\ni: abc\r\nCSeq: 7\r\n INVITE\r\nl: 3\r\n\r\nabcdef"
)


def test_message_is_read_with_compact_folded_and_joined_headers() -> None:
    message = Message.parse(INVITE)
    assert (message.method, message.sequence, message.body) == ("INVITE", 7, "abc")
    assert len(message.every("via")) == 2
    assert message.branch == "127.0.0.1:5060;z9hG4bK1"
    assert user_of(message.uri) == "+380671234020"
    reply = Message.parse(message.reply(486, "us").render())
    assert (reply.status, parameter(reply.get("To"), "tag"), len(reply.every("Via"))) == (486, "us", 2)


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n\r\n", b"GARBAGE", b"INVITE sip:a SIP/2.0\r\n\r\n", INVITE.replace(b"CSeq: 7\r\n INVITE", b"CSeq: x")],
)
def test_what_is_not_sip_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of several reasons
        Message.parse(data)


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "example.org", "::1"])
def test_only_loopback_is_bound_or_called(host: str) -> None:
    """Issue 2: the far end never leaves the machine."""
    with pytest.raises(ValueError, match=r"loopback|IPv4"):
        Engine(0, host)
    with pytest.raises(ValueError, match=r"loopback|IPv4|no SIP"):
        address_of(f"<sip:bank@{host}:5060>")
    with pytest.raises(ValueError, match=r"loopback|IPv4"):
        Session.parse(offer(4000).replace("127.0.0.1", host))


def test_digest_agrees_with_the_examples_of_rfc_7616() -> None:
    """RFC 7616 3.9.1: Mufasa, both algorithms."""
    nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    what = ("Mufasa", "http-auth@example.org", "Circle of Life", "GET", "/dir/index.html", nonce, "00000001", cnonce)
    assert digest("MD5", *what) == "8ca523f5e9506fed4657c9700eebdbec"
    assert digest("SHA-256", *what) == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def test_strongest_challenge_is_answered() -> None:
    refusal = Message("SIP/2.0 401 Unauthorized")
    refusal.headers = [
        ("WWW-Authenticate", 'Digest realm="a", nonce="n", algorithm=MD5'),
        ("WWW-Authenticate", 'Digest realm="a", nonce="n", algorithm=SHA-256, qop="auth,auth-int"'),
        ("WWW-Authenticate", 'Digest realm="a", nonce="n", algorithm=SHA-512-256'),
    ]
    challenge = Challenge.strongest(refusal)
    assert (challenge.algorithm, challenge.qop) == ("SHA-256", True)
    assert "nc=00000001" in challenge.answer("u", "s", "REGISTER", "sip:a")
    assert "nc=00000002" in challenge.answer("u", "s", "REGISTER", "sip:a")


def test_offer_is_answered_in_its_own_order() -> None:
    session = Session.parse(offer(4000, "111 0 8 101", "a=sendonly\r\nm=video 4002 RTP/AVP 96\r\n"))
    assert (session.remote, session.law, session.events) == (("127.0.0.1", 4000), PCMU, 101)
    answer = describe(5072, 1, session)
    assert "m=audio 5072 RTP/AVP 0 101\r\n" in answer
    assert "a=recvonly" in answer
    assert "m=video 0 RTP/AVP 96" in answer
    with pytest.raises(ValueError, match="PCMA or PCMU"):
        Session.parse(offer(4000, "111"))


def test_g711_keeps_every_code_and_known_values() -> None:
    """ITU-T G.711: quiet and loudest values of both laws; each code survives decoding and encoding."""
    assert (DECODE[PCMU][0xFF], DECODE[PCMU][0x80], DECODE[PCMU][0x00]) == (0, 32124, -32124)
    assert (DECODE[PCMA][0xD5], DECODE[PCMA][0xAA], DECODE[PCMA][0x2A]) == (8, 32256, -32256)


@pytest.mark.parametrize("law", [PCMA, PCMU])
@pytest.mark.parametrize("sound", sorted(SOUNDS.glob("*.wav")), ids=lambda path: path.stem)
def test_shipped_voices_sound_at_any_time(sound: Path, law: int) -> None:
    """Half a second taken anywhere is audible, so a recording's side can be proved to carry sound (TL-03)."""
    payloads = frames(sound, law)
    assert all(len(payload) == FRAME for payload in payloads)
    for at in range(len(payloads) - 25):
        power = sum(DECODE[law][code] ** 2 for payload in payloads[at : at + 25] for code in payload) / (25 * FRAME)
        assert -25 < dbfs(power) < -10


async def test_two_engines_hear_each_other_and_keep_what_they_heard(tmp_path: Path) -> None:
    one, two = Engine(), Engine()
    try:
        speaker = one.open(("127.0.0.1", two.port), PCMA)
        listener = two.open(("127.0.0.1", one.port), PCMA, keep=True)
        assert listener.level is None
        speaker.play(SOUNDS / "borrower-uk.wav")
        await until(lambda: listener.packets >= 60)
        assert listener.level is not None
        assert -25 < listener.level < -10
        assert listener.first_sound is not None
        await until(lambda: speaker.packets >= 20)
        assert speaker.level is not None
        assert speaker.level < -60  # silence is sent, and heard as silence
        assert speaker.first_sound is None
        listener.save(tmp_path / "heard.wav")
        with wave.open(str(tmp_path / "heard.wav")) as file:
            assert 1.0 < file.getnframes() / 8000 < 10.0
        one.end(speaker)
        await asyncio.sleep(0.1)  # what was already under way
        count = listener.packets
        await asyncio.sleep(0.2)  # ten more packets would be due by now
        assert listener.packets == count
    finally:
        one.close()
        two.close()


async def test_a_call_whose_exchange_died_does_not_speak_into_the_next_call_on_its_port() -> None:
    """Both would come from one address here, and no exchange could tell them apart; a carrier has a port for each call."""
    one, two = Engine(), Engine()
    try:
        forgotten = one.open(("127.0.0.1", two.port), PCMA)
        listener = two.open(("127.0.0.1", one.port), PCMA)
        await until(lambda: listener.packets >= 5)
        one.expect(forgotten.remote)
        count = listener.packets
        await until(lambda: listener.packets >= count + 5, what="one that hears somebody speaks on")
        two.end(listener)  # nothing comes from there any more
        forgotten.last_packet -= 10
        one.expect(forgotten.remote)
        listener = two.open(("127.0.0.1", one.port), PCMA)
        await asyncio.sleep(0.2)
        assert listener.packets <= 1, "what was under way"
        one.open(forgotten.remote, PCMA)
        await until(lambda: listener.packets >= 5, what="the new call is heard")
    finally:
        one.close()
        two.close()
