"""Observations made by hand: what the tests of ``metrics`` look at instead of a portal."""

from collections.abc import Sequence
from typing import Any

from exporter.config import PortalSettings, Secret
from exporter.docspace.errors import REASONS, PortalError
from exporter.docspace.model import FULL_ACCESS, ApiKey, Creator
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.wire import KeyList, Malformed

#: The moment at which these tests look, 2026-09-21T14:13:20Z.
NOW = 1_790_000_000.0
DAY = 86400.0

ANNA = Creator("5a1e7c1e-0000-4000-8000-000000000001", "Anna")


def key(number: int = 1, **fields: Any) -> ApiKey:
    """An active key with full access, never used, without expiry, or as the fields say."""
    known: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "name": "backup",
        "postfix": f"{number:04x}",
        "is_active": True,
        "permissions": FULL_ACCESS,
        "creator": ANNA,
        "created": NOW - 30 * DAY,
        "last_used": None,
        "expires": None,
    }
    return ApiKey(**known | fields)


def up(
    keys: Sequence[ApiKey] = (),
    name: str = "acme",
    malformed: Sequence[Malformed] = (),
    **fields: Any,
) -> Observation:
    """A look at a portal that brought these keys."""
    return _observation(name, listing=KeyList(tuple(keys), tuple(malformed)), **fields)


#: What a portal says to an admin's key, of which nobody is disabled.
FACTS = PortalFacts("all", "3.7.2.1234", frozenset())


def down(error: PortalError, name: str = "globex", **fields: Any) -> Observation:
    """A look at a portal that failed, for the first time."""
    errors = dict.fromkeys(REASONS, 0) | {error.reason: 1}
    return _observation(name, error=error, errors=errors, duration=2.5, **fields)


def _observation(name: str, **fields: Any) -> Observation:
    settings = fields.pop("settings", {})
    portal = PortalSettings(name, f"https://{name}.example", Secret("sk-hunter2"), **settings)
    known: dict[str, Any] = {
        "portal": portal,
        "time": NOW,
        "duration": 0.125,
        "listing": None,
        "error": None,
        "own_key": None,
        "clock_skew": None,
        "facts": PortalFacts(),
        "last_success": NOW if "listing" in fields else None,
        "errors": dict.fromkeys(REASONS, 0),
    }
    return Observation(**known | fields)
