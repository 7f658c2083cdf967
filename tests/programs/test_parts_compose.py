"""docker-compose.yml starts the same parts with the same settings; no engine is needed to see that."""

import re
from pathlib import Path
from typing import Any

import yaml

from backoffice_core.config import Settings
from backoffice_core.parts import catalogue

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_every_part_of_the_supervisor_is_a_service() -> None:
    assert set(catalogue.NAMES) <= set(SERVICES)
    assert set(SERVICES) - set(catalogue.NAMES) == {"migrate"}


def test_programs_and_asterisk_are_started_by_the_supervisor_of_their_part() -> None:
    for name in ("asterisk", *catalogue.PROGRAMS):
        assert SERVICES[name]["command"] == ["supervise", "--only", name]
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_every_variable_is_a_setting() -> None:
    known = {f"BACKOFFICE_{field.upper()}" for field in Settings.model_fields}
    for file in ("docker-compose.yml", ".env.example", "docker/Dockerfile"):
        named = set(re.findall(r"BACKOFFICE_[A-Z_]+", (ROOT / file).read_text()))
        assert {name.split("__")[0] for name in named} <= known, file


def test_settings_of_the_containers_are_accepted_and_name_servers_of_their_own() -> None:
    given = {
        name.removeprefix("BACKOFFICE_").lower(): re.sub(r"\$\{[A-Z_]+(?::-([^${}]*)|:\?[^}]*)\}", r"\1", value)
        for name, value in SERVICES["agi"]["environment"].items()
        if "${POSTGRES_PASSWORD" not in value
    }
    settings = Settings(database_url="postgresql+asyncpg://backoffice@127.0.0.1:5432/backoffice", **given)
    assert catalogue.wanted(settings) == ["asterisk", *catalogue.PROGRAMS]
    assert settings.redis_url == f"redis://127.0.0.1:{Settings(data=ROOT).ports.redis}/0"
    port = SERVICES["valkey"]["command"][SERVICES["valkey"]["command"].index("--port") + 1]
    assert int(port) == settings.ports.redis


def test_no_secret_has_a_default_and_volumes_and_build_targets_exist() -> None:
    assert "${POSTGRES_PASSWORD:?" in TEXT
    assert "${BACKOFFICE_SECRET:?" in TEXT
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        if "build" in service:
            assert f" AS {service['build']['target']}\n" in dockerfile


def test_images_hold_every_package_of_the_product() -> None:
    packages = re.findall(r'"([a-z_]+)\*"', (ROOT / "pyproject.toml").read_text())
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert packages
    assert all(f"COPY {package} {package}\n" in dockerfile for package in packages)
