"""A portal's HTTP responses.

The order of the checks is that of the server: the portal as a whole, the caller, the states of the
portal that depend on the caller, the rate limit, the scope, and last the requested path.
"""

import gzip
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate

from exporter.demo import wire
from exporter.demo.access import READS_KEYS, READS_PEOPLE, READS_SELF, Caller, authenticate
from exporter.demo.key import PERMISSIONS
from exporter.demo.model import Condition, Fault, Portal
from exporter.demo.wire import failure
from exporter.httpserver.message import Reply, Request

API = "/api/2.0"
KEYS = f"{API}/keys"
OWN_KEY = f"{KEYS}/@self"
PEOPLE = f"{API}/people/filter"
GZIP_FROM = 1000
"""Least bytes of a body that the proxy compresses."""
MAX_COUNT = 100
"""Most people in one answer."""

OUTAGES: Mapping[Condition, Reply] = {
    "suspended": failure(404, "Portal not found"),
    "no_such_portal": failure(500, "Could not resolve current tenant :-(."),
    "broken": failure(500, "Object reference not set", kind="System.NullReferenceException"),
    "bad_gateway": wire.page(502, "502 Bad Gateway"),
    "unavailable": wire.page(503, "503 Service Temporarily Unavailable"),
    "html": wire.page(200, "Sign in"),
}
"""Conditions in which every caller gets the same response."""

UNPAID = failure(402, "The portal's tariff is not paid", kind="BillingException")
RESTORING = wire.problem(403, "The portal is being restored")
IP_BLOCKED = Reply(b"Your IP address is not allowed", status=403)
UNAUTHORIZED = Reply(b"", status=401)
SCOPE_TOO_NARROW = Reply(b"", status=403)
NO_ADMIN = failure(403, "Access denied", kind="System.Security.SecurityException")
NOT_FOUND = failure(404, "The requested resource was not found")
ONLY_GET = Reply(b"", status=405, headers={"Allow": "GET"})


