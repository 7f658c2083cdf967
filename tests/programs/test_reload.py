"""Asterisk's configuration by reload, its diff shown without secrets (FL-14)."""

from pathlib import Path

from asterisk_conf import AsteriskInstall, Phone, reload, texts
from asterisk_conf.reload import changes
from backoffice_core.config import FAR_END, Settings
from tests.conftest import fresh_settings


def rendered(settings: Settings, *phones: str) -> dict[Path, str]:
    install = AsteriskInstall(["asterisk"], settings.data / "modules", settings.data)
    wanted = texts(settings, install, [Phone(one, f"{one}{'s' * 20}") for one in phones], settings.data / "etc")
    return {file.parent / file.name: text for file, text in wanted.items()}


def written(settings: Settings, *phones: str) -> None:
    for file, text in rendered(settings, *phones).items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_only_what_changed_is_reloaded_and_no_secret_is_shown(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path)
    written(settings, "101")
    assert changes(rendered(settings, "101")) == []
    (change,) = changes(rendered(settings, "101", "102"))
    assert change.file == "pjsip.conf"
    assert "module reload res_pjsip.so" in change.commands
    assert not change.at_start
    assert "agent-102" in change.diff
    assert "s" * 20 not in change.diff
    assert "(hidden, " in change.diff


def test_another_secret_is_seen_as_another_one(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path)
    written(settings)
    other = settings.model_copy(update={"secret": type(settings.secret)("another master secret")})
    found = {change.file: change for change in changes(rendered(other))}
    assert "manager reload" in found["manager.conf"].commands
    assert found["manager.conf"].diff.count("(hidden, ") >= 2


def test_what_only_a_start_reads_is_told(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path)
    written(settings)
    moved = settings.model_copy(update={"ports": settings.ports.model_copy(update={"sip": settings.ports.sip + 1})})
    (change,) = [one for one in changes(rendered(moved)) if one.file == "pjsip.conf"]
    assert change.at_start
    trunk = settings.model_copy(update={"trunks": [*settings.trunks, FAR_END.model_copy(update={"name": "second"})]})
    (change,) = [one for one in changes(rendered(trunk)) if one.file == "pjsip.conf"]
    assert not change.at_start


def test_every_rendered_file_has_its_way_into_a_running_asterisk(tmp_path: Path) -> None:
    """A template that is added without saying how it is reloaded fails here."""
    known = set(reload.RELOADS) | {"asterisk.conf", "modules.conf"}
    assert {file.name for file in rendered(fresh_settings(tmp_path))} <= known


def test_a_new_module_is_loaded_before_the_dialplan_that_needs_it(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path)
    written(settings)
    wanted = rendered(settings)
    modules, plan = (settings.data / "etc" / name for name in ("modules.conf", "extensions.conf"))
    wanted[modules] += "load = app_new.so\n"
    wanted[plan] += "; new\n"
    first, second = changes(wanted)
    assert (first.commands, second.commands) == (("module load app_new.so",), ("dialplan reload",))
