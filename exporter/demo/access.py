"""The caller of a request, and what the caller may read."""

from dataclasses import dataclass

from exporter.demo.key import DemoKey
from exporter.demo.model import Portal
from exporter.demo.person import Person

READS_KEYS = frozenset({"*:read", "*:write"})
READS_SELF = frozenset({"accounts.self:read", "*:read", "*:write"})
READS_PEOPLE = frozenset({"accounts:read", "*:read", "*:write"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: a person, and the key; without a key the person has a session."""

    person: Person
    key: DemoKey | None = None

    def may(self, scopes: frozenset[str]) -> bool:
        """Whether the caller has one of the scopes, or full access."""
        if self.key is None or self.key.full_access:
            return True
        return not scopes.isdisjoint(self.key.permissions or ())


def authenticate(portal: Portal, header: str) -> Caller | None:
    """The caller of a request with this `Authorization` header; None if the portal refuses it.

    `Bearer ` precedes an API key. Any other header is a session token, so a key without `Bearer `
    is refused. A key of a removed or disabled creator is refused too, and its last use changes.
    """
    if header.startswith("Bearer "):
        key = portal.use_secret(header.removeprefix("Bearer ").strip())
        person = portal.people.get(key.creator_id) if key else None
    else:
        key, person = None, portal.session(header)
    return Caller(person, key) if person and not person.is_disabled else None
