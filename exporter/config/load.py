"""From the plain values of ``config.yaml`` to `Settings`, with every problem told in one run."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from exporter.config import document, values
from exporter.config.settings import PortalSettings, Settings, TLSSettings

T = TypeVar("T")
D = TypeVar("D")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the configuration file.

    ``environ`` is what ``${VAR}`` and ``${VAR:-default}`` expand from. Relative paths in the file
    start at the file's own folder. Raises ConfigError with a line for each problem.
    """
    problems: list[str] = []
    top = _Section(document.read(path), "", _Context(str(path), environ, problems))
    settings = _settings(top, path.parent)
    if problems:
        raise document.ConfigError(problems)
    return settings


class _Context:
    """What every section of a file shares: its name, the environment, the problems so far."""

    def __init__(self, source: str, environ: Mapping[str, str], problems: list[str]) -> None:
        self.source = source
        self.environ = environ
        self.problems = problems

    def problem(self, path: str, text: str) -> None:
        self.problems.append(f"{self.source}: {path}: {text}")

    def expand(self, value: object) -> object:
        """Fill variables into a string; an empty one counts as unset where there is a default."""

        def fill(match: re.Match[str]) -> str:
            name, default = match.groups()
            known = self.environ.get(name)
            if default is not None:
                return known or default
            if known is None:
                raise ValueError(f"the environment variable {name} is not set")
            return known

        if isinstance(value, list):
            return [self.expand(item) for item in value]
        return _VARIABLE.sub(fill, value) if isinstance(value, str) else value


class _Section:
    """One mapping of the file. Fields are taken by name; what is left at the end is unknown."""

    def __init__(self, mapping: dict[str, Any], path: str, context: _Context) -> None:
        self._mapping = mapping
        self._path = path
        self._context = context
        self._taken: set[str] = set()

    def take(self, field: str, parse: Callable[[object], T], default: D) -> T | D:
        """The parsed field; ``default`` where it is absent, null or wrong (which is noted)."""
        value = self._raw(field)
        if value is None:
            return default
        try:
            return parse(self._context.expand(value))
        except ValueError as exc:
            self.problem(field, str(exc))
            return default

    def require(self, field: str, parse: Callable[[object], T], default: D) -> T | D:
        """Like `take`, for a field that must be there."""
        if not self.has(field):
            self.problem(field, "expected a value; this field is required")
        return self.take(field, parse, default)

    def section(self, field: str) -> "_Section":
        """The mapping under a field; an empty one where it is absent."""
        value = self._raw(field)
        return self._nested({} if value is None else value, self._name(field))

    def sections(self, field: str) -> "Iterator[_Section]":
        """The mappings of a list under a field; the problem is noted where it is none."""
        value = self._raw(field)
        if not isinstance(value, list) or not value:
            self.problem(field, "expected a list with at least one entry")
            return
        for index, item in enumerate(value):
            yield self._nested(item, f"{self._name(field)}[{index}]")

    def has(self, field: str) -> bool:
        """Whether the file says anything of this field."""
        return self._mapping.get(field) is not None

    def problem(self, field: str, text: str) -> None:
        """Note what is wrong with a field."""
        self._context.problem(self._name(field), text)

    def close(self) -> None:
        """Note every field that nobody took."""
        for field in self._mapping:
            if field not in self._taken:
                close = difflib.get_close_matches(str(field), self._taken, n=1)
                expected = close[0] if close else ", ".join(sorted(self._taken))
                self.problem(str(field), f"unknown field; expected {expected}")

    def _nested(self, value: object, path: str) -> "_Section":
        if not isinstance(value, dict):
            self._context.problem(path, "expected a mapping")
            # Nothing more to say about its fields: they go to a list that nobody reads.
            return _Section({}, path, _Context("", self._context.environ, []))
        return _Section(value, path, self._context)

    def _raw(self, field: str) -> Any:
        self._taken.add(field)
        return self._mapping.get(field)

    def _name(self, field: str) -> str:
        return f"{self._path}.{field}" if self._path else field


def _settings(top: _Section, folder: Path) -> Settings:
    scrape = top.section("scrape")
    defaults = PortalSettings(name="", url="")
    defaults = replace(
        defaults,
        timeout=scrape.take("timeout", values.positive_duration, defaults.timeout),
        min_interval=scrape.take("min_interval", values.duration, defaults.min_interval),
        max_response_size=scrape.take("max_response_size", values.size, defaults.max_response_size),
        expiring_within=top.take("expiring_within", values.windows, defaults.expiring_within),
    )
    concurrency = scrape.take("concurrency", values.concurrency, Settings.DEFAULT_CONCURRENCY)
    scrape.close()
    portals: list[PortalSettings] = []
    for section in top.sections("portals"):
        portal = _portal(section, defaults, folder)
        if portal.name in {other.name for other in portals} - {""}:
            section.problem("name", "expected a name that no other portal has")
        portals.append(portal)
    top.close()
    return Settings(portals=tuple(portals), concurrency=concurrency)


def _portal(section: _Section, defaults: PortalSettings, folder: Path) -> PortalSettings:
    path = partial(values.path_in, folder)
    if section.has("api_key") == section.has("api_key_file"):
        section.problem("api_key", "expected either `api_key` or `api_key_file`")
    portal = PortalSettings(
        name=section.require("name", values.text, ""),
        url=section.require("url", values.portal_url, ""),
        api_key=section.take("api_key", values.secret, None),
        api_key_file=section.take("api_key_file", path, None),
        timeout=section.take("timeout", values.positive_duration, defaults.timeout),
        min_interval=defaults.min_interval,
        max_response_size=defaults.max_response_size,
        expiring_within=section.take("expiring_within", values.windows, defaults.expiring_within),
        tls=_tls(section.section("tls"), folder),
        proxy_url=section.take("proxy_url", values.proxy_url, None),
    )
    section.close()
    return portal


def _tls(section: _Section, folder: Path) -> TLSSettings:
    path = partial(values.path_in, folder)
    if section.has("key_file") and not section.has("cert_file"):
        section.problem("cert_file", "expected the certificate that `key_file` belongs to")
    if section.has("cert_file") and not section.has("key_file"):
        section.problem("key_file", "expected the key that `cert_file` belongs to")
    tls = TLSSettings(
        ca_file=section.take("ca_file", path, None),
        cert_file=section.take("cert_file", path, None),
        key_file=section.take("key_file", path, None),
        insecure_skip_verify=section.take("insecure_skip_verify", values.boolean, False),  # noqa: FBT003, a default
    )
    section.close()
    return tls
