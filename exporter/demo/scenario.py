"""The demo: three portals with keys in every state, which change as time passes.

Each run has the same people, keys and events, counted from its start. At the start:

| portal | server | offset | the exporter's key | what there is to see |
|---|---|---|---|---|
| `acme` | 3.7.2 | Z | the owner's, sees all | every state, difficult names, and most of the \
changes; `zapier` and `badge-printer` are used and refused: one creator is removed, the other \
disabled |
| `globex` | 3.6.1 | +05:30 | the owner's, sees all | the exporter's own key expires in four days, \
the portal's clock is 90 s ahead, `warehouse` has a removed creator and is unused |
| `initech` | 3.7.1 | -04:00 | a user's, sees own only | the owner's keys are not in the list |

Changes in `acme`:

| seconds | what |
|---|---|
| 30, 90, 180 | a key expires: `webhook-relay`, `report-mailer`, `legacy-import` |
| 45 | `new-hire` appears |
| 75 | `crm-sync` is rotated: a newer key of the same name and creator outlives it |
| 105 | Jane Doe is disabled; `payroll-sync`, a key of hers, is still used and refused |
| 120 | `temp-share` is deleted |
| 150 | `chat-bridge` is switched off; from 480 on it is switched every 300 |
| 540 | `ci-artifacts` expires |
| 300, 600, ... | a new `nightly-run` is created; from 600 on its predecessor is switched off 60 s \
later and deleted 120 s later |
| 600, 1200, ... | the server's job switches expired keys off |

In `globex`, `handover` appears at 100 by the portal's clock, and `kiosk` is switched on or off
every 300 from 200 on; in `initech`, `spare` is switched off or on every 300 from 120 on. In each,
some keys are used every 20 s.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import merge

from exporter.demo.demo_keys import DAY, HOUR, MINUTE, KeySpec
from exporter.demo.events import appear, at, busy, disable, rotated, switch, toggled, vanish
from exporter.demo.key import derive_id
from exporter.demo.model import Event, Portal
from exporter.demo.person import Person


@dataclass(frozen=True, slots=True)
class DemoPortal:
    """A portal of the demo, with the full key for an exporter."""

    name: str
    portal: Portal
    exporter_key: str = field(repr=False)


def build(clock: Callable[[], float]) -> tuple[DemoPortal, ...]:
    """The portals `acme`, `globex` and `initech`; their events start now by `clock`."""
    return (_acme(clock), _globex(clock), _initech(clock))


def _person(
    email: str, display_name: str, *, admin: bool = False, owner: bool = False, off: bool = False
) -> Person:
    return Person(
        id=derive_id(email),
        display_name=display_name,
        is_admin=admin or owner,
        is_owner=owner,
        is_disabled=off,
        email=email,
    )


def _open(portal: Portal, name: str, specs: Iterable[KeySpec], start: float) -> DemoPortal:
    """Add the keys; the first is the exporter's."""
    first, *_ = [spec.add_to(portal, name, start) for spec in specs]
    return DemoPortal(name, portal, first.secret)


def _in_order(*events: Iterable[Event]) -> Iterable[Event]:
    return merge(*events, key=lambda event: event.at)


