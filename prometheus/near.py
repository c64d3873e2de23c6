"""Records of the keys near an alert, and of what is so about them.

It is the reading and matching of 10,000 series that costs: a series of every key is read once, and
all else works on the few keys that this leaves.
"""

from prometheus.model import Record
from prometheus.promql import (
    CREATED,
    EXPIRY,
    ID,
    IN_USE,
    INFO,
    LAST_EXPIRY,
    LAST_SEEN,
    LAST_USED,
    NEAR,
    OFF,
    ORPHANED,
    OWN,
    RATIO,
    REFUSED,
    SEEN,
    SUPERSEDED,
    TRIED,
    USED,
    indent,
    one_per_key,
    one_per_portal,
)
from prometheus.settings import Settings, days

#: How long before its expiry it is remembered that a person switched a key off.
REMEMBERED = days(3)
SWITCHED_OFF = "portal_key:docspace_api_key_switched_off:last_3d"
KNOWN = "portal_key:docspace_api_key_orphaned:known"

EXPIRING_CRITICAL = "portal_key:docspace_api_key_expiring_critical:seen_at"
EXPIRING = "portal_key:docspace_api_key_expiring:seen_at"
EXPIRED = "portal_key:docspace_api_key_expired:seen_at"
OWN_CRITICAL = "portal_key:docspace_exporter_key_expiring_critical:seen_at"
OWN_EXPIRING = "portal_key:docspace_exporter_key_expiring:seen_at"


def records(settings: Settings) -> tuple[Record, ...]:
    """Each is defined before it is used."""
    return (
        *_sight(settings),
        *_near(settings),
        _switched_off(settings),
        *_orphaned(settings),
        _used(),
        *_conditions(settings),
    )


def _sight(settings: Settings) -> tuple[Record, ...]:
    return (
        Record(
            SEEN,
            f"time() * {one_per_portal('docspace_up == 1')}",
            "When a portal was read, through any exporter. Its labels are those of the"
            " portal, of the "
            "configuration (`labels`) too, but none that tells one exporter from another.",
        ),
        Record(LAST_SEEN, f"topk by (portal) (1, last_over_time({SEEN}[{settings.bridge.range}]))"),
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
            f"(max by ({ID}) ({NEAR}) - time())\n/ on ({ID}) (\n"
            f"  max by ({ID}) ({NEAR})\n"
            f"  - on ({ID}) max by ({ID}) ({CREATED} > time() - {youngest:.0f})\n)",
            "Share of its life that such a key has left, where it was made for a life"
            " so short that "
            "days alone would have it alert too early.",
        ),
        Record(
            OFF,
            f"group by ({ID}) (\n  docspace_api_key_active == 0\n"
            f"  and on ({ID}) ({NEAR} or on ({ID}) {_refusable('disabled|removed')})\n)",
            "Switched off, by a person or after its expiry by the portal.",
        ),
        Record(
            SUPERSEDED,
            f"group by ({ID}) (docspace_api_key_superseded == 1 and on ({ID}) {NEAR})",
            "Rotated: a newer active key of the same creator and name outlives it.",
        ),
    )


def _switched_off(settings: Settings) -> Record:
    memory = (REMEMBERED + settings.expired).range
    window = (
        "(\n"
        f"  {NEAR}\n"
        "  - on (portal) group_left () (\n"
        "    max by (portal) (clamp_min(docspace_clock_skew_seconds, 0))"
        " or 0 * max by (portal) (docspace_up)\n"
        "  )\n"
        f"  < time() + {REMEMBERED.promql}\n"
        "  > time() + 600\n"
        ")"
    )
    return Record(
        SWITCHED_OFF,
        f"{OFF} and on ({ID}) {window}\nor\n"
        f"0 * (last_over_time({SWITCHED_OFF}[{memory}]) == 1 and on ({ID}) {window})",
        "1 where a key was switched off in the last 3 days before its expiry by the clock of the "
        "portal, 0 where it was switched on again. Past it nothing tells a key that a person had "
        "switched off from one that ran out. The last 10 minutes do not count: the clock may have "
        "moved since, and the portal switched the key off itself.",
    )


def _refusable(status: str) -> str:
    return f'{INFO}{{creator_status=~"{status}"}}'


