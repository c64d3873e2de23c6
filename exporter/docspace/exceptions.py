"""Exceptions of requests, urllib3, http.client, ssl and socket to errors of the one tree.

Only the type of a foreign exception is used, and the text of the operating system or of OpenSSL.
Its arguments may hold headers, and so the key.
"""

import contextlib
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import requests
import urllib3

from exporter.docspace.errors import (
    PORT_SPEAKS_TLS,
    ConnectionFailed,
    InvalidResponse,
    PortalError,
    Timeout,
    TLSFailed,
)

#: The server to which a connection goes.
Hop = Literal["portal", "proxy"]

#: http.client's message for a proxy that opens no tunnel, without the reason that follows.
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b", re.ASCII)

#: Names for an answer that is not TLS, in the versions of OpenSSL.
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
)
#: A TLS alert, which a server sends in place of a status line when it gets plain HTTP.
_TLS_ALERT = "\x15\x03"
#: getaddrinfo's codes for a name without an address. Some systems lack some of them.
_NO_ADDRESS = frozenset(
    getattr(socket, code, None) for code in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
)
_DNS_FAILED = frozenset(getattr(socket, code, None) for code in ("EAI_AGAIN", "EAI_FAIL"))

_PROXY = "check `proxy_url`, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment"
_PROXY_REFUSES = "look at the rules of the proxy, and at user and password in `proxy_url`"
_URL_SAYS_HTTPS = (
    "`url` begins with https: put the port with TLS into it, or http:// if the portal has no "
    "certificate"
)
_PROXY_SAYS_HTTPS = "the address of the proxy begins with https: it should be http://"
_CLIENT_CERTIFICATE = "`tls.cert_file` and `tls.key_file` must name one that the server accepts"
_HANDSHAKE_CLOSED = (
    "the port may not speak TLS, or not for this host name: check both in `url`, and what stands "
    "in front of the portal"
)
_CHECK_NAME = "check the host name in `url`: DNS has no address for it"
_CHECK_DNS = "no DNS server gave an answer: check the network and DNS of this machine or container"
_CLOSED = (
    "look at the portal and at what stands in front of it; if the port speaks TLS, `url` must "
    "begin with https://"
)
_NOT_HTTP = "check the port in `url`: something else than a portal may listen there"


@contextlib.contextmanager
def mapped(
    seconds: float, expired: Callable[[], bool] = bool, hop: Hop = "portal"
) -> Iterator[None]:
    """Turn foreign exceptions of the body into PortalErrors.

    If ``expired()``, the deadline of ``seconds`` has passed, and any exception becomes a Timeout.
    ``hop`` is where the body connects to; the exceptions of a request show that themselves.
    """
    try:
        yield
    except PortalError:
        raise
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        OSError,
        UnicodeError,  # of a host name that IDNA cannot encode
    ) as exc:
        causes = tuple(_causes(exc))
        # urllib3 counts a refused connection among its timeouts: the socket's error decides.
        if expired() or any(isinstance(cause, TimeoutError) for cause in causes):
            raise Timeout(f"no complete answer within {seconds:.3g} s") from exc
        if any(isinstance(cause, urllib3.exceptions.ProxyError) for cause in causes):
            hop = "proxy"
        raise _error(causes, hop) from exc


