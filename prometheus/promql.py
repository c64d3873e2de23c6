"""Pieces of PromQL that several rules share."""

from prometheus.settings import Settings

#: The labels that identify a key. Its name may change; configured labels may differ.
ID = "portal, key_id"
#: Labels that differ between exporters. All other labels belong to the portal and reach alerts.
REPLICA = "job, instance, pod, container, endpoint, service, node"

EXPIRY = "docspace_api_key_expiry_timestamp_seconds"
LAST_USED = "docspace_api_key_last_used_timestamp_seconds"
CREATED = "docspace_api_key_created_timestamp_seconds"
INFO = "docspace_api_key_info"
OWN = "docspace_exporter_key_info"

LAST_READ = "portal:docspace_up:last_read"
#: Removes the series of portals that can be read now.
WHILE_UNREAD = "unless on (portal) docspace_up == 1"

#: How long Prometheus may be away until records lose their last value.
AWAY = "1h"


def one_per_portal(vector: str, dropped: str = "") -> str:
    """The largest value that several exporters have for a portal, with the portal's labels."""
    return f"topk by (portal) (1, max without ({REPLICA}{dropped}) ({vector}))"


def one_per_key(vector: str, dropped: str = "") -> str:
    """The largest value that several exporters have for a key, with its labels.

    Right after a key was renamed, two exporters may report two names. One of them counts.
    """
    return f"topk by ({ID}) (1, max without ({REPLICA}{dropped}) (\n{indent(vector)}\n))"


def read(settings: Settings) -> str:
    """The time when any exporter last read a portal, within `Settings.bridge`."""
    now = one_per_portal("docspace_up == 1")
    before = f"last_over_time({LAST_READ}[{AWAY}]) > time() - {settings.bridge.promql}"
    return f"topk by (portal) (1, time() * {now} or {before})"


def held(record: str, now: str) -> str:
    """The value of ``now``; while the portal cannot be read, the last value of the record.

    A series that ends while its portal is read gets the value 0 once, so that the next outage does
    not bring it back. Alerts take the values that are not 0.
    """
    before = f"last_over_time({record}[{AWAY}]) != 0"
    return f"{now}\nor\n{before} and on (portal) {LAST_READ} {WHILE_UNREAD}\nor\n0 * ({before})"


def indent(text: str, by: str = "  ") -> str:
    """Indent every line of a text."""
    return "\n".join(by + line for line in text.splitlines())
