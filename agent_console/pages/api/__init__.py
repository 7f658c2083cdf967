"""The API for the bank's systems: one file for what comes in or goes out, access.py for who may, described.py for its words."""

from agent_console.pages.api.access import WRONG_KEYS, Limits
from agent_console.pages.api.described import docs
from agent_console.pages.api.routes import router

__all__ = ["WRONG_KEYS", "Limits", "docs", "router"]
