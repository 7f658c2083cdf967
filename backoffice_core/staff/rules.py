"""What each role may do. A permission is a word; pages name the word they need."""

from types import MappingProxyType

_AGENT = frozenset({"desk", "case", "hear", "tasks"})
_VIEW = frozenset(
    {
        "floor",
        "queue",
        "abandoned",
        "case",
        "case_any",
        "hear",
        "hear_any",
        "tasks",
        "tasks_all",
        "strategies",
        "proof",
        "rules",
        "reports",
    }
)

PERMISSIONS = MappingProxyType(
    {
        "agent": _AGENT,  # own calls, and cases on which he has spoken with the right person
        # case_work: holds, plans, hand-overs, corrections of any case; an owner does it in his own without
        "supervisor": _VIEW | {"stop", "listen", "complete", "case_work", "announcements", "lines", "campaigns"},
        "manager": _VIEW | {"stop", "case_work", "announcements", "lines", "campaigns"},
        "admin": frozenset(
            {"floor", "stop", "users", "lines", "webhooks"}
        ),  # keeps the house running, sees no borrower
    }
)
ROLES = tuple(PERMISSIONS)

EXTENSIONS = range(10, 1_000_000)  # 2 to 6 digits, as Asterisk's configuration has them
LOCK_AFTER = 5  # failed logins in a row
LOCK_MINUTES = 15
LOGIN_HOURS = 12


# Pages over the whole house, which are not narrowed to a branch: closed to a login of one (CP-05).
WHOLE_HOUSE = frozenset({"abandoned", "hear_any", "tasks_all"})


def may(role: str, act: str, branch: str = "") -> bool:
    """Whether the role has this permission; an unknown role has none. `branch`: that of the login, "" = of all."""
    return act in PERMISSIONS.get(role, frozenset()) and not (branch and act in WHOLE_HOUSE)


def home(role: str) -> str:
    """The first page after login."""
    return "/desk" if may(role, "desk") else "/floor"
