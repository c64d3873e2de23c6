"""From the plain values of ``config.yaml`` to `Settings`; one run reports all problems."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from exporter.config import labels, values
from exporter.config.settings import PortalSettings, Settings, TLSSettings
from exporter.yamlfile import Context, Section, document, scalars

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def load(path: Path, environ: Mapping[str, str], name: str = "") -> Settings:
    """Read the configuration file. ``name`` stands for its path in errors.

    ``environ`` has the values for ``${VAR}`` and ``${VAR:-default}``. Relative paths in the file
    are relative to its folder. Raises ConfigError with a line for each problem.
    """
    source = name or str(path)
    context = Context(source, partial(_expand, environ))
    settings = _settings(Section(document.read(path), "", context), path.parent)
    context.end()
    return replace(settings, source=source)


def _expand(environ: Mapping[str, str], value: object) -> object:
    """The value with variables in its strings expanded; a default also replaces an empty one."""

    def fill(match: re.Match[str]) -> str:
        name, default = match.groups()
        known = environ.get(name)
        if default is not None:
            return known or default
        if known is None:
            raise ValueError(f"the environment variable {name} is not set")
        return known

    if isinstance(value, list):
        return [_expand(environ, item) for item in value]
    if not isinstance(value, str):
        return value
    if "${" in _VARIABLE.sub("", value):
        raise ValueError("expected a variable such as ${VAR} or ${VAR:-default}")
    if any("${" in default for _, default in _VARIABLE.findall(value)):
        raise ValueError("expected no variable in the default of another")
    return _VARIABLE.sub(fill, value)


def _settings(top: Section, folder: Path) -> Settings:
    scrape = top.section("scrape")
    defaults = PortalSettings(name="", url="")
    defaults = replace(
        defaults,
        timeout=scrape.take("timeout", values.timeout, defaults.timeout),
        min_interval=scrape.take("min_interval", values.min_interval, defaults.min_interval),
        people_interval=scrape.take(
            "people_interval", values.people_interval, defaults.people_interval
        ),
        max_keys=scrape.take("max_keys", values.max_keys, defaults.max_keys),
        max_response_size=scrape.take("max_response_size", values.size, defaults.max_response_size),
        expiring_within=top.take("expiring_within", values.windows, defaults.expiring_within),
        labels=labels.read(top.section("labels"), ()),
        withhold=top.take("withhold", values.withhold, defaults.withhold),
    )
    concurrency = scrape.take("concurrency", values.concurrency, Settings.DEFAULT_CONCURRENCY)
    scrape.close()
    portals: dict[str, PortalSettings] = {}
    for section in top.sections("portals"):
        portal = _portal(section, defaults, folder)
        if portal.name and portal.name in portals:
            section.problem("name", "expected a name that no other portal has")
        portals[portal.name] = portal
    top.close()
    return Settings(portals=tuple(portals.values()), concurrency=concurrency)


def _portal(section: Section, defaults: PortalSettings, folder: Path) -> PortalSettings:
    path = partial(scalars.path_in, folder)
    if section.has("api_key") == section.has("api_key_file"):
        section.problem("api_key", "expected either `api_key` or `api_key_file`")
    portal = replace(
        defaults,
        name=section.require("name", scalars.text, ""),
        url=section.require("url", values.portal_url, ""),
        api_key=section.take("api_key", values.secret, None),
        api_key_file=section.take("api_key_file", path, None),
        timeout=section.take("timeout", values.timeout, defaults.timeout),
        expiring_within=section.take("expiring_within", values.windows, defaults.expiring_within),
        tls=_tls(section.section("tls"), folder),
        proxy_url=section.take("proxy_url", values.proxy_url, None),
        labels=labels.read(section.section("labels"), defaults.labels),
        withhold=defaults.withhold | section.take("withhold", values.withhold, frozenset()),
    )
    section.close()
    return portal


def _tls(section: Section, folder: Path) -> TLSSettings:
    path = partial(scalars.path_in, folder)
    if section.has("key_file") and not section.has("cert_file"):
        section.problem("cert_file", "expected the certificate that `key_file` belongs to")
    if section.has("cert_file") and not section.has("key_file"):
        section.problem("key_file", "expected the key that `cert_file` belongs to")
    tls = TLSSettings(
        ca_file=section.take("ca_file", path, None),
        cert_file=section.take("cert_file", path, None),
        key_file=section.take("key_file", path, None),
        insecure_skip_verify=section.take("insecure_skip_verify", scalars.boolean, False),  # noqa: FBT003, a default
    )
    section.close()
    return tls
