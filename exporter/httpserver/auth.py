"""Basic authentication against bcrypt hashes."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future

from exporter.httpserver.webconfig import cost
from exporter.yamlfile import Secret

#: Unproven passwords hashed or waiting at once. They wait in threads that scrapes need.
MAX_WAITING = 8
#: More bytes bcrypt does not look at, so a longer password proves nothing.
_MAX_PASSWORD = 72


class TooManyChecks(Exception):
    """As many passwords are being checked as may be at once; later it may work."""


class Turns:
    """Who may use the processor for a hash: one at a time, and the addresses take turns.

    Where all places are taken, a newcomer gets that of the address which holds most.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = False
        # First the address whose turn is next; of each, first who came first.
        self._queues: dict[str, deque[Future[None]]] = {}

    def wait(self, address: str) -> None:
        """Wait for one's turn. Raises TooManyChecks."""
        with self._lock:
            if not self._busy:
                self._busy = True
                return
            self._make_room(address)
            turn: Future[None] = Future()
            self._queues.setdefault(address, deque()).append(turn)
        turn.result()

    def done(self) -> None:
        """End one's turn."""
        with self._lock:
            self._busy = bool(self._queues)
            if not self._busy:
                return
            address, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            del self._queues[address]
            if queue:
                self._queues[address] = queue
        turn.set_result(None)

    def _make_room(self, address: str) -> None:
        if 1 + sum(map(len, self._queues.values())) < MAX_WAITING:
            return
        most = max(self._queues, key=lambda each: len(self._queues[each]))
        if len(self._queues[most]) <= len(self._queues.get(address, ())) + 1:
            raise TooManyChecks
        self._queues[most].pop().set_exception(TooManyChecks())


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
        # For users who do not exist: no password has it, and it has the maximum cost.
        maximum = max(map(cost, users.values()))
        self._dummy = b"$2b$%02d$" % maximum + b"." * 53
        self._digest_key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._proven: dict[bytes, bytes] = {}
        self._checking: dict[bytes, Future[bool]] = {}
        # Hashing takes a whole core: one at a time leaves the others to scrapes.
        self._turns = Turns()

    def accepts(self, authorization: str, address: str) -> bool:
        """Whether an Authorization header names a user and the password. Raises TooManyChecks.

        ``address`` is the client's, which shares the places for checks with all others.
        """
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
                mine = self._checking[digest] = Future[bool]()
        if waiting is not None:
            return waiting.result()
        return self._settle(mine, user, password, digest, address)

    def _settle(
        self, mine: "Future[bool]", user: bytes, password: bytes, digest: bytes, address: str
    ) -> bool:
        try:
            self._turns.wait(address)
            try:
                right = self._check(user, password)
            finally:
                self._turns.done()
        except BaseException as exc:
            self._end_check(digest)
            mine.set_exception(exc)
            raise
        if right:
            self._proven[user] = digest
        self._end_check(digest)
        mine.set_result(right)
        return right

    def _end_check(self, digest: bytes) -> None:
        with self._lock:
            del self._checking[digest]

    def _check(self, user: bytes, password: bytes) -> bool:
        hashed = self._hashes.get(user)
        same = self._checkpw(password[:_MAX_PASSWORD], hashed or self._dummy)
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