class SlidingWindow:
    """Accepts a limited number of requests of each person in any `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._accepted: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def accept(self, person_id: str, now: float, limit: int) -> bool:
        """Whether one more request is within the limit; if not, it is not counted."""
        with self._lock:
            accepted = self._accepted.setdefault(person_id, deque())
            while accepted and accepted[0] <= now - self._seconds:
                accepted.popleft()
            within = len(accepted) < limit
            if within:
                accepted.append(now)
            return within


class PortalApp:
    """Answers for one portal; `closing`, once set, ends the wait of each delayed answer."""

    def __init__(self, portal: Portal, closing: threading.Event) -> None:
        self._portal = portal
        self._closing = closing
        self._window = SlidingWindow(60.0)
        self._routes: Mapping[str, Callable[[Request, Caller], Reply]] = {
            KEYS: self._keys,
            OWN_KEY: self._own_key,
            f"{KEYS}/permissions": self._permissions,
            f"{API}/people/@self": self._profile,
            PEOPLE: self._people,
            f"{API}/settings/version/build": self._version,
        }

    def __call__(self, request: Request) -> Reply:
        """Answer one request by the portal's clock, after its delay, in gzip if accepted."""
        request = replace(request, path=request.path.rstrip("/"))
        self._portal.count(request.path)
        response = self._answer(request)
        delay = self._portal.delay + self._fault(request).delay
        if delay and self._closing.wait(delay):
            response = OUTAGES["unavailable"]
        headers = {
            "Date": formatdate(self._portal.now(), usegmt=True),
            "Server": "openresty",
            **response.headers,
        }
        body, encoding = response.body, "identity"
        accepts_gzip = "gzip" in request.header("Accept-Encoding")
        if self._portal.gzip and accepts_gzip and len(body) >= GZIP_FROM:
            body, encoding = gzip.compress(body, mtime=0), "gzip"
            headers["Vary"] = "Accept-Encoding"
        kind = response.content_type if body else ""
        return Reply(body, kind, response.status, headers, encoding)

    def _fault(self, request: Request) -> Fault:
        return self._portal.faults.get(request.path, Fault())

    def _answer(self, request: Request) -> Reply:
        now = self._portal.advance()
        fault, condition = self._fault(request), self._portal.condition
        if fault.status is not None:
            return Reply(fault.body, wire.JSON_TYPE, fault.status)
        if condition == "redirect":
            return Reply(b"", status=301, headers={"Location": _url(request, "https")})
        if condition in OUTAGES:
            return OUTAGES[condition]
        caller = authenticate(self._portal, request.header("Authorization"))
        if caller is None:
            return UNAUTHORIZED
        route = self._routes.get(request.path)
        if route is None:
            return NOT_FOUND
        if request.method != "GET":
            return ONLY_GET
        return self._refuse(request, caller, now) or route(request, caller)

    def _refuse(self, request: Request, caller: Caller, now: float) -> Reply | None:
        """The error answer if the portal refuses a known caller for its state or its rate limit."""
        portal = self._portal
        if portal.condition == "ip_blocked" and not caller.person.is_owner:
            return IP_BLOCKED
        if portal.condition == "unpaid" and request.path != PEOPLE:
            return UNPAID
        if portal.condition == "restoring" and request.path != OWN_KEY:
            return RESTORING
        limit = portal.rate_limit
        if limit is None or self._window.accept(caller.person.id, now, limit):
            return None
        headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0"}
        return Reply(b"", status=429, headers=headers)

    def _keys(self, request: Request, caller: Caller) -> Reply:
        release = self._portal.release
        if not release.lists_for_any_scope and not caller.may(READS_KEYS):
            return SCOPE_TOO_NARROW
        if caller.person.is_guest and not release.lists_for_guests:
            return NO_ADMIN
        found = [wire.key(self._portal, key) for key in self._portal.visible_to(caller.person)]
        return wire.envelope(found, _url(request))

    def _own_key(self, request: Request, caller: Caller) -> Reply:
        if not self._portal.release.has_own_key:
            return NOT_FOUND
        if caller.key is None:
            return UNAUTHORIZED
        return wire.envelope(wire.key(self._portal, caller.key), _url(request))

    def _permissions(self, request: Request, caller: Caller) -> Reply:
        if not caller.may(READS_KEYS):
            return SCOPE_TOO_NARROW
        return wire.envelope(list(PERMISSIONS), _url(request))

    def _profile(self, request: Request, caller: Caller) -> Reply:
        if not caller.may(READS_SELF):
            return SCOPE_TOO_NARROW
        return wire.envelope(wire.profile(caller.person), _url(request))

    def _people(self, request: Request, caller: Caller) -> Reply:
        if not caller.may(READS_PEOPLE):
            return SCOPE_TOO_NARROW
        if not caller.person.sees_all_keys:
            return NO_ADMIN
        return _people_page(self._portal, request.query, _url(request))

    def _version(self, request: Request, _: Caller) -> Reply:
        return wire.envelope({"docSpace": self._portal.version}, _url(request))


def _url(request: Request, scheme: str = "") -> str:
    """The requested URL without its query, and with another scheme if one is given."""
    host = request.header("Host") or "localhost"
    return f"{scheme or request.scheme}://{host}{request.path}"


def _people_page(portal: Portal, query: Mapping[str, list[str]], url: str) -> Reply:
    """One page: `count` people from `startIndex` on; a `count` above 100 is a 400.

    `employeeStatus` is 1 (active), 2 (disabled) or 3 for both, its default. `fields` has the names
    of the fields to send, comma-separated. `total` in the answer is the number of all people found.
    """
    sent = {name: values[-1] for name, values in query.items()}
    try:
        count = int(sent.get("count", MAX_COUNT))
        start = int(sent.get("startIndex", 0))
        wanted = int(sent.get("employeeStatus", 3))
    except ValueError:
        count = start = wanted = -1
    if not 1 <= count <= MAX_COUNT or start < 0:
        return failure(400, f"count: expected 1 to {MAX_COUNT}", kind="System.ArgumentException")
    with portal.lock:
        people = [each for each in portal.people.values() if wire.status(each) & wanted]
    fields = set(sent["fields"].split(",")) if "fields" in sent else None
    page = [
        {
            name: value
            for name, value in wire.profile(person).items()
            if not fields or name in fields
        }
        for person in people[start : start + count]
    ]
    return wire.envelope(page, url, total=len(people))
