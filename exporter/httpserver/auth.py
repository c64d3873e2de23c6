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

#: Passwords that may be checked or wait for it at the same time: of all addresses, and of one.
_MAX_WAITING, _MAX_EACH = 8, 2
#: Bytes of a password that bcrypt looks at. A longer password is refused.
_MAX_PASSWORD = 72


class TooManyChecks(Exception):
    """Too many passwords are being checked; the same request may succeed later."""


class BasicAuth:
    """The users of one configuration; at least one.

    A check takes as long for a user that does not exist. The keyed digest of a right password is
    kept, so that it is hashed once. A wrong password is hashed each time.
    """

    def __init__(self, users: Mapping[str, Secret]) -> None:
        # Imported only if there are users, so that the exporter also runs without bcrypt.
        from bcrypt import checkpw

        self._checkpw = checkpw
        self._hashes = {name.encode(): users[name].reveal().encode() for name in users}
        # The hash for unknown users: no password matches it, and it has the maximum cost.
        self._dummy = b"$2b$%b$" % max(hashed[4:6] for hashed in self._hashes.values()) + b"." * 53
        self._digest_key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._proven: dict[bytes, bytes] = {}
        self._checking: dict[bytes, Future[bool]] = {}
        # A hash takes a whole core. One at a time leaves the other cores to scrapes.
        self._hashing = ThreadPoolExecutor(1, "password")
        self._places = Places(_MAX_WAITING, _MAX_EACH)

    def accepts(self, authorization: str, address: str) -> bool:
        """Whether an Authorization header has a user's name and password. Raises TooManyChecks.

        ``address`` is the client's. One address cannot use all checks.
        """
        given = _credentials(authorization)
        if given is None:
            return False
        user, password = given
        digest = hmac.digest(self._digest_key, user + b":" + password, "sha256")
        with self._lock:
            if hmac.compare_digest(self._proven.get(user, b""), digest):
                return True
            # Clients that send the same password at the same time share one check.
            checking = self._checking.get(digest)
            if checking is None:
                if not self._places.take(address):
                    raise TooManyChecks
                try:
                    checking = self._hashing.submit(self._check, user, password, digest, address)
                except RuntimeError as exc:  # no thread can start
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
    """User and password of a Basic header; None for any other header."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip().encode("latin-1"), validate=True)
    except binascii.Error:
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None
