"""Creating, changing and deleting keys: the calls that write.

The exporter never makes them. They are here so that whoever tries the demo can make a key
appear, switch it off and see it go.
"""

import json
import secrets
from dataclasses import replace
from typing import Any

from exporter.demo import wire
from exporter.demo.access import Caller
from exporter.demo.limits import SlidingWindow
from exporter.demo.model import PERMISSIONS, DemoKey, Portal
from exporter.demo.wire import Response, failure

KEYS = "/api/2.0/keys"
DAY = 86400.0
MAX_NAME = 30
MAX_DAYS = 365
CREATIONS = 5
CREATION_SECONDS = 15 * 60.0


class Editor:
    """Answers POST, PUT and DELETE for one portal's keys."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._creations = SlidingWindow(CREATION_SECONDS)

    def answer(self, method: str, path: str, url: str, caller: Caller, body: bytes) -> Response:
        """Carry out a call of someone who may write, and return what goes back."""
        if (method, path) == ("POST", KEYS):
            return self._create(url, caller, body)
        if method not in ("PUT", "DELETE") or not path.startswith(f"{KEYS}/"):
            return failure(404, "The requested resource was not found")
        key = self._portal.key(path.removeprefix(f"{KEYS}/"))
        if key is None or not caller.owns(key):
            return failure(404, "The API key was not found")
        if method == "DELETE":
            self._portal.remove_key(key.id)
            return wire.envelope(True, url, method)  # noqa: FBT003 - the result is a JSON boolean
        return self._change(url, key, body)

    def _create(self, url: str, caller: Caller, body: bytes) -> Response:
        now = self._portal.now()
        quota = self._creations.take(caller.person.id, now, CREATIONS)
        if quota.wait is not None:
            return failure(429, "Too many keys created", headers=quota.headers())
        sent = read_json(body)
        if sent is None or sent.get("name") is None:
            return failure(400, "Expected a JSON object with a name")
        wrong = _what_is_wrong(sent)
        if wrong:
            return failure(400, wrong, kind="System.ArgumentException")
        days = sent.get("expiresInDays")
        key = self._portal.add_key(
            sent["name"],
            creator=caller.person,
            permissions=sent.get("permissions"),
            created=now,
            expires_at=None if days is None else now + days * DAY,
            secret="sk-" + secrets.token_hex(32),
        )
        return wire.envelope(wire.key(self._portal, key, reveal=True), url, "POST")

    def _change(self, url: str, key: DemoKey, body: bytes) -> Response:
        sent = read_json(body)
        if sent is None:
            return failure(400, "Expected a JSON object")
        wrong = _what_is_wrong(sent)
        if wrong:
            return failure(400, wrong, kind="System.ArgumentException")
        if key.expired(self._portal.now()):
            return failure(400, "An expired API key cannot be changed")
        permissions = sent.get("permissions")
        changed = replace(
            key,
            name=key.name if sent.get("name") is None else sent["name"],
            permissions=key.permissions if permissions is None else tuple(permissions),
            is_active=key.is_active if sent.get("isActive") is None else sent["isActive"],
        )
        self._portal.replace_key(changed)
        return wire.envelope(True, url, "PUT")  # noqa: FBT003 - the result is a JSON boolean


def read_json(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object a body holds, or None if it holds something else."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _what_is_wrong(sent: dict[str, Any]) -> str:
    """Return what of a request's fields the server would not accept, or an empty string."""
    name, days = sent.get("name"), sent.get("expiresInDays")
    permissions, active = sent.get("permissions"), sent.get("isActive")
    if name is not None and not _is_name(name):
        return f"name: expected a text of at most {MAX_NAME} characters"
    if permissions is not None and not _are_permissions(permissions):
        return "permissions: expected a list of known permissions"
    if days is not None and (type(days) is not int or not 1 <= days <= MAX_DAYS):
        return f"expiresInDays: expected a whole number from 1 to {MAX_DAYS}"
    if active is not None and not isinstance(active, bool):
        return "isActive: expected true or false"
    return ""


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _are_permissions(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) and one in PERMISSIONS for one in value
    )
