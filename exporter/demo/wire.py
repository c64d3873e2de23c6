"""A portal's keys and people as JSON, and its HTTP responses."""

import html
import json
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

from exporter.demo.key import NO_DATE, DemoKey
from exporter.demo.model import Portal
from exporter.demo.person import Person
from exporter.httpserver.message import Reply

JSON_TYPE = "application/json; charset=utf-8"
PROBLEM_TYPE = "application/problem+json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"

STACK = (
    "   at ASC.Web.Api.Controllers.ApiKeysController.GetAllApiKeys()"
    " in /src/web/ASC.Web.Api/Api/ApiKeysController.cs:line 118\n"
    "   at Microsoft.AspNetCore.Mvc.Infrastructure.ActionMethodExecutor.Execute()"
)


def envelope(response: object, url: str, **more: int) -> Reply:
    """A result in the server's envelope; `count` is 1 for any result."""
    links = [{"href": url, "action": "GET"}]
    end = {"links": links, "status": 0, "statusCode": 200}
    return _json(200, {"response": response, "count": 1, **more, **end})


def failure(status: int, message: str, *, kind: str = "System.InvalidOperationException") -> Reply:
    """An error in the server's form, with a stack."""
    error = {"message": message, "type": kind, "stack": STACK, "hresult": 0}
    return _json(status, {"status": 1, "statusCode": status, "error": error})


def problem(status: int, detail: str) -> Reply:
    """An error of the server's framework: problem+json."""
    found = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return _json(status, found, PROBLEM_TYPE)


def page(status: int, title: str) -> Reply:
    """An HTML page, as of a proxy or a login form in front of the portal."""
    text = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return Reply(text.encode(), HTML_TYPE, status)


def date(moment: float | None, utc_offset: timedelta) -> str | None:
    """A date with seven fractional digits and `Z` or the portal's offset."""
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


def key(portal: Portal, one: DemoKey) -> dict[str, Any]:
    """A key in a list: masked, and without the fields that are null."""
    permissions = None if one.permissions is None else list(one.permissions)
    fields = {
        "id": one.id,
        "name": one.name,
        "key": one.masked,
        "keyPostfix": one.postfix,
        "permissions": permissions,
        "lastUsed": date(one.last_used, portal.utc_offset),
        "createOn": date(one.created, portal.utc_offset),
        "createBy": employee(portal.creator(one)),
        "expiresAt": date(one.expires_at, portal.utc_offset),
        "isActive": one.is_active,
    }
    return {name: value for name, value in fields.items() if value is not None}


def employee(person: Person) -> dict[str, Any]:
    """A person in answers about others; the display name is HTML-encoded."""
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


def status(person: Person) -> int:
    """The number of a person's status in `employeeStatus`: 1 active, 2 disabled."""
    return 2 if person.is_disabled else 1


def profile(person: Person) -> dict[str, Any]:
    """A person in full, as in `people/@self` and `people/filter`."""
    return {
        **employee(person),
        "userName": person.email.partition("@")[0],
        "email": person.email,
        "status": status(person),
        "activationStatus": 1,
        "isAdmin": person.is_admin,
        "isRoomAdmin": False,
        "isLDAP": False,
        "isOwner": person.is_owner,
        "isVisitor": person.is_guest,
        "isCollaborator": not (person.is_admin or person.is_owner or person.is_guest),
        "isSSO": False,
    }


def _json(status: int, value: object, content_type: str = JSON_TYPE) -> Reply:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Reply(text.encode(), content_type, status)
