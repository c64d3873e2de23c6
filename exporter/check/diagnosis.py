"""The result of an examination: a finding for each check, and a verdict."""

from dataclasses import dataclass
from typing import Literal, get_args

from exporter.config import PortalSettings

Check = Literal[
    "name_resolution",
    "connection",
    "tls",
    "api",
    "key",
    "scope",
    "visibility",
    "own_key_expiry",
    "keys",
    "clock_skew",
    "latency",
]
CHECKS: tuple[Check, ...] = get_args(Check)

Status = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: ``detail`` in words, ``value`` for a machine.

    ``value`` is seconds for connection, clock_skew and latency, a count for keys, a date in ISO
    8601 for tls and own_key_expiry, and `all`, `own` or `unknown` for visibility. It is None for
    other checks, or if unknown. ``next_step`` is what to do about a warning or a problem.
    """

    check: Check
    status: Status
    detail: str = ""
    value: float | str | None = None
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A portal's findings, in the order of `CHECKS`, and its version, empty if unknown."""

    portal: PortalSettings
    findings: tuple[Finding, ...]
    version: str = ""

    @property
    def verdict(self) -> Status:
        """``problem`` if a scrape fails, ``warning`` if it works but something should change."""
        found = {finding.status for finding in self.findings}
        return "problem" if "problem" in found else "warning" if "warning" in found else "ok"

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The problems, then the warnings."""
        return tuple(
            finding
            for status in ("problem", "warning")
            for finding in self.findings
            if finding.status == status
        )

    def of(self, check: Check) -> Finding:
        """The finding of one check."""
        return self.findings[CHECKS.index(check)]
