"""The only clock of business decisions.

`now()` is business time: wall time plus an offset that demos and tests may set (`BACKOFFICE_NOW`), so that a call
at midnight on a developer's machine is still a call at ten in the morning by every rule. `wall()` is what the
machine says: it stamps what telephony measures. The offset is refused while any trunk leads off this machine.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backoffice_core.config import Settings
from backoffice_core.errors import ClockShiftRefused


class Clock:
    """Aware times only. `offset` is fixed for the life of the process."""

    def __init__(self, zone: str = "Europe/Kyiv", offset: timedelta = timedelta()) -> None:
        self.zone = ZoneInfo(zone)
        self.offset = offset

    def now(self) -> datetime:
        """Business time, UTC."""
        return datetime.now(UTC) + self.offset

    def today(self) -> date:
        """The business date: a date in the bank's zone."""
        return self.now().astimezone(self.zone).date()

    def day_bounds(self, day: date) -> tuple[datetime, datetime]:
        """The business day as a half-open interval of instants; 23 or 25 hours when the clock changes."""
        start = datetime.combine(day, time.min, self.zone)
        return start, datetime.combine(day + timedelta(days=1), time.min, self.zone)

    @staticmethod
    def wall() -> datetime:
        """The machine's time, UTC: for telephony stamps and leases, never for a rule."""
        return datetime.now(UTC)

    def business(self, wall: datetime) -> datetime:
        """Business time of a moment that the exchange stamped."""
        return wall + self.offset


def load(settings: Settings, *, restart: bool = False) -> Clock:
    """The clock of this installation.

    With `settings.now` set, the first program (or `restart=True`, as `up` calls it) fixes the offset and writes it to
    the data folder; all later programs read it there, so that they agree to the microsecond. A command without
    `settings.now` follows the installation that was started so; the next `up` without it ends the shift.

    Raises ClockShiftRefused when a trunk's host is not loopback.
    """
    file = settings.data / "clock.json"
    if settings.now is None and restart:
        file.unlink(missing_ok=True)
    kept = json.loads(file.read_text()) if file.exists() and not restart else None
    if settings.now is None and kept is None:
        return Clock(settings.bank_time_zone)
    if not settings.all_trunks_loopback:
        outside = ", ".join(f"{t.name} ({t.host})" for t in settings.trunks if not t.is_loopback)
        raise ClockShiftRefused(
            f"The clock is shifted (BACKOFFICE_NOW), but these trunks lead outside this machine: {outside}.",
            remedy="Unset BACKOFFICE_NOW and run `backoffice up` again, or keep only loopback trunks.",
        )
    if kept is not None and (settings.now is None or kept["now"] == settings.now.isoformat()):
        return Clock(settings.bank_time_zone, timedelta(seconds=kept["offset_s"]))
    assert settings.now is not None  # noqa: S101 (either it, or what was kept)
    wanted = settings.now.isoformat()
    offset = settings.now - Clock.wall()
    settings.data.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"now": wanted, "offset_s": offset.total_seconds()}))
    part.replace(file)
    return Clock(settings.bank_time_zone, offset)
