"""Records of the keys near an alert, and of what is so about them.

It is the reading and matching of 10,000 series that costs: a series of every key is read once, and
all else works on the few keys that this leaves.
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

#: How long before its expiry it is remembered that a person switched a key off.
REMEMBERED = days(3)

NEAR = "portal_key:docspace_api_key_expiry:near"
RATIO = "portal_key:docspace_api_key_life_left:ratio"
OFF = "portal_key:docspace_api_key_active:off"
SUPERSEDED = "portal_key:docspace_api_key_superseded:near"
SWITCHED_OFF = "portal_key:docspace_api_key_switched_off:seen_at"
ORPHANED = "portal_key:docspace_api_key_orphaned:known_at"
USED = "portal_key:docspace_api_key_last_used:near"
IN_USE = "portal_key:docspace_api_key_expiry:in_use"

#: Keys that alert. Their value is what the message says of them: last use, or expiry.
REFUSED = "portal_key:docspace_api_key_last_used:refused"
EXPIRED = "portal_key:docspace_api_key_expiry:expired"
EXPIRING_CRITICAL = "portal_key:docspace_api_key_expiry:expiring_critical"
EXPIRING = "portal_key:docspace_api_key_expiry:expiring"
OWN_CRITICAL = "portal_key:docspace_exporter_key_expiry:expiring_critical"
OWN_EXPIRING = "portal_key:docspace_exporter_key_expiry:expiring"

GONE = f'{INFO}{{creator_status=~"disabled|removed"}}'
UNKNOWN = f'{INFO}{{creator_status="unknown"}}'


def records(settings: Settings) -> tuple[Record, ...]:
    """Each is defined before it is used."""
    return (
        _last_read(settings),
        *_near(settings),
        _switched_off(settings),
        _orphaned(settings),
        _used(settings),
        _refused(settings),
        _in_use(settings),
        *_alerting(settings),
    )


def _last_read(settings: Settings) -> Record:
    return Record(
        LAST_READ,
        read(settings),
        f"When a portal was last read, through any exporter, within {settings.bridge.one}. Its labels"
        " are those of the portal, of the configuration (`labels`) too, but none that"
        " differs between exporters.",
    )


def _near(settings: Settings) -> tuple[Record, ...]:
    youngest = settings.expired.seconds + settings.warn.seconds / settings.warn_share
    return (
        Record(
            NEAR,
            one_per_key(
                f"{EXPIRY} < time() + {settings.warn.promql} > time() - {settings.expired.promql}"
            ),
            f"Expiry of the keys within reach of an alert: {settings.warn.words} before to"
            f" {settings.expired.words} after it.",
        ),
        Record(
            RATIO,
            f"({NEAR} - time())\n/ on ({ID}) (\n"
            f"  {NEAR} - on ({ID}) max by ({ID}) ({CREATED} > time() - {youngest:.0f})\n)",
            "Share of its life that such a key has left, where it was made for a life so short that"
            " days alone would have it alert too early.",
        ),
        Record(
            OFF,
            f"group by ({ID}) (\n  docspace_api_key_active == 0\n"
            f"  and on ({ID}) ({NEAR} or on ({ID}) {GONE})\n)",
            "Switched off, by a person or after its expiry by the portal.",
        ),
        Record(
            SUPERSEDED,
            f"group by ({ID}) (docspace_api_key_superseded == 1 and on ({ID}) {NEAR})",
            "Rotated: a newer active key of the same creator and name outlives it.",
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
        "When a key was last seen switched off in the last 3 days before its expiry by the clock of"
        " the portal; 0 once where it was switched on again or deleted. Past the expiry a key"
        " that a person had switched off looks like one that ran out. The last 10 minutes do"
        " not count: the clock may have moved since, and the portal switched the key off itself.",
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
        "Keys that the portal refuses because of their creator: when that was last known; 0 once"
        " where it is over. An exporter that was just started does not know yet who is disabled, so"
        " an unknown state changes nothing for a day. docspace_api_key_info says the same as"
        " docspace_api_key_orphaned, and to select by its creator_status reads few series.",
    )


def _used(settings: Settings) -> Record:
    longest = max(settings.expired + settings.in_use, settings.tried)
    return Record(
        USED,
        f"max by ({ID}) (\n  {LAST_USED}\n"
        f"  and on ({ID}) ({NEAR} or on ({ID}) {ORPHANED} > 0)\n) > time() - {longest.promql}",
        f"When a key near an alert was last used, in the last {longest.last}. A refused call counts"
        " as a use, too.",
    )


def _switched_on() -> str:
    """Takes away the keys that a person switched off; past the expiry by what is remembered."""
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
        "Last use of the keys that are refused, and were tried in the last"
        f" {settings.tried.last}. A key that a person switched off is silent; one that expired"
        " meanwhile is not.",
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
        " own; not switched off by a person, not rotated, not refused already, and late enough in"
        " their life. Each is in one of the next five.",
    )


def _alerting(settings: Settings) -> tuple[Record, ...]:
    critical = f"{IN_USE} > time() < time() + {settings.critical.promql}"
    younger = f"unless on ({ID}) {RATIO} >= {settings.critical_share:g}"
    alerting = {
        EXPIRED: f"{IN_USE} <= time()",
        EXPIRING_CRITICAL: f"{critical} unless on ({ID}) {OWN}\n{younger}",
        EXPIRING: f"{IN_USE} > time() unless on ({ID}) {OWN}\n"
        f"unless on ({ID}) {EXPIRING_CRITICAL} != 0",
        OWN_CRITICAL: f"{critical} and on ({ID}) {OWN}\n{younger}",
        OWN_EXPIRING: f"{IN_USE} > time() and on ({ID}) {OWN}\n"
        f"unless on ({ID}) {OWN_CRITICAL} != 0",
    }
    return tuple(Record(name, held(name, now)) for name, now in alerting.items())
