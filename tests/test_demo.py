"""The demo portal behaves as a DocSpace server does, over real sockets."""

import ast
import gzip
import http.client
import json
import time
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from support.certificates import Issued, issue
from support.prometheus import eventually

import exporter.demo
from exporter.demo.key import NO_DATE
from exporter.demo.model import Fault, Portal
from exporter.demo.person import OWNER, REMOVED, Person
from exporter.demo.scenario import build
from exporter.demo.server import DemoServer
from exporter.httpserver import clients
from exporter.threads import in_thread

START = 1_790_000_000.0
DAY = 86400.0
KEYS = "/api/2.0/keys"
SELF_KEY = "/api/2.0/keys/@self"
PROFILE = "/api/2.0/people/@self"
PEOPLE = "/api/2.0/people/filter"
VERSION = "/api/2.0/settings/version/build"
OBRIEN = Person("11111111-2222-4333-8444-555555555555", "Liam O'Brien")
ADMIN = Person("22222222-2222-4333-8444-555555555555", "An Admin", is_admin=True)
GUEST = Person("33333333-2222-4333-8444-555555555555", "A Guest", is_guest=True)
GONE = Person("44444444-2222-4333-8444-555555555555", "Gone")
ERROR_CONDITIONS = {"unpaid": 402, "suspended": 404, "no_such_portal": 500, "broken": 500}


class Clock:
    """A clock that changes only when a test sets it."""

    def __init__(self):
        self.time = START

    def __call__(self):
        """Return the time in Unix seconds."""
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def portal(clock):
    return Portal(clock=clock, people=(OWNER, OBRIEN, ADMIN, GUEST))


@pytest.fixture
def server(portal):
    with DemoServer(portal) as running:
        yield running


@pytest.fixture
def call(server, portal):
    """Call the portal with a full-access key of the owner, or as the arguments say."""
    own = portal.add_key("caller", last_used=START - DAY)

    def send(path=KEYS, *, method="GET", key=own, authorization=None, **rest):
        header = f"Bearer {key.secret}" if authorization is None else authorization
        headers = {"Authorization": header} if header else {}
        return requests.request(
            method, server.url + path, headers=headers, timeout=60, allow_redirects=False, **rest
        )

    send.key = own
    return send


def names(response):
    return [key["name"] for key in response.json()["response"]]


def only(response, name):
    (key,) = [key for key in response.json()["response"] if key["name"] == name]
    return key


# The answer to a list


def test_list_comes_in_the_envelope(call, server):
    envelope = call().json()
    del envelope["response"]
    assert envelope == {
        "count": 1,
        "links": [{"href": server.url + KEYS, "action": "GET"}],
        "status": 0,
        "statusCode": 200,
    }


@pytest.mark.parametrize("more", [0, 1, 40])
def test_count_is_1_whatever_the_list_holds(call, portal, more):
    for _ in range(more):
        portal.add_key()
    answer = call().json()
    assert (answer["count"], len(answer["response"])) == (1, 1 + more)


def test_newest_key_comes_first(call, portal):
    portal.add_key("older", created=START - 5)
    portal.add_key("newer", created=START + 5)
    assert names(call()) == ["newer", "caller", "older"]


def test_of_two_keys_born_together_the_later_added_comes_first(call, portal):
    portal.add_key("second", created=START)
    assert names(call()) == ["second", "caller"]


def test_key_is_masked(call):
    key = only(call(), "caller")
    assert (key["key"], key["keyPostfix"]) == (
        "sk-***" + call.key.secret[-4:],
        call.key.secret[-4:],
    )


def test_full_key_is_not_in_a_list(call):
    assert call.key.secret not in call().text


def test_full_key_is_not_in_a_repr(call, portal):
    assert call.key.secret not in repr(call.key) + repr(portal) + repr(build(portal.now))


@pytest.mark.parametrize("field", ["permissions", "lastUsed", "expiresAt"])
def test_null_is_left_out(call, portal, field):
    portal.add_key("bare")
    assert field not in only(call(), "bare")


@pytest.mark.parametrize("permissions", [[], ["*"], ["*:read", "files:write"]])
def test_permissions_are_sent_as_they_are(call, portal, permissions):
    portal.add_key("one", permissions=permissions)
    assert only(call(), "one")["permissions"] == permissions


