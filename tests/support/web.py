"""A web server in the process of the tests, with a web configuration."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.message import Handler, Reply, Request
from exporter.httpserver.server import Server
from exporter.httpserver.webfile import WebConfigFile
from support.standing import Log


def echo(request: Request) -> Reply:
    """A handler that answers with the scheme and the path of the request."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return Reply(f"{request.scheme} {request.path}\n".encode(), headers=headers)


@dataclass(frozen=True)
class Answer:
    """The result of curl. ``status`` is 0 if there was no answer; ``error`` has the reason."""

    status: int
    headers: dict[str, list[str]]
    body: str
    error: str


def curl(url: str, *options: str | Path) -> Answer:
    """Send a request with curl; ``options`` are those of curl."""
    done = subprocess.run(
        [
            "curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20",
            "--write-out", '%{stderr}\n{"status": "%{http_code}", "headers": %{header_json}}',
            *map(str, options), url,
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )  # fmt: skip
    error, _, written = done.stderr.partition('\n{"status"')
    seen = json.loads('{"status"' + written)
    return Answer(int(seen["status"]), seen["headers"], done.stdout, error)


class Web:
    """A server on 127.0.0.1 whose web configuration is the file ``config``."""

    def __init__(self, folder: Path, text: str, handler: Handler = echo) -> None:
        self.config = folder / "web.yml"
        self.config.write_text(text)
        self.log = Log()
        file = WebConfigFile(self.config, self.log.log)
        listening = ListenAddress("127.0.0.1", 0).bind()
        self.address = ListenAddress.of(listening)
        self.url = self.address.url("http" if file.tls is None else "https")
        self.server = Server(
            [listening],
            file.guard(handler),
            self.log.log,
            threads=8,
            tls=file.tls,
        )

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.address.port

    def curl(self, *options: str | Path, path: str = "/") -> Answer:
        """Send it a request with curl."""
        return curl(self.url + path, *options)
