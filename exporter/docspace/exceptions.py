"""From what requests, urllib3, http.client and ssl raise to the one error tree."""

import contextlib
import http.client
import re
import ssl
from collections.abc import Callable, Iterator

import requests
import urllib3

from exporter.docspace.errors import (
    ConnectionFailed,
    InvalidResponse,
    PortalError,
    Timeout,
    TLSFailed,
)

_KINDS: tuple[tuple[type[BaseException], type[PortalError]], ...] = (
    (urllib3.exceptions.DecodeError, InvalidResponse),
    (ssl.SSLError, TLSFailed),
)


# What http.client says of a proxy that does not let us through; the reason after it is dropped.
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b", re.ASCII)


@contextlib.contextmanager
def mapped(seconds: float, expired: Callable[[], bool]) -> Iterator[None]:
    """Turn what requests, urllib3, http.client and ssl raise into the one error tree.

    Only the kind of a foreign exception is told, and the words of the operating system or of
    OpenSSL; its arguments may hold headers, hence the key.
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
    ) as exc:
        causes = list(_causes(exc))
        # urllib3 counts a refused connection among its timeouts: the socket's word is the one.
        if expired() or any(isinstance(cause, TimeoutError) for cause in causes):
            raise Timeout(f"no complete answer within {seconds:.3g} s") from exc
        for kind, error in _KINDS:
            for cause in causes:
                if isinstance(cause, kind):
                    raise error(_words(cause)) from exc
        raise ConnectionFailed(_words(causes[-1])) from exc


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The exception and what it was raised for, outermost first.

    urllib3 keeps the reason in an attribute or in the arguments instead of the chain.
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


def _words(exc: BaseException) -> str:
    """What OpenSSL or the operating system says of it, else the kind of exception alone."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError) and exc.reason == "WRONG_VERSION_NUMBER":
        return "this port does not speak TLS: use http:// or another port"
    if isinstance(exc, ssl.SSLError):
        return f"TLS handshake failed: {exc.reason or type(exc).__name__}"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    refused = _TUNNEL_REFUSED.match(str(exc)) if isinstance(exc, OSError) else None
    return f"the proxy answered with HTTP {refused[1]}" if refused else type(exc).__name__