def test_unset_date_of_the_server_is_its_minimum(call, portal):
    portal.add_key("one", last_used=NO_DATE)
    assert only(call(), "one")["lastUsed"] == "0001-01-01T00:00:00.0000000Z"


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (timedelta(0), "2026-09-21T14:13:20.2500000Z"),
        (timedelta(hours=5, minutes=30), "2026-09-21T19:43:20.2500000+05:30"),
        (timedelta(hours=-4), "2026-09-21T10:13:20.2500000-04:00"),
        (timedelta(hours=-3, minutes=-30), "2026-09-21T10:43:20.2500000-03:30"),
    ],
)
def test_dates_have_seven_digits_and_the_portals_offset(call, portal, offset, text):
    portal.utc_offset = offset
    portal.add_key("one", created=START + 0.25)
    assert only(call(), "one")["createOn"] == text


def test_creators_name_is_html_encoded(call, portal):
    portal.add_key("one", creator=OBRIEN)
    assert only(call(), "one")["createBy"]["displayName"] == "Liam O&#39;Brien"


def test_creator_has_the_fields_of_the_document(call):
    creator = only(call(), "caller")["createBy"]
    assert creator.keys() >= {"id", "displayName", "avatar", "profileUrl", "hasAvatar", "isAnonim"}


def test_removed_creator_has_one_id_and_the_name_profile_removed(call, portal):
    portal.add_key("one", creator=GONE)
    creator = only(call(), "one")["createBy"]
    assert (creator["id"], creator["displayName"]) == (
        "4a515a15-d4d6-4b8e-828e-e0586f18f3a3",
        "profile removed",
    )


def test_disabled_creator_looks_normal_in_the_list(call, portal):
    portal.add_key("one", creator=OBRIEN)
    before = only(call(), "one")
    portal.disable(OBRIEN.id)
    assert only(call(), "one") == before


def test_keys_stay_active_when_their_creator_is_removed(call, portal):
    portal.add_key("one", creator=OBRIEN)
    portal.remove_person(OBRIEN.id)
    assert only(call(), "one")["isActive"] is True


def test_names_are_not_unique(call, portal):
    portal.add_key("caller")
    assert names(call()) == ["caller", "caller"]


def test_any_name_arrives_as_it_is(call, portal):
    name = 'a"b\\c\nd <script> $1 ★ 備份 مزامنة'
    portal.add_key(name)
    assert only(call(), name)


def test_answer_of_1000_bytes_is_gzipped_where_accepted(call, portal, server):
    for _ in range(3):
        portal.add_key()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Authorization": f"Bearer {call.key.secret}", "Accept-Encoding": "gzip"}
    connection.request("GET", KEYS, headers=headers)
    body = connection.getresponse().read()
    connection.close()
    assert json.loads(gzip.decompress(body))["statusCode"] == 200


def test_answer_below_1000_bytes_is_plain(call):
    answer = call()
    assert (len(answer.content) < 1000, "Content-Encoding" in answer.headers) == (True, False)


def test_answer_is_plain_otherwise(call, portal, server):
    for _ in range(3):
        portal.add_key()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", KEYS, headers={"Authorization": f"Bearer {call.key.secret}"})
    body = connection.getresponse().read()
    connection.close()
    assert json.loads(body)["statusCode"] == 200


