"""The group of alerts on single keys: what breaks an integration, once, the strongest first."""

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
    """Records first, then alerts: the times of both must come from one evaluation."""
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
            "Something still calls with it, and gets 401 each time. The portal lists it as active,"
            " but a key stops working with the account of its creator. Create a key under a service"
            " account, switch the integration over, then delete this one."
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
            f"It was used in the {settings.in_use.words} before its expiry on {date('-')}. An expired"
            " key cannot be renewed: create a new one, switch the integration over, then delete"
            " this one, which ends the alert."
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
            f"It was used in the last {settings.in_use.last}; its expiry is {date('+')}. Create a"
            " successor of the same name, switch the integration over, then delete this one."
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
            f"Its expiry is {date('+')}; after that no key of this portal is watched. Create a"
            " successor with the permission *:read and put it into the exporter's configuration."
        ),
        links=key_links(settings),
    )


def _left(level: str) -> str:
    return f"floor({near.level(level)} - time())"
