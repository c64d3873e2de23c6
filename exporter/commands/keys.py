"""``docspace-exporter keys``: the API keys of the portals, soonest expiry first."""

import argparse
import contextlib
import math
import sys
from collections.abc import Sequence
from typing import Any

from exporter.clock import Clock
from exporter.commands.key_columns import piped
from exporter.commands.key_list import Listed, csv_text, listed, ordered, record, wanted
from exporter.commands.selection import selected
from exporter.commands.terminal import complain, emit, interrupted, is_terminal, json_text
from exporter.docspace.observation import Observation
from exporter.docspace.snapshot import Snapshot
from exporter.exporter import Exporter
from exporter.formatting import DAY, plural
from exporter.logs import make_log

#: The window of --exit-code without --expiring-within.
EXIT_CODE_WINDOW = 30 * DAY


def run(options: argparse.Namespace) -> int:
    """List the keys. 1 if a portal failed, or with --exit-code if a key is listed.

    Raises ConfigError and FlagError.
    """
    clock = Clock()
    log = make_log(sys.stderr, options.log_level, options.log_format)
    settings = selected(options)
    exporter = Exporter(lambda: settings, clock, log)
    try:
        with _waiting([portal.name for portal in settings.portals]):
            observations = exporter.fleet.observe(exporter.fleet.portals, math.inf)
    except KeyboardInterrupt:
        return interrupted()
    exporter.close()
    within = options.expiring_within
    if within is None and options.exit_code:
        within = EXIT_CODE_WINDOW
    now = clock.now()
    snapshots = [Snapshot.at(observation, now) for observation in observations]
    keys = wanted(listed(snapshots, now), options.state, within)
    _print(ordered(keys, options.sort), observations, options.format)
    failed = _complain(observations)
    return int(failed or (options.exit_code and bool(keys)))


def _print(keys: Sequence[Listed], observations: Sequence[Observation], form: str) -> None:
    if form == "csv":
        emit(csv_text(keys))
    elif form == "json":
        portals = [_portal(observation) for observation in observations]
        emit(json_text({"portals": portals, "keys": [record(key) for key in keys]}))
    elif keys:
        emit(_table(keys, several_portals=len(observations) > 1))
    elif sys.stderr.isatty():
        complain("no key matches")


def _table(keys: Sequence[Listed], *, several_portals: bool) -> str:
    if not is_terminal():
        return piped(keys, several_portals=several_portals)
    from exporter.commands import key_table, tables  # a pipe does not wait for rich's tables

    return tables.render(*key_table.parts(keys, several_portals=several_portals))


def _waiting(names: Sequence[str]) -> contextlib.AbstractContextManager[object]:
    """A spinner on standard error while the body runs; nothing if that is no terminal."""
    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    from exporter.commands import tables  # as in _table

    return tables.waiting(names)


def _portal(observation: Observation) -> dict[str, Any]:
    """A portal's fields, as docs/commands.md describes them."""
    listing, error = observation.listing, observation.error
    return {
        "portal": observation.portal.name,
        "url": observation.portal.url,
        "visibility": observation.facts.visibility,
        "version": observation.facts.version or None,
        "malformed": listing.malformed_count if listing else None,
        "error": {"reason": error.reason, "message": str(error), "hint": error.hint}
        if error
        else None,
    }


def _complain(observations: Sequence[Observation]) -> bool:
    """Report what is missing from the list; return whether a portal failed."""
    for observation in observations:
        name, error, listing = observation.portal.name, observation.error, observation.listing
        if error is not None:
            complain(f"docspace-exporter keys: {name}: {error} ({error.reason}); {error.hint}")
        elif listing is not None and listing.malformed:
            left_out = plural(listing.malformed_count, "record")
            complain(f"docspace-exporter keys: {name}: left out {left_out} that are not valid")
    return any(observation.error is not None for observation in observations)