def test_connection_is_kept_alive(call, server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", KEYS)
    connection.getresponse().read()
    kept = connection.sock
    connection.request("GET", KEYS)
    connection.getresponse().read()
    same = connection.sock is kept
    connection.close()
    assert same


def test_date_header_is_by_the_portals_clock(call, portal):
    portal.clock_skew = 90.0
    assert parsedate_to_datetime(call().headers["Date"]).timestamp() == START + 90


def test_any_host_name_is_answered(call):
    header = {"Authorization": f"Bearer {call.key.secret}", "Host": "other.example"}
    answer = requests.get(call().url, headers=header, timeout=60)
    assert answer.json()["links"][0]["href"] == "http://other.example" + KEYS


# Whose keys are in the list


def test_admin_sees_all_keys(call, portal):
    key = portal.add_key("admin's", creator=ADMIN)
    assert set(names(call(key=key))) == {"admin's", "caller"}


def test_owner_sees_all_keys(call, portal):
    portal.add_key("his", creator=OBRIEN)
    assert set(names(call())) == {"his", "caller"}


def test_anyone_else_sees_own_keys(call, portal):
    key = portal.add_key("his", creator=OBRIEN)
    assert names(call(key=key)) == ["his"]


@pytest.mark.parametrize("permissions", [None, [], ["*"], ["*:read"], ["*:write"]])
def test_list_is_open_to_broad_scopes(call, portal, permissions):
    assert call(key=portal.add_key(permissions=permissions)).status_code == 200


@pytest.mark.parametrize("permission", ["files:read", "accounts:read", "accounts.self:read"])
def test_list_is_closed_to_narrow_scopes(call, portal, permission):
    answer = call(key=portal.add_key(permissions=[permission]))
    assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize(
    ("version", "status"), [("3.2.1", 200), ("3.6.1", 200), ("3.7.1", 403), ("4.0.0", 403)]
)
def test_any_scope_lists_keys_from_3_2_1_to_3_6_1(call, portal, version, status):
    portal.version = version
    assert call(key=portal.add_key(permissions=["files:read"])).status_code == status


@pytest.mark.parametrize(("version", "status"), [("3.7.2", 200), ("3.8.2", 200), ("3.9.0", 403)])
def test_guest_gets_403_after_3_8(call, portal, version, status):
    portal.version = version
    assert call(key=portal.add_key(creator=GUEST)).status_code == status


def test_own_key_is_open_to_any_scope(call, portal):
    key = portal.add_key("narrow", permissions=["files:read"])
    assert call(SELF_KEY, key=key).json()["response"]["id"] == key.id


@pytest.mark.parametrize(("version", "status"), [("3.1.0", 404), ("3.1.1", 200)])
def test_own_key_can_be_asked_for_since_3_1_1(call, portal, version, status):
    portal.version = version
    assert call(SELF_KEY).status_code == status


@pytest.mark.parametrize("permissions", [None, ["*:read"], ["*:write"], ["accounts.self:read"]])
def test_profile_is_open_to(call, portal, permissions):
    assert call(PROFILE, key=portal.add_key(permissions=permissions)).status_code == 200


def test_profile_is_closed_to_other_scopes(call, portal):
    assert call(PROFILE, key=portal.add_key(permissions=["files:read"])).status_code == 403


@pytest.mark.parametrize(("person", "expected"), [(OWNER, True), (OBRIEN, False)])
def test_profile_says_whether_the_caller_is_admin_and_owner(call, portal, person, expected):
    profile = call(PROFILE, key=portal.add_key(creator=person)).json()["response"]
    assert (profile["isAdmin"], profile["isOwner"]) == (expected, expected)


def test_permissions_are_listed(call):
    assert "accounts.self:read" in call("/api/2.0/keys/permissions").json()["response"]


@pytest.mark.parametrize("version", ["3.7.2", "", "<b>"])
def test_version_is_what_the_portal_was_given(call, portal, version):
    portal.version = version
    assert call(VERSION).json()["response"]["docSpace"] == version


def test_unknown_path_is_404_in_the_error_shape(call):
    assert call("/api/2.0/nothing").json()["statusCode"] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_portal_is_read_only(call, method):
    assert call(method=method).status_code == 405


# Disabled people

DISABLED = f"{PEOPLE}?employeeStatus=2&count=100&startIndex=0"


def crowd(portal, count):
    """Add ``count`` disabled people."""
    for number in range(count):
        portal.people[f"p{number}"] = Person(f"p{number}", f"Person {number}", is_disabled=True)


def test_disabled_people_are_listed_with_status_2(call, portal):
    portal.disable(OBRIEN.id)
    people = call(DISABLED).json()["response"]
    assert [(each["id"], each["displayName"], each["status"]) for each in people] == [
        (OBRIEN.id, "Liam O&#39;Brien", 2)
    ]


def test_active_people_are_listed_with_status_1(call):
    people = call(f"{PEOPLE}?employeeStatus=1").json()["response"]
    assert {each["status"] for each in people} == {1}
    assert len(people) == 4


def test_total_is_in_the_envelope_of_every_page(call, portal):
    crowd(portal, 230)
    pages = [call(f"{PEOPLE}?employeeStatus=2&startIndex={at}").json() for at in (0, 100, 200, 300)]
    assert [(len(page["response"]), page["total"]) for page in pages] == [
        (100, 230),
        (100, 230),
        (30, 230),
        (0, 230),
    ]


def test_pages_follow_each_other_without_a_gap(call, portal):
    crowd(portal, 25)
    found = [
        person["id"]
        for start in range(0, 30, 10)
        for person in call(f"{PEOPLE}?employeeStatus=2&count=10&startIndex={start}").json()[
            "response"
        ]
    ]
    assert found == [f"p{number}" for number in range(25)]


@pytest.mark.parametrize(
    "query", ["count=101", "count=0", "count=x", "startIndex=-1", "employeeStatus=x"]
)
def test_page_of_more_than_100_is_400(call, query):
    assert call(f"{PEOPLE}?{query}").status_code == 400


def test_fields_leave_all_else_out(call, portal):
    portal.disable(OBRIEN.id)
    people = call(f"{DISABLED}&fields=id,status").json()["response"]
    assert people == [{"id": OBRIEN.id, "status": 2}]


@pytest.mark.parametrize("permissions", [None, ["*:read"], ["*:write"], ["accounts:read"]])
def test_people_are_open_to_an_admin_with(call, portal, permissions):
    key = portal.add_key(creator=ADMIN, permissions=permissions)
    assert call(DISABLED, key=key).status_code == 200


@pytest.mark.parametrize("permissions", [["files:read"], ["accounts.self:read"]])
def test_people_are_closed_to_other_scopes(call, portal, permissions):
    answer = call(DISABLED, key=portal.add_key(permissions=permissions))
    assert (answer.status_code, answer.content) == (403, b"")


def test_people_are_closed_to_whoever_is_no_admin(call, portal):
    assert call(DISABLED, key=portal.add_key(creator=OBRIEN)).status_code == 403


def test_people_are_answered_by_an_unpaid_portal_too(call, portal):
    portal.condition = "unpaid"
    assert call(DISABLED).status_code == 200


# Authentication


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer sk-wrong", "Bearer session", "nothing", "Basic !", "Basic eDp5"],
)
def test_wrong_authorization_is_401(call, header):
    assert call(authorization=header).status_code == 401


