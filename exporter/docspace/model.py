"""An API key as a portal lists it. Plain values: no metric, no clock, no JSON."""

from dataclasses import dataclass
from typing import Literal

import msgspec

Access = Literal["full", "read", "limited"]
CreatorStatus = Literal["active", "disabled", "removed", "unknown"]

#: The id that DocSpace shows for every creator who was removed. The name beside it can be any.
REMOVED_CREATOR = "4a515a15-d4d6-4b8e-828e-e0586f18f3a3"

FULL_ACCESS = ("*",)


@dataclass(frozen=True, slots=True)
class Creator:
    """The person who made a key. ``id`` is in lower case, ``name`` is no longer HTML-encoded."""

    id: str
    name: str

    @property
    def removed(self) -> bool:
        """Whether this person is no longer in the portal."""
        return self.id == REMOVED_CREATOR

    def status(self, disabled: frozenset[str] | None) -> CreatorStatus:
        """What became of this person. ``disabled`` holds ids, None where they are not known."""
        if self.removed:
            return "removed"
        if disabled is None or not self.id:
            return "unknown"
        return "disabled" if self.id in disabled else "active"


class ApiKey(msgspec.Struct, frozen=True, gc=False):
    """One key of the list. Times are Unix seconds; None is "no date" (never, or not known).

    ``permissions`` is sorted and never empty: full access is ``("*",)``.
    ``postfix`` is the last four characters of the key, the only part a portal ever shows again.
    A Struct, since there are many: a dataclass takes 15 times as long to make.
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
        """How much this key may do: ``read`` means every scope of it is a ``…:read`` one."""
        if self.permissions == FULL_ACCESS:
            return "full"
        return "read" if all(scope.endswith(":read") for scope in self.permissions) else "limited"
