"""Robot desk phones register, answer, speak, hang up, and come back after the registrar's death (TL-01)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from far_end import phone as phone_module
from far_end.carrier import Carrier, Log
from far_end.endpoint import Call
from far_end.media import PCMA, SOUNDS, Engine
from far_end.phone import DeskPhone, RegistrationError
from tests.conftest import until
from tests.far_end.asterisk import PHONE, SECRET, Asterisk, installed
from tests.far_end.lab import Registrar
from tests.far_end.test_carrier import read


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
async def registrar() -> AsyncIterator[Registrar]:
    registrar = Registrar("101", "right", ("MD5", "SHA-256"))
    await registrar.open()
    yield registrar
    registrar.close()


async def phone_at(registrar: Registrar, engine: Engine, **how: Any) -> DeskPhone:
    phone = DeskPhone("101", "right", ("127.0.0.1", registrar.port), engine=engine, **how)
    await phone.register()
    return phone


@pytest.mark.parametrize(("offered", "used"), [(("MD5",), "MD5"), (("MD5", "SHA-256"), "SHA-256")])
async def test_registers_by_digest(engine: Engine, registrar: Registrar, offered: tuple[str, ...], used: str) -> None:
    registrar.algorithms = offered
    phone = await phone_at(registrar, engine)
    assert registrar.used == [used]
    assert registrar.users["101"] == f"<sip:101@127.0.0.1:{phone.port}>"
    await phone.unregister()
    assert registrar.users["101"] == ""
    phone.close()


async def test_wrong_secret_and_absent_registrar_are_told(
    engine: Engine, registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = DeskPhone("101", "wrong", ("127.0.0.1", registrar.port), engine=engine)
    with pytest.raises(RegistrationError, match="401"):
        await phone.register()
    phone.close()
    monkeypatch.setattr(phone_module, "PATIENCE", 0.3)
    registrar.close()
    phone = DeskPhone("101", "right", ("127.0.0.1", registrar.port), engine=engine)
    with pytest.raises(TimeoutError):
        await phone.register()
    phone.close()
    with pytest.raises(ValueError, match="loopback"):
        DeskPhone("101", "x", ("192.0.2.1", 5060), engine=engine)


async def test_registers_again_after_the_registrar_lost_everything(engine: Engine, registrar: Registrar) -> None:
    phone = await phone_at(registrar, engine, refresh=0.1)
    registrar.users.clear()
    registrar.nonces.clear()  # so the cached nonce is refused and a fresh one is taken
    await until(lambda: registrar.users.get("101"))
    assert phone.registered.is_set()
    phone.close()


async def test_answers_speaks_and_hangs_up_call_after_call(engine: Engine, registrar: Registrar) -> None:
    seen: list[str] = []
    phone = await phone_at(
        registrar, engine, on_up=lambda p, c: seen.append("up"), on_down=lambda p, c: seen.append(c.how)
    )
    far = Engine()
    for round_number in range(3):
        leg = registrar.invite(registrar.users["101"], far.port)
        stream = far.open(("127.0.0.1", engine.port), PCMA)
        await leg.final()
        await asyncio.wait_for(phone.up.wait(), 2)
        await until(lambda: stream.packets > 20)  # noqa: B023 - awaited here
        assert stream.level is not None
        assert stream.level > -25
        if round_number == 1:
            leg.inside("BYE")
        else:
            await phone.hang_up()
            assert "BYE" in leg.requests
        await asyncio.wait_for(phone.down.wait(), 2)
        far.end(stream)
    assert seen == ["up", "us", "up", "them", "up", "us"]
    far.close()
    phone.close()


async def test_second_call_is_busy_unless_the_first_is_dead(engine: Engine, registrar: Registrar) -> None:
    """After Asterisk was killed the agent's leg is taken anew; while it lives nobody else gets in (FL-10)."""
    downs: list[str] = []
    phone = await phone_at(registrar, engine, voice=None, on_down=lambda p, c: downs.append(c.how))
    first = registrar.invite(registrar.users["101"])
    await first.final()
    assert (await registrar.invite(registrar.users["101"]).final()).status == 486
    registrar.deaf = True
    assert (await registrar.invite(registrar.users["101"]).final()).status == 200
    assert downs == ["lost"]
    phone.close()


