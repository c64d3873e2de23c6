"""One member of a demo portal."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a portal. A disabled one is still a member, but the portal refuses every call."""

    id: str
    display_name: str
    is_admin: bool = False
    is_owner: bool = False
    is_guest: bool = False
    is_disabled: bool = False
    email: str = ""

    @property
    def sees_all_keys(self) -> bool:
        """Whether the key list shows this person other people's keys too."""
        return self.is_admin or self.is_owner


OWNER = Person(
    id="66faa6e4-f133-11ea-b126-00ffeec8b4ef",
    display_name="Portal Owner",
    is_admin=True,
    is_owner=True,
    email="owner@portal.example",
)
"""The one member of a portal that was given no people."""

REMOVED = Person(id="4a515a15-d4d6-4b8e-828e-e0586f18f3a3", display_name="profile removed")
"""Who the server names as creator once the real one was removed."""