def test_401_has_no_body(call):
    assert call(authorization="Bearer sk-wrong").content == b""


def test_bare_key_is_refused(call):
    assert call(authorization=call.key.secret).status_code == 401


def test_disabled_key_is_401(call, portal):
    assert call(key=portal.add_key(is_active=False)).status_code == 401


def test_expired_key_is_401_even_before_it_is_switched_off(call, portal):
    key = portal.add_key(expires_at=START - 1)
    assert (portal.key(key.id).is_active, call(key=key).status_code) == (True, 401)


@pytest.mark.parametrize("path", [KEYS, SELF_KEY, PROFILE, PEOPLE, VERSION])
def test_key_of_a_disabled_creator_is_401_at_every_call(call, portal, path):
    key = portal.add_key(creator=ADMIN)
    portal.disable(ADMIN.id)
    assert call(path, key=key).status_code == 401


def test_key_of_a_removed_creator_is_401(call, portal):
    key = portal.add_key(creator=OBRIEN)
    portal.remove_person(OBRIEN.id)
    assert call(key=key).status_code == 401


def test_401_has_no_www_authenticate(call):
    assert "WWW-Authenticate" not in call(authorization="Bearer sk-wrong").headers


@pytest.mark.parametrize(
    ("header", "path", "status"),
    [("{}", KEYS, 200), ("Bearer {}", KEYS, 401), ("{}", SELF_KEY, 401)],
)
def test_session_token_is_accepted_bare_and_has_no_own_key(call, portal, header, path, status):
    token = portal.open_session(OWNER)
    assert call(path, authorization=header.format(token)).status_code == status


# Life of a key


def test_call_moves_the_keys_own_last_use(call):
    assert only(call(), "caller")["lastUsed"] == "2026-09-21T14:13:20.0000000Z"


def test_call_refused_for_its_scope_moves_last_use(call, portal):
    key = portal.add_key(permissions=["files:read"])
    call(key=key)
    assert portal.key(key.id).last_used == START


def test_call_refused_for_its_disabled_creator_moves_last_use(call, portal):
    key = portal.add_key(creator=OBRIEN)
    portal.disable(OBRIEN.id)
    call(key=key)
    assert portal.key(key.id).last_used == START


def test_call_refused_for_its_removed_creator_moves_last_use(call, portal):
    key = portal.add_key(creator=GONE)
    call(key=key)
    assert portal.key(key.id).last_used == START


