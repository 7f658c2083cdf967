"""The kinds of news that programs send each other over Redis. A piece of news carries ids, never data."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, get_type_hints
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class News:
    kind: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class ScreenPop(News):
    """An answered call was given to this agent: show the card."""

    kind = "screen_pop"
    agent_id: UUID
    case_id: UUID | None  # None: nobody knows yet whose call it is
    call_id: UUID


@dataclass(frozen=True, kw_only=True)
class CardShown(News):
    """The card of a call that is being connected is on its agent's screen: the voices may meet."""

    kind = "card_shown"
    agent_id: UUID
    call_id: UUID


@dataclass(frozen=True, kw_only=True)
class CallChanged(News):
    """A call attempt's row changed; agent_id is the agent with it, if any."""

    kind = "call_changed"
    call_id: UUID
    agent_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class AgentChanged(News):
    """An agent's state or line changed."""

    kind = "agent_changed"
    agent_id: UUID


@dataclass(frozen=True, kw_only=True)
class QueueChanged(News):
    """Call tasks were built, cancelled or became callable."""

    kind = "queue_changed"


@dataclass(frozen=True, kw_only=True)
class StopChanged(News):
    """Dialing was stopped or released."""

    kind = "stop_changed"


@dataclass(frozen=True, kw_only=True)
class StopListChanged(News):
    """The bank's stop-list has new entries: what rings may have to be cancelled."""

    kind = "stop_list_changed"


@dataclass(frozen=True, kw_only=True)
class LegWanted(News):
    """A call's trunk has failed it: its next leg waits to be placed."""

    kind = "leg_wanted"
    call_id: UUID


@dataclass(frozen=True, kw_only=True)
class MachineFound(News):
    """An answering machine took this call: it is to be hung up."""

    kind = "machine_found"
    call_id: UUID


@dataclass(frozen=True, kw_only=True)
class PreviewWanted(News):
    """An agent wants the card before him dialed."""

    kind = "preview_wanted"
    agent_id: UUID


@dataclass(frozen=True, kw_only=True)
class TrunksChanged(News):
    """A trunk's breaker or money, or a caller id's state, changed."""

    kind = "trunks_changed"


@dataclass(frozen=True, kw_only=True)
class CampaignsChanged(News):
    """A campaign's settings, or an agent's skills, changed."""

    kind = "campaigns_changed"


@dataclass(frozen=True, kw_only=True)
class LoginTaken(News):
    """A later login of this person ended his earlier ones."""

    kind = "login_taken"
    agent_id: UUID


@dataclass(frozen=True, kw_only=True)
class SoundChanged(News):
    """An agent's talk has begun to sound bad."""

    kind = "sound_changed"
    agent_id: UUID


_ALL = (
    ScreenPop, CardShown, CallChanged, AgentChanged, QueueChanged, StopChanged, StopListChanged, LegWanted, TrunksChanged,
    SoundChanged, LoginTaken, CampaignsChanged, PreviewWanted, MachineFound,
)  # fmt: skip
KINDS: dict[str, type[News]] = {c.kind: c for c in _ALL}


def to_wire(news: News) -> dict[str, Any]:
    return {"kind": news.kind, **{k: None if v is None else str(v) for k, v in asdict(news).items()}}


def from_wire(message: dict[str, Any]) -> News | None:
    """None for a kind that this version does not know: an older program may hear a newer one."""
    cls = KINDS.get(message.get("kind", ""))
    if cls is None:
        return None
    hints = get_type_hints(cls)
    fields = {k: v for k, v in message.items() if k != "kind" and k in hints}
    return cls(**{k: UUID(v) if v is not None else None for k, v in fields.items()})
