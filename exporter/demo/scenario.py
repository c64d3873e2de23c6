"""The demo: three portals whose keys are in every condition, and do not stand still.

Each run has the same people, keys and moments, counted from its start. At the start:

| portal | offset | whose key reads it | what there is to see |
|---|---|---|---|
| `acme` | Z | the owner's, sees all | every state, every awkward name, and most of what moves |
| `globex` | +05:30 | the owner's, sees all | the reader's own key runs out in four days, the \
portal's clock is 90 s ahead, rate limits are told with each answer |
| `initech` | -04:00 | a user's, sees own only | the admin's keys are there, and not to be seen |

What moves in `acme`, whose server job runs every minute rather than every ten:

| seconds | what |
|---|---|
| 30, 90, 180 | a key expires: `webhook-relay`, `report-mailer`, `legacy-import` |
| 45 | `new-hire` appears |
| 75 | `crm-sync` is rotated: a newer key of the same name and creator outlives it |
| 120 | `temp-share` is deleted |
| 150 | `chat-bridge` is switched off; from 480 on it goes on and off every 300 |
| 540 | `ci-artifacts` expires |
| 300, 600, ... | `nightly-run` is created anew; from 600 on its forerunner is switched off 60 s \
later and deleted 120 s later |

In `globex`, `handover` appears at 100 by the portal's clock and `kiosk` goes on and off every
300 from 200 on; in `initech`, `spare` goes off and on every 300 from 120 on. In each, busy keys
are used every 20 s.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import merge

from exporter.demo.cast import DAY, HOUR, MINUTE, Role
from exporter.demo.model import Event, Person, Portal, derive_id
from exporter.demo.timeline import appear, at, busy, rotated, switch, toggled, vanish


@dataclass(frozen=True, slots=True)
class DemoPortal:
    """A portal of the demo, with the full key an exporter is to read it with."""

    name: str
    portal: Portal
    exporter_key: str = field(repr=False)


def build(clock: Callable[[], float]) -> tuple[DemoPortal, ...]:
    """Return `acme`, `globex` and `initech`, whose story starts now by `clock`."""
    return (_acme(clock), _globex(clock), _initech(clock))


def _person(
    user_name: str, display_name: str, *, admin: bool = False, owner: bool = False
) -> Person:
    return Person(
        id=derive_id(user_name),
        display_name=display_name,
        is_admin=admin or owner,
        is_owner=owner,
        user_name=user_name,
        password=f"demo-{user_name.partition('@')[0]}",
    )


def _open(portal: Portal, name: str, roles: Iterable[Role], start: float) -> DemoPortal:
    """Put the keys in place; the first is the exporter's."""
    first, *_ = [role.enter(portal, name, start) for role in roles]
    return DemoPortal(name, portal, first.secret)


def _in_order(*events: Iterable[Event]) -> Iterable[Event]:
    return merge(*events, key=lambda event: event.at)


def _acme(clock: Callable[[], float]) -> DemoPortal:
    ada = _person("ada@acme.example", "Ada Okafor", owner=True)
    liam = _person("liam@acme.example", "Liam O'Brien", admin=True)
    wang = _person("xiaoming@acme.example", "王小明")
    bots = _person("bots@acme.example", 'R&D <bots> "night shift"')
    gone = _person("gone@acme.example", "Removed")
    roles = {
        role.label or role.name: role
        for role in (
            Role("prometheus", ada, ("*:read",), 365, left=200 * DAY, used=15, postfix="d0c5"),
            Role("crm-sync", liam, (), 365, left=120 * DAY, used=HOUR),
            Role("backup-nightly", ada, None, age=400 * DAY, used=6 * HOUR),
            Role("zapier", gone, ("*",), age=250 * DAY, used=2 * DAY),
            Role("billing-export", liam, ("files:read", "rooms:read"), 90, 3 * DAY, used=10),
            Role(
                "customer-onboarding-automation",
                bots,
                ("accounts:write", "rooms:write"),
                180,
                left=20 * DAY,
                used=5 * HOUR,
            ),
            Role("ci-artifacts", bots, ("files:write",), 30, left=9 * MINUTE, used=10),
            Role("webhook-relay", liam, ("rooms:read",), 7, left=30, used=10),
            Role("report-mailer", wang, ("files:read",), 30, left=90, used=DAY),
            Role("legacy-import", ada, (), 365, left=180, used=3 * DAY),
            Role("trial", wang, ("*:read",), 7, left=7 * DAY - 5),
            Role("備份服務", wang, ("accounts:read",), age=300 * DAY, used=140 * DAY),
            Role("🚀 launch 🔑", bots, ("files:read",), age=90 * DAY),
            Role("migrated", ada, ("rooms:read",), 90, left=60 * DAY, blank_use=True),
            Role(
                "مزامنة الملفات", liam, ("files:read",), 30, -40 * DAY, used=45 * DAY, active=False
            ),
            Role("summer\ncampaign", bots, None, 90, left=-3 * DAY, used=4 * DAY, active=False),
            Role("stale-dashboards", ada, ("*:read",), 90, left=-25, used=MINUTE),
            Role("<script>alert(1)</script>", wang, (), age=12 * DAY, active=False),
            Role(
                'the "old" C:\\proxy',
                liam,
                ("*:write",),
                365,
                left=100 * DAY,
                used=30 * DAY,
                active=False,
            ),
            Role("deploy", bots, ("files:write",), 30, 5 * DAY, used=3 * DAY, label="deploy/older"),
            Role(
                "deploy", bots, ("files:write",), 180, left=170 * DAY, used=30, label="deploy/newer"
            ),
            Role(
                "sync", liam, ("files:read",), 90, 45 * DAY, used=HOUR, label="s/l", postfix="d0c5"
            ),
            Role("sync", wang, ("files:read",), age=60 * DAY, used=8 * HOUR, label="s/w"),
            Role("temp-share", ada, ("rooms:read", "rooms:write"), 30, left=25 * DAY, used=DAY),
            Role("chat-bridge", liam, ("rooms:write",), age=45 * DAY, used=10),
        )
    }
    new_hire = Role("new-hire", wang, ("accounts.self:read",), 90, left=90 * DAY)
    new_crm = Role("crm-sync", liam, (), 365, left=365 * DAY, label="crm-sync/newer")
    nightly = Role("nightly-run", ada, ("files:read",), 1, left=DAY)
    ids = {label: role.key_id("acme") for label, role in roles.items()}
    start = clock()
    plan = (
        (45.0, appear(new_hire, "acme")),
        (75.0, appear(new_crm, "acme")),
        (120.0, vanish(ids["temp-share"])),
        (150.0, switch(ids["chat-bridge"], on=False)),
    )
    working = ("billing-export", "ci-artifacts", "webhook-relay", "deploy/newer", "chat-bridge")
    portal = Portal(
        clock=clock,
        people=(ada, liam, wang, bots),
        job_interval=60.0,
        events=_in_order(
            at(start, plan),
            busy(start, [ids[label] for label in working]),
            toggled(start + 480.0, ids["chat-bridge"], on_first=True),
            rotated(start + 300.0, nightly, "acme"),
        ),
    )
    return _open(portal, "acme", roles.values(), start)