def test_call_refused_for_its_rate_moves_last_use(call, portal):
    portal.rate_limit = 0
    call()
    assert portal.key(call.key.id).last_used == START


@pytest.mark.parametrize("condition", ["unpaid", "ip_blocked"])
def test_call_refused_for_tariff_or_address_moves_last_use(call, portal, condition):
    key = portal.add_key(creator=ADMIN)
    portal.condition = condition
    assert (call(key=key).status_code != 200, portal.key(key.id).last_used) == (True, START)


def test_call_leaves_other_keys_last_use(call, portal):
    portal.add_key("other", last_used=START - 60)
    assert only(call(), "other")["lastUsed"] == "2026-09-21T14:12:20.0000000Z"


@pytest.mark.parametrize(("version", "interval"), [("3.7.1", 600), ("3.6.1", 86400)])
def test_job_switches_off_every_ten_minutes_from_3_7_1_and_once_a_day_before(
    call, portal, clock, version, interval
):
    portal.version = version
    key = portal.add_key(expires_at=START + 1)
    clock.time = START + interval - 1
    assert only(call(), key.name)["isActive"] is True
    clock.time += 1
    assert only(call(), key.name)["isActive"] is False


def test_job_leaves_a_key_that_expired_since_its_run(call, portal, clock):
    portal.add_key("one", expires_at=START + 601)
    clock.time = START + 602
    assert only(call(), "one")["isActive"] is True


# Limits


def limits(answer):
    found = {name.lower(): value for name, value in answer.headers.items()}
    return {k: v for k, v in found.items() if k.startswith(("x-rate", "retry"))}


def test_429_of_a_get_has_limit_and_remaining_only_and_no_body(call, portal):
    portal.rate_limit = 2
    call()
    call()
    answer = call()
    assert (answer.status_code, answer.content) == (429, b"")
    assert limits(answer) == {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0"}


def test_limit_headers_never_come_with_a_200(call):
    assert limits(call()) == {}


def test_self_hosted_server_has_no_limit(call, portal):
    portal.rate_limit = None
    assert {call().status_code for _ in range(20)} == {200}


def test_window_slides(call, portal, clock):
    portal.rate_limit = 1
    call()
    clock.time += 60
    assert call().status_code == 200


def test_limit_is_each_users_own(call, portal):
    portal.rate_limit = 1
    call()
    assert call(key=portal.add_key(creator=OBRIEN)).status_code == 200


def test_limit_is_1500_a_minute_by_default(portal):
    assert portal.rate_limit == 1500


# A portal in trouble


@pytest.mark.parametrize(("condition", "status"), ERROR_CONDITIONS.items())
def test_trouble_is_reported_in_the_error_shape(call, portal, condition, status):
    portal.condition = condition
    answer = call()
    body = answer.json()
    assert (answer.status_code, body["status"], body["statusCode"], set(body["error"])) == (
        status,
        1,
        status,
        {"message", "type", "stack", "hresult"},
    )


def test_no_such_portal_is_a_500_that_names_the_tenant(call, portal):
    portal.condition = "no_such_portal"
    assert call().json()["error"]["message"] == "Could not resolve current tenant :-(."


def test_restored_portal_is_403_as_problem_json(call, portal):
    portal.condition = "restoring"
    answer = call()
    assert (answer.status_code, answer.json()["status"]) == (403, 403)
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"


def test_restored_portal_still_answers_for_the_own_key(call, portal):
    portal.condition = "restoring"
    assert call(SELF_KEY).status_code == 200


@pytest.mark.parametrize("path", [KEYS, SELF_KEY])
def test_address_that_is_not_allowed_is_403_in_plain_text(call, portal, path):
    portal.condition = "ip_blocked"
    answer = call(path, key=portal.add_key(creator=ADMIN))
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        403,
        "text/plain; charset=utf-8",
    )


def test_address_list_exempts_keys_of_the_owner(call, portal):
    portal.condition = "ip_blocked"
    assert call().status_code == 200


def test_wrong_key_is_401_at_an_unpaid_portal_too(call, portal):
    portal.condition = "unpaid"
    assert call(authorization="Bearer sk-wrong").status_code == 401


