"""The group of alerts on keys that the exporter cannot see."""

from prometheus.messages import OWN_KEY, portal_links
from prometheus.model import Alert, Group, Record
from prometheus.promql import LAST_READ, held, one_per_portal
from prometheus.settings import Settings

OWN_ONLY = "portal:docspace_portal_info:own"
VANISHED = "portal:docspace_api_keys:vanished"
KEYS = "max by (portal) (docspace_api_keys)"


def sight(settings: Settings) -> Group:
    """A slower group, because it reads a whole day of counts."""
    return Group("docspace-sight", (*_own(settings), *_vanished(settings)), interval="3m")


def _own(settings: Settings) -> tuple[Record | Alert, ...]:
    return (
        Record(
            OWN_ONLY,
            held(
                OWN_ONLY,
                f"0 * {LAST_READ} + 1\n"
                'and on (portal) docspace_portal_info{visibility="own"}\n'
                'unless on (portal) docspace_portal_info{visibility="all"}',
            ),
            "Portals where no exporter sees the keys of all people.",
        ),
        Alert(
            "DocSpaceVisibilityOwn",
            "warning",
            f"{OWN_ONLY} != 0",
            summary="On {{ $labels.portal }} the exporter sees only the keys of one person",
            description=(
                f"The exporter's key{OWN_KEY} does not belong to a DocSpace admin, so the portal"
                " lists only the keys of one person. All other keys are not monitored. Use the key"
                " of a DocSpace admin."
            ),
            links=portal_links(settings),
        ),
    )


def _vanished(settings: Settings) -> tuple[Record | Alert, ...]:
    bridge = settings.bridge.range
    most = one_per_portal(f"max_over_time(docspace_api_keys[{bridge}])")
    return (
        Record(
            VANISHED,
            held(
                VANISHED,
                f"{most} - on (portal) group_left () {KEYS}\n"
                f"> on (portal) group_left () {KEYS} >= 3",
            ),
            f"Number of keys that are gone since the maximum of the last {settings.bridge.last}, if"
            " they are at least 3 and more than half.",
        ),
        Alert(
            "DocSpaceKeysVanished",
            "warning",
            f"{VANISHED} != 0",
            summary=(
                "{{ $value }} keys vanished from {{ $labels.portal }}"
                f" within {settings.bridge.one}"
            ),
            description=(
                "{{ with printf "
                "`max(docspace_api_keys{portal=%[1]q})"
                f" or max(last_over_time(docspace_api_keys{{portal=%[1]q}}[{bridge}]))`"
                " $labels.portal | query }}{{ first . | value }} are left. {{ end }}"
                "If nobody deleted them, the exporter no longer sees all keys, and the alerts on the"
                " missing keys have resolved although nothing was fixed."
            ),
            links=portal_links(settings),
            wait="5m",
        ),
    )
