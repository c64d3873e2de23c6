"""The demo portal behaves as a DocSpace server does, over real sockets."""

import ast
import gzip
import http.client
import json
import re
import threading
import time
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import exporter.demo
from exporter.demo.model import NO_DATE, OWNER, Person, Portal
from exporter.demo.scenario import build
from exporter.demo.server import DemoServer

START = 1_790_000_000.0
DAY = 86400.0
KEYS = "/api/2.0/keys"
SELF_KEY = "/api/2.0/keys/@self"
PROFILE = "/api/2.0/people/@self"
SIGN_IN = "/api/2.0/authentication"
OBRIEN = Person("11111111-2222-4333-8444-555555555555", "Liam O'Brien")
ERROR_CONDITIONS = {
    "unpaid": 402,
    "suspended": 404,
    "restoring": 403,
    "ip_blocked": 403,
    "broken": 500,
}


class Clock:
    """A clock that stands until it is moved."""

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
    return Portal(clock=clock, people=(OWNER, OBRIEN))


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
            method, server.url + path, headers=headers, timeout=10, allow_redirects=False, **rest
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


def test_removed_creator_is_unknown(call, portal):
    portal.add_key("one", creator=Person("gone", "Gone"))
    creator = only(call(), "one")["createBy"]
    assert (creator["id"], creator["displayName"]) == (
        "4a515a15-d4d6-4b8e-828e-e0586f18f3a3",
        "Unknown Unknown",
    )


def test_any_name_arrives_as_it_is(call, portal):
    name = 'a"b\\c\nd <script> 🚀 備份 مزامنة'
    portal.add_key(name)
    assert only(call(), name)


