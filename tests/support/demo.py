"""The demo's portals, for tests to fetch from."""

import time
from types import TracebackType
from typing import Self

from exporter.demo.key import DemoKey
from exporter.demo.scenario import build
from exporter.demo.server import DemoServer


class Demo:
    """The demo's three portals, with the time of the machine.

    They run in the process of the tests while the with block lasts.
    """

    def __init__(self) -> None:
        self.portals = {portal.name: portal for portal in build(time.time)}
        self.servers = {name: DemoServer(portal.portal) for name, portal in self.portals.items()}

    def __enter__(self) -> Self:
        for server in self.servers.values():
            server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self.servers.values():
            server.stop()

    def keys(self, name: str) -> tuple[DemoKey, ...]:
        """The keys of a portal that the exporter can see, newest first."""
        portal, secret = self.portals[name].portal, self.portals[name].exporter_key
        (own,) = (key for key in portal.keys if key.secret == secret)
        return portal.visible_to(portal.creator(own))

    def config(self, *names: str) -> str:
        """A configuration with these portals, or with all."""
        return "portals:\n" + "".join(
            f"  - {{name: {name}, url: '{self.servers[name].url}', "
            f"api_key: {self.portals[name].exporter_key}}}\n"
            for name in names or self.portals
        )

    def variables(self, name: str) -> dict[str, str]:
        """The variables with which the built-in configuration has this portal."""
        return {
            "DOCSPACE_URL": self.servers[name].url,
            "DOCSPACE_API_KEY": self.portals[name].exporter_key,
        }