def _acme(clock: Callable[[], float]) -> DemoPortal:
    ada = _person("ada@acme.example", "Ada Okafor", owner=True)
    liam = _person("liam@acme.example", "Liam O'Brien", admin=True)
    wang = _person("xiaoming@acme.example", "王小明")
    bots = _person("bots@acme.example", 'R&D <bots> "night shift"')
    jane = _person("jane@acme.example", "Jane Doe")
    john = _person("john@acme.example", "John Doe", off=True)
    gone = _person("gone@acme.example", "Removed")
    specs = {
        spec.label or spec.name: spec
        for spec in (
            KeySpec(
                "prometheus", ada, ("*:read",), 365, expires_in=200 * DAY, used=15, postfix="d0c5"
            ),
            KeySpec("crm-sync", liam, (), 365, expires_in=120 * DAY, used=HOUR),
            KeySpec("backup-nightly", ada, None, age=400 * DAY, used=6 * HOUR),
            KeySpec("zapier", gone, ("*",), age=250 * DAY, used=10),
            KeySpec("badge-printer", john, ("accounts:read",), 365, expires_in=80 * DAY, used=10),
            KeySpec("payroll-sync", jane, ("accounts:read",), 365, expires_in=150 * DAY, used=10),
            KeySpec("billing-export", liam, ("files:read", "rooms:read"), 90, 3 * DAY, used=10),
            KeySpec(
                "customer-onboarding-automation",
                bots,
                ("accounts:write", "rooms:write"),
                180,
                expires_in=20 * DAY,
                used=5 * HOUR,
            ),
            KeySpec("ci-artifacts", bots, ("files:write",), 30, expires_in=9 * MINUTE, used=10),
            KeySpec("webhook-relay", liam, ("rooms:read",), 7, expires_in=30, used=10),
            KeySpec("report-mailer", wang, ("files:read",), 30, expires_in=90, used=DAY),
            KeySpec("legacy-import", ada, (), 365, expires_in=180, used=3 * DAY),
            KeySpec("trial", wang, ("*:read",), 7, expires_in=7 * DAY - 5),
            KeySpec("備份服務", wang, ("accounts:read",), age=300 * DAY, used=140 * DAY),
            KeySpec("★ launch $1 ✓", bots, ("files:read",), age=90 * DAY),
            KeySpec("migrated", ada, ("rooms:read",), 90, expires_in=60 * DAY, blank_use=True),
            KeySpec(
                "مزامنة الملفات", liam, ("files:read",), 30, -40 * DAY, used=45 * DAY, active=False
            ),
            KeySpec(
                "summer\ncampaign", bots, None, 90, expires_in=-3 * DAY, used=4 * DAY, active=False
            ),
            KeySpec("stale-dashboards", ada, ("*:read",), 90, expires_in=-25, used=MINUTE),
            KeySpec("<script>alert(1)</script>", wang, (), age=12 * DAY, active=False),
            KeySpec(
                'the "old" C:\\proxy',
                liam,
                ("*:write",),
                365,
                expires_in=100 * DAY,
                used=30 * DAY,
                active=False,
            ),
            KeySpec(
                "deploy", bots, ("files:write",), 30, 5 * DAY, used=3 * DAY, label="deploy/older"
            ),
            KeySpec(
                "deploy",
                bots,
                ("files:write",),
                180,
                expires_in=170 * DAY,
                used=30,
                label="deploy/newer",
            ),
            KeySpec(
                "sync", liam, ("files:read",), 90, 45 * DAY, used=HOUR, label="s/l", postfix="d0c5"
            ),
            KeySpec("sync", wang, ("files:read",), age=60 * DAY, used=8 * HOUR, label="s/w"),
            KeySpec(
                "temp-share", ada, ("rooms:read", "rooms:write"), 30, expires_in=25 * DAY, used=DAY
            ),
            KeySpec("chat-bridge", liam, ("rooms:write",), age=45 * DAY, used=10),
        )
    }
    new_hire = KeySpec("new-hire", wang, ("accounts.self:read",), 90, expires_in=90 * DAY)
    new_crm = KeySpec("crm-sync", liam, (), 365, expires_in=365 * DAY, label="crm-sync/newer")
    nightly = KeySpec("nightly-run", ada, ("files:read",), 1, expires_in=DAY)
    ids = {label: spec.key_id("acme") for label, spec in specs.items()}
    start = clock()
    plan = (
        (45.0, appear(new_hire, "acme")),
        (75.0, appear(new_crm, "acme")),
        (105.0, disable(jane.id)),
        (120.0, vanish(ids["temp-share"])),
        (150.0, switch(ids["chat-bridge"], on=False)),
    )
    working = ("billing-export", "ci-artifacts", "webhook-relay", "deploy/newer", "chat-bridge")
    refused = ("zapier", "badge-printer", "payroll-sync")
    portal = Portal(
        clock=clock,
        people=(ada, liam, wang, bots, jane, john),
        events=_in_order(
            at(start, plan),
            busy(start, [ids[label] for label in working + refused]),
            toggled(start + 480.0, ids["chat-bridge"], on_first=True),
            rotated(start + 300.0, nightly, "acme"),
        ),
    )
    return _open(portal, "acme", specs.values(), start)


