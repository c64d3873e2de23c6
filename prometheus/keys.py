"""The group of alerts on single keys: what breaks an integration, once, the strongest first."""

from prometheus import near
from prometheus.messages import (
    AGO,
    KEY_OF_CREATOR,
    KEY_ON_PORTAL,
    OWN_KEY,
    REFUSED_KEY,
    TIME_LEFT,
    date,
    key_links,
    portal_links,
)
from prometheus.model import Alert, Group, Record
from prometheus.promql import LAST_EXPIRY, LAST_SEEN, REFUSED, SEEN, TRIED, indent, with_value
from prometheus.settings import Settings, Span


def keys(settings: Settings) -> Group:
    """Records first, then alerts: the times of both must come from one evaluation."""
    return Group(
        "docspace-keys",
        (*near.records(settings), *_alerts(settings), *_sight_alerts(settings)),
    )


def _alerts(settings: Settings) -> tuple[Alert, ...]:
    return (
        _refused_alert(settings),
        _expired_alert(settings),
        _expiring_alert(settings, "Critical", near.EXPIRING_CRITICAL),
        _expiring_alert(settings, "", near.EXPIRING),
        _own_expiring_alert(settings, "Critical", near.OWN_CRITICAL),
        _own_expiring_alert(settings, "", near.OWN_EXPIRING),
    )


def _refused_alert(settings: Settings) -> Alert:
    tried = f"clamp_min(floor(time() - last_over_time({TRIED}[{settings.bridge.range}])), 0)"
    return Alert(
        "DocSpaceKeyRefused",
        "critical",
        with_value(REFUSED, tried, settings),
        summary=(f"Key{REFUSED_KEY}; last tried {AGO}"),
        description=(
            "Something goes on using it, and gets 401 each time. The portal's own list shows it as"
            " active, but a key works only as long as its creator does. Make a new key under a"
            " service account, switch the integration over, then delete this one."
        ),
        links=key_links(settings),
    )


def _expired_alert(settings: Settings) -> Alert:
    return Alert(
        "DocSpaceKeyExpired",
        "critical",
        with_value(
            near.EXPIRED, f"floor(time() - {LAST_EXPIRY})",
            settings,
        ),
        summary=f"{KEY_ON_PORTAL} expired {AGO} while in use",
        description=(
            f"It was used in the {settings.in_use.words} before its expiry on {date('-')}. It"
            " cannot be revived: create a new key and switch the integration over. If that"
            " has happened,"
            " delete this one."
        ),
        links=key_links(settings),
    )  # fmt: skip


def _expiring_alert(settings: Settings, degree: str, condition: str) -> Alert:
    return Alert(
        f"DocSpaceKeyExpiring{degree}",
        "critical" if degree else "warning",
        _left(settings, condition),
        summary=f"{KEY_ON_PORTAL} {TIME_LEFT}",
        description=(
            f"It was used in the last {settings.in_use.last}, and works until {date('+')}. Create a"
            " successor of the same name, switch the integration over, then delete this one."
        ),
        links=key_links(settings),
    )


def _own_expiring_alert(settings: Settings, degree: str, condition: str) -> Alert:
    return Alert(
        f"DocSpaceExporterKeyExpiring{degree}",
        "critical" if degree else "warning",
        _left(settings, condition),
        summary=(f"The exporter's own key{KEY_OF_CREATOR} on {{{{ $labels.portal }}}} {TIME_LEFT}"),
        description=(
            f"It works until {date('+')}; after that none of the portal's keys is watched. Create a"
            " successor with the permission *:read and put it into the exporter's configuration."
        ),
        links=key_links(settings),
    )


def _left(settings: Settings, condition: str) -> str:
    return with_value(condition, f"floor({LAST_EXPIRY} - time())", settings)


def _sight_alerts(settings: Settings) -> tuple[Record | Alert, ...]:
    """Keys that cannot be seen are in no alert: so say that they cannot."""
    bridge = settings.bridge.range
    own = "portal:docspace_visibility_own:seen_at"
    most = f"max by (portal) (max_over_time(docspace_api_keys[{bridge}]))"
    now = (
        "(\n"
        "  max by (portal) (docspace_api_keys)\n"
        f"  or max by (portal) (last_over_time(docspace_api_keys[{bridge}]))\n"
        ")"
    )
    return (
        Record(
            own,
            f"{SEEN}\n"
            'and on (portal) docspace_portal_info{visibility="own"}\n'
            'unless on (portal) docspace_portal_info{visibility="all"}',
            "What the exporter can see.",
        ),
        Alert(
            "DocSpaceVisibilityOwn",
            "warning",
            f"last_over_time({own}[{bridge}])\n== on (portal) group_left () {LAST_SEEN}",
            summary="On {{ $labels.portal }} the exporter sees only the keys of one person",
            description=(
                f"Its key{OWN_KEY} belongs to somebody who is no admin there, so the portal lists"
                " that person's keys only and all others expire unwatched. Use the key of a"
                " DocSpace admin."
            ),
            links=portal_links(settings),
        ),
        Alert(
            "DocSpaceKeysVanished",
            "warning",
            f"0 * {LAST_SEEN} + on (portal) group_left () (\n"
            f"  {most} - {indent(now).lstrip()} >= 3\n"
            "  and\n"
            f"  {indent(now).lstrip()} < 0.5 * {most}\n"
            ")",
            summary=(
                "{{ $value }} keys vanished from {{ $labels.portal }}"
                f" within {_a(settings.bridge)}"
            ),
            description=(
                "{{ with printf "
                "`max(docspace_api_keys{portal=%[1]q})"
                f" or max(last_over_time(docspace_api_keys{{portal=%[1]q}}[{bridge}]))`"
                " $labels.portal | query }}{{ first . | value }} are left. {{ end }}"
                "Unless somebody deleted them, the exporter no longer sees all keys, and the alerts"
                " of those it lost have resolved without being solved."
            ),
            links=portal_links(settings),
            wait="5m",
        ),
    )


def _a(span: Span) -> str:
    return f"a {span.last}" if not span.last[0].isdigit() else span.words
