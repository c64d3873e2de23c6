"""Records of the keys near an alert and of their state.

To read and match the series of 10,000 keys is expensive. Each of these metrics is therefore read
once, and all other expressions work on the few keys near an alert.
"""

from prometheus.model import Record
from prometheus.promql import (
    AWAY,
    CREATED,
    EXPIRY,
    ID,
    INFO,
    LAST_READ,
    LAST_USED,
    OWN,
    WHILE_UNREAD,
    held,
    indent,
    one_per_key,
    read,
)
from prometheus.settings import Settings, days

#: A key that is seen switched off within this time before its expiry was switched off by a person.
REMEMBERED = days(3)

NEAR = "portal_key:docspace_api_key_expiry:near"
RATIO = "portal_key:docspace_api_key_life_left:ratio"
OFF = "portal_key:docspace_api_key_active:off"
SUPERSEDED = "portal_key:docspace_api_key_superseded:near"
SWITCHED_OFF = "portal_key:docspace_api_key_switched_off:seen_at"
ORPHANED = "portal_key:docspace_api_key_orphaned:known_at"
USED = "portal_key:docspace_api_key_last_used:near"
IN_USE = "portal_key:docspace_api_key_expiry:in_use"

#: Keys that alert. The value is the last use of a refused key, the expiry of the others.
REFUSED = "portal_key:docspace_api_key_last_used:refused"
ALERTING = "portal_key:docspace_api_key_expiry:alerting"

GONE = f'{INFO}{{creator_status=~"disabled|removed"}}'
UNKNOWN = f'{INFO}{{creator_status="unknown"}}'


def records(settings: Settings) -> tuple[Record, ...]:
    """In the order of their use."""
    return (
        _last_read(settings),
        *_near(settings),
        _switched_off(settings),
        _orphaned(settings),
        _used(settings),
        _refused(settings),
        _in_use(settings),
        _alerting(settings),
    )


def _last_read(settings: Settings) -> Record:
    return Record(
        LAST_READ,
        read(settings),
        f"When any exporter last read the portal, within {settings.bridge.one}. Without the labels"
        " that differ between exporters.",
    )


def _near(settings: Settings) -> tuple[Record, ...]:
    youngest = settings.expired.seconds + settings.warn.seconds / settings.warn_share
    return (
        Record(
            NEAR,
            one_per_key(
                f"{EXPIRY} < time() + {settings.warn.promql} > time() - {settings.expired.promql}"
            ),
            f"Expiry of the keys near an alert: from {settings.warn.words} before the expiry to"
            f" {settings.expired.words} after it.",
        ),
        Record(
            RATIO,
            f"({NEAR} - time())\n/ on ({ID}) (\n"
            f"  {NEAR} - on ({ID}) max by ({ID}) ({CREATED} > time() - {youngest:.0f})\n)",
            "Share of its life that such a key has left, from 1 down to 0. Only for keys with a life"
            " so short that a threshold in days alone alerts too early.",
        ),
        Record(
            OFF,
            f"group by ({ID}) (\n  docspace_api_key_active == 0\n"
            f"  and on ({ID}) ({NEAR} or on ({ID}) {GONE})\n)",
            "Keys that are switched off: by a person, or by the portal after their expiry.",
        ),
        Record(
            SUPERSEDED,
            f"group by ({ID}) (docspace_api_key_superseded == 1 and on ({ID}) {NEAR})",
            "Rotated keys: a newer active key with the same creator and name expires later.",
        ),
    )


def _switched_off(settings: Settings) -> Record:
    memory = REMEMBERED + settings.expired
    before = (
        f"last_over_time({SWITCHED_OFF}[{settings.bridge.range}]) > 0 > time() - {memory.promql}"
    )
    off = f"({NEAR} and on ({ID}) {OFF})"
    ahead = "max by (portal) (docspace_clock_skew_seconds > 0)"
    return Record(
        SWITCHED_OFF,
        f"time() * group by ({ID}) (\n"
        f"  ({off} - on (portal) group_left () {ahead} or {off}) - time()\n"
        f"  > 600 < {REMEMBERED.promql}\n)\nor\n"
        f"{before} and on ({ID}) {OFF}\nor\n"
        f"{before} {WHILE_UNREAD}\nor\n"
        f"0 * ({before})",
        "When a key was last seen switched off in the 3 days before its expiry (by the portal's"
        " clock): a person switched it off. After its expiry it looks like a key that expired in"
        " use. The last 10 minutes do not count, because the portal's clock may have changed. 0 once"
        " after the key was switched on again or deleted.",
    )


