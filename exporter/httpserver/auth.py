"""Basic authentication against bcrypt hashes."""

import base64
import binascii
import hmac
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from exporter.httpserver.places import Places
from exporter.yamlfile import Secret

#: Different unproven passwords hashed or waiting at once, and those of one address among them.
_MAX_WAITING, _MAX_EACH = 8, 2
#: More bytes bcrypt does not look at, so a longer password proves nothing.
_MAX_PASSWORD = 72


class TooManyChecks(Exception):
    """As many passwords are being checked as may be at once; later it may work."""


class BasicAuth:
    """The users of one configuration; at least one.

    Checking costs the same whether the user exists or not. A password that was right is known by a
    keyed digest and not hashed again, one that was wrong costs its hash every time.
    """

    def __init__(self, users: Mapping[str, Secret]) -> None:
        # Only where there are users: without any, the exporter runs where bcrypt does not.
        from bcrypt import checkpw

        self._checkpw = checkpw
        self._hashes = {name.encode(): users[name].reveal().encode() for name in users}
        # For unknown users: no password has it, and it has the maximum cost.
        self._dummy = b"$2b$%b$" % max(hashed[4:6] for hashed in self._hashes.values()) + b"." * 53
        self._digest_key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._proven: dict[bytes, bytes] = {}
        self._checking: dict[bytes, Future[bool]] = {}
        # Hashing takes a whole core: one at a time leaves the others to scrapes.
        self._hashing = ThreadPoolExecutor(1, "password")
        self._places = Places(_MAX_WAITING, _MAX_EACH)

    def accepts(self, authorization: str, address: str) -> bool:
        """Whether an Authorization header names a user and the password. Raises TooManyChecks.

        ``address`` is the client's. One address alone cannot take all places for checks.
        """
        given = _credentials(authorization)
        if given is None:
            return False
        user, password = given
        digest = hmac.digest(self._digest_key, user + b":" + password, "sha256")
        with self._lock:
            if hmac.compare_digest(self._proven.get(user, b""), digest):
                return True
            # Clients that come at once with the same password, as at the start, wait for one check.
            checking = self._checking.get(digest)
            if checking is None:
                if not self._places.take(address):
                    raise TooManyChecks
                try:
                    checking = self._hashing.submit(self._check, user, password, digest, address)
                except RuntimeError as exc:  # no thread is left
                    self._places.give_back(address)
                    raise TooManyChecks from exc
                self._checking[digest] = checking
        return checking.result()

    def _check(self, user: bytes, password: bytes, digest: bytes, address: str) -> bool:
        try:
            hashed = self._hashes.get(user)
            same = self._checkpw(password[:_MAX_PASSWORD], hashed or self._dummy)
            right = same and hashed is not None and len(password) <= _MAX_PASSWORD
            if right:
                self._proven[user] = digest
            return right
        finally:
            with self._lock:
                del self._checking[digest]
            self._places.give_back(address)


def _credentials(authorization: str) -> tuple[bytes, bytes] | None:
    """User and password of a Basic header; None where it is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip().encode("latin-1"), validate=True)
    except binascii.Error:
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None