@pytest.mark.parametrize(
    ("condition", "status"), [("bad_gateway", 502), ("unavailable", 503), ("html", 200)]
)
def test_proxys_answer_is_a_page(call, portal, condition, status):
    portal.condition = condition
    answer = call()
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "text/html; charset=utf-8",
    )


def test_redirect_leads_to_https(call, portal, server):
    portal.condition = "redirect"
    answer = call()
    assert (answer.status_code, answer.headers["Location"]) == (
        301,
        server.url.replace("http:", "https:") + KEYS,
    )


def test_trouble_passes(call, portal):
    portal.condition = "broken"
    call()
    portal.condition = "ok"
    assert call().status_code == 200


def test_answer_is_held_back(portal, server):
    portal.delay = 600.0
    with pytest.raises(requests.ReadTimeout):
        requests.get(server.url + KEYS, timeout=0.2)


def test_fault_of_a_path_is_its_answer(call, portal):
    portal.faults[PEOPLE] = Fault(status=403, body=b"no")
    answer = call(DISABLED)
    assert (answer.status_code, answer.content, call().status_code) == (403, b"no", 200)


def test_fault_of_a_path_holds_its_answer_back(call, portal, server):
    portal.faults[PEOPLE] = Fault(delay=60.0)
    assert call().status_code == 200
    with pytest.raises(requests.ReadTimeout):
        requests.get(server.url + PEOPLE, timeout=0.2)


def test_requests_are_counted_by_path(call, portal):
    call()
    call(authorization="wrong")
    call(PROFILE)
    assert portal.requests == {KEYS: 2, PROFILE: 1}


# The server


def test_stopped_server_refuses(server):
    server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=60)


def test_server_comes_back_on_its_port(call, server):
    before = server.url
    call()
    server.stop()
    server.start()
    assert (server.url, call().status_code) == (before, 200)


def test_stop_does_not_wait_for_an_answer_held_back(call, portal, server):
    portal.delay = 600.0
    waiting = in_thread(call, "call")
    while not portal.requests[KEYS]:
        time.sleep(0.01)
    server.stop()
    assert waiting.result(60).status_code == 503


def test_stop_does_not_wait_for_a_silent_client(server, monkeypatch):
    monkeypatch.setattr(clients, "CLIENT_SECONDS", 600.0)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    connection.send(b"GET / HT")
    eventually(lambda: len(server._server._clients), bool)
    server.stop()
    assert connection.sock.recv(1) == b""
    connection.close()


def test_port_in_use_is_an_os_error(portal, server):
    with pytest.raises(OSError, match=str(server.port)):
        DemoServer(portal, port=server.port).start()


def test_client_ca_needs_a_certificate(portal):
    with pytest.raises(ValueError, match="client_ca: expected a certificate"):
        DemoServer(portal, client_ca="ca.pem")


def portal_over_tls(portal, served: Issued, authority: Issued | None = None):
    return DemoServer(
        portal,
        certificate=(served.cert_file, served.key_file),
        client_ca=authority and authority.cert_file,
    )


def test_portal_speaks_tls_with_a_private_ca(portal, served, authority):
    with portal_over_tls(portal, served) as running:
        answer = requests.get(running.url + KEYS, verify=str(authority.cert_file), timeout=60)
    assert (running.url[:8], answer.status_code) == ("https://", 401)


def test_client_without_certificate_is_refused(portal, served, authority):
    with (
        portal_over_tls(portal, served, authority) as running,
        pytest.raises(requests.ConnectionError),
    ):
        requests.get(running.url + KEYS, verify=str(authority.cert_file), timeout=60)


def test_client_with_certificate_is_accepted(portal, served, authority, certificates):
    client = issue(certificates, "client", authority)
    with portal_over_tls(portal, served, authority) as running:
        answer = requests.get(
            running.url + KEYS,
            verify=str(authority.cert_file),
            cert=(str(client.cert_file), str(client.key_file)),
            timeout=60,
        )
    assert answer.status_code == 401


# The scenario

EXPECTED = {
    "acme": {
        "keys": 27,
        "active": 22,
        "expired": 3,
        "disabled": 2,
        "7d": 7,
        "30d": 9,
        "never_expiring": 6,
        "unrestricted": 4,
        "never_used": 3,
        "orphaned": 2,
    },
    "globex": {
        "keys": 8,
        "active": 6,
        "expired": 1,
        "disabled": 1,
        "7d": 1,
        "30d": 3,
        "never_expiring": 2,
        "unrestricted": 2,
        "never_used": 1,
        "orphaned": 1,
    },
    "initech": {
        "keys": 5,
        "active": 4,
        "expired": 1,
        "disabled": 0,
        "7d": 1,
        "30d": 1,
        "never_expiring": 2,
        "unrestricted": 1,
        "never_used": 1,
        "orphaned": 0,
    },
}


