"""One member of a demo portal."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a portal. The portal refuses each call of a disabled one."""

    id: str
    display_name: str
    is_admin: bool = False
    is_owner: bool = False
    is_guest: bool = False
    is_disabled: bool = False
    email: str = ""

    @property
    def sees_all_keys(self) -> bool:
        """Whether this person's key list has the keys of other people too."""
        return self.is_admin or self.is_owner


OWNER = Person(
    id="66faa6e4-f133-11ea-b126-00ffeec8b4ef",
    display_name="Portal Owner",
    is_admin=True,
    is_owner=True,
    email="owner@portal.example",
)
"""The only member of a portal by default."""

REMOVED = Person(id="4a515a15-d4d6-4b8e-828e-e0586f18f3a3", display_name="profile removed")
"""The server's creator of keys whose creator was removed."""