def _orphaned(settings: Settings) -> tuple[Record, ...]:
    last = f"last_over_time({KNOWN}[{settings.bridge.range}]) == 1"
    gone, dropped = _refusable("disabled|removed"), ", key_postfix, creator, access, permissions"
    return (
        Record(
            KNOWN,
            f"group by ({ID}, creator_status) (\n"
            f"  {gone}\n"
            f"  unless on ({ID}) ({OFF} unless on ({ID}) {NEAR})\n"
            ")\n"
            "or "
            f"0 * (\n  {last}\n  and on (portal) {SEEN}\n"
            f"  unless on ({ID}) ({_refusable('unknown')} unless on ({ID}) {gone})\n)",
            "1 where the creator is known to be disabled or removed, 0 once where that is over. An "
            "exporter that was just started does not know yet who is disabled, so an unknown state "
            "changes nothing. creator_status is why docspace_api_key_orphaned is 1; to"
            " select by it "
            "reads few series.",
        ),
        Record(
            ORPHANED,
            one_per_key(_refusable("disabled|removed|unknown"), f", creator_status{dropped}")
            + f"\n* on ({ID}) group_left (creator_status)\ntopk by ({ID}) (1, {last})",
            "Keys that the portal refuses because of their creator.",
        ),
    )


def _used() -> Record:
    return Record(
        USED,
        f"max by ({ID}) (\n  {LAST_USED} and on ({ID}) ({NEAR} or on ({ID}) {ORPHANED})\n)",
        "When a key near an alert was last used. A refused call counts as a use, too.",
    )


def _conditions(settings: Settings) -> tuple[Record, ...]:
    memory = (REMEMBERED + settings.expired).range
    alive = (
        f"unless on ({ID}) ({OFF} unless on ({ID}) {NEAR} <= time())\n"
        f"unless on ({ID}) (last_over_time({SWITCHED_OFF}[{memory}]) == 1"
        f" and on ({ID}) {NEAR} <= time())"
    )
    critical = f"{IN_USE} > time() < time() + {settings.critical.promql}"
    younger = f"unless on ({ID}) {RATIO} >= {settings.critical_share:g}"
    return (
        Record(
            REFUSED,
            f"time() * (\n  {ORPHANED}\n"
            f"  and on ({ID}) {USED} > time() - {settings.tried.promql}\n{indent(alive)}\n)",
            "Refused, and tried in the last day. A key that a person switched off is"
            " silent; one that "
            "expired meanwhile is not.",
        ),
        Record(
            TRIED,
            f"max by ({ID}) ({USED} and on ({ID}) {REFUSED})",
            "When it was tried last.",
        ),
        Record(
            IN_USE,
            f"(\n  {NEAR}\n  and on ({ID}) (\n"
            f"    {USED} >= on ({ID}) clamp_max(max by ({ID}) ({NEAR}), time())"
            f" - {settings.in_use.promql}\n"
            f"    or on ({ID}) {OWN}\n  )\n)\n"
            f"{alive}\n"
            f"unless on ({ID}) ({SUPERSEDED} unless on ({ID}) {OWN})\n"
            f"unless on ({ID}) {ORPHANED}\n"
            f"unless on ({ID}) {RATIO} >= {settings.warn_share:g}",
            "Expiry of the keys that alert: in use until now or until their expiry, or"
            " the exporter's "
            "own; not switched off by a person, not rotated, not refused already, and"
            " late enough in "
            "their life. Of the conditions of such a key one holds.",
        ),
        Record(
            LAST_EXPIRY,
            f"max by ({ID}) (last_over_time({IN_USE}[{settings.bridge.range}]))",
            "The same as it was seen last, for the alerts.",
        ),
        _condition(EXPIRED, f"{IN_USE} <= time()"),
        _condition(EXPIRING_CRITICAL, f"({critical})\n{younger}\nunless on ({ID}) {OWN}"),
        _condition(
            EXPIRING,
            f"{IN_USE} > time()\nunless on ({ID}) {EXPIRING_CRITICAL}\nunless on ({ID}) {OWN}",
        ),
        _condition(OWN_CRITICAL, f"({critical} and on ({ID}) {OWN})\n{younger}"),
        _condition(
            OWN_EXPIRING,
            f"({IN_USE} > time() and on ({ID}) {OWN})\nunless on ({ID}) {OWN_CRITICAL}",
        ),
    )


def _condition(name: str, expr: str) -> Record:
    return Record(name, f"0 * (\n{indent(expr)}\n) + time()")
