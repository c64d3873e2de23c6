"""The configuration: ``config.yaml`` and the environment, read into frozen settings.

``load(path, environ)`` is the one way in. It returns complete, checked `Settings` or raises
`ConfigError` with every problem of the file. This room opens no connection and reads no key file.
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
from exporter.yamlfile import ConfigError, Secret

__all__ = [
    "ConfigError",
    "Labels",
    "PortalSettings",
    "Secret",
    "Settings",
    "TLSSettings",
    "Window",
    "Withheld",
    "load",
]
