"""Examine one portal step by step.

::

    name_resolution → connection → tls → api, key → scope, visibility, own_key_expiry, keys,
                                                    clock_skew, latency

The first problem ends the examination; all checks after it are skipped. The key is sent only to the
portal, by the transport and the fetch of a scrape.
"""

import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from exporter.check import findings
from exporter.check.certificate import inspect
from exporter.check.diagnosis import CHECKS, Check, Diagnosis, Finding
from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace import credential, wire
from exporter.docspace.credential import Credential
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import (
    ConnectionFailed,
    Forbidden,
    PortalError,
    Refused,
    Timeout,
    Unauthorized,
)
from exporter.docspace.exceptions import Hop, mapped
from exporter.docspace.facts import VERSION
from exporter.docspace.fetch import KEYS, Fetcher
from exporter.docspace.model import ApiKey
from exporter.docspace.proxy import endpoint, proxy_endpoint
from exporter.docspace.status_errors import status_error
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Response, Transport
from exporter.threads import in_thread

T = TypeVar("T")

OWN_KEY = f"{KEYS}/@self"

#: Seconds for the version of a portal that refused the key list.
_VERSION_SECONDS = 2.0


def examine(settings: PortalSettings, clock: Clock) -> Diagnosis:
    """Examine a portal; each step may take the portal's timeout. A failure is a finding."""
    transport = Transport(settings, TLSContexts(), clock, Alarm())
    try:
        return _Examination(settings, transport, clock).run()
    finally:
        transport.close()


class _Examination:
    """The steps. Each notes its findings; one that raises PortalError is the last."""

    def __init__(self, settings: PortalSettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._timeout = settings.timeout
        self._encrypted = settings.url.startswith("https:")
        self._transport = transport
        self._clock = clock
        self._findings: dict[Check, Finding] = {}
        self._endpoint = endpoint(settings.url)
        self._hop: Hop = "portal"
        self._addresses: list[str] = []
        self._credential: Credential | None = None
        self._key: ApiKey | None = None
        self._version = ""

    def run(self) -> Diagnosis:
        """Make the steps, up to the first problem."""
        steps: tuple[tuple[Check, Callable[[], None]], ...] = (
            ("name_resolution", self._resolve),
            ("connection", self._connect),
            ("tls", self._encrypt),
            ("api", self._identify),
            ("keys", self._fetch),
        )
        absent = ""
        for check, step in steps:
            try:
                step()
            except PortalError as exc:
                self._fail(check, exc)
                absent = "not checked"
                break
        found = (self._findings.get(check, Finding(check, "skipped", absent)) for check in CHECKS)
        return Diagnosis(self._settings, tuple(found), self._version)

    def _note(self, *found: Finding) -> None:
        self._findings.update({finding.check: finding for finding in found})

    def _fail(self, check: Check, error: PortalError) -> None:
        """Note the problem, and drop the findings that come after it in the order of checks."""
        if isinstance(error, Unauthorized):
            self._note(Finding("api", "ok", "answers"))
        elif isinstance(error, Forbidden) and self._key is not None:
            self._note(findings.scope(self._key))
        problem = findings.problem(error, check, self._key)
        before = CHECKS[: CHECKS.index(problem.check)]
        self._findings = {name: self._findings[name] for name in before if name in self._findings}
        self._note(problem)
        if isinstance(error, Refused) and self._key is not None:
            with contextlib.suppress(PortalError):
                self._ask_version()

    def _resolve(self) -> None:
        """Find the addresses of the portal, or of the proxy in front of it."""
        try:
            proxy = proxy_endpoint(self._settings)
        except ValueError as exc:
            raise ConnectionFailed("the proxy of the environment has no usable address") from exc
        if proxy is not None:
            self._endpoint, self._hop = proxy, "proxy"
        host, port = self._endpoint
        with mapped(self._timeout, hop=self._hop):
            found = self._within(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        self._addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        more = f" and {len(self._addresses) - 1} more" if len(self._addresses) > 1 else ""
        detail = self._named(f"{self._addresses[0]}{more}")
        self._note(Finding("name_resolution", "ok", detail))

    def _connect(self) -> None:
        started = self._clock.monotonic()
        with mapped(self._timeout, hop=self._hop):
            self._within(lambda: socket.create_connection(self._endpoint, self._timeout).close())
        seconds = self._clock.monotonic() - started
        detail = self._named(findings.brief(seconds))
        self._note(Finding("connection", "ok", detail, round(seconds, 6)))

    def _encrypt(self) -> None:
        """Read the certificate. Behind a proxy only a request verifies it."""
        if not self._encrypted:
            self._note(findings.plain_http(self._addresses, proxied=self._hop == "proxy"))
            return
        if self._hop == "proxy":
            self._note(Finding("tls", "skipped", "through proxy"))
            return
        host, tls, now = endpoint(self._settings.url), self._settings.tls, self._clock.now()
        with mapped(self._timeout):
            shown = self._within(lambda: inspect(host, tls, self._timeout, now))
        self._note(findings.certificate(shown, tls, now))

    def _identify(self) -> None:
        """Ask for the exporter's own key, which any scope may, also if the key list is refused."""
        self._credential = credential.read(self._settings)
        if not self._credential.header.reveal().startswith("Bearer "):
            return  # a session has no key of its own; the list shows whether it is accepted
        response = self._get(OWN_KEY, self._credential, self._timeout)
        if response.status == 404:
            return  # no such portal, or a version without this request: the list decides
        if response.status != 200:
            raise status_error(response, response.received, self._credential)
        self._key = wire.parse_own_key(response.body)
        self._note(Finding("api", "ok", "answers"), findings.accepted(self._key))

    def _fetch(self) -> None:
        """Fetch the key list as a scrape does."""
        fetcher = Fetcher(self._settings, self._transport, self._clock)
        fetched = self._within(lambda: fetcher.fetch(self._timeout, lambda _: None))
        if fetched.error is not None:
            raise fetched.error
        assert fetched.listing is not None  # noqa: S101, for the type checker: one of the two is
        key = self._key or fetched.own_key
        self._version = fetched.facts.version
        self._note(
            Finding("api", "ok", "answers"),
            findings.accepted(key),
            findings.scope(key),
            findings.visibility(fetched.facts.visibility),
            findings.own_key_expiry(key, self._clock.now()),
            findings.keys(fetched.listing),
            findings.clock_skew(fetched.clock_skew),
            findings.latency(fetched.duration, self._timeout),
        )

    def _ask_version(self) -> None:
        """Ask for the version if the key is accepted but the key list is refused."""
        assert self._credential is not None  # noqa: S101, for the type checker: a key was accepted
        response = self._get(VERSION, self._credential, min(self._timeout, _VERSION_SECONDS))
        if response.status == 200:
            self._version = wire.parse_version(response.body)

    def _get(self, path: str, caller: Credential, seconds: float) -> Response:
        return self._within(lambda: self._transport.get(path, caller.header, seconds))

    def _named(self, detail: str) -> str:
        return f"{detail} (proxy)" if self._hop == "proxy" else detail

    def _within(self, call: Callable[[], T]) -> T:
        """Make a call in a thread, since name resolution cannot be interrupted. Raises Timeout."""
        try:
            return in_thread(call, "examine").result(self._timeout)
        except FutureTimeoutError as exc:  # also a socket's own
            raise Timeout(f"no answer within {self._timeout:g} s") from exc
