"""Synthetic exporters: the exposition of any portals and keys, served on loopback.

They have what the demo lacks: hundreds of portals, thousands of keys, empty labels, a history of
days. Names and labels are those of the public contract, `docs/metrics.md`.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DAY = 86400.0
REASONS = (
    "timeout", "connection", "tls", "credential", "unauthorized", "payment_required", "forbidden",
    "not_found", "rate_limited", "redirect", "server_error", "unexpected_status",
    "invalid_response", "too_large",
)  # fmt: skip


@dataclass(frozen=True)
class SyntheticKey:
    """A key. Times are seconds from now: negative for the past, None for unknown."""

    id: str
    name: str = "ci"
    postfix: str = "12e4"
    creator: str = "Ada Okafor"
    creator_status: str = "active"
    access: str = "limited"
    permissions: str = "files:read"
    active: bool = True
    created: float | None = -30 * DAY
    expires: float | None = None
    used: float | None = -60.0
    superseded: bool = False

    @property
    def expired(self) -> bool:
        """Past its expiry."""
        return self.expires is not None and self.expires <= 0

    @property
    def usable(self) -> bool:
        """Active as the contract defines it: switched on and not expired."""
        return self.active and not self.expired


@dataclass(frozen=True)
class SyntheticPortal:
    """A portal. Without ``up`` it has neither keys nor counts."""

    name: str
    keys: Sequence[SyntheticKey] = ()
    up: bool = True
    answered: bool = True
    visibility: str = "all"
    version: str = "3.7.1"
    labels: Mapping[str, str] = field(default_factory=dict)


def samples(portals: Sequence[SyntheticPortal], now: float) -> Iterator[tuple[str, str, float]]:
    """(metric, labels, value) of each sample, not grouped by metric."""
    yield "docspace_exporter_build_info", _labels(version="1", revision="r", python_version="3"), 1
    yield "docspace_exporter_config_last_reload_successful", "", 1
    yield "process_cpu_seconds_total", "", now % 100000 / 100
    yield "process_resident_memory_bytes", "", 64e6
    for portal in portals:
        yield from _of_portal(portal, now)


def _of_portal(portal: SyntheticPortal, now: float) -> Iterator[tuple[str, str, float]]:
    common = {**portal.labels, "portal": portal.name}
    yield "docspace_up", _labels(**common), float(portal.up)
    for reason in REASONS:
        failed = 0.0 if portal.up or reason != "connection" else now // 60
        yield "docspace_scrape_errors_total", _labels(**common, reason=reason), failed
    if portal.answered:
        at = now if portal.up else now - 7200
        yield "docspace_scrape_last_success_timestamp_seconds", _labels(**common), at
    if not portal.up:
        return
    url = f"https://{portal.name}.example"
    info = _labels(**common, url=url, visibility=portal.visibility, version=portal.version)
    yield "docspace_portal_info", info, 1
    yield "docspace_scrape_duration_seconds", _labels(**common), 0.1
    yield "docspace_clock_skew_seconds", _labels(**common), 0.2
    if portal.keys:
        own = _labels(**common, key_id=portal.keys[0].id)
        yield "docspace_exporter_key_info", own, 1
        if portal.keys[0].expires is not None:
            at = now + portal.keys[0].expires
            yield "docspace_exporter_key_expiry_timestamp_seconds", own, at
    for metric, count in _counts(portal.keys).items():
        yield f"docspace_api_keys{metric}", _labels(**common), float(count)
    for key in portal.keys:
        yield from _of_key(key, common, now)


def _counts(keys: Sequence[SyntheticKey]) -> dict[str, int]:
    usable = [key for key in keys if key.usable]
    return {
        "": len(keys),
        "_active": len(usable),
        "_expired": sum(key.expired for key in keys),
        "_disabled": sum(not key.active and not key.expired for key in keys),
        "_never_expiring": sum(key.expires is None for key in usable),
        "_unrestricted": sum(key.access == "full" for key in usable),
        "_never_used": sum(key.used is None for key in usable),
        "_orphaned": sum(key.creator_status in {"disabled", "removed"} for key in usable),
        "_superseded": sum(key.superseded for key in usable),
        "_malformed": 0,
    }


def _of_key(
    key: SyntheticKey, common: Mapping[str, str], now: float
) -> Iterator[tuple[str, str, float]]:
    mine = {**common, "key_id": key.id, "key_name": key.name}
    labels = _labels(**mine)
    described = {
        "key_postfix": key.postfix,
        "creator": key.creator,
        "creator_status": key.creator_status,
        "access": key.access,
        "permissions": key.permissions,
    }
    yield "docspace_api_key_info", _labels(**mine, **described), 1
    yield "docspace_api_key_active", labels, float(key.active)
    if key.expires is not None:
        yield "docspace_api_key_expiry_timestamp_seconds", labels, now + key.expires
    if key.created is not None:
        yield "docspace_api_key_created_timestamp_seconds", labels, now + key.created
    if key.used is not None:
        yield "docspace_api_key_last_used_timestamp_seconds", labels, now + key.used
    if key.creator_status != "unknown":
        gone = key.creator_status in {"disabled", "removed"}
        yield "docspace_api_key_orphaned", labels, float(gone)
    yield "docspace_api_key_superseded", labels, float(key.superseded)


def _labels(**labels: str) -> str:
    """Labels as PromQL and the text format write them, with the escapes of JSON."""
    pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def exposition(portals: Sequence[SyntheticPortal], now: float) -> str:
    """The text format."""
    grouped: dict[str, list[str]] = {}
    for metric, labels, value in samples(portals, now):
        grouped.setdefault(metric, []).append(f"{metric}{labels} {value!r}\n")
    return "".join(line for lines in grouped.values() for line in lines)


@contextmanager
def synthetic(portals: Sequence[SyntheticPortal]) -> Iterator[str]:
    """Serve the exposition of these portals at this moment; yields host and port."""
    text = exposition(portals, time.time()).encode()
    with serve(lambda: text) as target:
        yield target


@contextmanager
def serve(body: Callable[[], bytes]) -> Iterator[str]:
    """Serve /metrics; yields host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = body()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
