"""Frozen settings with their defaults. ``load`` checks the values before."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from exporter.yamlfile import Secret

#: Pairs of name and value, sorted by name.
Labels = tuple[tuple[str, str], ...]

#: Labels of a key whose values may be personal or confidential.
Withheld = Literal["creator", "key_name", "permissions"]


@dataclass(frozen=True, slots=True)
class Window:
    """A window of ``expiring_within``: its ``label`` as written in the file, and its seconds."""

    label: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """How a portal's certificate is checked, and the client certificate that the portal gets.

    With ``ca_file``, its certificates are trusted instead of the system's.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class PortalSettings:
    """One portal, complete: its own fields, and those of ``scrape`` that it does not set.

    ``url`` has no trailing slash. Exactly one of ``api_key`` and ``api_key_file`` is set.
    ``timeout``, ``min_interval`` and ``people_interval`` are in seconds. ``max_response_size`` is
    in bytes of decoded JSON, ``max_keys`` is a number of records. ``expiring_within`` starts with
    the shortest window. ``labels`` include those of all portals. The values of the labels in
    ``withhold`` are shown nowhere.
    """

    name: str
    url: str
    api_key: Secret | None = None
    api_key_file: Path | None = None
    timeout: float = 10.0
    min_interval: float = 1.0
    people_interval: float = 300.0
    # A key is about 900 bytes of JSON, so 100,000 keys are 86 MiB. The rest is for long names and
    # permissions.
    max_keys: int = 100_000
    max_response_size: int = 128 * 1024 * 1024
    expiring_within: tuple[Window, ...] = (Window("7d", 7 * 86400.0), Window("30d", 30 * 86400.0))
    tls: TLSSettings = TLSSettings()
    proxy_url: Secret | None = None
    labels: Labels = ()
    withhold: frozenset[Withheld] = frozenset()


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration.

    ``concurrency`` is the most fetches at the same time. ``source`` is the name of the file in
    messages; settings that differ only in it are equal.
    """

    DEFAULT_CONCURRENCY: ClassVar[int] = 32

    portals: tuple[PortalSettings, ...]
    concurrency: int = DEFAULT_CONCURRENCY
    source: str = field(default="", compare=False)