def test_answer_is_gzipped_where_accepted(call, server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Authorization": f"Bearer {call.key.secret}", "Accept-Encoding": "gzip"}
    connection.request("GET", KEYS, headers=headers)
    body = connection.getresponse().read()
    connection.close()
    assert json.loads(gzip.decompress(body))["statusCode"] == 200


def test_answer_is_plain_otherwise(call, server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", KEYS, headers={"Authorization": f"Bearer {call.key.secret}"})
    body = connection.getresponse().read()
    connection.close()
    assert json.loads(body)["statusCode"] == 200


def test_connection_is_kept_alive(call, server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
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


# Who sees what


def test_admin_sees_all_keys(call, portal):
    admin = Person("a", "Admin", is_admin=True)
    portal.people["a"] = admin
    key = portal.add_key("admin's", creator=admin)
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
    assert call(key=portal.add_key(permissions=[permission])).status_code == 403


def test_own_key_is_open_to_any_scope(call, portal):
    key = portal.add_key("narrow", permissions=["files:read"])
    assert call(SELF_KEY, key=key).json()["response"]["id"] == key.id


@pytest.mark.parametrize("permissions", [None, ["*:read"], ["*:write"], ["accounts.self:read"]])
def test_profile_is_open_to(call, portal, permissions):
    assert call(PROFILE, key=portal.add_key(permissions=permissions)).status_code == 200


def test_profile_is_closed_to_other_scopes(call, portal):
    assert call(PROFILE, key=portal.add_key(permissions=["files:read"])).status_code == 403


@pytest.mark.parametrize(("person", "expected"), [(OWNER, True), (OBRIEN, False)])
def test_profile_tells_who_is_admin_and_owner(call, portal, person, expected):
    profile = call(PROFILE, key=portal.add_key(creator=person)).json()["response"]
    assert (profile["isAdmin"], profile["isOwner"]) == (expected, expected)


def test_permissions_are_listed(call):
    assert "accounts.self:read" in call("/api/2.0/keys/permissions").json()["response"]


def test_unknown_path_is_404_in_the_error_shape(call):
    assert call("/api/2.0/nothing").json()["statusCode"] == 404


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


def test_key_of_a_removed_person_is_401(call, portal):
    assert call(key=portal.add_key(creator=Person("gone", "Gone"))).status_code == 401


@pytest.fixture
def session(call):
    sent = {"userName": OWNER.user_name, "password": OWNER.password}
    response = call(SIGN_IN, method="POST", authorization="", json=sent)
    return response.json()["response"]["token"]


def test_session_token_is_accepted_bare(call, session):
    assert call(authorization=session).status_code == 200


def test_session_token_is_refused_with_bearer(call, session):
    assert call(authorization=f"Bearer {session}").status_code == 401


def test_session_has_no_own_key(call, session):
    assert call(SELF_KEY, authorization=session).status_code == 401


def test_wrong_password_opens_no_session(call):
    sent = {"userName": OWNER.user_name, "password": "guess"}
    assert call(SIGN_IN, method="POST", authorization="", json=sent).status_code == 401


def test_basic_authentication_is_accepted(call):
    header = requests.auth._basic_auth_str(OWNER.user_name, OWNER.password)
    assert call(authorization=header).status_code == 200


# Life of a key


def test_call_moves_the_keys_own_last_use(call):
    assert only(call(), "caller")["lastUsed"] == "2026-09-21T14:13:20.0000000Z"


def test_refused_scope_moves_last_use_too(call, portal):
    key = portal.add_key(permissions=["files:read"])
    call(key=key)
    assert portal.key(key.id).last_used == START


def test_call_leaves_other_keys_last_use(call, portal):
    portal.add_key("other", last_used=START - 60)
    assert only(call(), "other")["lastUsed"] == "2026-09-21T14:12:20.0000000Z"


def test_expired_key_stays_active_until_the_job_runs(call, portal, clock):
    portal.add_key("one", expires_at=START + 1)
    clock.time = START + 599
    assert only(call(), "one")["isActive"] is True


def test_job_switches_expired_keys_off_every_ten_minutes(call, portal, clock):
    portal.add_key("one", expires_at=START + 1)
    clock.time = START + 600
    assert only(call(), "one")["isActive"] is False


def test_job_leaves_a_key_that_expired_since_its_run(call, portal, clock):
    portal.add_key("one", expires_at=START + 601)
    clock.time = START + 602
    assert only(call(), "one")["isActive"] is True


def test_interval_of_the_job_is_an_argument(clock):
    portal = Portal(clock=clock, job_interval=5)
    key = portal.add_key(expires_at=START + 1)
    clock.time = START + 5
    portal.advance()
    assert portal.key(key.id).is_active is False


# Writing


def create(call, **fields):
    return call(method="POST", json={"name": "made", **fields})


def test_created_key_is_told_in_full_once(call, portal):
    made = create(call).json()["response"]
    assert re.fullmatch(r"sk-[0-9a-f]{64}", made["key"])
    assert only(call(), "made")["key"] == "sk-***" + made["key"][-4:]


def test_created_key_works(call):
    secret = create(call).json()["response"]["key"]
    assert call(authorization=f"Bearer {secret}").status_code == 200


def test_created_key_expires_after_its_days(call, portal):
    made = create(call, expiresInDays=7).json()["response"]
    assert portal.key(made["id"]).expires_at == START + 7 * DAY


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x" * 31},
        {"name": None},
        {"name": 5},
        {"name": "\ud800"},
        {"permissions": ["files:delete"]},
        {"permissions": "*"},
        {"expiresInDays": 0},
        {"expiresInDays": 366},
        {"expiresInDays": "7"},
    ],
)
def test_bad_creation_is_400(call, fields):
    assert create(call, **fields).status_code == 400


def test_name_of_thirty_characters_is_accepted(call):
    assert create(call, name="é" * 30).status_code == 200


def test_body_that_is_not_json_is_400(call):
    assert call(method="POST", data=b"{").status_code == 400


def test_sixth_creation_within_fifteen_minutes_is_429(call):
    assert [create(call).status_code for _ in range(6)] == [200] * 5 + [429]


def test_creation_is_open_again_after_fifteen_minutes(call, clock):
    for _ in range(5):
        create(call)
    clock.time += 900
    assert create(call).status_code == 200


def test_key_can_be_changed(call, portal):
    key = portal.add_key()
    sent = {"name": "new", "permissions": ["files:read"], "isActive": False}
    call(f"{KEYS}/{key.id}", method="PUT", json=sent)
    changed = portal.key(key.id)
    assert (changed.name, changed.permissions, changed.is_active) == ("new", ("files:read",), False)


def test_expired_key_cannot_be_revived(call, portal):
    key = portal.add_key(is_active=False, expires_at=START - 1)
    answer = call(f"{KEYS}/{key.id}", method="PUT", json={"isActive": True})
    assert (answer.status_code, portal.key(key.id).is_active) == (400, False)


def test_key_can_be_deleted(call, portal):
    key = portal.add_key()
    call(f"{KEYS}/{key.id}", method="DELETE")
    assert portal.key(key.id) is None


def test_keys_of_others_cannot_be_deleted_by_a_user(call, portal):
    key = portal.add_key(creator=OBRIEN)
    answer = call(f"{KEYS}/{call.key.id}", method="DELETE", key=key)
    assert (answer.status_code, portal.key(call.key.id) is not None) == (404, True)


def test_reading_scope_cannot_write(call, portal):
    key = portal.add_key(permissions=["*:read"])
    assert call(method="POST", key=key, json={"name": "x"}).status_code == 403


# Limits


def test_limit_passed_is_429_with_its_headers(call, portal, clock):
    portal.rate_limit = 2
    call()
    clock.time += 10.5
    call()
    answer = call()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    told = {k: v for k, v in headers.items() if k.startswith(("x-rate", "retry"))}
    assert (answer.status_code, told) == (
        429,
        {
            "retry-after": "50",
            "x-ratelimit-limit": "2",
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int(START) + 60),
        },
    )


