"""The caller of a request, and what the call may touch."""

from dataclasses import dataclass

from exporter.demo.key import DemoKey
from exporter.demo.model import Portal
from exporter.demo.person import Person

READS_KEYS = frozenset({"*:read", "*:write"})
READS_SELF = frozenset({"accounts.self:read", "*:read", "*:write"})
READS_PEOPLE = frozenset({"accounts:read", "*:read", "*:write"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: a person, and the key that was used unless it was a session."""

    person: Person
    key: DemoKey | None = None

    def may(self, scopes: frozenset[str]) -> bool:
        """Whether one of the scopes, or full access, is the caller's."""
        if self.key is None or self.key.full_access:
            return True
        return not scopes.isdisjoint(self.key.permissions or ())


def authenticate(portal: Portal, header: str) -> Caller | None:
    """Return the caller that an `Authorization` header stands for, or None.

    `Bearer ` goes with an API key. A header that starts otherwise is taken for a session token as
    a whole: that is why a bare key is refused. A key whose creator is removed or disabled is
    refused too, although the call moves its last use.
    """
    if header.startswith("Bearer "):
        key = portal.use_secret(header.removeprefix("Bearer ").strip())
        person = portal.people.get(key.creator_id) if key else None
    else:
        key, person = None, portal.session(header)
    return Caller(person, key) if person and not person.is_disabled else None
