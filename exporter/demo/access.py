"""Who is calling, and what the call may touch."""

import base64
import binascii
import secrets
from dataclasses import dataclass

from exporter.demo.model import DemoKey, Person, Portal

SESSION_SECONDS = 365 * 86400.0

READS_KEYS = frozenset({"*:read", "*:write"})
WRITES_KEYS = frozenset({"*:write"})
READS_SELF = frozenset({"accounts.self:read", "*:read", "*:write"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: a person, and the key they sent it with unless it was a session."""

    person: Person
    key: DemoKey | None = None

    def may(self, scopes: frozenset[str]) -> bool:
        """Whether one of the scopes, or full access, is the caller's."""
        if self.key is None or self.key.full_access:
            return True
        return not scopes.isdisjoint(self.key.permissions or ())

    def owns(self, key: DemoKey) -> bool:
        """Whether the caller may see and change that key."""
        return self.person.sees_all_keys or key.creator_id == self.person.id


class Authenticator:
    """Reads `Authorization` headers and keeps the portal's sessions."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._sessions: dict[str, tuple[Person, float]] = {}

    def open_session(self, user_name: str, password: str) -> tuple[str, float] | None:
        """Return a new session's token and the end of its life, or None for a wrong password."""
        person = self._by_password(user_name, password)
        if person is None:
            return None
        token = secrets.token_urlsafe(48)
        expires = self._portal.now() + SESSION_SECONDS
        self._sessions[token] = (person, expires)
        return token, expires

    def authenticate(self, header: str) -> Caller | None:
        """Return who a header speaks for, or None.

        `Bearer` goes with an API key, `Basic` with user name and password. A header that starts
        with neither is taken for a session token as a whole: that is why a bare key is refused.
        """
        if header.startswith("Bearer "):
            return self._by_key(header.removeprefix("Bearer ").strip())
        if header.startswith("Basic "):
            return self._by_basic(header.removeprefix("Basic ").strip())
        person, expires = self._sessions.get(header, (None, 0.0))
        return Caller(person) if person and expires > self._portal.now() else None

    def _by_key(self, secret: str) -> Caller | None:
        key = self._portal.use_key(secret)
        person = self._portal.people.get(key.creator_id) if key else None
        return Caller(person, key) if person else None

    def _by_basic(self, credentials: str) -> Caller | None:
        try:
            text = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        user_name, _, password = text.partition(":")
        person = self._by_password(user_name, password)
        return Caller(person) if person else None

    def _by_password(self, user_name: str, password: str) -> Person | None:
        for person in self._portal.people.values():
            if user_name and person.user_name == user_name and person.password == password:
                return person
        return None
