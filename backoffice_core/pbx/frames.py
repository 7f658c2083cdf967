"""What goes over the link to Asterisk's manager interface, in the programs' own words: events, replies, refusals."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from backoffice_core.errors import BadInput, Refused


class LinkDown(Refused):
    """There is no link to the telephone exchange; nothing was sent."""

    code = "PBX_LINK_DOWN"


class LoginRefused(Refused):
    """The telephone exchange refused this program's password."""

    code = "PBX_LOGIN_REFUSED"


class ActionRefused(Refused):
    """The telephone exchange refused the action; nothing happened."""

    code = "PBX_ACTION_REFUSED"


class ActionUnknown(Refused):
    """The action was sent and no result came: it may have happened. Settle it by its channel, do not repeat it."""

    code = "PBX_ACTION_UNKNOWN"


class Event(Mapping[str, str]):
    """One AMI frame as it came: keys in order, and a key that came twice keeps all its values."""

    __slots__ = ("_rows", "name")

    def __init__(self, rows: Sequence[tuple[str, str]]) -> None:
        self._rows = tuple(rows)
        self.name = self.get("Event", "")

    @classmethod
    def from_frame(cls, frame: bytes) -> "Event":
        """A byte that is not UTF-8 becomes U+FFFD; a line without a colon is left out."""
        pairs = (line.partition(":") for line in frame.decode("utf-8", "replace").split("\r\n"))
        return cls([(key, value.removeprefix(" ")) for key, colon, value in pairs if colon])

    def get(self, key: str, default: Any = "") -> Any:
        """The first value of `key`."""
        return next((value for name, value in self._rows if name == key), default)

    def getall(self, key: str) -> list[str]:
        return [value for name, value in self._rows if name == key]

    def __getitem__(self, key: str) -> str:
        for name, value in self._rows:
            if name == key:
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._rows))

    def __len__(self) -> int:
        return len({name for name, _ in self._rows})

    def __repr__(self) -> str:
        return f"<Event {self.name} {len(self._rows)} rows>"  # no values: numbers are personal data


@dataclass(frozen=True)
class LinkUp:
    """Logged in, and Asterisk has finished starting: what was said before may be lost, so catch up now.

    `uptime`: seconds since Asterisk's start; a smaller one than last time means that it was restarted.
    `last_reload`: seconds since its last reload, as it says itself.
    """

    uptime: int
    last_reload: int
    at: datetime

    SAME: ClassVar[timedelta] = timedelta(seconds=2)  # an uptime is whole seconds: two starts so close are one

    @property
    def booted_at(self) -> datetime:
        """Asterisk's start by this machine's clock: later than last time (by more than SAME) = it was restarted, and all
        its calls are over; otherwise only the link was lost."""
        return self.at - timedelta(seconds=self.uptime)


@dataclass(frozen=True)
class Reply:
    ok: bool
    message: str
    fields: Event


def refuse_control_characters(name: str, value: str) -> str:
    """Raises BadInput: an action is lines, so a line end in a value would be a header or an action of its own."""
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in value):
        raise BadInput(f"The field {name} of an action to the telephone exchange holds a control character.")
    return value
