"""One API key of a demo portal."""

import hashlib
import math
import uuid
from dataclasses import dataclass, field

PERMISSIONS = (
    "*",
    "*:read",
    "*:write",
    "accounts:read",
    "accounts:write",
    "accounts.self:read",
    "accounts.self:write",
    "files:read",
    "files:write",
    "rooms:read",
    "rooms:write",
)
"""The scopes of keys; `*` is full access."""

NO_DATE = -math.inf
"""Stands for the server's minimum date, 0001-01-01, which means "no date"."""


@dataclass(frozen=True, slots=True)
class DemoKey:
    """One API key. `secret` is the full key, `sk-` and 64 hex digits, and is in no repr."""

    id: str
    secret: str = field(repr=False)
    name: str
    creator_id: str
    created: float
    permissions: tuple[str, ...] | None = None
    is_active: bool = True
    last_used: float | None = None
    expires_at: float | None = None

    @property
    def postfix(self) -> str:
        """The last four characters of the full key."""
        return self.secret[-4:]

    @property
    def masked(self) -> str:
        """The masked key in lists: `sk-***` and the postfix."""
        return f"sk-***{self.postfix}"

    @property
    def full_access(self) -> bool:
        """Whether the key has no limit: no permissions, or `*`."""
        return not self.permissions or "*" in self.permissions

    def expired(self, now: float) -> bool:
        """Whether the key has an expiry that is not in the future."""
        return self.expires_at not in (None, NO_DATE) and (self.expires_at or 0) <= now

    def valid(self, now: float) -> bool:
        """Whether the key is active and not expired. It works if its creator is active too."""
        return self.is_active and not self.expired(now)


def derive_secret(seed: str, postfix: str = "") -> str:
    """A full key that ends in `postfix`, the same for the same seed."""
    digits = hashlib.sha256(f"secret:{seed}".encode()).hexdigest()
    return "sk-" + digits[: 64 - len(postfix)] + postfix


def derive_id(seed: str) -> str:
    """A UUID, the same for the same seed."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"id:{seed}".encode()).digest()[:16], version=4))
