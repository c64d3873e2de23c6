"""``/sd``: the configured portals as targets of Prometheus' HTTP service discovery."""

import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from exporter.config import Labels
from exporter.httpserver.message import Reply, Request

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?", re.ASCII)


def discovery(
    request: Request, targets: Iterable[tuple[str, Labels]], external_url: str | None
) -> Reply:
    """One target group for each portal, for ``/probe``; ``targets`` are names and labels.

    The address is that of ``external_url``, or without it the ``Host`` of the request. ``instance``
    is the portal's name, because all targets have the same address.
    """
    host = request.header("Host")
    if external_url is None and not _HOST.fullmatch(host):
        return Reply.text("Host: expected the exporter's address, or set --web.external-url", 400)
    parts = urlsplit(external_url or f"{request.scheme}://{host}")
    groups = [
        {
            "targets": [parts.netloc],
            "labels": {
                **dict(labels),
                "__scheme__": parts.scheme,
                "__metrics_path__": f"{parts.path}/probe",
                "__param_target": name,
                "instance": name,
            },
        }
        for name, labels in targets
    ]
    return Reply(json.dumps(groups, indent=1).encode() + b"\n", "application/json")