@pytest.fixture
def demos(clock):
    return {demo.name: demo for demo in build(clock)}


def listed(demo, path=KEYS):
    """The answer to the exporter's key over HTTP; empty if it is refused."""
    headers = {"Authorization": f"Bearer {demo.exporter_key}"}
    with DemoServer(demo.portal) as running:
        answer = requests.get(running.url + path, headers=headers, timeout=60)
    return answer.json()["response"] if answer.status_code == 200 else []


def moment(text):
    if text is None or text.startswith("0001"):
        return None
    return datetime.fromisoformat(text).timestamp()


def counts(demo, now):
    keys = listed(demo)
    dead = {REMOVED.id, *(person["id"] for person in listed(demo, DISABLED))}

    def left(key):
        expires = moment(key.get("expiresAt"))
        return float("inf") if expires is None else expires - now

    active = [key for key in keys if key["isActive"] and left(key) > 0]
    return {
        "keys": len(keys),
        "active": len(active),
        "expired": sum(left(key) <= 0 for key in keys),
        "disabled": sum(not key["isActive"] and left(key) > 0 for key in keys),
        "7d": sum(left(key) <= 7 * DAY for key in active),
        "30d": sum(left(key) <= 30 * DAY for key in active),
        "never_expiring": sum("expiresAt" not in key for key in active),
        "unrestricted": sum(key.get("permissions") in (None, [], ["*"]) for key in active),
        "never_used": sum(moment(key.get("lastUsed")) is None for key in active),
        "orphaned": sum(key["createBy"]["id"] in dead for key in active),
    }


def test_portals_are_three(demos):
    assert list(demos) == ["acme", "globex", "initech"]


@pytest.mark.parametrize("name", EXPECTED)
def test_start_is_as_described(demos, name):
    assert counts(demos[name], START) == EXPECTED[name]


def test_scenario_is_the_same_each_run(clock):
    first, second = build(clock), build(clock)
    assert [demo.portal.keys for demo in first] == [demo.portal.keys for demo in second]


def test_lives_are_whole_days_up_to_a_year(demos, clock):
    clock.time = START + 700
    lives = {
        (key.expires_at - key.created) / DAY
        for demo in demos.values()
        for key in demo.portal.keys
        if key.expires_at is not None
    }
    assert lives <= set(range(1, 366))


def test_no_id_is_given_twice(demos):
    ids = [key.id for demo in demos.values() for key in demo.portal.keys]
    assert len(ids) == len(set(ids))


def test_acmes_names_are_awkward(demos):
    shown = " ".join(key.name for key in demos["acme"].portal.keys)
    for part in ('"', "\\", "\n", "★", "$1", "備份", "مزامنة", "<script>alert(1)</script>"):
        assert part in shown


@pytest.mark.parametrize("name", EXPECTED)
def test_names_are_at_most_30_characters_without_emoji(demos, clock, name):
    """The column is utf8mb3, which has no characters beyond the basic plane."""
    clock.time = START + 700
    shown = [key.name for key in demos[name].portal.keys]
    assert max(map(len, shown)) <= 30
    assert max("".join(shown)) <= "\uffff"


def test_acme_has_a_name_of_full_length(demos):
    assert max(len(key.name) for key in demos["acme"].portal.keys) == 30


def test_acme_has_keys_in_use_whose_creator_is_removed_or_disabled(demos, clock):
    clock.time = START + 65
    used = {key.name: key.last_used for key in demos["acme"].portal.keys}
    assert (used["zapier"], used["badge-printer"]) == (START + 60, START + 60)


@pytest.mark.parametrize(("seconds", "disabled"), [(104, False), (105, True)])
def test_somebody_is_disabled_within_two_minutes(demos, clock, seconds, disabled):
    clock.time = START + seconds
    people = listed(demos["acme"], DISABLED)
    assert ("Jane Doe" in {person["displayName"] for person in people}) is disabled


