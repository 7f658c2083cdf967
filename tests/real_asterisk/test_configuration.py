"""The rendered configuration: read without complaint, refusing what could change its meaning, with least rights."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from asterisk_conf import AMI_USERS, AsteriskInstall, Phone, check, prompts, render
from backoffice_core.config import Trunk
from backoffice_core.errors import BadInput
from backoffice_core.parts import asterisk as asterisk_part
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, LoginRefused
from tests.conftest import fresh_settings
from tests.real_asterisk.conftest import Exchange

PHONES = [Phone("101", "s" * 20), Phone("102", "t" * 20)]
NOWHERE = AsteriskInstall(["asterisk"], Path("/usr/lib/asterisk/modules"), Path("/usr/share/asterisk"))


def carriers() -> list[Trunk]:
    """One plain, one with digest, one that registers; all on loopback, where nobody answers."""
    password = SecretStr("p#ss $word,(1)")
    return [
        Trunk(name="plain", host="127.0.0.1", port=29997),
        Trunk(name="digest", host="127.0.0.2", port=29998, username="bank", password=password),
        Trunk(
            name="registered",
            host="127.0.0.3",
            port=29999,
            username="bank2",
            password=password,
            register_with_carrier=True,
        ),
    ]


def test_asterisk_reads_every_file_without_a_complaint(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path / "data", trunks=carriers())
    assert check.check(settings, asterisk_part.find(settings), PHONES, tmp_path / "data" / "etc") == []


def test_the_check_sees_a_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = fresh_settings(tmp_path / "data")

    def broken(*arguments: Any) -> list[Path]:
        changed = render(*arguments)
        (tmp_path / "data" / "etc" / "pjsip.conf").write_text(
            "[agent-101]\ntype = endpoint\nallow = nonsense\nodd = 1\n"
        )
        return changed

    monkeypatch.setattr(check, "render", broken)
    found = check.check(settings, asterisk_part.find(settings), PHONES, tmp_path / "data" / "etc")
    assert any("odd" in one or "agent-101" in one for one in found), found


def test_only_what_changed_is_written_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path / "data")
    target = tmp_path / "etc"
    first = render(settings, NOWHERE, PHONES, target)
    assert {file.name for file in first} >= {"pjsip.conf", "manager.conf", "extensions.conf", "cel_custom.conf"}
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in first)
    assert render(settings, NOWHERE, PHONES, target) == []
    assert [file.name for file in render(settings, NOWHERE, PHONES[:1], target)] == ["pjsip.conf"]
    assert (settings.data / "asterisk" / "log" / "cel-custom").is_dir()


@pytest.mark.parametrize("language", ["uk", "ru", "en"])
def test_the_message_is_there_in_each_language_and_names_no_debt(tmp_path: Path, language: str) -> None:
    settings = fresh_settings(tmp_path / "data")
    render(settings, NOWHERE, [], tmp_path / "etc")
    assert (prompts.sounds_dir(settings) / language / "abandoned.wav").stat().st_size > 40_000
    text = (prompts.HERE / language / "abandoned.txt").read_text(encoding="utf-8").lower()
    assert not re.search(r"борг|долг|кредит|заборг|задолж|debt|loan|credit|overdue", text)


def test_another_banks_number_is_never_given_by_the_shipped_message(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path / "data", bank_phone="0 800 111 222")
    own = settings.data / "prompts" / "uk" / "abandoned.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"the bank's own voice")
    render(settings, NOWHERE, [], tmp_path / "etc")
    sounds = prompts.sounds_dir(settings)
    assert (sounds / "uk" / "abandoned.wav").read_bytes() == b"the bank's own voice"
    assert (sounds / "ru" / "abandoned.wav").read_bytes() != (prompts.HERE / "ru" / "abandoned.wav").read_bytes()


@pytest.mark.parametrize(
    "fields",
    [
        {"trunks": [Trunk(name="far", host="127.0.0.1\n[evil]\ntype=endpoint")]},
        {"trunks": [Trunk(name="far", host="127.0.0.1;rest")]},
        {"trunks": [Trunk(name="far", host="127.0.0.1", username="a${SHELL(id)}", password=SecretStr("x"))]},
        {"trunks": [Trunk(name="far", host="127.0.0.1", username="a", password=SecretStr("x;y"))]},
        {"trunks": [Trunk(name="far", host="127.0.0.1", username="a", password=SecretStr("x\n[evil]"))]},
        {"trunks": [Trunk(name="far", host="127.0.0.1", username="a", password=SecretStr(""))]},
        {"trunks": [Trunk(name="far", host="127.0.0.1", register_with_carrier=True)]},
        {"trunks": [Trunk(name="agent-101", host="127.0.0.1")]},
        {"trunks": [Trunk(name="far", host="sip.example.net")], "now": None},
        {"bind": "127.0.0.1\nevil = 1"},
    ],
)
def test_a_value_that_would_change_the_files_meaning_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    settings = fresh_settings(tmp_path / "data", **fields)
    with pytest.raises(BadInput) as refusal:
        render(settings, NOWHERE, PHONES, tmp_path / "etc")
    assert not (tmp_path / "etc").exists()
    assert "x;y" not in str(refusal.value)


def test_a_data_folder_with_dialplan_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        render(fresh_settings(tmp_path / "a,b(c)"), NOWHERE, PHONES, tmp_path / "etc")


@pytest.mark.parametrize(
    ("extension", "secret"), [("1", "s" * 20), ("101;", "s" * 20), ("101", "short"), ("101", "a b" * 9)]
)
def test_a_phone_is_digits_and_a_long_secret(extension: str, secret: str) -> None:
    with pytest.raises(BadInput):
        Phone(extension, secret)


def test_two_phones_with_one_extension_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="same extension"):
        render(fresh_settings(tmp_path / "data"), NOWHERE, [PHONES[0], PHONES[0]], tmp_path / "etc")


OF_SYSTEM: tuple[tuple[str, dict[str, str]], ...] = (  # what AMI's class `system` cannot be without
    ("GetConfig", {"Filename": "manager.conf"}),
    ("ModuleLoad", {"LoadType": "reload"}),
    ("DBGet", {"Family": "registrar", "Key": "contact"}),
)


@pytest.mark.parametrize("user", AMI_USERS)
async def test_no_user_reaches_the_shell_the_files_or_the_dialplan(exchange: Exchange, user: str) -> None:
    async with exchange.ami(user) as ami:
        for action, fields in (
            ("Command", {"Command": "core show version"}),
            ("UpdateConfig", {"SrcFilename": "manager.conf", "DstFilename": "manager.conf"}),
            *(() if user == "ear" else OF_SYSTEM),
        ):
            reply = await ami.action(action, **fields)
            assert not reply.ok, action


async def test_the_ear_records_ringing_lines_and_neither_places_nor_moves_calls(exchange: Exchange) -> None:
    """FL-18: MixMonitor needs AMI's class `system`, which only this user has (docs/decisions/0014)."""
    async with exchange.ami("ear") as ami:
        assert "o such channel" in (await ami.action("MixMonitor", Channel="none", File="/nowhere.wav")).message
        assert "ermission" in await _originate(ami)
        assert "ermission" in (await ami.action("Redirect", Channel="none", Context="x", Exten="s", Priority=1)).message
        assert "ermission" in (await ami.action("Setvar", Channel="none", Variable="A", Value="1")).message


