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

NEAR = "portal_key:docspace_api_key_expiry:near"
IN_USE = "portal_key:docspace_api_key_expiry:in_use"
LAST_EXPIRY = "portal_key:docspace_api_key_expiry:last"
TRIED = "portal_key:docspace_api_key_last_used:refused"
RATIO = "portal_key:docspace_api_key_life_left:ratio"
OFF = "portal_key:docspace_api_key_active:off"
SUPERSEDED = "portal_key:docspace_api_key_superseded:near"
USED = "portal_key:docspace_api_key_last_used:near"
ORPHANED = "portal_key:docspace_api_key_info:orphaned"
REFUSED = "portal_key:docspace_api_key_refused:seen_at"

SEEN = "portal:docspace_up:seen_at"
LAST_SEEN = "portal:docspace_up:last_seen_at"


def one_per_portal(vector: str) -> str:
    """The largest of what several exporters say of a portal, with the portal's labels."""
    return f"topk by (portal) (1, max without ({REPLICA}) ({vector}))"


def one_per_key(vector: str, dropped: str = "") -> str:
    """The largest of what several exporters say of a key, with its labels.

    Right after a renaming two exporters report two names: one of them counts, not both.
    """
    return f"topk by ({ID}) (1, max without ({REPLICA}{dropped}) (\n{indent(vector)}\n))"


def held(condition: str, settings: Settings) -> str:
    """Where a condition of keys held when their portal was last read."""
    return (
        f"last_over_time({condition}[{settings.bridge.range}])\n"
        f"== on (portal) group_left () {LAST_SEEN}"
    )


def with_value(condition: str, value: str, settings: Settings) -> str:
    """Keys for which a condition holds or is held, with a value of theirs."""
    return f"0 * (\n{indent(held(condition, settings))}\n)\n+ on ({ID}) group_left () {value}"


def indent(text: str, by: str = "  ") -> str:
    """Every line of a text moved to the right."""
    return "\n".join(by + line for line in text.splitlines())
