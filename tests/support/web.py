"""A web server of the test's own process, with a web configuration."""

import json
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from wsgiref.types import StartResponse, WSGIApplication

from exporter.httpserver.guard import Guard
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.server import Server
from exporter.httpserver.tls import ServerTLS
from exporter.httpserver.webfile import WebConfigFile
from support.standing import Log


def echo(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """An application that answers with the scheme and the path it was asked for."""
    body = f"{environ['wsgi.url_scheme']} {environ['PATH_INFO']}\n".encode()
    headers = [("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")]
    start_response("200 OK", headers)
    return [body]


@dataclass(frozen=True)
class Answer:
    """What curl got. ``status`` is 0 where there was no answer, ``error`` then says why."""

    status: int
    headers: dict[str, list[str]]
    body: str
    error: str


def curl(url: str, *options: str | Path) -> Answer:
    """Ask with curl; options are its own."""
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
    error, _, told = done.stderr.partition('\n{"status"')
    seen = json.loads('{"status"' + told)
    return Answer(int(seen["status"]), seen["headers"], done.stdout, error)


class Web:
    """A server on 127.0.0.1 whose web configuration is the file ``config``."""

    def __init__(self, folder: Path, text: str, app: WSGIApplication = echo) -> None:
        self.config = folder / "web.yml"
        self.config.write_text(text)
        self.log = Log()
        file = WebConfigFile(self.config, self.log.log)
        self.server = Server(
            ListenAddress("127.0.0.1", 0),
            Guard(app, file, time.monotonic),
            self.log.log,
            max_requests=4,
            tls=ServerTLS.of(file, self.log.log),
        )

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.address.port

    @property
    def url(self) -> str:
        """Its address."""
        return self.server.url

    def curl(self, *options: str | Path, path: str = "/") -> Answer:
        """Ask it with curl."""
        return curl(self.url + path, *options)