def test_window_slides(call, portal, clock):
    portal.rate_limit = 1
    call()
    clock.time += 60
    assert call().status_code == 200


def test_limit_is_each_users_own(call, portal):
    portal.rate_limit = 1
    call()
    assert call(key=portal.add_key(creator=OBRIEN)).status_code == 200


def test_limit_is_1500_a_minute_and_50_at_once(portal):
    assert (portal.rate_limit, portal.concurrency) == (1500, 50)


def test_too_many_gets_at_once_are_429(call, portal):
    portal.concurrency = 1
    portal.delay = 1.0
    first = threading.Thread(target=call)
    first.start()
    while not portal.requests[KEYS]:
        time.sleep(0.01)
    time.sleep(0.1)
    portal.delay = 0.0
    second = call()
    first.join()
    assert (second.status_code, second.headers["Retry-After"]) == (429, "1")


def test_place_is_free_again_after_the_answer(call, portal):
    portal.concurrency = 1
    assert [call().status_code, call().status_code] == [200, 200]


def test_200_has_no_limit_headers_by_default(call):
    assert "X-RateLimit-Limit" not in call().headers


def test_200_has_limit_headers_when_switched_on(call, portal):
    portal.rate_limit_headers = True
    assert call().headers["X-RateLimit-Remaining"] == "1499"


# A portal in trouble


@pytest.mark.parametrize(("condition", "status"), ERROR_CONDITIONS.items())
def test_trouble_is_told_in_the_error_shape(call, portal, condition, status):
    portal.condition = condition
    answer = call()
    body = answer.json()
    assert (answer.status_code, body["status"], body["statusCode"], set(body["error"])) == (
        status,
        1,
        status,
        {"message", "type", "stack", "hresult"},
    )


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


def test_answer_is_held_back(call, portal):
    portal.delay = 0.3
    before = time.monotonic()
    call()
    assert time.monotonic() - before >= 0.3


def test_requests_are_counted_by_path(call, portal):
    call()
    call(authorization="wrong")
    call(PROFILE)
    assert portal.requests == {KEYS: 2, PROFILE: 1}


# The server


def test_stopped_server_refuses(server):
    server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)


def test_server_comes_back_on_its_port(call, server):
    before = server.url
    call()
    server.stop()
    server.start()
    assert (server.url, call().status_code) == (before, 200)


def test_stop_does_not_wait_for_an_answer_held_back(call, portal, server):
    portal.delay = 60.0
    waiting = threading.Thread(target=call)
    waiting.start()
    while not portal.requests[KEYS]:
        time.sleep(0.01)
    before = time.monotonic()
    server.stop()
    took = time.monotonic() - before
    waiting.join()
    assert took < 1.5


def test_stop_does_not_wait_for_a_silent_client(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.connect()
    connection.send(b"GET / HT")
    time.sleep(0.1)
    before = time.monotonic()
    server.stop()
    took = time.monotonic() - before
    connection.close()
    assert took < 1.5


def test_port_in_use_is_an_os_error(portal, server):
    with pytest.raises(OSError, match=str(server.port)):
        DemoServer(portal, port=server.port).start()


def test_client_ca_needs_a_certificate(portal):
    with pytest.raises(ValueError, match="client_ca: expected a certificate"):
        DemoServer(portal, client_ca="ca.pem")


def issue(folder: Path, name, signer=None):
    """Write NAME.pem and NAME.key, signed by `signer` or by itself; return (cert, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer_cert, issuer_key = signer or (None, key)
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_cert.subject if issuer_cert else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(authority, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


@pytest.fixture
def tls(tmp_path):
    """A folder with the files of a CA, and of a server and a client it signed."""
    authority = issue(tmp_path, "ca")
    issue(tmp_path, "server", authority)
    issue(tmp_path, "client", authority)
    return tmp_path


def test_portal_speaks_tls_with_a_private_ca(portal, tls):
    files = (tls / "server.pem", tls / "server.key")
    with DemoServer(portal, host="localhost", certificate=files) as running:
        answer = requests.get(running.url + KEYS, verify=str(tls / "ca.pem"), timeout=10)
    assert (running.url[:8], answer.status_code) == ("https://", 401)


def mutual(portal, tls):
    files = (tls / "server.pem", tls / "server.key")
    return DemoServer(portal, host="localhost", certificate=files, client_ca=tls / "ca.pem")


def test_client_without_certificate_is_turned_away(portal, tls):
    with mutual(portal, tls) as running, pytest.raises(requests.ConnectionError):
        requests.get(running.url + KEYS, verify=str(tls / "ca.pem"), timeout=10)


def test_client_with_certificate_is_let_in(portal, tls):
    with mutual(portal, tls) as running:
        answer = requests.get(
            running.url + KEYS,
            verify=str(tls / "ca.pem"),
            cert=(str(tls / "client.pem"), str(tls / "client.key")),
            timeout=10,
        )
    assert answer.status_code == 401


# The scenario

EXPECTED = {
    "acme": {
        "keys": 25,
        "active": 20,
        "expired": 3,
        "disabled": 2,
        "7d": 7,
        "30d": 9,
        "never_expiring": 6,
        "unrestricted": 4,
        "never_used": 3,
        "orphaned": 1,
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


def listed(demo):
    """Return what the exporter's key is shown, over HTTP."""
    headers = {"Authorization": f"Bearer {demo.exporter_key}"}
    with DemoServer(demo.portal) as running:
        answer = requests.get(running.url + KEYS, headers=headers, timeout=10)
    return answer.json()["response"]


def moment(text):
    if text is None or text.startswith("0001"):
        return None
    return datetime.fromisoformat(text).timestamp()


def counts(keys, now):
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
        "orphaned": sum(key["createBy"]["displayName"] == "Unknown Unknown" for key in active),
    }


