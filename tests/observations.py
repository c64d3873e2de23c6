"""Observations, key lists and expositions without a portal, for many tests."""

from collections.abc import Sequence
from typing import Any

from exporter.config import PortalSettings, Secret
from exporter.docspace.errors import REASONS, PortalError
from exporter.docspace.model import FULL_ACCESS, ApiKey, Creator
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.wire import KeyList, KeyListReader, Malformed
from exporter.metrics import exposition
from exporter.metrics.catalogue import ExporterView

#: The present of these tests, 2026-09-21T14:13:20Z.
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
    """An observation with these keys."""
    return _observation(name, listing=KeyList(tuple(keys), tuple(malformed)), **fields)


#: The facts for an admin's key of a portal where no person is disabled.
FACTS = PortalFacts("all", "3.7.2.1234", frozenset())


def down(error: PortalError, name: str = "globex", **fields: Any) -> Observation:
    """An observation with this error, the first of its portal."""
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


def parse_keys(body: bytes) -> KeyList:
    """One key list by itself."""
    return KeyListReader().read(body)


class Renderer(exposition.Renderer):
    """A renderer that makes a whole exposition in one call."""

    def expose(
        self,
        snapshots: Sequence[Snapshot],
        own: ExporterView | None,
        form: exposition.Format,
        *,
        compressed: bool = False,
    ) -> bytes:
        """The exposition of these portals, and with ``own`` of the exporter."""
        portals = [self.lines(snapshot, compressed=compressed) for snapshot in snapshots]
        return self.joined(portals, own, form, compressed=compressed)
