"""One GET to a portal: pooled connection, TLS, proxy, total deadline, size cap.

Every foreign exception ends here, in `exceptions`; callers see a `Response` or a `PortalError`.
A redirect is an answer like any other and never followed; ``~/.netrc`` and cookies are never used.
"""

import contextlib
import http.client
import http.cookiejar
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.docspace.errors import ConnectionFailed, TooLarge
from exporter.docspace.exceptions import mapped
from exporter.docspace.proxy import proxies, proxy_endpoint
from exporter.docspace.tls import TLSContexts
from exporter.docspace.watch import Watch
from exporter.version import VERSION

_CHUNK = 64 * 1024
_REFUSAL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of any status. ``headers`` is case-insensitive; ``body`` is decoded.

    ``received`` is when the headers were here, in Unix seconds by our clock. The body of an answer
    other than 200 is only there to explain: it is cut at 64 KiB.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    received: float


class Transport:
    """The way to one portal. Not for two requests at once."""

    def __init__(self, settings: PortalSettings, contexts: TLSContexts, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._contexts = contexts
        self._watch = Watch()
        self._proxies = proxies(settings)
        self._context: ssl.SSLContext | None = None
        self._session: requests.Session | None = None

    def get(
        self, path: str, authorization: Secret, seconds: float, max_bytes: int | None = None
    ) -> Response:
        """GET a path below the portal's address, all within so many seconds.

        The body may have ``max_bytes``, or what the settings allow.

        Raises Timeout, ConnectionFailed, TLSFailed, TooLarge, or InvalidResponse for a body that
        is not what its Content-Encoding says.
        """
        limit = max_bytes or self._settings.max_response_size
        with mapped(seconds, lambda: self._watch.expired), self._watch.limit(seconds):
            _check_proxy(self._settings)
            session = self._current_session()
            connected = self._watch.connected
            try:
                return self._exchange(session, path, authorization, seconds, limit)
            except (requests.ConnectionError, urllib3.exceptions.ProtocolError):
                # A kept connection that the portal closed between two scrapes says nothing of the
                # portal: one more try, on a fresh connection.
                if self._watch.expired or self._watch.connected > connected:
                    raise
                return self._exchange(session, path, authorization, seconds, limit)

    def close(self) -> None:
        """Close the pooled connections."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _exchange(
        self,
        session: requests.Session,
        path: str,
        authorization: Secret,
        seconds: float,
        max_bytes: int,
    ) -> Response:
        with session.get(
            self._settings.url + path,
            headers={"Authorization": authorization.reveal()},
            timeout=(_connect_seconds(seconds), seconds),
            stream=True,
            allow_redirects=False,
            proxies=self._proxies,
            verify=not self._settings.tls.insecure_skip_verify,
        ) as answer:
            received = self._clock.now()
            status, headers = answer.status_code, answer.headers
            body = self._body(answer.raw, max_bytes) if status == 200 else _refusal_body(answer.raw)
        return Response(status, headers, body, received)

    def _body(self, raw: Any, max_bytes: int) -> bytes:
        body = bytearray()
        for chunk in raw.stream(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > max_bytes:
                raise TooLarge(f"the decoded answer is larger than {max_bytes} bytes")
        self._watch.check()  # cut off by the deadline looks like the end where no length was told
        return bytes(body)

    def _current_session(self) -> requests.Session:
        """The pooled session; a fresh one where the TLS files have changed."""
        context = None
        if self._settings.url.startswith("https:"):
            context = self._contexts.get(self._settings.tls)
        if self._session is None or context is not self._context:
            self.close()
            self._context = context
            self._session = _session(self._watch, context)
        return self._session


class _Adapter(HTTPAdapter):
    """requests' adapter on watched connections and one TLS context of ours."""

    def __init__(self, watch: Watch, context: ssl.SSLContext | None) -> None:
        self._pools = watch.pools()
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
        """Leave the connection alone: its context has it all."""


class _Session(requests.Session):
    """requests' session, blind to redirects.

    Even where it is told not to follow one, requests reads the whole body of a 3xx and takes its
    Location apart, to have the next request ready.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""


def _session(watch: Watch, context: ssl.SSLContext | None) -> requests.Session:
    session = _Session()
    session.trust_env = False  # no ~/.netrc: it would replace our Authorization header
    session.headers.clear()
    session.headers.update(
        {
            "User-Agent": f"docspace-exporter/{VERSION}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Connection": "keep-alive",
        }
    )
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(watch, context)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _check_proxy(settings: PortalSettings) -> None:
    """Raise ConnectionFailed for a proxy of the environment that cannot be used."""
    try:
        proxy_endpoint(settings)
    except ValueError as exc:
        told = "expected an http or https proxy address in the environment"
        raise ConnectionFailed(told) from exc


def _connect_seconds(seconds: float) -> float:
    """Seconds for one address: a third, so that a host's other addresses get their turn.

    A whole second where there is one, since that is how long a lost packet takes to be sent again.
    """
    return max(seconds / 3, min(seconds, 1.0))


def _refusal_body(raw: Any) -> bytes:
    """As much of the body as helps to explain; that it broke off says less than the status."""
    with contextlib.suppress(urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
        body: bytes = raw.read(_REFUSAL_BYTES, decode_content=True)
        return body
    return b""