async def test_thirty_phones_share_one_engine(engine: Engine) -> None:
    """Issue 2: 30 robot agents in one process."""
    registrars: list[Registrar] = []
    phones: list[DeskPhone] = []
    for _ in range(30):
        registrar = Registrar("101", "right")
        await registrar.open()
        registrars.append(registrar)
        phones.append(await phone_at(registrar, engine))
    far = [Engine() for _ in range(30)]
    legs = [r.invite(r.users["101"], e.port) for r, e in zip(registrars, far, strict=True)]
    streams = [e.open(("127.0.0.1", engine.port), PCMA) for e in far]
    for leg in legs:
        assert (await leg.final()).status == 200
    await until(lambda: all(stream.packets > 20 for stream in streams))
    await until(lambda: all(phone.call and phone.call.stream and phone.call.stream.packets > 20 for phone in phones))
    for phone in phones:
        phone.close()
    for registrar in registrars:
        registrar.close()
    for other in far:
        other.close()


async def test_against_asterisk_or_its_stand_in(engine: Engine, tmp_path: Path) -> None:
    """The whole chain: carrier and phone at one Asterisk, sound both ways, registration again after kill -9.

    On a machine without Asterisk the registrar of lab.py takes its part as far as that goes (it has no trunk).
    """
    if not (install := installed(tmp_path / "data")):
        registrar = Registrar(PHONE, SECRET)
        await registrar.open()
        phone = DeskPhone(PHONE, SECRET, ("127.0.0.1", registrar.port), engine=engine)
        await phone.register()
        assert (await registrar.invite(registrar.users[PHONE]).final()).status == 200
        phone.close()
        registrar.close()
        return
    carrier = Carrier(Engine(), Log(tmp_path / "far-end.log"))
    await carrier.open()
    asterisk = Asterisk(install, tmp_path, carrier.port)
    calls: list[Call] = []
    phone = DeskPhone(
        PHONE, SECRET, ("127.0.0.1", asterisk.sip), engine=engine, refresh=1, on_up=lambda p, c: calls.append(c)
    )
    try:
        await asterisk.start()
        await phone.register()
        asterisk.say("channel originate PJSIP/380671234020@far-end application Echo")
        events = lambda: [line["event"] for line in read(tmp_path / "far-end.log")]  # noqa: E731
        await until(lambda: "HEARD" in events())
        heard = read(tmp_path / "far-end.log")[-1]
        assert heard["packets"] > 60
        assert heard["dbfs"] > -25
        asterisk.say("channel originate PJSIP/380671234000@far-end application Wait 60")  # sends no sound
        await until(lambda: events()[-1] == "ANSWER")
        assert await next(call for call in carrier.calls.values() if call.state == "up").alive()
        asterisk.say(f"channel originate PJSIP/{PHONE} application Echo")
        await until(lambda: calls and calls[-1].stream and calls[-1].stream.packets > 50)
        assert calls[-1].stream
        assert (calls[-1].stream.level or -99) > -25
        assert await calls[-1].alive()
        for code in (404, 486, 503, 603):
            asterisk.say(f"channel originate PJSIP/380671234{code}@far-end application Echo")
            await until(lambda: read(tmp_path / "far-end.log")[-1].get("code") == code)  # noqa: B023 - awaited here
        asterisk.kill()
        (tmp_path / "astdb.sqlite3").unlink(missing_ok=True)
        await until(lambda: not phone.registered.is_set())
        await asterisk.start()
        await until(
            lambda: f"{PHONE}/sip:{PHONE}@127.0.0.1:{phone.port}" in asterisk.say("pjsip show contacts"), 20, every=0.3
        )
        asterisk.say(f"channel originate PJSIP/{PHONE} application Echo")
        await until(lambda: len(calls) == 2)
        assert calls[0].how == "lost"
    finally:
        asterisk.kill()
        phone.close()
        carrier.close()
        carrier.engine.close()


def test_agents_and_borrowers_have_voices_of_their_own() -> None:
    """A recording's two sides can be told apart (TL-03)."""
    assert phone_module.AGENT_VOICE.exists()
    assert phone_module.AGENT_VOICE not in {SOUNDS / "borrower-uk.wav", SOUNDS / "borrower-ru.wav"}
