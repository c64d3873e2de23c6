"""The result of one fetch from a portal: its keys or an error, with time and duration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from exporter.config import PortalSettings
from exporter.docspace.errors import PortalError
from exporter.docspace.model import ApiKey
from exporter.docspace.wire import KeyList

Visibility = Literal["all", "own", "unknown"]


@dataclass(frozen=True, slots=True)
class PortalFacts:
    """Facts about a portal and its people, beside the key list.

    ``visibility`` is which keys the list holds: ``all`` or the caller's ``own``. ``version`` is
    empty if unknown. ``disabled`` holds the ids of disabled people in lower case; None if unknown,
    and ``people_error`` is then the reason, if it is an error.
    """

    visibility: Visibility = "unknown"
    version: str = ""
    disabled: frozenset[str] | None = None
    people_error: PortalError | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of one fetch, at ``time`` (Unix seconds); the key list took ``duration`` seconds.

    Exactly one of ``listing`` and ``error`` is set. ``own_key`` is the key that the exporter itself
    uses, if the list has it. ``clock_skew`` is the answer's Date header (whole seconds) minus the
    exporter's clock. ``last_success`` (Unix seconds) and ``errors`` (failed fetches so far, by
    reason) are set by `Portal`.
    """

    portal: PortalSettings
    time: float
    duration: float
    listing: KeyList | None = None
    error: PortalError | None = None
    own_key: ApiKey | None = None
    clock_skew: float | None = None
    facts: PortalFacts = PortalFacts()
    last_success: float | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
