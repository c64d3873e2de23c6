"""Pieces of PromQL that several rules share."""

from prometheus.settings import Settings

#: What a key is matched by: its name may change, and labels of the configuration may differ.
ID = "portal, key_id"
#: Labels that tell one exporter from another. All others belong to the portal, and reach alerts.
REPLICA = "job, instance, pod, container, endpoint, service, node"

EXPIRY = "docspace_api_key_expiry_timestamp_seconds"
LAST_USED = "docspace_api_key_last_used_timestamp_seconds"
CREATED = "docspace_api_key_created_timestamp_seconds"
INFO = "docspace_api_key_info"
OWN = "docspace_exporter_key_info"

LAST_READ = "portal:docspace_up:last_read"
#: 1 for a portal that cannot be read now, and was within the bridge; 0 for one that is read.
UNREAD = f"({LAST_READ} < bool time())"

#: The same without a record, for groups that are evaluated at another moment than its own: at the
#: beginning of an outage the record lags behind, and what is held would be taken for ended.
UNREAD_NOW = f"(0 * max by (portal) (docspace_up == 1) or on (portal) 0 * {LAST_READ} + 1)"

#: For how long after Prometheus was away a record goes on from what it was before.
AWAY = "1h"


def one_per_portal(vector: str, dropped: str = "") -> str:
    """The largest of what several exporters say of a portal, with the portal's labels."""
    return f"topk by (portal) (1, max without ({REPLICA}{dropped}) ({vector}))"


def one_per_key(vector: str, dropped: str = "") -> str:
    """The largest of what several exporters say of a key, with its labels.

    Right after a renaming two exporters report two names: one of them counts, not both.
    """
    return f"topk by ({ID}) (1, max without ({REPLICA}{dropped}) (\n{indent(vector)}\n))"


def read(settings: Settings) -> str:
    """The time at which a portal was last read through any exporter, within the bridge."""
    now = one_per_portal("docspace_up == 1")
    before = f"last_over_time({LAST_READ}[{AWAY}]) > time() - {settings.bridge.promql}"
    return f"topk by (portal) (1, time() * {now} or {before})"


def held(record: str, now: str, unread: str = UNREAD) -> str:
    """What a record has to be: ``now``, or while its portal cannot be read what it was before.

    ``unread`` is 1 where a portal cannot be read, 0 where it is read, so that a series which ended
    while it is read is written as 0 once, and does not come back in the next outage. Values of 0
    stand for the end: an alert takes those that are not 0.
    """
    return (
        f"{now}\nor\n(last_over_time({record}[{AWAY}]) != 0) * on (portal) group_left () {unread}"
    )


def indent(text: str, by: str = "  ") -> str:
    """Every line of a text moved to the right."""
    return "\n".join(by + line for line in text.splitlines())