def test_key_of_the_disabled_person_goes_on_being_used_and_is_refused(demos, clock):
    clock.time = START + 305
    acme = demos["acme"]
    (key,) = named(acme, "payroll-sync")
    with DemoServer(acme.portal) as running:
        headers = {"Authorization": f"Bearer {key.secret}"}
        answer = requests.get(running.url + SELF_KEY, headers=headers, timeout=60)
    assert (key.last_used, answer.status_code) == (START + 300, 401)


def test_acmes_exporter_key_shares_its_postfix(demos):
    acme = demos["acme"]
    postfixes = [key.postfix for key in acme.portal.keys]
    assert postfixes.count(acme.exporter_key[-4:]) == 2


def test_acme_has_doubled_names(demos):
    shown = [key.name for key in demos["acme"].portal.keys]
    assert (shown.count("sync"), shown.count("deploy")) == (2, 2)


@pytest.mark.parametrize(
    ("name", "ending"), [("acme", "Z"), ("globex", "+05:30"), ("initech", "-04:00")]
)
def test_offsets_differ(demos, name, ending):
    assert listed(demos[name])[0]["createOn"].endswith(ending)


def test_globex_is_ahead_of_time(demos):
    assert demos["globex"].portal.now() == START + 90


def test_globexs_exporter_key_runs_out_in_days(demos):
    globex = demos["globex"]
    (key,) = [key for key in globex.portal.keys if key.secret == globex.exporter_key]
    assert key.expires_at - globex.portal.now() == 4 * DAY


def test_initech_has_more_keys_than_are_shown(demos):
    assert len(demos["initech"].portal.keys) == 8


@pytest.mark.parametrize("name", EXPECTED)
def test_exporters_key_reads_only(demos, name):
    demo = demos[name]
    (key,) = [key for key in demo.portal.keys if key.secret == demo.exporter_key]
    assert key.permissions == ("*:read",)


ACME_STORY = [
    (29, {}),
    (30, {"active": 21, "expired": 4, "7d": 6, "30d": 8}),
    (45, {"keys": 28, "active": 22, "expired": 4, "7d": 6, "30d": 8, "never_used": 4}),
    (
        75,
        {
            "keys": 29,
            "active": 23,
            "expired": 4,
            "7d": 6,
            "30d": 8,
            "unrestricted": 5,
            "never_used": 5,
        },
    ),
]


@pytest.mark.parametrize(("seconds", "changes"), ACME_STORY)
def test_acme_moves(demos, clock, seconds, changes):
    clock.time = START + seconds
    assert counts(demos["acme"], clock.time) == EXPECTED["acme"] | changes


def named(demo, name):
    return [key for key in demo.portal.keys if key.name == name]


@pytest.mark.parametrize(("seconds", "there"), [(119, 1), (120, 0)])
def test_a_key_vanishes_after_two_minutes(demos, clock, seconds, there):
    clock.time = START + seconds
    assert len(named(demos["acme"], "temp-share")) == there


@pytest.mark.parametrize(("seconds", "active"), [(149, True), (150, False), (480, True)])
def test_a_key_is_switched_off_after_two_and_a_half(demos, clock, seconds, active):
    clock.time = START + seconds
    assert named(demos["acme"], "chat-bridge")[0].is_active is active


def test_busy_keys_are_used(demos, clock):
    clock.time = START + 65
    assert named(demos["acme"], "billing-export")[0].last_used == START + 60


@pytest.mark.parametrize(("seconds", "active"), [(599, True), (600, False)])
def test_expired_key_is_switched_off_by_the_job_of_ten_minutes(demos, clock, seconds, active):
    clock.time = START + seconds
    assert named(demos["acme"], "stale-dashboards")[0].is_active is active


@pytest.mark.parametrize("name", EXPECTED)
def test_number_of_keys_is_bounded(demos, clock, name):
    portal = demos[name].portal
    at_start = len(portal.keys)
    most = 0
    for minute in range(0, 24 * 60, 7):
        clock.time = START + minute * 60
        most = max(most, len(portal.keys))
    assert most <= at_start + 3


# The package


def test_demo_knows_nothing_of_the_exporter():
    folder = Path(exporter.demo.__file__).parent
    imported = {
        name
        for module in folder.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        if name.startswith("exporter")
    }
    assert {
        name for name in imported if not name.startswith(("exporter.demo", "exporter.httpserver"))
    } == set()
