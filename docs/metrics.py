"""Writes docs/metrics.md from the catalogue: ``python docs/metrics.py``.

The sample lines are the exposition of one portal with one key.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporter.config import PortalSettings
from exporter.docspace.errors import REASONS, PortalError
from exporter.docspace.model import ApiKey, Creator
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.state import UNUSED_FOR
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
<!-- Written by `make generated` from exporter/metrics/catalogue.py; a test compares. -->

# Metrics

- **Unknown is absent**, never 0. A key without an expiry has no expiry series. If the exporter may
  not see which people are disabled, no key has the value 0 in `docspace_api_key_orphaned`.
- **While a portal fails**, `docspace_up` is 0, a reason is counted, and there are no series of its
  keys and no counts until it answers again. Bridge the gap with `last_over_time` over a limited
  range.
- **Times** are Unix seconds: those of keys by the clock of the portal, those of scrapes by the
  clock of the exporter. The time left is `docspace_api_key_expiry_timestamp_seconds - time()`.
- **Labels**: `portal` is the name of the portal in the configuration. Only `key_id` is unique: two
  keys may have the same name or postfix. `key_name` changes when somebody renames the key. The
  labels that you set as `labels` in the configuration are on every series of the portal, and a
  label that you name in `withhold` is empty.
- **An info metric** always has the value 1. Join with it to get its labels:
  `… * on (portal, key_id) group_left (creator) docspace_api_key_info`.
- The text format and OpenMetrics hold the same series. In the text format an info metric is a
  gauge.
"""

_UNUSED_FOR = ", ".join(f"`{span.label}`" for span in UNUSED_FOR)

PORTALS = f"""\
## Portals

Served by `/metrics` and `/probe`, with the label `portal`. `within` has the windows of
`expiring_within` in the configuration. `unused_for` is one of {_UNUSED_FOR}.
A key that was not used for 100 days counts in `30d` and `90d`.
"""

KEYS = """\
## Keys

Served by `/metrics` and `/probe`, with the labels `portal`, `key_id` and `key_name`, for each key
of each portal that answered. A key is *active* while it is switched on and not past its expiry,
*expired* from the moment of its expiry on, and *disabled* if somebody switched it off before.

An active key does not always work. A key acts as its creator. Once that person is disabled or
removed, the portal refuses the key with 401, and its list still shows the key as active. Such a
key is *orphaned*. `creator_status` is `active`, `disabled`, `removed`, or `unknown` if the portal
does not say: only the key of an admin sees who is disabled. The portal counts a refused request as
a use, so `docspace_api_key_last_used_timestamp_seconds` of an orphaned key is its last attempt.
"""

EXPORTER = """\
## The exporter itself

Served by `/metrics`, together with prometheus-client's own `process_…`, `python_info` and
`python_gc_…`.
"""

REASONS_HEAD = """\
## Reasons

The values of `reason` in `docspace_scrape_errors_total`. Each has a series from the start, with the
value 0.

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
    renderer = Renderer()
    lines = renderer.lines(Snapshot.at(observation, NOW), compressed=False)
    text = renderer.joined([lines], exporter, "text", compressed=False).decode()
    samples: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            samples.setdefault(line.partition(" ")[0].partition("{")[0], line)
    return samples


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
