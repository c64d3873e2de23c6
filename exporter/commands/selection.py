"""The portals that a command is called for."""

import argparse
import os
from dataclasses import replace

from exporter.config import Settings, Source
from exporter.flags import FlagError


def selected(options: argparse.Namespace) -> Settings:
    """The configuration with the portals that ``--portal`` names, or with all of them.

    Raises ConfigError, and FlagError for a name that no portal has.
    """
    settings = Source(options.config_file, os.environ).load()
    known = {portal.name: portal for portal in settings.portals}
    if not set(options.portal) <= set(known):
        raise FlagError(f"--portal: expected one of {', '.join(known)}")
    wanted = dict.fromkeys(options.portal or known)
    portals = tuple(portal for portal in settings.portals if portal.name in wanted)
    return replace(settings, portals=portals)
