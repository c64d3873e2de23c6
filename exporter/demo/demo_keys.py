"""A key as the scenario describes it: days of life, and seconds from the start of the demo."""

from dataclasses import dataclass

from exporter.demo.key import NO_DATE, DemoKey, derive_id, derive_secret
from exporter.demo.model import Portal
from exporter.demo.person import Person

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One key of one portal.

    A key with a `life` expires `expires_in` seconds after it is added (it has expired already if
    that is negative), and was created `life` days before that. A key without a `life` never expires
    and is `age` seconds old. It was last used `used` seconds ago; None is never, for which the
    server stores its minimum date if `blank_use` is set. `label` separates keys of the same name;
    `postfix` sets the key's last characters.
    """

    name: str
    creator: Person
    permissions: tuple[str, ...] | None
    life: int | None = None
    expires_in: float = 0.0
    age: float = 0.0
    used: float | None = None
    active: bool = True
    label: str = ""
    postfix: str = ""
    blank_use: bool = False

    def secret(self, portal_name: str) -> str:
        """The full key, the same in each run."""
        return derive_secret(f"{portal_name}/{self.label or self.name}", self.postfix)

    def key_id(self, portal_name: str) -> str:
        """The id of the key."""
        return derive_id(self.secret(portal_name))

    def add_to(self, portal: Portal, portal_name: str, now: float) -> DemoKey:
        """Add the key to the portal, and return it."""
        expires_at = None if self.life is None else now + self.expires_in
        created = now - self.age if self.life is None else now + self.expires_in - self.life * DAY
        never = NO_DATE if self.blank_use else None
        return portal.add_key(
            self.name,
            creator=self.creator,
            permissions=self.permissions,
            is_active=self.active,
            created=created,
            last_used=never if self.used is None else now - self.used,
            expires_at=expires_at,
            secret=self.secret(portal_name),
        )
