"""The group of alerts that can wait: one alert a portal and kind, with the count of keys."""

from dataclasses import dataclass

from prometheus import near
from prometheus.messages import AGO, NAMES_OF_NEW_KEYS, listed, plural, portal_links, unused
from prometheus.model import Alert, Group, Record
from prometheus.promql import ID, LAST_READ, OWN, held, one_per_portal
from prometheus.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    ``count`` is PromQL: one series a portal, never 0. ``summary`` follows the portal's name.
    ``panel`` is the part of the dashboard's URL that lists the keys.
    """

    name: str
    record: str
    count: str
    summary: str
    advice: str
    panel: str
    wait: str = ""
    value: str = "{record} != 0"
    comment: str = ""


def hygiene(settings: Settings) -> Group:
    """A record of the count, then its alert, for each kind."""
    rules: list[Record | Alert] = []
    for kind in kinds(settings):
        record = f"portal:docspace_api_keys_{kind.record}"
        rules += [
            Record(record, held(record, kind.count), kind.comment),
            Alert(
                kind.name,
                "info",
                kind.value.format(record=record),
                summary=f"{{{{ $labels.portal }}}}: {kind.summary}",
                description=kind.advice,
                links=portal_links(settings, kind.panel),
                wait=kind.wait,
            ),
        ]
    return Group("docspace-hygiene", tuple(rules), interval="3m")


def kinds(settings: Settings) -> tuple[Kind, ...]:
    """Every kind."""
    return (
        Kind(
            "DocSpaceKeysOrphaned",
            "orphaned:unused",
            _orphaned_unused(),
            _counted(
                "key cannot work, because its creator was disabled or removed",
                "keys cannot work, because their creators were disabled or removed",
            ),
            f"No such key was used in the last {settings.tried.last}, so most likely none is needed."
            " If the creator is enabled again, the key works again. Delete it; if an integration"
            " needs it, first create a new key under a service account.",
            listed("creator gone"),
            comment="Without the keys that are still tried: DocSpaceKeyRefused has them.",
        ),
        Kind(
            "DocSpaceKeysUnrestricted",
            "unrestricted:count",
            _count("unrestricted"),
            _counted("key has full access", "keys have full access"),
            "A key with full access can do everything that its creator can. Edit each key and keep"
            " only the permissions that its integration needs; the key itself does not change.",
            listed("active with full access"),
        ),
        Kind(
            "DocSpaceKeysNeverExpiring",
            "never_expiring:count",
            _count("never_expiring"),
            _counted("key never expires", "keys never expire"),
            "A stolen key without expiry works until somebody notices. Replace each key with one"
            " that expires within 365 days.",
            listed("active without expiry"),
        ),
        Kind(
            "DocSpaceKeysNeverUsed",
            "never_used:count",
            _count("never_used"),
            _counted("key was never used", "keys were never used"),
            "The portal has had such keys for at least a day. If nobody plans to use a key,"
            " delete it.",
            listed("active but never used"),
            wait="1d",
        ),
        Kind(
            "DocSpaceKeysStale",
            "stale:count",
            _count("stale", f'{{unused_for="{settings.stale.range}"}}', ", unused_for"),
            _counted(
                f"key was not used in {settings.stale.words}",
                f"keys were not used in {settings.stale.words}",
            ),
            "Nobody notices when a forgotten key is stolen. Switch the key off. If nothing breaks,"
            " delete it.",
            unused(settings.stale),
        ),
        Kind(
            "DocSpaceKeysSuperseded",
            "superseded:count",
            _count("superseded"),
            _counted("key was rotated but still works", "keys were rotated but still work"),
            "A newer key with the same creator and name expires later. When the integration uses"
            " the newer key, delete the old one.",
            listed("rotated"),
        ),
        Kind(
            "DocSpaceKeysExpiringUnused",
            "expiring:unused",
            _expiring_unused(settings),
            _counted(
                f"unused key expires within {settings.warn.words}",
                f"unused keys expire within {settings.warn.words}",
            ),
            f"No such key was used in the last {settings.in_use.last}, so most likely nothing breaks."
            " If nobody needs the key, delete it now.",
            listed("active"),
        ),
        Kind(
            "DocSpaceKeysCreated",
            "last_created:news",
            _last_created(settings),
            f"a key was created {AGO}",
            f"{NAMES_OF_NEW_KEYS}If this was not planned, switch the key off and ask its creator.",
            listed("all"),
            value="clamp_min(floor(time() - ({record} != 0)), 0)",
            comment=f"Creation time of the newest key, if the portal was last read"
            f" {settings.created.words} ago or before and the key is newer: a key that was created in"
            " an outage counts after it.",
        ),
    )


def _counted(one: str, many: str) -> str:
    return f"{{{{ $value }}}} {plural(one, many)}"


def _count(kind: str, selector: str = "", dropped: str = "") -> str:
    """The exporter's own count, without zeros."""
    return one_per_portal(f"docspace_api_keys_{kind}{selector} > 0", dropped)


def _orphaned_unused() -> str:
    """Orphaned keys less those that DocSpaceKeyRefused reports."""
    every = one_per_portal("docspace_api_keys_orphaned > 0")
    refused = f"count by (portal) ({near.REFUSED} != 0)"
    return f"({every} - on (portal) group_left () {refused} or {every}) > 0"


def _expiring_unused(settings: Settings) -> str:
    return (
        f"0 * {LAST_READ} + on (portal) group_left () count by (portal) (\n"
        f"  {near.NEAR} > time()\n"
        f"  unless on ({ID}) {near.USED} >= time() - {settings.in_use.promql}\n"
        f"  unless on ({ID}) ({near.OFF} or on ({ID}) {near.SUPERSEDED})\n"
        f"  unless on ({ID}) {near.ORPHANED} > 0\n"
        f"  unless on ({ID}) {near.RATIO} >= {settings.warn_share:g}\n"
        f"  unless on ({ID}) {OWN}\n"
        ")"
    )


def _last_created(settings: Settings) -> str:
    before = settings.created
    longest = settings.bridge + before
    newest = one_per_portal(
        f"docspace_api_keys_last_created_timestamp_seconds > time() - {longest.promql}"
    )
    return (
        f"{newest}\n> on (portal) group_left () (\n"
        f"  max by (portal) ({LAST_READ} offset {before.range})\n"
        f"  or max by (portal) ({LAST_READ}) - {before.promql}\n"
        ")"
    )
