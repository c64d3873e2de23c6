"""The group of what is no emergency: one alert a portal and kind, with a count."""

from dataclasses import dataclass

from prometheus.messages import listed, plural, portal_links
from prometheus.model import Alert, Group, Record
from prometheus.promql import (
    CREATED,
    ID,
    LAST_USED,
    NEAR,
    OFF,
    ORPHANED,
    OWN,
    RATIO,
    REFUSED,
    SEEN,
    SUPERSEDED,
    USED,
    indent,
    one_per_portal,
)
from prometheus.settings import Settings

#: The portals that are read now. Not by the record of the other group, which is of another moment:
#: it would outlast the counts at the beginning of an outage, and they would be taken for ended.
READ = one_per_portal("docspace_up == 1")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of untidiness.

    ``count`` is PromQL by portal, without zeros; ``one`` and ``many`` follow the number in the
    summary; ``show`` is the choice of the dashboard's table that lists them.
    """

    name: str
    record: str
    count: str
    one: str
    many: str
    advice: str
    show: str = "active"
    comment: str = ""


def hygiene(settings: Settings) -> Group:
    """A record of the count, then its alert, for each kind."""
    rules: list[Record | Alert] = []
    for kind in kinds(settings):
        record = f"portal:docspace_api_keys_{kind.record}:count"
        rules += [
            Record(record, _counted(record, kind.count), kind.comment),
            Alert(
                kind.name,
                "info",
                f"{record} > 0\n"
                f"or on (portal) (last_over_time({record}[{settings.bridge.range}]) > 0\n"
                f"  unless on (portal) {READ})",
                summary=f"{{{{ $labels.portal }}}}: {{{{ $value }}}} {plural(kind.one, kind.many)}",
                description=kind.advice,
                links=portal_links(settings, listed(kind.show)),
            ),
        ]
    return Group("docspace-hygiene", tuple(rules), interval="3m")


def _counted(record: str, count: str) -> str:
    """The count where the portal was read; 0 once where it is no longer above.

    So a portal that cannot be read keeps its count for as long as the alert looks back, and one
    without such keys has no series.
    """
    return (
        f"0 * {READ} + on (portal) group_left () (\n{indent(count)}\n)\n"
        f"or\n0 * ({record} > 0 and on (portal) {READ})"
    )


def kinds(settings: Settings) -> tuple[Kind, ...]:
    """Every kind."""
    return (
        Kind(
            "DocSpaceKeysOrphaned",
            "orphaned_unused",
            _more("docspace_api_keys_orphaned", REFUSED),
            "key cannot work, since its creator was disabled or removed",
            "keys cannot work, since their creators were disabled or removed",
            f"Not used in the last {settings.tried.last}, so nothing seems to miss them. Whoever"
            " holds a copy can use it again once its creator is enabled. Delete them; where"
            " something needs one at times, make a new key under a service account first.",
            "creator gone",
            "Those that something goes on trying alert one by one, as DocSpaceKeyRefused.",
        ),
        Kind(
            "DocSpaceKeysUnrestricted",
            "unrestricted",
            "max by (portal) (docspace_api_keys_unrestricted) > 0",
            "key has full access",
            "keys have full access",
            "A key with full access may do all that its creator may. Limit each to the permissions"
            " that its integration needs; the key itself stays the same.",
            "active with full access",
        ),
        Kind(
            "DocSpaceKeysNeverExpiring",
            "never_expiring",
            "max by (portal) (docspace_api_keys_never_expiring) > 0",
            "key never expires",
            "keys never expire",
            "Whoever gets hold of such a key can use it until somebody notices. Replace it by one"
            " that lives at most 365 days.",
            "active without expiry",
        ),
        Kind(
            "DocSpaceKeysNeverUsed",
            "never_used",
            "max by (portal) (min_over_time(docspace_api_keys_never_used[1d])) > 0",
            "key was never used",
            "keys were never used",
            "Not once, at least a day after they were created. If nobody waits for them, delete"
            " them.",
            "active but never used",
        ),
        Kind(
            "DocSpaceKeysStale",
            "stale",
            f"count by (portal) (group by ({ID}) (\n"
            f"  {LAST_USED} < time() - {settings.stale.promql}\n"
            f"  unless on ({ID}) (docspace_api_key_active == 0 or on ({ID}) {NEAR})\n"
            f"  unless on ({ID}) {ORPHANED}\n"
            "))",
            f"key was not used in {settings.stale.words}",
            f"keys were not used in {settings.stale.words}",
            "Forgotten keys are found by others. Switch them off; if nothing breaks, delete them.",
        ),
        Kind(
            "DocSpaceKeysExpiringUnused",
            "expiring_unused",
            f"count by (portal) (\n"
            f"  {NEAR} > time()\n"
            f"  unless on ({ID}) {USED} >= time() - {settings.in_use.promql}\n"
            f"  unless on ({ID}) ({OFF} or on ({ID}) {SUPERSEDED})\n"
            f"  unless on ({ID}) {ORPHANED}\n"
            f"  unless on ({ID}) {RATIO} >= {settings.warn_share:g}\n"
            f"  unless on ({ID}) {OWN}\n"
            ")",
            f"unused key expires within {settings.warn.words}",
            f"unused keys expire within {settings.warn.words}",
            f"Not used in the last {settings.in_use.last}, so nothing should break. If nobody needs"
            " them, delete them now.",
        ),
        Kind(
            "DocSpaceKeysSuperseded",
            "superseded",
            "max by (portal) (docspace_api_keys_superseded) > 0",
            "key was rotated but still works",
            "keys were rotated but still work",
            "A newer key of the same creator and name outlives each. Once the integration uses the"
            " newer one, delete the old one.",
            "rotated",
        ),
        Kind(
            "DocSpaceKeysCreated",
            "created",
            f"count by (portal) (group by ({ID}) (\n"
            f"  {CREATED} > time() - {(settings.created + settings.bridge).promql}\n"
            "  > on (portal) group_left () (\n"
            f"    max by (portal) (last_over_time({SEEN}[{settings.bridge.range}]"
            f" offset {settings.created.range}))\n"
            f"    or max by (portal) ({SEEN}) - {settings.created.promql}\n"
            "  )\n"
            "))",
            f"key was created in the last {settings.created.last}",
            f"keys were created in the last {settings.created.last}",
            "{{ with printf `topk(5, (docspace_api_key_created_timestamp_seconds{portal=%[1]q}"
            f" > time() - {(settings.created + settings.bridge).promql})"
            " * on (key_id) group_left (key_postfix, creator, access)"
            " topk by (key_id) (1, docspace_api_key_info{portal=%[1]q}))` $labels.portal | query }}"
            "The newest: {{ range $index, $key := sortByLabel `key_id` . }}"
            "{{ if $index }}, {{ end }}"
            r"""{{ with .Labels.key_name }}'{{ reReplaceAll "\\s+" " " . }}' {{ end }}"""
            "(…{{ .Labels.key_postfix }}{{ with .Labels.creator }}, {{ . }}{{ end }},"
            " {{ with .Labels.access }}{{ . }}{{ end }} access){{ end }}. {{ end }}"
            "If nobody expected that, switch the key off and ask its creator.",
            "all",
            "New since the last look of some hours ago: also what was created in an outage.",
        ),
    )


def _more(count: str, told: str) -> str:
    """A count of the exporter's without the keys that have an alert of their own."""
    return (
        f"(max by (portal) ({count})\n"
        f"- on (portal) (count by (portal) ({told}) or 0 * max by (portal) ({count})))\n"
        "> 0"
    )