async def _originate(ami: Ami) -> str:
    reply = await ami.action("Originate", Channel="PJSIP/1000@far-end", Context="default", Exten="s", Priority=1)
    return "allowed" if reply.ok else reply.message


async def test_only_the_dialer_places_calls(exchange: Exchange) -> None:
    for user in ("console", "listener"):
        async with exchange.ami(user) as ami:
            assert "ermission" in await _originate(ami)


async def test_the_listener_can_only_listen_and_the_console_cannot_list(exchange: Exchange) -> None:
    async with exchange.ami("listener") as ami:
        assert await ami.list_action("CoreShowChannels") is not None
        assert "ermission" in (await ami.action("Hangup", Channel="none")).message
    async with exchange.ami("console") as ami:
        with pytest.raises(ActionRefused):
            await ami.list_action("CoreShowChannels")
        assert "o such channel" in (await ami.action("Hangup", Channel="none")).message


async def test_a_wrong_secret_is_refused_with_words(exchange: Exchange) -> None:
    ami = Ami("127.0.0.1", exchange.settings.ports.ami, "dialer", "wrong")
    with pytest.raises(LoginRefused, match="dialer"):
        await ami.connect()
    await ami.close()


@pytest.mark.parametrize(("how", "file"), [("script", "tone"), ("prompt", "ru/recorded")])
def test_what_an_agent_hears_before_the_borrower(tmp_path: Path, how: str, file: str) -> None:
    """FL-10, FL-11: a short tone; where a prompt warns of the recording, the warning in the house's language."""
    settings = fresh_settings(tmp_path / "data", recording_notice=how, language="ru")
    render(settings, NOWHERE, [], tmp_path / "etc")
    sound = prompts.sounds_dir(settings) / f"{file}.wav"
    assert f"xfersound = {sound.with_suffix('')}\n" in (tmp_path / "etc" / "features.conf").read_text()
    assert sound.exists()