def _globex(clock: Callable[[], float]) -> DemoPortal:
    priya = _person("priya@globex.example", "Priya Raman", owner=True)
    tom = _person("tom@globex.example", "Tom Lindqvist")
    gone = _person("gone@globex.example", "Removed")
    mail = KeySpec("mail-archive", tom, ("files:read", "files:write"), 365, 180 * DAY, used=10)
    kiosk = KeySpec("kiosk", tom, ("files:read",), age=70 * DAY, used=20 * DAY, active=False)
    specs = (
        KeySpec("grafana-alerts", priya, ("*:read",), 30, expires_in=4 * DAY, used=15),
        KeySpec("erp-bridge", priya, None, age=220 * DAY, used=3 * HOUR),
        mail,
        KeySpec("partner-portal", tom, ("rooms:read", "rooms:write"), 90, 10 * DAY, used=DAY),
        KeySpec("audit-2025", priya, ("*:read",), 365, -30 * DAY, used=31 * DAY, active=False),
        kiosk,
        KeySpec("sandbox", tom, ("*",), 30, expires_in=12 * DAY),
        KeySpec("warehouse", gone, ("rooms:read",), age=330 * DAY, used=120 * DAY),
    )
    handover = KeySpec("handover", priya, ("accounts:read",), 7, expires_in=7 * DAY)
    skew = 90.0
    start = clock() + skew
    portal = Portal(
        clock=clock,
        people=(priya, tom),
        utc_offset=timedelta(hours=5, minutes=30),
        clock_skew=skew,
        version="3.6.1",
        rate_limit=None,
        events=_in_order(
            at(start, ((100.0, appear(handover, "globex")),)),
            busy(start, [mail.key_id("globex")]),
            toggled(start + 200.0, kiosk.key_id("globex"), on_first=True),
        ),
    )
    return _open(portal, "globex", specs, start)


def _initech(clock: Callable[[], float]) -> DemoPortal:
    lena = _person("lena@initech.example", "Lena Brandt", owner=True)
    milo = _person("milo@initech.example", "Milo Sørensen")
    reports = KeySpec("weekly-reports", milo, (), 365, expires_in=40 * DAY, used=10)
    spare = KeySpec("spare", milo, ("accounts.self:read",), age=33 * DAY)
    payroll = KeySpec("payroll", lena, None, age=500 * DAY, used=30)
    specs = (
        KeySpec("my-metrics", milo, ("*:read",), age=50 * DAY, used=15),
        reports,
        KeySpec("scanner", milo, ("files:write",), 90, expires_in=6 * DAY, used=2 * DAY),
        KeySpec("old-laptop", milo, ("files:read",), 90, -2 * DAY, used=3 * DAY, active=False),
        spare,
        payroll,
        KeySpec("door-access", lena, ("accounts:read",), 30, expires_in=3 * DAY, used=HOUR),
        KeySpec("intranet", lena, ("rooms:read",), 180, -9 * DAY, used=10 * DAY, active=False),
    )
    start = clock()
    portal = Portal(
        clock=clock,
        people=(lena, milo),
        utc_offset=timedelta(hours=-4),
        version="3.7.1",
        rate_limit=None,
        events=_in_order(
            busy(start, [reports.key_id("initech"), payroll.key_id("initech")]),
            toggled(start + 120.0, spare.key_id("initech"), on_first=False),
        ),
    )
    return _open(portal, "initech", specs, start)