def _orphaned(settings: Settings) -> Record:
    before = f"last_over_time({ORPHANED}[{AWAY}]) > 0 > time() - {settings.bridge.promql}"
    labels = ", key_postfix, creator, creator_status, access, permissions"
    now = one_per_key(
        f"{GONE}\nunless on ({ID}) ({OFF} unless on ({ID}) {NEAR})",
        labels,
    )
    return Record(
        ORPHANED,
        f"time() * {now}\nor\n"
        f"{before} and on ({ID}) ({UNKNOWN} unless on ({ID}) {GONE})\nor\n"
        f"{before} {WHILE_UNREAD}\nor\n"
        f"0 * ({before})",
        "When a key was last known to be refused because its creator was disabled or removed; 0"
        " once after that ends. A new exporter does not know yet who is disabled, so an unknown"
        " state changes nothing for a day. The label of docspace_api_key_info is cheaper to select"
        " by than the value of docspace_api_key_orphaned.",
    )


def _used(settings: Settings) -> Record:
    longest = max(settings.expired + settings.in_use, settings.tried)
    return Record(
        USED,
        f"max by ({ID}) (\n  {LAST_USED}\n"
        f"  and on ({ID}) ({NEAR} or on ({ID}) {ORPHANED} > 0)\n) > time() - {longest.promql}",
        f"Last use of the keys near an alert and of the refused keys, if in the last {longest.last}."
        " A refused call counts as a use.",
    )


def _switched_on() -> str:
    """PromQL that removes the keys that a person switched off, now or before their expiry."""
    return (
        f"unless on ({ID}) ({OFF} unless on ({ID}) {NEAR} <= time())\n"
        f"unless on ({ID}) ({SWITCHED_OFF} > 0 and on ({ID}) {NEAR} <= time())"
    )


def _refused(settings: Settings) -> Record:
    return Record(
        REFUSED,
        held(
            REFUSED,
            f"0 * (\n  {ORPHANED} > 0\n{indent(_switched_on())}\n)\n"
            f"+ on ({ID}) group_left () ({USED} > time() - {settings.tried.promql})",
        ),
        f"Last use of the refused keys that were tried in the last {settings.tried.last}. Without"
        " the keys that a person switched off.",
    )


def _in_use(settings: Settings) -> Record:
    return Record(
        IN_USE,
        f"(\n  {NEAR}\n  and on ({ID}) (\n"
        f"    {USED} >= on ({ID}) clamp_max({NEAR}, time())"
        f" - {settings.in_use.promql}\n"
        f"    or on ({ID}) {OWN}\n  )\n)\n"
        f"{_switched_on()}\n"
        f"unless on ({ID}) ({SUPERSEDED} unless on ({ID}) {OWN})\n"
        f"unless on ({ID}) {ORPHANED} > 0\n"
        f"unless on ({ID}) {RATIO} >= {settings.warn_share:g}",
        "Expiry of the keys that alert: in use until now or until their expiry, or the exporter's"
        " own. Without the keys that a person switched off, that are rotated or refused, or that"
        " have too much of their life left.",
    )


def _alerting(settings: Settings) -> Record:
    soon = (
        f"{IN_USE} < time() + {settings.critical.promql}"
        f" unless on ({ID}) {RATIO} >= {settings.critical_share:g}"
    )
    levels = {
        "expired": f"{IN_USE} <= time()",
        "own_critical": f"{soon} and on ({ID}) {OWN}",
        "critical": soon,
        "own_warning": f"{IN_USE} and on ({ID}) {OWN}",
        "warning": IN_USE,
    }
    strongest = f"\nor on ({ID})\n".join(
        f'label_replace({keys}, "alert_level", "{level}", "", "")' for level, keys in levels.items()
    )
    return Record(
        ALERTING,
        held(ALERTING, strongest),
        "The same keys with the strongest alert of each as label `alert_level`; `own_` is for the"
        " exporter's own key.",
    )


def level(name: str) -> str:
    """PromQL for the expiry of the keys with this `alert_level`, without that label."""
    return f'max without (alert_level) ({ALERTING}{{alert_level="{name}"}} != 0)'
