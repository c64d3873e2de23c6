"""One GET to a portal: pooled connection, TLS, proxy, one deadline, size limit.

Callers get a `Response` or a `PortalError`: `exceptions` maps foreign exceptions. Redirects are not
followed; ``~/.netrc`` and cookies are not used.
"""

import contextlib
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.docspace.connections import Tracker
from exporter.docspace.deadline import Alarm, Deadline
from exporter.docspace.errors import ConnectionFailed, TooLarge
from exporter.docspace.exceptions import mapped
from exporter.docspace.proxy import proxies, proxy_endpoint
from exporter.docspace.tls import TLSContexts
from exporter.version import VERSION

_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of any status. ``headers`` is case-insensitive; ``body`` is decoded.

    ``received`` is when the headers arrived, in Unix seconds by the exporter's clock. The body of
    an answer other than 200 is cut at 64 KiB.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    received: float


class Transport:
    """The connection to one portal, for one request at a time."""

    def __init__(
        self, settings: PortalSettings, contexts: TLSContexts, clock: Clock, alarm: Alarm
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._contexts = contexts
        self._alarm = alarm
        self._tracker = Tracker()
        self._proxies = proxies(settings)
        self._proxy_problem: str | None = None
        try:
            proxy_endpoint(settings)
        except ValueError:
            self._proxy_problem = "expected an http or https proxy address in the environment"
        self._context: ssl.SSLContext | None = None
        self._session: requests.Session | None = None
        self._prepared: tuple[str, Secret, requests.PreparedRequest] | None = None

    def get(
        self, path: str, authorization: Secret, seconds: float, max_bytes: int | None = None
    ) -> Response:
        """GET a path below the portal's address within ``seconds``.

        The decoded body may have ``max_bytes``, by default the limit of the settings. Raises
        Timeout, ConnectionFailed, TLSFailed, TooLarge, or InvalidResponse for a body that does not
        match its Content-Encoding.
        """
        if self._proxy_problem is not None:
            raise ConnectionFailed(self._proxy_problem)
        deadline = Deadline(self._alarm, seconds)
        limit = max_bytes or self._settings.max_response_size
        with mapped(seconds, lambda: deadline.expired), deadline:
            self._tracker.deadline = deadline
            session = self._current_session()
            request = self._request(path, authorization)
            connected = self._tracker.connected
            try:
                return self._exchange(session, request, deadline, limit)
            except (requests.ConnectionError, urllib3.exceptions.ProtocolError):
                # The portal may close a kept connection between two scrapes: one more try on a
                # new connection.
                if deadline.expired or self._tracker.connected > connected:
                    raise
                return self._exchange(session, request, deadline, limit)

    def close(self) -> None:
        """Close the pooled connections."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _request(self, path: str, authorization: Secret) -> requests.PreparedRequest:
        """The request, prepared again only if it changes."""
        if self._prepared is None or self._prepared[:2] != (path, authorization):
            headers = {**_HEADERS, "Authorization": authorization.reveal()}
            request = requests.Request("GET", self._settings.url + path, headers).prepare()
            self._prepared = path, authorization, request
        return self._prepared[2]

    def _exchange(
        self,
        session: requests.Session,
        request: requests.PreparedRequest,
        deadline: Deadline,
        max_bytes: int,
    ) -> Response:
        with session.send(
            request,
            timeout=(_connect_seconds(deadline.seconds), deadline.seconds),
            stream=True,
            allow_redirects=False,
            proxies=self._proxies,
            verify=not self._settings.tls.insecure_skip_verify,
        ) as answer:
            received = self._clock.now()
            status, headers = answer.status_code, answer.headers
            if status != 200:
                return Response(status, headers, _start_of_body(answer.raw), received)
            body: bytes = answer.raw.read(max_bytes + 1, decode_content=True)
            if len(body) > max_bytes:
                raise TooLarge(f"the decoded answer is larger than {max_bytes} bytes")
            deadline.check()  # without a length, a shut-down connection looks like the end
        return Response(status, headers, body, received)

    def _current_session(self) -> requests.Session:
        """The pooled session; a new one if the TLS files have changed."""
        context = None
        if self._settings.url.startswith("https:"):
            context = self._contexts.get(self._settings.tls)
        if self._session is None or context is not self._context:
            self.close()
            self._context = context
            self._session = _Session(self._tracker, context)
        return self._session


#: The headers of each request, without Authorization.
_HEADERS = {
    "User-Agent": f"docspace-exporter/{VERSION}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive",
}


class _Adapter(HTTPAdapter):
    """requests' adapter on tracked connections and one TLS context."""

    def __init__(self, tracker: Tracker, context: ssl.SSLContext | None) -> None:
        self._pools = tracker.pools()
        self._pool_settings: dict[str, Any] = {"ssl_context": context} if context else {}
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002, requests' signature
        **pool_kwargs: Any,
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs, **self._pool_settings)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs, **self._pool_settings)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Change nothing: the TLS context has all settings."""


class _Session(requests.Session):
    """requests' session without its handling of redirects.

    Also with ``allow_redirects=False``, requests reads the whole body of a 3xx and parses its
    Location to prepare the next request.
    """

    def __init__(self, tracker: Tracker, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self.trust_env = False  # no ~/.netrc, which would replace the Authorization header
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(tracker, context))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: there is no next request."""


def _connect_seconds(seconds: float) -> float:
    """Seconds to connect to one address: a third, so that a host's other addresses are tried too.

    At least a second if possible: a lost packet is sent again after one second.
    """
    return max(seconds / 3, min(seconds, 1.0))


def _start_of_body(raw: Any) -> bytes:
    """The first bytes of an error's body; none if it breaks off, since the status says more."""
    with contextlib.suppress(urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
        body: bytes = raw.read(_ERROR_BYTES, decode_content=True)
        return body
    return b""


def http_date(text: str | None) -> float | None:
    """Unix seconds of a date from a header; None if it is absent or not a date.

    A date without a zone is UTC, as all dates in HTTP are.
    """
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def number(text: str | None) -> float | None:
    """A whole number from a header; None if it is absent or not a number."""
    digits = (text or "").strip()
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