def _globex(clock: Callable[[], float]) -> DemoPortal:
    priya = _person("priya@globex.example", "Priya Raman", owner=True)
    tom = _person("tom@globex.example", "Tom Lindqvist")
    gone = _person("gone@globex.example", "Removed")
    mail = Role("mail-archive", tom, ("files:read", "files:write"), 365, 180 * DAY, used=10)
    kiosk = Role("kiosk", tom, ("files:read",), age=70 * DAY, used=20 * DAY, active=False)
    roles = (
        Role("grafana-alerts", priya, ("*:read",), 30, left=4 * DAY, used=15),
        Role("erp-bridge", priya, None, age=220 * DAY, used=3 * HOUR),
        mail,
        Role("partner-portal", tom, ("rooms:read", "rooms:write"), 90, 10 * DAY, used=DAY),
        Role("audit-2025", priya, ("*:read",), 365, -30 * DAY, used=31 * DAY, active=False),
        kiosk,
        Role("sandbox", tom, ("*",), 30, left=12 * DAY),
        Role("warehouse", gone, ("rooms:read",), age=330 * DAY, used=120 * DAY),
    )
    handover = Role("handover", priya, ("accounts:read",), 7, left=7 * DAY)
    skew = 90.0
    start = clock() + skew
    portal = Portal(
        clock=clock,
        people=(priya, tom),
        utc_offset=timedelta(hours=5, minutes=30),
        clock_skew=skew,
        rate_limit_headers=True,
        events=_in_order(
            at(start, ((100.0, appear(handover, "globex")),)),
            busy(start, [mail.key_id("globex")]),
            toggled(start + 200.0, kiosk.key_id("globex"), on_first=True),
        ),
    )
    return _open(portal, "globex", roles, start)


def _initech(clock: Callable[[], float]) -> DemoPortal:
    lena = _person("lena@initech.example", "Lena Brandt", owner=True)
    milo = _person("milo@initech.example", "Milo Sørensen")
    reports = Role("weekly-reports", milo, (), 365, left=40 * DAY, used=10)
    spare = Role("spare", milo, ("accounts.self:read",), age=33 * DAY)
    payroll = Role("payroll", lena, None, age=500 * DAY, used=30)
    roles = (
        Role("my-metrics", milo, ("*:read",), age=50 * DAY, used=15),
        reports,
        Role("scanner", milo, ("files:write",), 90, left=6 * DAY, used=2 * DAY),
        Role("old-laptop", milo, ("files:read",), 90, -2 * DAY, used=3 * DAY, active=False),
        spare,
        payroll,
        Role("door-access", lena, ("accounts:read",), 30, left=3 * DAY, used=HOUR),
        Role("intranet", lena, ("rooms:read",), 180, -9 * DAY, used=10 * DAY, active=False),
    )
    start = clock()
    portal = Portal(
        clock=clock,
        people=(lena, milo),
        utc_offset=timedelta(hours=-4),
        events=_in_order(
            busy(start, [reports.key_id("initech"), payroll.key_id("initech")]),
            toggled(start + 120.0, spare.key_id("initech"), on_first=False),
        ),
    )
    return _open(portal, "initech", roles, start)
