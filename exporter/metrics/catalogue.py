"""Every metric, one row each: name, help, labels, samples.

``docs/metrics.md`` and the golden exposition are generated from these tables. A sample is the
values of the row's own labels, and a number. An unknown value gives no sample, never a 0.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.config import Withheld
from exporter.docspace.errors import REASONS
from exporter.docspace.model import ApiKey, CreatorStatus
from exporter.docspace.observation import Observation
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.state import ORPHANED, Summary
from exporter.metrics.lines import Row, Sample, one

#: Labels that all rows of a table share.
PORTAL_LABELS = ("portal",)
KEY_LABELS = ("portal", "key_id", "key_name")


class KeyView(NamedTuple):
    """The subject of the rows of a key, which do not depend on the time.

    ``withhold`` names the labels whose values are left empty.
    """

    key: ApiKey
    superseded: bool
    creator_status: CreatorStatus
    withhold: frozenset[Withheld]


@dataclass(frozen=True, slots=True)
class ExporterView:
    """The exporter itself. ``reload_time`` is the last successful reload, in Unix seconds."""

    version: str
    revision: str
    python_version: str
    reload_successful: bool
    reload_time: float
    coalesced: int
    faults: int
    rejected: int


def seen(value: Callable[[Observation], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    """A sample from the observation of a portal."""
    return one(lambda view: value(view.observation))


def count(value: Callable[[Summary], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    """A sample from the summary of all keys; none without a key list."""
    return one(lambda view: None if view.summary is None else value(view.summary))


def counts(
    value: Callable[[Summary], Mapping[str, int]],
) -> Callable[[Snapshot], Iterable[Sample]]:
    """A sample for each value of the row's label, from the summary of all keys."""
    return lambda view: (
        [((label,), keys) for label, keys in value(view.summary).items()] if view.summary else []
    )


def _malformed(observation: Observation) -> float | None:
    return None if observation.listing is None else observation.listing.malformed_count


def _portal_info(view: Snapshot) -> Iterator[Sample]:
    facts = view.observation.facts
    yield (view.observation.portal.url, facts.visibility, facts.version), 1


def _scrape_errors(view: Snapshot) -> Iterator[Sample]:
    for reason in REASONS:
        yield (reason,), view.observation.errors[reason]


def _own_key_info(view: Snapshot) -> Iterator[Sample]:
    if view.observation.own_key is not None:
        yield (view.observation.own_key.id,), 1


def _own_key_expiry(observation: Observation) -> float | None:
    return observation.own_key.expires if observation.own_key else None


def _key_info(view: KeyView) -> Iterator[Sample]:
    key, hidden = view.key, view.withhold
    creator = "" if key.creator is None or "creator" in hidden else key.creator.name
    permissions = "" if "permissions" in hidden else ",".join(key.permissions)
    yield (key.postfix, creator, view.creator_status, key.access, permissions), 1


def _build_info(view: ExporterView) -> Iterator[Sample]:
    yield (view.version, view.revision, view.python_version), 1


