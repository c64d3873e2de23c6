"""``docspace-exporter demo``: three embedded DocSpace portals, and an exporter for them."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from functools import partial

from exporter.commands.serve import serve
from exporter.commands.terminal import emit
from exporter.config import PortalSettings, Secret, Settings
from exporter.demo.scenario import DemoPortal, build
from exporter.demo.server import DemoServer
from exporter.logs import background_log

#: Seconds between two requests for the disabled people, so that changes of the demo show soon.
_PEOPLE_INTERVAL = 15.0

_GUIDE = """\
Three DocSpace portals are running, with keys in every state:

{portals}

Try:

  curl {exporter}/metrics
  curl '{exporter}/probe?target={first}'
  curl -H 'Authorization: Bearer {key}' {url}/api/2.0/keys

Within minutes keys expire, appear and get rotated, and a person is disabled. Ctrl-C ends it.

"""


def run(options: argparse.Namespace) -> int:
    """Run the portals and the exporter in this process until a signal ends it."""
    portals = build(time.time)
    with contextlib.ExitStack() as running:
        log = running.enter_context(
            background_log(sys.stderr, options.log_level, options.log_format)
        )
        urls = [running.enter_context(DemoServer(portal.portal)).url for portal in portals]
        settings = _settings(portals, urls)
        return serve(lambda: settings, options, log, partial(_show_guide, portals, urls))


def _settings(portals: Sequence[DemoPortal], urls: Sequence[str]) -> Settings:
    return Settings(
        source="demo",
        portals=tuple(
            PortalSettings(
                name=portal.name,
                url=url,
                api_key=Secret(portal.exporter_key),
                people_interval=_PEOPLE_INTERVAL,
            )
            for portal, url in zip(portals, urls, strict=True)
        ),
    )


def _show_guide(portals: Sequence[DemoPortal], urls: Sequence[str], exporter: str) -> None:
    """Print what is running and what to try. It shows a key, which only the demo accepts."""
    named = zip(portals, urls, strict=True)
    guide = _GUIDE.format(
        portals="\n".join(f"  {portal.name:<10} {url}" for portal, url in named),
        exporter=exporter,
        first=portals[0].name,
        key=portals[0].exporter_key,
        url=urls[0],
    )
    emit(guide)