def test_portals_are_three(demos):
    assert list(demos) == ["acme", "globex", "initech"]


@pytest.mark.parametrize("name", EXPECTED)
def test_start_is_as_told(demos, name):
    assert counts(listed(demos[name]), START) == EXPECTED[name]


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
    for part in ('"', "\\", "\n", "🚀", "備份", "مزامنة", "<script>alert(1)</script>"):
        assert part in shown


def test_acme_has_a_name_of_full_length(demos):
    assert max(len(key.name) for key in demos["acme"].portal.keys) == 30


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
    (30, {"active": 19, "expired": 4, "7d": 6, "30d": 8}),
    (45, {"keys": 26, "active": 20, "expired": 4, "7d": 6, "30d": 8, "never_used": 4}),
    (
        75,
        {
            "keys": 27,
            "active": 21,
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
    assert counts(listed(demos["acme"]), clock.time) == EXPECTED["acme"] | changes


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


def test_stale_key_is_switched_off_within_a_minute(demos, clock):
    clock.time = START + 60
    assert named(demos["acme"], "stale-dashboards")[0].is_active is False


@pytest.mark.parametrize("name", EXPECTED)
def test_number_of_keys_is_bounded(demos, clock, name):
    portal = demos[name].portal
    at_start = len(portal.keys)
    most = 0
    for minute in range(0, 24 * 60, 7):
        clock.time = START + minute * 60
        most = max(most, len(portal.keys))
    assert most <= at_start + 3


# The vendor's own client


@pytest.fixture(scope="module")
def vendor():
    """The SDK's package; importing it warns of a field name of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import docspace_api_sdk
    return docspace_api_sdk


@contextmanager
def client_of(vendor, demo):
    with DemoServer(demo.portal) as running:
        configuration = vendor.Configuration(host=running.url, access_token=demo.exporter_key)
        with vendor.ApiClient(configuration) as client:
            yield client


@pytest.fixture
def globex(vendor, demos):
    """A client of the SDK on `globex`."""
    with client_of(vendor, demos["globex"]) as client:
        yield client


def test_sdk_reads_the_list_as_the_model_has_it(vendor, globex, demos):
    portal = demos["globex"].portal
    read = [
        (
            str(key.id),
            key.name,
            key.key,
            key.key_postfix,
            key.permissions and tuple(key.permissions),
            key.is_active,
            key.create_on.utc_time.timestamp(),
            key.expires_at and key.expires_at.utc_time.timestamp(),
            key.last_used and key.last_used.utc_time.timestamp(),
            str(key.create_by.id),
        )
        for key in vendor.ApiKeysApi(globex).get_api_keys().response
    ]
    assert read == [
        (
            key.id,
            key.name,
            key.masked,
            key.postfix,
            key.permissions,
            key.is_active,
            key.created,
            key.expires_at,
            key.last_used,
            portal.creator(key).id,
        )
        for key in portal.keys
    ]


@pytest.mark.parametrize("name", EXPECTED)
def test_sdk_reads_every_portal(vendor, demos, name):
    with client_of(vendor, demos[name]) as client:
        answer = vendor.ApiKeysApi(client).get_api_keys()
    assert answer.count == EXPECTED[name]["keys"]


def test_sdk_reads_the_own_key(vendor, globex):
    assert vendor.ApiKeysApi(globex).get_api_key().response.name == "grafana-alerts"


def test_sdk_reads_the_profile(vendor, globex):
    profile = vendor.ProfilesApi(globex).get_self_profile().response
    assert (profile.display_name, profile.is_admin, profile.is_owner) == ("Priya Raman", True, True)


def test_sdk_reads_the_permissions(vendor, globex):
    assert "*:read" in vendor.ApiKeysApi(globex).get_all_permissions().response


# The room


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
