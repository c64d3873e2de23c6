"""A portal's things as it spells them in JSON, and the answers they travel in."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from exporter.demo.model import NO_DATE, DemoKey, Person, Portal

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"

STACK = (
    "   at ASC.Web.Api.Controllers.ApiKeysController.GetAllApiKeys()"
    " in /src/web/ASC.Web.Api/Api/ApiKeysController.cs:line 118\n"
    "   at Microsoft.AspNetCore.Mvc.Infrastructure.ActionMethodExecutor.Execute()"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, before it is packed into a response."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


def envelope(response: object, url: str, method: str) -> Answer:
    """Wrap a result as the server does; `count` is 1 unless it is a list."""
    return _json(
        200,
        {
            "response": response,
            "count": len(response) if isinstance(response, list) else 1,
            "links": [{"href": url, "action": method}],
            "status": 0,
            "statusCode": 200,
        },
    )


def failure(
    status: int,
    message: str,
    *,
    kind: str = "System.InvalidOperationException",
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Return the server's error shape, with a stack as the server gives one."""
    error = {"message": message, "type": kind, "stack": STACK, "hresult": 0}
    return _json(status, {"status": 1, "statusCode": status, "error": error}, headers)


def page(status: int, title: str) -> Answer:
    """Return an HTML page, as a proxy or a login form in front of the portal would."""
    text = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return Answer(status, text.encode(), HTML_TYPE)


def date(moment: float | None, utc_offset: timedelta) -> str | None:
    """Spell a moment with seven fractional digits and `Z` or the portal's offset."""
    if moment is None:
        return None
    if moment == NO_DATE:
        return "0001-01-01T00:00:00.0000000Z"
    local = datetime.fromtimestamp(moment, UTC).astimezone(timezone(utc_offset))
    text = local.strftime("%Y-%m-%dT%H:%M:%S.%f0")
    if not utc_offset:
        return f"{text}Z"
    sign = "-" if utc_offset < timedelta(0) else "+"
    hours, minutes = divmod(abs(utc_offset) // timedelta(minutes=1), 60)
    return f"{text}{sign}{hours:02}:{minutes:02}"


def key(portal: Portal, one: DemoKey, *, reveal: bool = False) -> dict[str, Any]:
    """Spell a key; `reveal` puts the full key in the place of the masked one."""
    permissions = None if one.permissions is None else list(one.permissions)
    return _without_nulls(
        {
            "id": one.id,
            "name": one.name,
            "key": one.secret if reveal else one.masked,
            "keyPostfix": one.postfix,
            "permissions": permissions,
            "lastUsed": date(one.last_used, portal.utc_offset),
            "createOn": date(one.created, portal.utc_offset),
            "createBy": employee(portal.creator(one)),
            "expiresAt": date(one.expires_at, portal.utc_offset),
            "isActive": one.is_active,
        }
    )


def employee(person: Person) -> dict[str, Any]:
    """Spell a person as seen by others; the display name is HTML-encoded."""
    pictures = {
        field: f"/static/images/default_user_photo_size_{size}.png"
        for field, size in (
            ("avatar", "82-82"),
            ("avatarOriginal", "200-200"),
            ("avatarMax", "200-200"),
            ("avatarMedium", "48-48"),
            ("avatarSmall", "32-32"),
        )
    }
    return {
        "id": person.id,
        "displayName": html.escape(person.display_name).replace("&#x27;", "&#39;"),
        **pictures,
        "profileUrl": f"/accounts/people/filter?search={person.id}",
        "hasAvatar": False,
        "isAnonim": False,
    }


def profile(person: Person) -> dict[str, Any]:
    """Spell a person as seen by that person."""
    return {
        **employee(person),
        "userName": person.user_name.partition("@")[0],
        "email": person.user_name,
        "status": 1,
        "activationStatus": 1,
        "isAdmin": person.is_admin,
        "isRoomAdmin": False,
        "isLDAP": False,
        "isOwner": person.is_owner,
        "isVisitor": False,
        "isCollaborator": not (person.is_admin or person.is_owner),
        "isSSO": False,
    }


def _json(status: int, value: object, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Answer(status, text.encode(), JSON_TYPE, tuple(headers))


def _without_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
