"""Examine one portal step by step: what works, what does not, and what to do about it.

::

    name_resolution → connection → tls → api, key → scope, visibility, own_key_expiry, keys,
                                                    clock_skew, latency

The first problem ends the examination; what it leaves unknown counts as skipped. The key goes to
the portal alone, by the transport and the fetch of a scrape.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from exporter.check import findings
from exporter.check.certificate import inspect
from exporter.check.diagnosis import CHECKS, Check, Diagnosis, Finding
from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace import credential, wire
from exporter.docspace.errors import (
    ConnectionFailed,
    NotFound,
    PortalError,
    Timeout,
    Unauthorized,
)
from exporter.docspace.fetch import KEYS, Fetcher
from exporter.docspace.model import ApiKey
from exporter.docspace.proxy import endpoint, proxy_endpoint
from exporter.docspace.status_errors import status_error
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.threads import in_thread

T = TypeVar("T")

#: Seconds that a step may be late before it is given up.
_GRACE = 0.5


def examine(settings: PortalSettings, clock: Clock) -> Diagnosis:
    """Examine a portal; each step may take the portal's timeout. A failure is a finding."""
    transport = Transport(settings, TLSContexts(), clock)
    try:
        return _Examination(settings, transport, clock).run()
    finally:
        transport.close()


class _Examination:
    """The steps. Each notes what it finds; one that raises PortalError is the last."""

    def __init__(self, settings: PortalSettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._timeout = settings.timeout
        self._encrypted = settings.url.startswith("https:")
        self._transport = transport
        self._clock = clock
        self._findings: dict[Check, Finding] = {}
        self._hop = endpoint(settings.url)
        self._proxied = False
        self._key: ApiKey | None = None

    def run(self) -> Diagnosis:
        steps: tuple[tuple[Check, Callable[[], None]], ...] = (
            ("name_resolution", self._resolve),
            ("connection", self._connect),
            ("tls", self._shake_hands),
            ("api", self._identify),
            ("keys", self._fetch),
        )
        for check, step in steps:
            try:
                step()
            except PortalError as exc:
                self._fail(check, exc)
                break
        all_findings = (self._findings.get(check, Finding(check, "skipped")) for check in CHECKS)
        return Diagnosis(self._settings, tuple(all_findings))

    def _note(self, *found: Finding) -> None:
        self._findings.update({finding.check: finding for finding in found})

    def _fail(self, check: Check, error: PortalError) -> None:
        if isinstance(error, Unauthorized):
            self._note(Finding("api", "ok", "answers"))
        elif check == "keys" and self._key is None:
            check = "api"  # its first answer was the list's
        self._note(findings.problem(error, check, self._key))

    def _resolve(self) -> None:
        """Find the addresses of the portal, or of the proxy that leads to it."""
        try:
            proxy = proxy_endpoint(self._settings)
        except ValueError as exc:
            raise ConnectionFailed("the proxy of the environment has no usable address") from exc
        self._hop, self._proxied = proxy or self._hop, proxy is not None
        with _mapped():
            found = self._within(lambda: socket.getaddrinfo(*self._hop, type=socket.SOCK_STREAM))
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
        self._note(Finding("name_resolution", "ok", self._by_way(f"{addresses[0]}{more}")))
        if not self._encrypted:
            self._note(findings.plain_http(addresses, proxied=self._proxied))

    def _connect(self) -> None:
        started = self._clock.monotonic()
        with _mapped():
            self._within(lambda: socket.create_connection(self._hop, self._timeout).close())
        seconds = self._clock.monotonic() - started
        detail = self._by_way(findings.brief(seconds))
        self._note(Finding("connection", "ok", detail, round(seconds, 6)))

    def _shake_hands(self) -> None:
        """Look at the certificate. Behind a proxy only the requests themselves can judge it."""
        if not self._encrypted:
            return
        if self._proxied:
            self._note(Finding("tls", "skipped", "through proxy"))
            return
        host, tls, now = endpoint(self._settings.url), self._settings.tls, self._clock.now()
        with _mapped():
            shown = self._within(lambda: inspect(host, tls, self._timeout, now))
        self._note(findings.certificate(shown, tls, now))

    def _identify(self) -> None:
        """Ask for our own key: any scope may, so it tells a wrong key from one too narrow."""
        who = credential.read(self._settings)
        if not who.header.reveal().startswith("Bearer "):
            return  # a session has no key of its own; the list will tell whether it is accepted
        own_key = f"{KEYS}/@self"
        response = self._within(lambda: self._transport.get(own_key, who.header, self._timeout))
        if response.status != 200:
            refused = status_error(response, self._clock.now(), who)
            if isinstance(refused, NotFound):
                return  # no such portal, or one too old for this question: the list will tell
            raise refused
        self._key = wire.parse_own_key(response.body)
        self._note(Finding("api", "ok", "answers"), findings.accepted(self._key))

    def _fetch(self) -> None:
        """Fetch the key list as a scrape does."""
        fetcher = Fetcher(self._settings, self._transport, self._clock)
        started = self._clock.monotonic()
        fetched = self._within(lambda: fetcher.fetch(self._timeout))
        seconds = self._clock.monotonic() - started
        if fetched.error is not None:
            raise fetched.error
        assert fetched.listing is not None  # noqa: S101, for the type checker: one of the two is
        key = self._key or fetched.own_key
        self._note(
            Finding("api", "ok", "answers"),
            findings.accepted(key),
            findings.scope(key),
            findings.visibility(fetched.facts.visibility),
            findings.own_key_expiry(key, self._clock.now()),
            findings.keys(fetched.listing),
            findings.clock_skew(fetched.clock_skew),
            findings.latency(seconds, self._timeout),
        )

    def _by_way(self, detail: str) -> str:
        return f"{detail} (proxy)" if self._proxied else detail

    def _within(self, call: Callable[[], T]) -> T:
        """What the call returns or raises; Timeout where it takes longer than it should.

        In a thread of its own, since name resolution cannot be interrupted.
        """
        try:
            return in_thread(call, "examine").result(self._timeout + _GRACE)
        except FutureTimeoutError as exc:  # also a socket's own
            raise Timeout(f"no answer within {self._timeout:g} s") from exc


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    """Turn what sockets raise into the one error tree. ssl's errors never get here."""
    try:
        yield
    except UnicodeError as exc:
        raise ConnectionFailed("no host can have the name in `url`") from exc
    except OSError as exc:
        raise ConnectionFailed(exc.strerror or type(exc).__name__) from exc
