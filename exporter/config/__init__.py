"""The configuration: ``config.yaml`` and the environment, read into frozen settings.

``Source(file, environ).load()`` finds the file and reads it, ``load(path, environ)`` reads a given
file. Both return complete, checked `Settings` or raise `ConfigError` with all problems of the file.
This package opens no connection and reads no key file.
"""

from exporter.config.load import load
from exporter.config.settings import (
    Labels,
    PortalSettings,
    Settings,
    TLSSettings,
    Window,
    Withheld,
)
from exporter.config.source import Source
from exporter.yamlfile import ConfigError, Secret

__all__ = [
    "ConfigError",
    "Labels",
    "PortalSettings",
    "Secret",
    "Settings",
    "Source",
    "TLSSettings",
    "Window",
    "Withheld",
    "load",
]