#: Families with the one label `portal`.
PORTAL_ROWS: tuple[Row[Snapshot], ...] = (
    Row(
        "docspace_up",
        "Whether this scrape fetched a valid key list from the portal.",
        seen(lambda it: it.error is None),
    ),
    Row(
        "docspace_api_keys",
        "API keys visible: active, expired and disabled ones.",
        count(lambda it: it.keys),
    ),
    Row(
        "docspace_api_keys_active",
        "API keys switched on and not expired, including orphaned ones that the portal refuses.",
        count(lambda it: it.active),
    ),
    Row(
        "docspace_api_keys_expiring",
        "Active API keys that expire within the window; a wider window includes the narrower ones.",
        counts(lambda it: it.expiring),
        ("within",),
    ),
    Row(
        "docspace_api_keys_expired",
        "API keys past their expiry.",
        count(lambda it: it.expired),
    ),
    Row(
        "docspace_api_keys_disabled",
        "API keys switched off before their expiry.",
        count(lambda it: it.disabled),
    ),
    Row(
        "docspace_api_keys_never_expiring",
        "Active API keys without an expiry.",
        count(lambda it: it.never_expiring),
    ),
    Row(
        "docspace_api_keys_unrestricted",
        "Active API keys with full access.",
        count(lambda it: it.unrestricted),
    ),
    Row(
        "docspace_api_keys_never_used",
        "Active API keys that were never used.",
        count(lambda it: it.never_used),
    ),
    Row(
        "docspace_api_keys_stale",
        "Active API keys that were used, but not within this time.",
        counts(lambda it: it.stale),
        ("unused_for",),
    ),
    Row(
        "docspace_api_keys_last_created_timestamp_seconds",
        "When the newest API key was created.",
        count(lambda it: it.last_created),
    ),
    Row(
        "docspace_api_keys_orphaned",
        "Active API keys that the portal refuses since their creator is removed or disabled.",
        count(lambda it: it.orphaned),
    ),
    Row(
        "docspace_api_keys_superseded",
        "Active API keys that a newer active one of the same creator and name outlives.",
        count(lambda it: it.superseded),
    ),
    Row(
        "docspace_api_keys_malformed",
        "Records of the key list that are not valid and are in no other metric.",
        seen(_malformed),
    ),
    Row(
        "docspace_portal_info",
        "The portal's address, whose keys the exporter sees (all, own, unknown), and its version.",
        _portal_info,
        ("url", "visibility", "version"),
        "info",
    ),
    Row(
        "docspace_scrape_duration_seconds",
        "Time this fetch of the key list took.",
        seen(lambda it: it.duration),
    ),
    Row(
        "docspace_scrape_errors_total",
        "Failed fetches of the key list, by reason.",
        _scrape_errors,
        ("reason",),
        "counter",
    ),
    Row(
        "docspace_scrape_last_success_timestamp_seconds",
        "When a valid key list was last fetched.",
        seen(lambda it: it.last_success),
    ),
    Row(
        "docspace_exporter_key_info",
        "The API key that the exporter itself uses for this portal.",
        _own_key_info,
        ("key_id",),
        "info",
    ),
    Row(
        "docspace_exporter_key_expiry_timestamp_seconds",
        "When the exporter's own API key expires.",
        seen(_own_key_expiry),
    ),
    Row(
        "docspace_clock_skew_seconds",
        "The portal's clock minus the exporter's, from the Date header (whole seconds).",
        seen(lambda it: it.clock_skew),
    ),
)

#: Families with the labels `portal`, `key_id` and `key_name`.
KEY_ROWS: tuple[Row[KeyView], ...] = (
    Row(
        "docspace_api_key_info",
        "An API key: its last characters, creator, creator's status, access and permissions.",
        _key_info,
        ("key_postfix", "creator", "creator_status", "access", "permissions"),
        "info",
    ),
    Row(
        "docspace_api_key_active",
        "Whether the portal lists the API key as active; it may for 10 minutes past the expiry.",
        one(lambda view: view.key.is_active),
    ),
    Row(
        "docspace_api_key_expiry_timestamp_seconds",
        "When the API key expires; absent for one that never does.",
        one(lambda view: view.key.expires),
    ),
    Row(
        "docspace_api_key_created_timestamp_seconds",
        "When the API key was created.",
        one(lambda view: view.key.created),
    ),
    Row(
        "docspace_api_key_last_used_timestamp_seconds",
        "When the API key was last used; absent for one that never was.",
        one(lambda view: view.key.last_used),
    ),
    Row(
        "docspace_api_key_orphaned",
        "Whether the portal refuses the API key since its creator is removed or disabled.",
        one(lambda view: ORPHANED[view.creator_status]),
    ),
    Row(
        "docspace_api_key_superseded",
        "Whether a newer active API key of the same creator and name outlives this one.",
        one(lambda view: view.superseded),
    ),
)

#: Families of the exporter itself, without common labels.
EXPORTER_ROWS: tuple[Row[ExporterView], ...] = (
    Row(
        "docspace_exporter_build_info",
        "Version and revision of the exporter and the Python it runs on.",
        _build_info,
        ("version", "revision", "python_version"),
        "info",
    ),
    Row(
        "docspace_exporter_config_last_reload_successful",
        "Whether the last attempt to load the configuration succeeded.",
        one(lambda view: view.reload_successful),
    ),
    Row(
        "docspace_exporter_config_last_reload_success_timestamp_seconds",
        "When the configuration was last loaded successfully.",
        one(lambda view: view.reload_time),
    ),
    Row(
        "docspace_exporter_coalesced_scrapes_total",
        "Observations of a portal that were served by another scrape's request.",
        one(lambda view: view.coalesced),
        kind="counter",
    ),
    Row(
        "docspace_exporter_rejected_scrapes_total",
        "Scrapes answered with 503 because too many were under way.",
        one(lambda view: view.rejected),
        kind="counter",
    ),
    Row(
        "docspace_exporter_internal_errors_total",
        "Requests that failed by a fault of the exporter itself.",
        one(lambda view: view.faults),
        kind="counter",
    ),
)
