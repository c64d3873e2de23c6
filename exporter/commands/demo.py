"""``docspace-exporter demo``: an embedded DocSpace server with three portals, and an exporter."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence

from exporter.commands.serve import serve
from exporter.config import PortalSettings, Secret, Settings
from exporter.demo.scenario import DemoPortal, build
from exporter.demo.server import DemoServer
from exporter.logs import make_log

_GUIDE = """\
Three DocSpace portals are running, with keys in every state:

{portals}

Try:

  curl {exporter}/metrics
  curl '{exporter}/probe?target={first}'
  curl -H 'Authorization: Bearer {key}' {url}/api/2.0/keys

Keys expire, appear and get rotated within the next minutes. Ctrl-C ends it.

"""


def run(options: argparse.Namespace) -> int:
    """Run portals and exporter in this process until a signal ends it."""
    log = make_log(sys.stderr, options.log_level, options.log_format)
    portals = build(time.time)
    with contextlib.ExitStack() as running:
        servers = [running.enter_context(DemoServer(portal.portal)) for portal in portals]
        sys.stdout.write(_guide(portals, servers, str(options.web_listen_address[0])))
        sys.stdout.flush()
        return serve(_settings(portals, servers), options.web_listen_address, log)


def _settings(portals: Sequence[DemoPortal], servers: Sequence[DemoServer]) -> Settings:
    return Settings(
        portals=tuple(
            PortalSettings(name=portal.name, url=server.url, api_key=Secret(portal.exporter_key))
            for portal, server in zip(portals, servers, strict=True)
        )
    )


def _guide(portals: Sequence[DemoPortal], servers: Sequence[DemoServer], address: str) -> str:
    """What is running and what to try; the demo's keys open nothing but the demo."""
    lines = [
        f"  {portal.name:<10} {server.url}" for portal, server in zip(portals, servers, strict=True)
    ]
    _, _, port = address.rpartition(":")
    return _GUIDE.format(
        portals="\n".join(lines),
        exporter=f"http://localhost:{port}",
        first=portals[0].name,
        key=portals[0].exporter_key,
        url=servers[0].url,
    )