def _error(causes: Sequence[BaseException], hop: Hop) -> PortalError:
    for kind, convert in _CONVERTERS:
        for cause in reversed(causes):
            if isinstance(cause, kind):
                return convert(cause, hop)
    return ConnectionFailed(f"the request failed ({type(causes[-1]).__name__})")


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The exception and its causes, outermost first.

    urllib3 keeps a cause in an attribute or in the arguments instead of the chain.
    """
    seen: list[BaseException] = []
    queue: list[object] = [exc]
    while queue:
        cause = queue.pop(0)
        if not isinstance(cause, BaseException) or cause in seen:
            continue
        seen.append(cause)
        yield cause
        queue += [getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args]


def _undecodable(_exc: BaseException, _hop: Hop) -> PortalError:
    return InvalidResponse("the body is not what its Content-Encoding says")


def _tls(exc: BaseException, hop: Hop) -> PortalError:
    reason = str(getattr(exc, "reason", None) or type(exc).__name__)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return TLSFailed(f"certificate verify failed: {exc.verify_message}")
    if reason in _NOT_TLS and hop == "proxy":
        return TLSFailed("the proxy does not speak TLS", _PROXY_SAYS_HTTPS)
    if reason in _NOT_TLS:
        return TLSFailed("the port does not speak TLS", _URL_SAYS_HTTPS)
    if reason.endswith("CERTIFICATE_REQUIRED"):
        return TLSFailed("the server asks for a client certificate", _CLIENT_CERTIFICATE)
    if isinstance(exc, ssl.SSLEOFError):
        return TLSFailed("the connection was closed in the TLS handshake", _HANDSHAKE_CLOSED)
    return TLSFailed(f"TLS handshake failed: {reason}")


def _unresolved(exc: BaseException, hop: Hop) -> PortalError:
    code = getattr(exc, "errno", None)
    name = "the host name of the proxy" if hop == "proxy" else "the host name"
    if code in _NO_ADDRESS:
        return ConnectionFailed(f"{name} is not known", _PROXY if hop == "proxy" else _CHECK_NAME)
    if code in _DNS_FAILED:
        return ConnectionFailed(f"{name} cannot be resolved at the moment", _CHECK_DNS)
    return ConnectionFailed(f"{name} cannot be resolved", _PROXY if hop == "proxy" else _CHECK_NAME)


def _unusable_name(_exc: BaseException, hop: Hop) -> PortalError:
    if hop == "proxy":
        return ConnectionFailed("the host name of the proxy is not valid", _PROXY)
    return ConnectionFailed("the host name in `url` is not valid", _CHECK_NAME)


def _closed(exc: BaseException, hop: Hop) -> PortalError:
    if isinstance(exc, http.client.RemoteDisconnected):
        message = "the connection was closed before an answer came"
    else:
        message = str(getattr(exc, "strerror", None) or "the connection was reset")
    return ConnectionFailed(message, _PROXY if hop == "proxy" else _CLOSED)


def _not_http(exc: BaseException, _hop: Hop) -> PortalError:
    if isinstance(exc, http.client.BadStatusLine) and str(exc).startswith(_TLS_ALERT):
        return ConnectionFailed("the port speaks TLS, not plain HTTP", PORT_SPEAKS_TLS)
    if isinstance(exc, http.client.IncompleteRead):
        return ConnectionFailed("the answer broke off")
    return ConnectionFailed("the answer is not valid HTTP", _NOT_HTTP)


def _system(exc: BaseException, hop: Hop) -> PortalError:
    refused = _TUNNEL_REFUSED.match(str(exc))
    if refused:
        return ConnectionFailed(f"the proxy answered with HTTP {refused[1]}", _PROXY_REFUSES)
    message = str(getattr(exc, "strerror", None) or type(exc).__name__)
    return (
        ConnectionFailed(f"proxy: {message}", _PROXY)
        if hop == "proxy"
        else ConnectionFailed(message)
    )


#: From types of exceptions to errors, the most specific type first.
_CONVERTERS: Sequence[
    tuple[
        type[BaseException] | tuple[type[BaseException], ...],
        Callable[[BaseException, Hop], PortalError],
    ]
] = (
    (urllib3.exceptions.DecodeError, _undecodable),
    (ssl.SSLError, _tls),
    (socket.gaierror, _unresolved),
    (
        (UnicodeError, urllib3.exceptions.LocationParseError, requests.exceptions.InvalidURL),
        _unusable_name,
    ),
    (ConnectionResetError, _closed),
    ((http.client.HTTPException, urllib3.exceptions.InvalidHeader), _not_http),
    (OSError, _system),
)
