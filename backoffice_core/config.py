"""Settings of all programs: environment (`BACKOFFICE_…`) over `backoffice.toml` over the defaults below.

The defaults are a whole call centre on this machine: embedded PostgreSQL and Valkey, an Asterisk of our own,
and one trunk that leads to the shipped far end on loopback.
"""

import difflib
import hashlib
import hmac
import ipaddress
import os
import secrets
import tempfile
import zoneinfo
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import phonenumbers
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

NumberFormat = Literal["digits", "plus", "double_zero", "national", "eight"]  # backoffice_core/numbering.py
Prefix = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,14}$")]


class Breaker(BaseModel):
    """When a trunk is taken out because of its errors, and for how long (FL-04)."""

    last: int = Field(default=20, ge=2, le=500, description="calls looked at")
    within_s: int = Field(default=120, ge=5, le=3600)
    at_least: int = Field(default=5, ge=2, le=500, description="fewer calls say nothing")
    share: float = Field(default=0.5, gt=0, le=1, description="share of faults that opens it")
    pause_s: int = Field(default=30, ge=1, le=3600, description="until one call tries it again; doubled up to 16 times")


class Trunk(BaseModel):
    """One way out to the telephone network. Another carrier is another entry here, never other code."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    host: str
    port: int = Field(default=5060, ge=1, le=65535)
    username: str = ""
    password: SecretStr = SecretStr("")
    register_with_carrier: bool = False
    priority: int = Field(default=1, ge=1, le=99, description="the lower is tried first; among equals the freest")
    country: str = Field(default="", pattern=r"^[0-9]{0,4}$", description="calling code; empty = the bank's country")
    number_format: NumberFormat = "digits"
    number_prefix: str = Field(
        default="", pattern=r"^\+?[0-9]{0,8}$", description="technical prefix, before the number"
    )
    caller_id: str = Field(
        default="", pattern=r"^\+?[0-9]{0,15}$", description="taken over into the table of caller ids"
    )
    caller_id_format: NumberFormat = "plus"
    caller_id_in: Literal["both", "from", "asserted"] = Field(
        default="both", description="where the caller id stands: From, P-Asserted-Identity or both"
    )
    allow: list[Prefix] = Field(default=[], description="prefixes in E.164 digits; empty = the bank's country")
    deny: list[Prefix] = Field(default=[], description="prefixes that are refused; the longest of both lists decides")
    lines: int = Field(default=30, ge=1, le=10_000, description="simultaneous calls")
    calls_per_second: float = Field(default=5.0, gt=0, le=500)
    rates: dict[Prefix, Decimal] = Field(default={}, description="price of a minute by prefix")
    money_per_day: Decimal | None = Field(default=None, gt=0, description="in the currency of the rates")
    breaker: Breaker = Breaker()
    blocks_caller_ids: bool = Field(default=True, description="the operators behind it block caller ids")
    test_numbers: list[str] = Field(default=[], description="E.164 numbers that `backoffice trunk test` may call")

    @model_validator(mode="after")
    def _what_needs_what(self) -> "Trunk":
        if self.money_per_day is not None and not self.rates:
            raise ValueError("money_per_day needs rates: the price of a minute by prefix")
        if self.caller_id_in == "asserted" and not self.username:
            raise ValueError("caller_id_in = asserted needs a username, which stands in From then")
        return self

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False  # a name that only DNS knows is outside until proven otherwise


class BankPbx(BaseModel):
    """The bank's own telephone exchange, where agents' phones may be: their lines are called by this SIP trunk."""

    host: str = Field(pattern=r"^[\w.-]+$")
    port: int = Field(default=5060, ge=1, le=65535)
    username: str = ""
    password: SecretStr = SecretStr("")
    register_with_pbx: bool = False
    caller_id: str = Field(default="", pattern=r"^\+?[0-9]{0,15}$", description="what the agents' phones show")

    @model_validator(mode="after")
    def _registers_as_somebody(self) -> "BankPbx":
        if self.register_with_pbx and not self.username:
            raise ValueError("register_with_pbx needs a username")
        return self


class Ports(BaseModel):
    """TCP and UDP ports, all on `bind`. Tests and benchmarks pass free ones."""

    console: int = 8080
    sip: int = 5060
    ami: int = 5038
    asterisk_http: int = 8088
    agi: int = 4573
    rtp_first: int = 12000
    rtp_last: int = 13999
    redis: int = 6399
    far_end: int = 5070
    far_end_rtp: int = 5072


_HOUR = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
FAR_END = Trunk(
    name="far-end", host="127.0.0.1", port=5070, caller_id="+380445550100", lines=60, calls_per_second=50,
    country="380", allow=["380", "7"], blocks_caller_ids=False,
)  # fmt: skip


class Settings(BaseSettings):
    """Read once at the start of a program by `load()`."""

    model_config = SettingsConfigDict(
        env_prefix="BACKOFFICE_", env_nested_delimiter="__", toml_file="backoffice.toml", extra="forbid"
    )

    data: Path = Field(default=Path("data"), description="everything that this installation writes")
    database_url: str = Field(default="", description="empty = embedded PostgreSQL in the data folder")
    redis_url: str = Field(default="", description="empty = embedded Valkey in the data folder")
    asterisk: str = Field(
        default="", description="path of an asterisk binary; empty = PATH, else the cached root file system"
    )
    asterisk_host: str = "127.0.0.1"
    bind: str = "127.0.0.1"
    tls_cert: Path | None = Field(default=None, description="PEM: the certificate and what it hangs on; unset = http")
    tls_key: Path | None = Field(default=None, description="PEM: its key, without a password")
    ports: Ports = Ports()
    trunks: list[Trunk] = [FAR_END]
    now: datetime | None = Field(
        default=None, description="business time at start; refused unless all trunks are loopback"
    )
    bank_name: str = "Банк «Приклад»"
    bank_address: str = "Київ, вул. Зразкова, 1"
    bank_phone: str = "0 800 555 010"
    bank_time_zone: str = "Europe/Kyiv"
    jurisdiction: str = Field(default="UA", pattern="^[A-Z]{2}$")
    bound: Literal["bank", "mfo", "agency"] = "bank"
    language: str = Field(
        default="uk", pattern="^[a-z]{2,3}$", description="of the house: uk, ru, en, or one added by file"
    )
    secret: SecretStr = Field(default=SecretStr(""), description="empty = made once and kept in the data folder")
    backups: Path | None = Field(default=None, description="folder of backups; empty = `backups` in the data folder")
    backup_key: SecretStr = Field(default=SecretStr(""), description="empty = made once and kept in the data folder")
    backup_keep_days: int = Field(default=14, ge=1, le=3650, description="the newest two backups are always kept")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    wrap_up_s: int = Field(default=45, ge=5, le=600)
    preview_s: int = Field(default=60, ge=5, le=900, description="a previewed card goes back to the queue after")
    card_head_start_ms: int = Field(
        default=50, ge=0, le=150, description="the longest that the voice waits for the card; 0 = not at all"
    )
    bank_pbx: BankPbx | None = Field(default=None, description="the bank's own exchange with phones of agents")
    line: Literal["kept", "per_call"] = Field(
        default="kept", description="agents' lines: up all shift, or rung for each call; a person may have his own"
    )
    echo_test: Literal["required", "off"] = Field(
        default="required", description="an agent goes ready only after a test of his line in this shift"
    )
    line_loss_pct: float = Field(
        default=3.0, gt=0, le=100, description="lost packets of a talk, in percent, from which a phone is named bad"
    )
    line_jitter_ms: int = Field(
        default=20, ge=1, le=1000, description="jitter of a talk (RFC 3550) from which a phone is named bad"
    )
    guard_minutes: int = Field(
        default=5, ge=0, le=60, description="no dial in the last minutes of a window: a talk must fit"
    )
    recording_notice: Literal["script", "prompt"] = Field(
        default="script",
        description="how a rule's warning that the call is recorded is given: by the agent, or spoken to both",
    )
    calls_in_from: str = Field(
        default="09:00", pattern=_HOUR, description="bank's time; before it calls in hear the message"
    )
    calls_in_until: str = Field(default="20:00", pattern=_HOUR, description="bank's time")
    calls_in_wait_s: int = Field(default=15, ge=0, le=60, description="a caller hears it ring so long for a free agent")
    ring_timeout_s: int = Field(default=25, ge=15, le=40)
    spool_mb: int = Field(
        default=256, ge=1, le=100_000, description="room on disk for call events while the database is away"
    )
    early_media_s: int = Field(
        default=30, ge=0, le=40, description="the longest that a ringing line is listened to; 0 = not at all"
    )
    recordings_key: SecretStr = Field(
        default=SecretStr(""),
        description="64 hexadecimal digits, older ones after commas; empty = made once and kept in the data folder",
    )
    recordings_archive: Path | None = Field(default=None, description="folder of the older tier; unset = none")
    recordings_archive_after_days: int = Field(default=30, ge=1, le=36_500)
    recordings_full_pct: int = Field(default=92, ge=10, le=99, description="from here dialing stops")
    recordings_min_free_mb: int = Field(default=1024, ge=0, description="with less free than this dialing stops, too")
    nightly_at: str = Field(default="03:00", pattern=r"^[0-2][0-9]:[0-5][0-9]$", description="bank's time")
    nightly_until: str = Field(
        default="08:30",
        pattern=r"^[0-2][0-9]:[0-5][0-9]$",
        description="bank's time: then what is complete is published",
    )
    night_range: int = Field(
        default=20_000, ge=1, description="persons of one range of the night: one transaction, and what a kill costs"
    )
    due_on_day_off: Literal["same", "next"] = Field(
        default="same",
        description="an instalment due on a day off is late after that day, or after the next working one",
    )
    stop_reasons: list[str] = Field(
        default=[], description="reasons that entries of the stop-list may have, as PAID; empty = any word"
    )
    webhook_hosts: list[str] = Field(
        default=[], description="hosts that events may be sent to, as crm.bank.ua or 127.0.0.1:9000; empty = none"
    )
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=60, description="for a subscriber's whole answer")
    webhook_tries: int = Field(default=15, ge=1, le=100, description="then an event waits for a person")
    balance_max_hours: int = Field(
        default=26, ge=1, le=8760, description="no sum is shown to an agent, nor said, from an older balance"
    )
    balance_max_days: int = Field(default=7, ge=1, le=365, description="nobody is called about an older balance")

    @property
    def balance_max_age(self) -> timedelta:
        return timedelta(hours=self.balance_max_hours)

    @field_validator("data", "backups", "recordings_archive", "tls_cert", "tls_key")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value else None

    @field_validator("now")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("give the time with its zone, as in 2026-11-18T10:00+02:00")
        return value

    @field_validator("bank_time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError("give an IANA time zone, as in Europe/Kyiv")
        return value

    @field_validator("trunks")
    @classmethod
    def _some_trunk(cls, value: list[Trunk]) -> list[Trunk]:
        if not value:
            raise ValueError("at least one trunk is needed")
        if len({trunk.name for trunk in value}) != len(value):
            raise ValueError("two trunks have the same name")
        return value

    @model_validator(mode="after")
    def _certificate_and_key(self) -> "Settings":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are needed together, or neither")
        return self

    @model_validator(mode="after")
    def _shipped_trunk_leads_to_the_far_end(self) -> "Settings":
        if "trunks" not in self.model_fields_set and self.ports.far_end != FAR_END.port:
            self.trunks = [FAR_END.model_copy(update={"port": self.ports.far_end})]
        return self

    @model_validator(mode="after")
    def _a_trunk_calls_the_banks_country(self) -> "Settings":
        """What a trunk does not say of destinations is the narrowest: the bank's own country."""
        code = str(phonenumbers.country_code_for_region(self.jurisdiction) or "")
        if any(not trunk.country or not trunk.allow for trunk in self.trunks):
            self.trunks = [
                trunk.model_copy(
                    update={"country": trunk.country or code, "allow": trunk.allow or ([code] if code else [])}
                )
                for trunk in self.trunks
            ]
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def embedded_postgres(self) -> bool:
        return not self.database_url

    @property
    def embedded_redis(self) -> bool:
        return not self.redis_url

    @cached_property
    def run_dir(self) -> Path:
        """Sockets and pid files. A Unix socket's path must stay under 107 bytes, so a deep data folder gets a short twin."""
        inside = self.data / "run"
        if len(str(inside)) <= 80:
            return inside
        digest = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        return Path("/tmp") / f"backoffice-{os.getuid()}-{digest}"  # noqa: S108 (made 0700 by the part that uses it)

    @property
    def database(self) -> str:
        return self.database_url or f"postgresql+asyncpg://backoffice@/backoffice?host={self.run_dir}"

    @property
    def redis(self) -> str:
        return self.redis_url or f"redis://127.0.0.1:{self.ports.redis}/0"

    @property
    def recordings_dir(self) -> Path:
        return self.data / "recordings"

    @property
    def own_words(self) -> Path:
        """Further languages of the screens: `<code>.ftl`."""
        return self.data / "locale"

    @property
    def own_prompts(self) -> Path:
        """Further or other spoken messages: `<language>/<name>.wav` or `.txt`."""
        return self.data / "prompts"

    @property
    def backups_dir(self) -> Path:
        """Better on another disk, or another machine's: on the same one it dies with what it should save."""
        return self.backups or self.data / "backups"

    @property
    def announcements_dir(self) -> Path:
        return self.data / "announcements"

    @property
    def stop_file(self) -> Path:
        return self.data / "STOP"

    @property
    def drain_file(self) -> Path:
        return self.data / "DRAIN"

    @property
    def restored_file(self) -> Path:
        return self.data / "RESTORED"

    @property
    def console_url(self) -> str:
        return f"{'https' if self.tls_cert else 'http'}://{self.bind}:{self.ports.console}"

    @property
    def all_trunks_loopback(self) -> bool:
        return all(trunk.is_loopback for trunk in self.trunks)

    def derived_secret(self, label: str) -> str:
        """A secret for one purpose ("ami:dialer", "phone:101"), derived from the installation's one master secret.

        The master is `secret`, or is made once and kept in the data folder, readable by the owner only.
        """
        master = self.secret.get_secret_value() or self._kept_secret()
        return hmac.new(master.encode(), label.encode(), hashlib.sha256).hexdigest()[:40]

    def _kept_secret(self) -> str:
        file = self.data / "secret"
        if not file.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(dir=self.data)  # made 0600
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_hex(32))
            try:
                os.link(part, file)  # the first of several programs wins, the others read its secret
            except FileExistsError:
                pass
            finally:
                os.unlink(part)
        return file.read_text()

    def trunk(self, name: str) -> Trunk:
        """Raises KeyError when no trunk has this name."""
        for trunk in self.trunks:
            if trunk.name == name:
                return trunk
        raise KeyError(name)


def load() -> Settings:
    """The settings of this process. Raises `pydantic.ValidationError`, whose text names the field."""
    return Settings()


def misspelt(variables: Iterable[str]) -> list[str]:
    """A warning for each variable that looks like a setting and is none; it would have no effect."""
    known = [f"BACKOFFICE_{name.upper()}" for name in Settings.model_fields]
    known += [f"BACKOFFICE_PORTS__{name.upper()}" for name in Ports.model_fields]
    warnings = []
    for name in sorted(v for v in variables if v.startswith("BACKOFFICE_") and v not in known):
        near = difflib.get_close_matches(name, known, 1)
        warnings.append(f"{name} is no setting and has no effect" + (f"; did you mean {near[0]}?" if near else "."))
    return warnings
