"""The group of alerts on single keys that break an integration: one alert a key at most."""

from prometheus import near
from prometheus.messages import (
    AGO,
    KEY_OF_CREATOR,
    KEY_ON_PORTAL,
    REFUSED_KEY,
    TIME_LEFT,
    date,
    key_links,
)
from prometheus.model import Alert, Group, Severity
from prometheus.settings import Settings


def keys(settings: Settings) -> Group:
    """Records first, then alerts: both must see the portals at the same moment."""
    return Group(
        "docspace-keys",
        (*near.records(settings), *_alerts(settings)),
    )


def _alerts(settings: Settings) -> tuple[Alert, ...]:
    return (
        _refused_alert(settings),
        _expired_alert(settings),
        _expiring_alert(settings, "Critical", "critical"),
        _expiring_alert(settings, "", "warning"),
        _own_expiring_alert(settings, "Critical", "critical"),
        _own_expiring_alert(settings, "", "warning"),
    )


def _refused_alert(settings: Settings) -> Alert:
    return Alert(
        "DocSpaceKeyRefused",
        "critical",
        f"clamp_min(floor(time() - ({near.REFUSED} != 0)), 0)",
        summary=f"Key{REFUSED_KEY}; last tried {AGO}",
        description=(
            "An integration still uses this key and gets 401 each time. The portal lists the key as"
            " active, but a key only works while its creator's account does. Create a key under a"
            " service account, give it to the integration, then delete this key."
        ),
        links=key_links(settings),
    )


def _expired_alert(settings: Settings) -> Alert:
    return Alert(
        "DocSpaceKeyExpired",
        "critical",
        f"floor(time() - {near.level('expired')})",
        summary=f"{KEY_ON_PORTAL} expired {AGO} while in use",
        description=(
            f"The key was used in the {settings.in_use.words} before its expiry on {date('-')}. An"
            " expired key cannot be renewed. Create a new key, give it to the integration, then"
            " delete the old key: that ends the alert."
        ),
        links=key_links(settings),
    )


def _expiring_alert(settings: Settings, suffix: str, severity: Severity) -> Alert:
    return Alert(
        f"DocSpaceKeyExpiring{suffix}",
        severity,
        _left(severity),
        summary=f"{KEY_ON_PORTAL} {TIME_LEFT}",
        description=(
            f"The key was used in the last {settings.in_use.last}. Its expiry is {date('+')}. Create"
            " a new key with the same name, give it to the integration, then delete this key."
        ),
        links=key_links(settings),
    )


def _own_expiring_alert(settings: Settings, suffix: str, severity: Severity) -> Alert:
    return Alert(
        f"DocSpaceExporterKeyExpiring{suffix}",
        severity,
        _left(f"own_{severity}"),
        summary=f"The exporter's own key{KEY_OF_CREATOR} on {{{{ $labels.portal }}}} {TIME_LEFT}",
        description=(
            f"Its expiry is {date('+')}. After that, no key of this portal is monitored. Create a new"
            " key with the permission *:read and put it into the exporter's configuration."
        ),
        links=key_links(settings),
    )


def _left(level: str) -> str:
    return f"floor({near.level(level)} - time())"
