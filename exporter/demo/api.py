"""A portal's HTTP answers.

The order of checks is the server's: the portal as a whole, the caller, the caller's limits, the
scope, and only then the matter itself.
"""

import gzip
import math
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from exporter.demo import wire
from exporter.demo.access import READS_KEYS, READS_SELF, WRITES_KEYS, Caller, Doorkeeper
from exporter.demo.editing import Editor, read_json
from exporter.demo.limits import AtOnce, Quota, SlidingWindow
from exporter.demo.model import PERMISSIONS, Condition, Portal
from exporter.demo.wire import Answer, failure
from exporter.httpserver import message

KEYS = "/api/2.0/keys"
MAX_BODY_BYTES = 65536

CONDITIONS: Mapping[Condition, Answer] = {
    "unpaid": failure(402, "The portal's tariff is not paid", kind="BillingException"),
    "suspended": failure(404, "Portal not found"),
    "restoring": failure(403, "Access denied: the portal is being restored"),
    "ip_blocked": failure(403, "Access denied: your address is not allowed"),
    "broken": failure(500, "Object reference not set", kind="System.NullReferenceException"),
    "bad_gateway": wire.page(502, "502 Bad Gateway"),
    "unavailable": wire.page(503, "503 Service Temporarily Unavailable"),
    "html": wire.page(200, "Sign in"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request decides its answer."""

    method: str
    path: str
    host: str
    scheme: str
    authorization: str
    body: bytes

    @classmethod
    def of(cls, received: message.Request) -> "Request":
        """Read it from what the server received."""
        return cls(
            method=received.method,
            path=received.path.rstrip("/"),
            host=received.header("Host") or "localhost",
            scheme=received.scheme,
            authorization=received.header("Authorization"),
            body=received.body,
        )

    @property
    def url(self) -> str:
        """The address that was asked for."""
        return f"{self.scheme}://{self.host}{self.path}"


class PortalApp:
    """Answers for one portal; `closing`, once set, ends every wait that `portal.delay` began."""

    def __init__(self, portal: Portal, closing: threading.Event) -> None:
        self._portal = portal
        self._closing = closing
        self._doorkeeper = Doorkeeper(portal)
        self._editor = Editor(portal)
        self._window = SlidingWindow(60.0)
        self._open = AtOnce()

    def __call__(self, received: message.Request) -> message.Reply:
        """Answer one request; by the portal's clock, after its delay, in gzip where accepted."""
        request = Request.of(received)
        self._portal.count(request.path)
        with ExitStack() as places:
            answer = self._answer(request, places)
            if self._portal.delay and self._closing.wait(self._portal.delay):
                answer = CONDITIONS["unavailable"]
        headers = {
            "Date": formatdate(self._portal.now(), usegmt=True),
            "Server": "openresty",
            **dict(answer.headers),
        }
        body, encoding = answer.body, "identity"
        if body and self._portal.gzip and "gzip" in received.header("Accept-Encoding"):
            body, encoding = gzip.compress(body, mtime=0), "gzip"
            headers["Vary"] = "Accept-Encoding"
        kind = answer.content_type if body else ""
        return message.Reply(body, kind, answer.status, headers, encoding)

    def _answer(self, request: Request, places: ExitStack) -> Answer:
        now = self._portal.advance()
        condition = self._portal.condition
        if condition == "redirect":
            where = ("Location", f"https://{request.host}{request.path}")
            return Answer(301, headers=(where,))
        if condition != "ok":
            return CONDITIONS[condition]
        if request.path == "/api/2.0/authentication":
            return self._sign_in(request)
        caller = self._doorkeeper.admit(request.authorization)
        if caller is None:
            return Answer(401)
        user = caller.person.id
        if request.method == "GET" and not places.enter_context(
            self._open.enter(user, self._portal.concurrency)
        ):
            full = Quota(self._portal.concurrency, remaining=0, reset=math.ceil(now) + 1, wait=1)
            return failure(429, "Too many requests at once", headers=full.headers())
        quota = self._window.take(user, now, self._portal.rate_limit)
        if quota.wait is not None:
            return failure(429, "Too many requests", headers=quota.headers())
        answer = self._route(request, caller)
        if not self._portal.rate_limit_headers:
            return answer
        return replace(answer, headers=(*quota.headers(), *answer.headers))

    def _sign_in(self, request: Request) -> Answer:
        sent = read_json(request.body)
        if request.method != "POST" or sent is None:
            return failure(400, "Expected a POST with userName and password")
        session = self._doorkeeper.open_session(
            str(sent.get("userName", "")), str(sent.get("password", ""))
        )
        if session is None:
            return Answer(401)
        token, expires = session
        when = wire.date(expires, self._portal.utc_offset)
        return wire.envelope({"token": token, "expires": when}, request.url, "POST")

    def _route(self, request: Request, caller: Caller) -> Answer:
        if request.method == "GET":
            return self._read(request, caller)
        if not caller.may(WRITES_KEYS):
            return _too_narrow()
        return self._editor.answer(request.method, request.path, request.url, caller, request.body)

    def _read(self, request: Request, caller: Caller) -> Answer:
        portal = self._portal
        found: Any
        if request.path == f"{KEYS}/@self":
            if caller.key is None:
                return Answer(401)
            needed, found = None, wire.key(portal, caller.key)
        elif request.path == KEYS:
            needed = READS_KEYS
            found = [wire.key(portal, key) for key in portal.visible_to(caller.person)]
        elif request.path == f"{KEYS}/permissions":
            needed, found = READS_KEYS, list(PERMISSIONS)
        elif request.path == "/api/2.0/people/@self":
            needed, found = READS_SELF, wire.profile(caller.person)
        else:
            return failure(404, "The requested resource was not found")
        if needed is not None and not caller.may(needed):
            return _too_narrow()
        return wire.envelope(found, request.url, "GET")


def _too_narrow() -> Answer:
    return failure(403, "Access denied", kind="System.Security.SecurityException")
