"""What this process hears of its calls before PostgreSQL knows: which have been answered, which are over."""

import time
from collections import OrderedDict
from uuid import UUID

from backoffice_core.pbx.frames import Event

KEPT = 5000  # calls


class Ears:
    """As a collection: the calls that are known to ring no more."""

    def __init__(self) -> None:
        self.answered: OrderedDict[UUID, float] = OrderedDict()  # when, monotonic
        self.over: OrderedDict[UUID, float] = OrderedDict()

    def __contains__(self, call_id: object) -> bool:
        return call_id in self.answered or call_id in self.over

    def hear(self, event: Event) -> UUID | None:
        """The call that rings no more from this event on, if it says so."""
        up = event.name == "Newstate" and event.get("ChannelState") == "6"
        if not up and event.name != "Hangup":
            return None
        try:
            call_id = UUID(event.get("Uniqueid"))
        except ValueError:
            return None
        heard = self.answered if up else self.over
        heard.setdefault(call_id, time.monotonic())
        while len(heard) > KEPT:
            heard.popitem(last=False)
        return call_id
