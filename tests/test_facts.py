"""The facts beside the key list: when they are asked, for which key, and at what cost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from observations import up
from support.standing import Log, StandingClock

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.demo.model import Fault
from exporter.demo.model import Portal as DemoPortal
from exporter.demo.person import OWNER, Person
from exporter.demo.server import DemoServer
from exporter.docspace.deadline import Alarm
from exporter.docspace.facts import PROFILE, VERSION, FactFinder
from exporter.docspace.fetch import Fetcher
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.outage_log import OutageLog
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport

PEOPLE = "/api/2.0/people/filter"
ADMIN = Person("aaaaaaaa-0000-4000-8000-000000000001", "Ada", is_admin=True)
BRUNO = Person("AAAAAAAA-0000-4000-8000-000000000002", "Bruno", is_disabled=True)
CARLA = Person("aaaaaaaa-0000-4000-8000-000000000003", "Carla")


class Scene:
    """A portal and a fetcher for it, on a standing clock."""

    def __init__(self, server: DemoServer, clock: StandingClock) -> None:
        self.server = server
        self.portal = server.portal
        self.standing = clock
        self.use_key_of(ADMIN)

    def use_key_of(self, person: Person, *, standing: bool = True) -> None:
        """Use a key of this person from now on."""
        key = self.portal.add_key("exporter", creator=person, permissions=["*:read"])
        self.settings = PortalSettings("acme", self.server.url, Secret(key.secret))
        clock = self.standing.clock if standing else Clock()
        transport = Transport(self.settings, TLSContexts(), Clock(), Alarm())
        self.fetcher = Fetcher(self.settings, transport, clock)

    def fetch(self, seconds: float = 5.0) -> Observation:
        """One fetch, whose key list must arrive."""
        fetched = self.fetcher.fetch(seconds, lambda _: None)
        assert fetched.error is None
        return fetched

    def facts(self) -> PortalFacts:
        """The facts after one more fetch."""
        return self.fetch().facts

    def asked(self, path: str) -> int:
        """How often the portal was asked for a path."""
        return self.portal.requests[path]


@pytest.fixture
def scene() -> Iterator[Scene]:
    clock = StandingClock()
    portal = DemoPortal(clock=clock.now, people=(OWNER, ADMIN, BRUNO, CARLA))
    with DemoServer(portal) as server:
        scene = Scene(server, clock)
        yield scene
        scene.fetcher.close()


# Who is disabled


def test_disabled_people_are_known_with_the_first_success(scene: Scene) -> None:
    assert scene.facts().disabled == {BRUNO.id.lower()}


def test_an_admins_key_with_read_access_suffices_to_list_people(scene: Scene) -> None:
    (key,) = (key for key in scene.portal.keys if key.name == "exporter")
    assert key.permissions == ("*:read",)
    assert scene.facts().people_error is None


def test_people_are_asked_for_every_five_minutes(scene: Scene) -> None:
    asked = []
    for seconds in (0, 60, 239, 1):
        scene.standing.time += seconds
        scene.fetch()
        asked.append(scene.asked(PEOPLE))
    assert asked == [1, 1, 1, 2]


def test_somebody_who_gets_disabled_is_known_at_the_next_look(scene: Scene) -> None:
    scene.fetch()
    scene.portal.disable(CARLA.id)
    scene.standing.time += 300
    assert scene.facts().disabled == {BRUNO.id.lower(), CARLA.id}


def test_somebody_who_sees_only_own_keys_does_not_ask_and_knows_nothing(scene: Scene) -> None:
    scene.use_key_of(CARLA)
    assert scene.facts() == PortalFacts("own", "3.7.2")
    assert scene.asked(PEOPLE) == 0


@pytest.mark.parametrize("status", [403, 500, 429, 404])
def test_where_the_portal_does_not_say_who_is_disabled_it_is_unknown(
    scene: Scene, status: int
) -> None:
    scene.portal.faults[PEOPLE] = Fault(status)
    facts = scene.facts()
    assert facts.disabled is None
    assert facts.people_error is not None


def test_a_new_credential_starts_from_nothing(scene: Scene) -> None:
    scene.fetch()
    scene.portal.faults[PEOPLE] = Fault(403)
    scene.use_key_of(OWNER)
    assert scene.facts().disabled is None


def test_a_list_read_with_another_credential_comes_without_the_facts_of_the_one_before(
    scene: Scene, tmp_path: Path
) -> None:
    """The early observation, for a scrape at its deadline, must not have them either."""
    file, early = tmp_path / "key", list[Observation]()
    settings = PortalSettings("acme", scene.server.url, api_key_file=file)
    transport = Transport(settings, TLSContexts(), Clock(), Alarm())
    fetcher = Fetcher(settings, transport, scene.standing.clock)
    for person in (ADMIN, CARLA):
        file.write_text(scene.portal.add_key("exporter", creator=person).secret)
        fetcher.fetch(5.0, early.append)
    fetcher.close()
    assert early[1].facts == PortalFacts()


def test_thousands_of_disabled_people_are_read_over_several_fetches(scene: Scene) -> None:
    for number in range(1234):
        person = Person(f"{number:08}-0000-4000-8000-000000000009", "P", is_disabled=True)
        scene.portal.people[person.id] = person
    known = [scene.facts().disabled for _ in range(3)]
    assert [None if ids is None else len(ids) for ids in known] == [None, None, 1235]
    assert scene.asked(PEOPLE) == 13


def test_people_that_never_come_cost_the_key_list_nothing(scene: Scene) -> None:
    """The list and the visibility are there within the deadline."""
    scene.use_key_of(ADMIN, standing=False)
    scene.portal.faults[PEOPLE] = Fault(delay=30.0)
    fetched = scene.fetch(4.0)
    assert fetched.listing is not None
    assert (fetched.facts.visibility, fetched.facts.disabled) == ("all", None)


def test_the_time_for_the_facts_is_not_in_the_duration(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learn(*_: object) -> PortalFacts:
        scene.standing.time += 100
        return PortalFacts()

    monkeypatch.setattr(FactFinder, "learn", learn)
    assert scene.fetch(1000.0).duration == 0


def test_a_page_of_people_is_bounded(scene: Scene) -> None:
    scene.portal.faults[PEOPLE] = Fault(200, b"[" * 3_000_000)
    error = scene.facts().people_error
    assert error is not None
    assert error.reason == "too_large"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"response": {}}', b'{"response": [{"id": 7}], "total": 1}'],
)
def test_people_that_cannot_be_read_are_unknown(scene: Scene, body: bytes) -> None:
    scene.portal.faults[PEOPLE] = Fault(200, body)
    error = scene.facts().people_error
    assert error is not None
    assert error.reason == "invalid_response"


def test_people_of_another_status_are_not_disabled(scene: Scene) -> None:
    """In case a proxy removes the filter from the request."""
    body = b'{"response": [{"id": "a", "status": 1}, {"id": "B", "status": 2}], "total": 2}'
    scene.portal.faults[PEOPLE] = Fault(200, body)
    assert scene.facts().disabled == {"b"}


# The caller and the version


def test_the_owner_sees_all_keys_even_where_is_admin_is_false(scene: Scene) -> None:
    scene.portal.faults[PROFILE] = Fault(
        200, b'{"response": {"isAdmin": false, "isOwner": true, "displayName": "O"}}'
    )
    assert scene.facts().visibility == "all"


def test_a_failed_profile_is_asked_again_after_a_minute(scene: Scene) -> None:
    scene.portal.faults[PROFILE] = Fault(500)
    assert scene.facts().visibility == "unknown"
    del scene.portal.faults[PROFILE]
    scene.standing.time += 59
    assert scene.facts().visibility == "unknown"
    scene.standing.time += 1
    assert scene.facts().visibility == "all"


def test_a_known_visibility_stays_when_the_hourly_look_fails(scene: Scene) -> None:
    scene.fetch()
    scene.portal.faults[PROFILE] = Fault(500)
    scene.standing.time += 3600
    assert scene.facts().visibility == "all"


def test_the_version_is_asked_for_hourly(scene: Scene) -> None:
    assert scene.facts().version == "3.7.2"
    scene.portal.version = "3.8.0"
    scene.standing.time += 3599
    assert scene.facts().version == "3.7.2"
    scene.standing.time += 1
    assert scene.facts().version == "3.8.0"
    assert scene.asked(VERSION) == 2


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_version_that_is_not_given_is_empty(scene: Scene, status: int) -> None:
    scene.portal.faults[VERSION] = Fault(status)
    assert scene.facts().version == ""


# The log


def test_that_disabled_people_are_unknown_is_logged_once(scene: Scene) -> None:
    log = Log()
    outages = OutageLog(log.log)
    scene.portal.faults[PEOPLE] = Fault(403)
    for _ in range(3):
        outages.note(up(facts=scene.facts()), None)
        outages.write()
        scene.standing.time += 60
    assert log.count("cannot read which people are disabled") == 1
    assert scene.asked(PEOPLE) == 3
