"""Differences between releases of the DocSpace server."""

import re
from dataclasses import dataclass

_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Release:
    """A release by its version; a text that does not begin with a version is the newest release."""

    version: str

    def _since(self, *release: int) -> bool:
        found = _NUMBERS.match(self.version)
        return found is None or tuple(map(int, found.groups())) >= release

    @property
    def has_own_key(self) -> bool:
        """Whether `keys/@self` exists."""
        return self._since(3, 1, 1)

    @property
    def lists_for_any_scope(self) -> bool:
        """Whether a key of any scope may list keys."""
        return self._since(3, 2, 1) and not self._since(3, 7, 1)

    @property
    def lists_for_guests(self) -> bool:
        """Whether a guest may list the own keys."""
        return not self._since(3, 9, 0)

    @property
    def job_seconds(self) -> float:
        """Seconds between two runs of the job that switches expired keys off."""
        return 600.0 if self._since(3, 7, 1) else 86400.0
