"""Refusals. Each is a class of its own; its docstring is what a person reads when no better sentence is at hand."""


class Refused(Exception):
    """The request was refused."""

    code = "REFUSED"

    def __init__(self, message: str = "", *, remedy: str = "", **details: object) -> None:
        self.message = message or (self.__doc__ or "").strip()
        self.remedy = remedy
        self.details = details
        super().__init__(f"{self.message} {remedy}".strip())


class BadInput(Refused):
    """The input cannot be used as it stands."""

    code = "BAD_INPUT"


class NotFound(Refused):
    """There is no such thing, or you may not see it."""

    code = "NOT_FOUND"


class NotAllowed(Refused):
    """Your role does not allow this."""

    code = "NOT_ALLOWED"


class Conflict(Refused):
    """The state has changed meanwhile; look again and repeat."""

    code = "CONFLICT"


class ClockShiftRefused(Refused):
    """The clock is shifted (BACKOFFICE_NOW) while a trunk leads outside this machine."""

    code = "CLOCK_SHIFT_REFUSED"


class PartMissing(Refused):
    """A part that this command needs is not there."""

    code = "PART_MISSING"


class DialingStopped(Refused):
    """Dialing is stopped until a named person lifts the stop with a reason."""

    code = "DIALING_STOPPED"
