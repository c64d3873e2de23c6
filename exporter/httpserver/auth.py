"""Basic authentication against bcrypt hashes."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import Future

from exporter.httpserver.webconfig import cost
from exporter.yamlfile import Secret

#: Different unproven passwords hashed or waiting at once. They wait in threads that scrapes need.
_MAX_WAITING = 8
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
        # For users who do not exist: no password has it, and it costs as much as the dearest.
        dearest = max(map(cost, users.values()))
        self._nobodys = b"$2b$%02d$" % dearest + b"." * 53
        self._digest_key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._proven: dict[bytes, bytes] = {}
        self._checking: dict[bytes, Future[bool]] = {}
        # Hashing takes a whole core: one at a time leaves the others to scrapes.
        self._one_at_a_time = threading.Lock()

    def admit(self, authorization: str) -> bool:
        """Whether an Authorization header names a user and the password. Raises TooManyChecks."""
        given = _credentials(authorization)
        if given is None:
            return False
        user, password = given
        digest = self._digest(user, password)
        with self._lock:
            if hmac.compare_digest(self._proven.get(user, b""), digest):
                return True
            # Clients that come at once with the same password, as at the start, wait for one check.
            waiting = self._checking.get(digest)
            if waiting is None:
                if len(self._checking) >= _MAX_WAITING:
                    raise TooManyChecks
                mine = self._checking[digest] = Future[bool]()
        if waiting is not None:
            return waiting.result()
        return self._settle(mine, user, password, digest)

    def _settle(self, mine: "Future[bool]", user: bytes, password: bytes, digest: bytes) -> bool:
        right = False
        try:
            with self._one_at_a_time:
                right = self._check(user, password)
        finally:
            with self._lock:
                if right:
                    self._proven[user] = digest
                del self._checking[digest]
            mine.set_result(right)
        return right

    def _check(self, user: bytes, password: bytes) -> bool:
        hashed = self._hashes.get(user)
        same = self._checkpw(password[:_MAX_PASSWORD], hashed or self._nobodys)
        return same and hashed is not None and len(password) <= _MAX_PASSWORD

    def _digest(self, user: bytes, password: bytes) -> bytes:
        parts = len(user).to_bytes(4, "big") + user + password
        return hmac.new(self._digest_key, parts, hashlib.sha256).digest()


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
