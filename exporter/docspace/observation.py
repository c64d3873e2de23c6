"""What one look at a portal brought: its keys or an error, when, and how long it took."""

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
    """What a portal says of itself and its people, beside the key list.

    ``visibility`` is which keys the list holds: ``all`` or the caller's ``own``. ``version`` is
    empty where it is not known. ``disabled`` holds the ids of disabled people in lower case, None
    where it is not known who is disabled; ``people_error`` is then what keeps that unknown.
    """

    visibility: Visibility = "unknown"
    version: str = ""
    disabled: frozenset[str] | None = None
    people_error: PortalError | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at one portal, at ``time`` (Unix seconds); its key list took ``duration`` seconds.

    Exactly one of ``listing`` and ``error`` is set. ``own_key`` is the key of the list that the
    exporter itself uses, where it can be found. ``clock_skew`` is the answer's Date header, which
    counts whole seconds, minus our clock. ``facts``, ``last_success`` (Unix seconds) and ``errors``
    (failed looks so far, by reason) outlive the single look; the last two are the portal's to fill
    in.
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
