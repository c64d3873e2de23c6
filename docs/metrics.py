"""Writes docs/metrics.md from the catalogue: ``python docs/metrics.py``.

Every sample line is real: one portal and one key, collected and exposed as a scrape would be.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporter.config import PortalSettings
from exporter.docspace.errors import REASONS, PortalError
from exporter.docspace.model import ApiKey, Creator
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.wire import KeyList
from exporter.metrics.catalogue import (
    EXPORTER_ROWS,
    KEY_LABELS,
    KEY_ROWS,
    PORTAL_LABELS,
    PORTAL_ROWS,
    ExporterView,
    Row,
)
from exporter.metrics.exposition import Renderer
from exporter.version import VERSION

PAGE = Path(__file__).with_suffix(".md")

INTRODUCTION = """\
# Metrics

Written by `python docs/metrics.py` from the catalogue in `exporter/metrics/catalogue.py`; a test
fails when this page is out of date.

- **What is unknown is absent**, never 0. A key without an expiry has no expiry series, and where
  the exporter may not see who is disabled, no key has a 0 in `docspace_api_key_orphaned`.
- **A portal that fails is data**: `docspace_up` is 0, a reason is counted, and there is no series
  of its keys and no count until it answers again. Bridge gaps with a bounded `last_over_time`.
- **Times** are Unix seconds, by the portal's clock for keys and by the exporter's for scrapes. The
  seconds left are `docspace_api_key_expiry_timestamp_seconds - time()`.
- **Labels**: those of `labels` in the configuration are on each series of a portal. `portal` is
  the portal's name in the configuration. `key_id` alone tells keys apart; names and postfixes may
  be doubled. `key_name` changes when somebody renames the key. A label that `withhold` names is
  empty.
- **An info metric** is always 1 and carries labels to join with:
  `… * on (portal, key_id) group_left (creator) docspace_api_key_info`.
- Text format and OpenMetrics hold the same series; an info metric is a gauge in the text format.
"""

PORTALS = """\
## Portals

Served by `/metrics` and `/probe`, with the label `portal`.
"""

KEYS = """\
## Keys

Served by `/metrics` and `/probe`, with the labels `portal`, `key_id` and `key_name`, for each key
of each portal that answered. A key is *active* when it is switched on and not past its expiry,
*expired* from the moment of its expiry, and *disabled* when somebody switched it off before.

An active key does not always work. A key acts as its creator, and the portal refuses it with 401
once that person is disabled or removed, while its list goes on showing the key as active. Such a
key is *orphaned*. `creator_status` is `active`, `disabled`, `removed`, or `unknown` where the
portal does not say: only an admin's key sees who is disabled. The portal counts a refused call as
a use: `docspace_api_key_last_used_timestamp_seconds` of an orphaned key is its last attempt.
"""

EXPORTER = """\
## The exporter itself

Served by `/metrics`, together with prometheus-client's own `process_…`, `python_info` and
`python_gc_…`.
"""

REASONS_HEAD = """\
## Reasons

The values of `reason` in `docspace_scrape_errors_total`. Each has its series from the start, at 0.

| reason | meaning | what to do |
|---|---|---|
"""

NOW = 1_790_000_000.0
DAY = 86400.0
KEY = ApiKey(
    id="6125d7a7-1003-455e-835e-b6110d8cb456",
    name="chat-bridge",
    postfix="f46a",
    is_active=True,
    permissions=("files:read", "rooms:write"),
    creator=Creator("66faa6e4-f133-11ea-b126-00ffeec8b4ef", "Liam O'Brien"),
    created=NOW - 30 * DAY,
    last_used=NOW - 60,
    expires=NOW + 5 * DAY,
)


def reference() -> str:
    """The whole page."""
    samples = _samples()
    sections: tuple[tuple[str, tuple[Row[Any], ...], tuple[str, ...]], ...] = (
        (PORTALS, PORTAL_ROWS, PORTAL_LABELS),
        (KEYS, KEY_ROWS, KEY_LABELS),
        (EXPORTER, EXPORTER_ROWS, ()),
    )
    parts = [INTRODUCTION]
    for head, rows, labels in sections:
        parts.append(head)
        parts += [_entry(row, labels, samples[row.name]) for row in rows]
    parts.append(REASONS_HEAD + "".join(_reasons()))
    return "\n".join(parts)


def _entry(row: Row[Any], labels: tuple[str, ...], sample: str) -> str:
    names = ", ".join(f"`{name}`" for name in labels + row.labels) or "none"
    return (
        f"### `{row.name}`\n\n{row.help}\n\n*{row.kind}*, labels: {names}\n\n```\n{sample}\n```\n"
    )


def _reasons() -> Iterator[str]:
    errors = {error.reason: error for error in _errors(PortalError) if "reason" in vars(error)}
    for reason in REASONS:
        error = errors[reason]
        meaning = (error.__doc__ or "").partition("\n\n")[0]
        yield f"| `{reason}` | {meaning} | {error.hint[:1].upper()}{error.hint[1:]} |\n"


def _errors(kind: type[PortalError]) -> Iterator[type[PortalError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _errors(child)


def _samples() -> dict[str, str]:
    """The first sample line of each metric, by name."""
    observation = Observation(
        portal=PortalSettings("acme", "https://acme.onlyoffice.com"),
        time=NOW,
        duration=0.25,
        listing=KeyList((KEY,), ()),
        error=None,
        own_key=KEY,
        clock_skew=-1.0,
        facts=PortalFacts("all", "3.7.2.1234", frozenset()),
        last_success=NOW,
        errors=dict.fromkeys(REASONS, 0),
    )
    exporter = ExporterView(
        version=VERSION,
        revision="0a1b2c3",
        python_version="3.13.0",
        reload_successful=True,
        reload_time=NOW,
        coalesced=0,
        faults=0,
        rejected=0,
    )
    snapshots = [Snapshot.at(observation, NOW)]
    samples: dict[str, str] = {}
    for line in Renderer().expose(snapshots, exporter, "text").decode().splitlines():
        if not line.startswith("#"):
            samples.setdefault(line.partition(" ")[0].partition("{")[0], line)
    return samples


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
