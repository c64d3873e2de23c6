"""What one look at a portal brought: its keys or an error, when, and how long it took."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from exporter.config import PortalSettings
from exporter.docspace.errors import PortalError
from exporter.docspace.model import ApiKey
from exporter.docspace.wire import KeyList

Visibility = Literal["all", "own", "unknown"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The X-RateLimit headers of an answer; each may be missing."""

    limit: float | None = None
    remaining: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a portal's answer tells beside its body, whatever its status.

    ``clock_skew`` is the Date header minus our clock, in seconds; the header counts whole seconds.
    """

    clock_skew: float | None = None
    rate_limit: RateLimit = RateLimit()


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at one portal, at ``time`` (Unix seconds), ``duration`` seconds long.

    Exactly one of ``listing`` and ``error`` is set. ``visibility``, ``last_success`` (Unix
    seconds) and ``errors`` (failed looks so far, by reason) outlive the single look.
    ``own_key`` is the key of the list that the exporter itself uses, where it can be told.
    """

    portal: PortalSettings
    time: float
    duration: float
    listing: KeyList | None
    error: PortalError | None
    own_key: ApiKey | None
    answer: Answer
    visibility: Visibility
    last_success: float | None
    errors: Mapping[str, int]
