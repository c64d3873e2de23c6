"""The result of an examination: a finding for each check, and a verdict over all."""

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
    8601 for tls and own_key_expiry, `all`, `own` or `unknown` for visibility, and None elsewhere
    or where it is unknown. ``next_step`` says what to do about a warning or a problem.
    """

    check: Check
    status: Status
    detail: str = ""
    value: float | str | None = None
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A portal's findings, one for each of `CHECKS` and in their order.

    ``version`` is that of the portal, empty where it is not known.
    """

    portal: PortalSettings
    findings: tuple[Finding, ...]
    version: str = ""

    @property
    def verdict(self) -> Status:
        """``problem`` where a scrape fails, ``warning`` where it works and something is off."""
        found = {finding.status for finding in self.findings}
        return "problem" if "problem" in found else "warning" if "warning" in found else "ok"

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The findings that make the verdict worse than ok, problems first."""
        return tuple(
            finding
            for status in ("problem", "warning")
            for finding in self.findings
            if finding.status == status
        )

    def of(self, check: Check) -> Finding:
        """The finding of one check."""
        return self.findings[CHECKS.index(check)]
