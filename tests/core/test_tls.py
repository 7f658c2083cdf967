"""CC-01: https by a setting; a certificate for a start; one that cannot be used is a clear error before anything starts."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

import asterisk_conf
from asterisk_conf import AsteriskInstall, reload
from backoffice_core import tls
from backoffice_core.commands_tls import tls as command
from backoffice_core.config import Settings
from backoffice_core.errors import BadInput
from backoffice_core.parts import control
from backoffice_core.tls import BadCertificate
from tests.conftest import fresh_settings

WALL = datetime.now(UTC)


def secured(folder: Path, wall: datetime = WALL) -> Settings:
    settings = fresh_settings(folder)
    cert, key = tls.make(settings, ["desk.bank.example", "192.0.2.7"], wall)
    return settings.model_copy(update={"tls_cert": cert, "tls_key": key})


def test_a_made_certificate_is_good_for_its_hosts_and_nobody_else_reads_its_key(tmp_path: Path) -> None:
    settings = secured(tmp_path)
    found = tls.check(settings, WALL)
    assert found is not None
    assert {"desk.bank.example", "192.0.2.7", "localhost", "127.0.0.1"} <= set(found.names)
    assert not found.ends_soon(WALL)
    assert found.ends_soon(WALL + timedelta(days=tls.DAYS - 10))
    assert settings.tls_key is not None
    assert stat.S_IMODE(settings.tls_key.stat().st_mode) == 0o600
    with pytest.raises(BadInput, match="already"):
        tls.make(settings, [], WALL)
    with pytest.raises(BadInput, match="neither"):
        tls.make(fresh_settings(tmp_path / "b"), ["a..b"], WALL)


def test_what_cannot_be_used_is_told_with_its_file(tmp_path: Path) -> None:
    good, other = secured(tmp_path / "a"), secured(tmp_path / "b")
    assert good.tls_cert is not None
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("nothing")
    for change, wall, why in (
        ({}, WALL + timedelta(days=tls.DAYS + 1), "ended on"),
        ({}, WALL - timedelta(days=1), "not valid before"),
        ({"tls_key": other.tls_key}, WALL, "is not that of the certificate"),
        ({"tls_cert": tmp_path / "none.pem"}, WALL, "cannot be read"),
        ({"tls_cert": rubbish}, WALL, "no certificate"),
        ({"tls_key": rubbish}, WALL, "no private key"),
    ):
        with pytest.raises(BadCertificate, match=why):
            tls.check(good.model_copy(update=change), wall)
    with pytest.raises(ValidationError, match="needed together"):
        Settings(data=tmp_path, tls_cert=good.tls_cert)


def test_an_ended_certificate_is_refused_before_anything_starts(tmp_path: Path) -> None:
    settings = secured(tmp_path, WALL - timedelta(days=tls.DAYS + 1))
    with pytest.raises(BadCertificate, match="ended on"):
        control.up(settings, say=lambda _: None)
    assert not (settings.data / "postgres").exists()


def test_asterisk_speaks_wss_with_it_and_a_renewed_one_is_reloaded_unseen(tmp_path: Path) -> None:
    settings, etc = secured(tmp_path), tmp_path / "etc"
    install = AsteriskInstall(["asterisk"], tmp_path, tmp_path)
    texts = asterisk_conf.texts(settings, install, [], etc)
    assert "tlsenable = yes" in texts[etc / "http.conf"]
    assert "enabled = yes" not in texts[etc / "http.conf"]
    assert "protocol = wss" in texts[etc / "pjsip.conf"]
    assert texts[etc / "console.pem"].count("BEGIN") == 2
    (change,) = [one for one in reload.changes(texts) if one.file == "console.pem"]
    assert change.commands == ("module reload http",)
    assert "BEGIN" not in change.diff
    plain = asterisk_conf.texts(fresh_settings(tmp_path / "plain"), install, [], etc)
    assert etc / "console.pem" not in plain


def test_the_command_makes_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKOFFICE_DATA", str(tmp_path))
    made = CliRunner().invoke(command, ["make", "--host", "10.1.2.3", "--json"])
    assert made.exit_code == 0, made.output
    said = json.loads(made.output)
    assert "10.1.2.3" in said["names"]
    assert json.loads(CliRunner().invoke(command, ["show", "--json"]).output) == {"on": False}
    monkeypatch.setenv("BACKOFFICE_TLS_CERT", said["cert"])
    monkeypatch.setenv("BACKOFFICE_TLS_KEY", said["key"])
    assert json.loads(CliRunner().invoke(command, ["show", "--json"]).output)["sha256"] == said["sha256"]
