"""A metrics page like the exporter's: 10,000 keys in 200 portals, 5 % of them near an alert."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PORTALS, KEYS, PER_PORTAL = 200, 10_000, 50
DAY = 86_400.0

REASONS = (
    "timeout", "connection", "tls", "credential", "unauthorized", "payment_required",
    "forbidden", "not_found", "rate_limited", "redirect", "server_error", "unexpected_status",
    "invalid_response", "too_large",
)  # fmt: skip

#: The kinds of keys near an alert, all of the same frequency.
KINDS = (
    "expiring", "critical", "expired", "refused", "unused",
    "orphaned", "unrestricted", "never_expiring", "never_used", "stale", "superseded",
)  # fmt: skip


@contextmanager
def served(now: float, untidy: bool) -> Iterator[str]:  # noqa: FBT001 - the one choice of a run
    """Serve the page on loopback, always with the same content. Yields its address."""
    body = "".join(_lines(now, untidy)).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _lines(now: float, untidy: bool) -> Iterator[str]:  # noqa: FBT001 - the one choice of a run
    """The lines of the page, without help texts."""
    yield 'docspace_exporter_build_info{version="1",revision="1",python_version="3"} 1\n'
    yield "docspace_exporter_config_last_reload_successful 1\n"
    keys = [Key(number, now, untidy) for number in range(KEYS)]
    for number in range(PORTALS):
        portal, own = _portal(number), [key for key in keys if key.portal == number]
        yield f"docspace_up{{{portal}}} 1\n"
        yield f"docspace_clock_skew_seconds{{{portal}}} {number % 3}\n"
        yield f"docspace_api_keys_malformed{{{portal}}} 0\n"
        yield (
            f'docspace_portal_info{{{portal},url="https://portal-{number}.example.com",'
            'visibility="all",version="3.7.1"} 1\n'
        )
        yield f"docspace_api_keys{{{portal}}} {PER_PORTAL}\n"
        for kind in ("orphaned", "unrestricted", "never_expiring", "never_used", "superseded"):
            yield f"docspace_api_keys_{kind}{{{portal}}} {sum(key.is_a(kind) for key in own)}\n"
        stale = sum(key.is_a("stale") for key in own)
        for days, count in ((30, stale), (90, stale), (180, 0), (365, 0)):
            yield f'docspace_api_keys_stale{{{portal},unused_for="{days}d"}} {count}\n'
        yield (
            f"docspace_api_keys_last_created_timestamp_seconds{{{portal}}} {now - 160 * DAY:.0f}\n"
        )
        for reason in REASONS:
            yield f'docspace_scrape_errors_total{{{portal},reason="{reason}"}} 0\n'
        yield f'docspace_exporter_key_info{{{portal},key_id="{own[-1].id}"}} 1\n'
    for key in keys:
        yield from key.lines()


def _portal(number: int) -> str:
    return f'portal="portal-{number:03}",team="team-{number % 7}",env="prod"'


class Key:
    """A key. Every twentieth key of a portal is near an alert."""

    def __init__(self, number: int, now: float, untidy: bool) -> None:  # noqa: FBT001 - as above
        self.number, self.portal = number, number % PORTALS
        self.id = f"00000000-0000-4000-8000-{number:012}"
        place = number + number // PORTALS
        self._kind = KINDS[place // 20 % len(KINDS)] if place % 20 == 0 else ""
        self._untidy = untidy
        self._now = now

    def is_a(self, kind: str) -> bool:
        """Whether its portal's count of this kind includes the key."""
        if kind == "orphaned":
            return self._kind in {"refused", "orphaned"}
        share = {"unrestricted": 4, "never_expiring": 3}.get(kind, 0)
        return self._kind == kind or bool(self._untidy and share and self.number % share == 1)

    def lines(self) -> Iterator[str]:
        """Its series."""
        labels = f'{_portal(self.portal)},key_id="{self.id}",key_name="integration {self.number}"'
        status = "disabled" if self.is_a("orphaned") else "active"
        access = "full" if self.is_a("unrestricted") else "limited"
        left = {"expiring": 10, "critical": 2, "expired": -1, "unused": 10}.get(self._kind, 200)
        used = {"unused": 30, "orphaned": 30, "stale": 120, "expired": 1.1}.get(self._kind, 0.01)
        near = self._kind in {"expiring", "critical", "expired", "unused"}
        yield (
            f'docspace_api_key_info{{{labels},key_postfix="{self.number % 65536:04x}",'
            f'creator="Person {self.number % 90}",creator_status="{status}",access="{access}",'
            'permissions="files:read,files:write"} 1\n'
        )
        yield f"docspace_api_key_active{{{labels}}} {int(left > 0)}\n"
        if near or not self.is_a("never_expiring"):
            at = self._now + left * DAY
            yield f"docspace_api_key_expiry_timestamp_seconds{{{labels}}} {at:.0f}\n"
        at = self._now - 160 * DAY
        yield f"docspace_api_key_created_timestamp_seconds{{{labels}}} {at:.0f}\n"
        if self._kind != "never_used":
            at = self._now - used * DAY
            yield f"docspace_api_key_last_used_timestamp_seconds{{{labels}}} {at:.0f}\n"
        yield f"docspace_api_key_orphaned{{{labels}}} {int(self.is_a('orphaned'))}\n"
        yield f"docspace_api_key_superseded{{{labels}}} {int(self.is_a('superseded'))}\n"
