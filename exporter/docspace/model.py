"""An API key as a portal lists it, in plain values."""

from dataclasses import dataclass
from typing import Literal

import msgspec

Access = Literal["full", "read", "limited"]
CreatorStatus = Literal["active", "disabled", "removed", "unknown"]

#: The id that DocSpace shows for every removed creator; the name beside it varies.
REMOVED_CREATOR = "4a515a15-d4d6-4b8e-828e-e0586f18f3a3"

FULL_ACCESS = ("*",)


@dataclass(frozen=True, slots=True)
class Creator:
    """The person who created a key. ``id`` is in lower case, ``name`` is not HTML-encoded."""

    id: str
    name: str

    @property
    def removed(self) -> bool:
        """Whether this person is no longer in the portal."""
        return self.id == REMOVED_CREATOR

    def status(self, disabled: frozenset[str] | None) -> CreatorStatus:
        """The person's status. ``disabled`` holds the ids of disabled people, None if unknown."""
        if self.removed:
            return "removed"
        if disabled is None or not self.id:
            return "unknown"
        return "disabled" if self.id in disabled else "active"


class ApiKey(msgspec.Struct, frozen=True, gc=False):
    """One key of the list. Times are Unix seconds; None is "no date" (never, or not known).

    ``permissions`` is sorted and never empty: full access is ``("*",)``. ``postfix`` is the last
    four characters of the key. A Struct is 15 times as fast to create as a dataclass.
    """

    id: str
    name: str
    postfix: str
    is_active: bool
    permissions: tuple[str, ...]
    creator: Creator | None
    created: float | None
    last_used: float | None
    expires: float | None

    @property
    def access(self) -> Access:
        """The extent of the permissions: ``read`` if each of them ends with ``:read``."""
        if self.permissions == FULL_ACCESS:
            return "full"
        return "read" if all(scope.endswith(":read") for scope in self.permissions) else "limited"
