"""Bytes of a portal's answer to typed values: upstream's spellings, nulls and two date forms.

Everything here follows what the server sends (DocSpace 3.7) where the OpenAPI description differs.
Only what cannot be a key list at all is an error; one bad record costs itself.
"""

import html
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from exporter.docspace.errors import InvalidResponse
from exporter.docspace.model import FULL_ACCESS, ApiKey, Creator

_VERSION = re.compile(r"[0-9]{1,6}\.[0-9A-Za-z.+-]{1,25}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record of the list that is not a key. ``where`` places it, ``problem`` says what is off."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class KeyList:
    """What one answer held: keys in the portal's order, ids unique, and the records left out."""

    keys: tuple[ApiKey, ...]
    malformed: tuple[Malformed, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """The caller, from ``people/@self``."""

    is_admin: bool
    is_owner: bool

    @property
    def sees_all(self) -> bool:
        """Whether the key list of this person holds every key of the portal."""
        return self.is_admin or self.is_owner


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of ``people/filter``: ids of disabled people in lower case, ``count`` records in all.

    ``total`` is how many people all pages hold, None where the answer does not say.
    """

    disabled: frozenset[str]
    count: int
    total: int | None


class _Date(msgspec.Struct, rename="camel"):
    """The date form of the OpenAPI description; ``utcTime`` is UTC with or without a ``Z``."""

    utc_time: str


class _Creator(msgspec.Struct, rename="camel"):
    id: str | None = None
    display_name: str | None = None


class _Key(msgspec.Struct, rename="camel"):
    """The wire form of a key; a null and an absent field are the same."""

    id: str
    is_active: bool
    name: str | None = None
    key_postfix: str | None = None
    permissions: list[str] | None = None
    create_by: _Creator | None = None
    create_on: str | _Date | None = None
    last_used: str | _Date | None = None
    expires_at: str | _Date | None = None


class _Profile(msgspec.Struct, rename="camel"):
    is_admin: bool
    is_owner: bool = False


class _Person(msgspec.Struct):
    """``status`` 2 is disabled; where it is missing, the filter of the request is relied on."""

    id: str
    status: int = 2


class _People(msgspec.Struct):
    response: list[_Person]
    total: int | None = None


class _Build(msgspec.Struct, rename="camel"):
    doc_space: str


def parse_keys(body: bytes) -> KeyList:
    """Read the answer of ``GET /api/2.0/keys``.

    Raises InvalidResponse where the body is not the envelope with a list in it, or where the list
    has records and none of them can be understood: 0 keys would be a lie then.
    """
    records = _response(body)
    if not isinstance(records, list):
        raise InvalidResponse(f"expected a list of keys in `response`, got {_kind(records)}")
    keys: dict[str, ApiKey] = {}
    malformed: list[Malformed] = []
    for index, record in enumerate(records):
        try:
            key = _key(record)
        except ValueError as exc:  # msgspec.ValidationError is one
            malformed.append(Malformed(_place(record, index), str(exc)))
            continue
        if key.id in keys:
            malformed.append(Malformed(_place(record, index), "this `id` is in the list already"))
            continue
        keys[key.id] = key
    if malformed and not keys:
        problem = malformed[0].problem
        raise InvalidResponse(f"none of {len(malformed)} records is a key that we know: {problem}")
    return KeyList(tuple(keys.values()), tuple(malformed))


def parse_own_key(body: bytes) -> ApiKey:
    """Read the answer of ``GET /api/2.0/keys/@self``. Raises InvalidResponse."""
    try:
        return _key(_response(body))
    except ValueError as exc:
        raise InvalidResponse(f"expected a key in `response`: {exc}") from exc


def parse_profile(body: bytes) -> Profile:
    """Read the answer of ``GET /api/2.0/people/@self``. Raises InvalidResponse."""
    try:
        wire = msgspec.convert(_response(body), _Profile)
    except msgspec.ValidationError as exc:
        raise InvalidResponse(f"expected a profile in `response`: {exc}") from exc
    return Profile(is_admin=wire.is_admin, is_owner=wire.is_owner)


def parse_people(body: bytes) -> PeoplePage:
    """Read a page of ``GET /api/2.0/people/filter?employeeStatus=2``. Raises InvalidResponse."""
    try:
        people = msgspec.convert(_envelope(body), _People)
    except msgspec.ValidationError as exc:
        raise InvalidResponse(f"expected a page of people: {exc}") from exc
    disabled = frozenset(person.id.lower() for person in people.response if person.status == 2)
    return PeoplePage(disabled, len(people.response), people.total)


def parse_version(body: bytes) -> str:
    """Read the answer of ``GET /api/2.0/settings/version/build``: the version of DocSpace.

    At most 32 characters; empty where the answer holds nothing that looks like a version.
    """
    try:
        version = msgspec.convert(_response(body), _Build).doc_space.strip()
    except (InvalidResponse, msgspec.ValidationError):
        return ""
    return version if _VERSION.fullmatch(version) else ""


def parse_error_message(body: bytes, mask: Callable[[str], str] = str) -> str | None:
    """Read ``error.message`` of a refusal, at most 200 characters of one line, or None.

    ``mask`` hides secrets in it before it is cut: half a secret would not be found any more.
    The stack beside it is never looked at.
    """
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return " ".join(_text(mask(message)).split())[:200] if isinstance(message, str) else None


def _response(body: bytes) -> Any:
    """Return what the envelope holds. Raises InvalidResponse."""
    envelope = _envelope(body)
    if "response" not in envelope:
        raise InvalidResponse("expected the JSON envelope, got an object without `response`")
    return envelope["response"]


def _envelope(body: bytes) -> dict[str, Any]:
    """Read the JSON object around each answer. Raises InvalidResponse.

    json.loads and not msgspec's decoder: that one refuses the whole answer for one lone surrogate.
    """
    try:
        envelope = json.loads(body.decode("utf-8-sig", "replace"))
    except RecursionError as exc:
        raise InvalidResponse("expected the JSON envelope, got nesting without end") from exc
    except ValueError as exc:
        raise InvalidResponse(f"expected the JSON envelope, got {_looks_like(body)}") from exc
    if not isinstance(envelope, dict):
        raise InvalidResponse(f"expected the JSON envelope, got {_kind(envelope)}")
    return envelope


def _key(record: Any) -> ApiKey:
    wire = msgspec.convert(record, _Key)
    key_id = _text(wire.id).strip()
    if not key_id:
        raise ValueError("Expected an `id`, got an empty string - at `$.id`")
    return ApiKey(
        id=key_id,
        name=_text(wire.name or ""),
        postfix=_text(wire.key_postfix or ""),
        is_active=wire.is_active,
        permissions=_permissions(wire.permissions),
        creator=_creator(wire.create_by),
        created=_date(wire.create_on, "createOn"),
        last_used=_date(wire.last_used, "lastUsed"),
        expires=_date(wire.expires_at, "expiresAt"),
    )


def _creator(wire: _Creator | None) -> Creator | None:
    if wire is None:
        return None
    return Creator((wire.id or "").lower(), _text(html.unescape(wire.display_name or "")))


def _permissions(scopes: list[str] | None) -> tuple[str, ...]:
    """No list, an empty one and one with ``*`` in it all mean full access."""
    if not scopes or "*" in scopes:
        return FULL_ACCESS
    return tuple(sorted({_text(scope) for scope in scopes}))


def _date(value: str | _Date | None, field: str) -> float | None:
    """Unix seconds to the microsecond; None for no date and for the minimum date.

    A string without an offset is no date we understand: guessing a zone would be hours wrong.
    """
    if value is None:
        return None
    text, zone = (value, None) if isinstance(value, str) else (value.utc_time, UTC)
    if text.startswith("0001-"):
        return None
    try:
        date = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ValueError(f"Expected a date - at `$.{field}`") from exc
    if date.tzinfo is None:
        if zone is None:
            raise ValueError(f"Expected a date with an offset - at `$.{field}`")
        date = date.replace(tzinfo=zone)
    return date.timestamp()


def _text(value: str) -> str:
    """A label value that any reader of the exposition accepts, as close to upstream's as can be.

    Lone surrogates have no UTF-8 form, and Prometheus' parser stops at a NUL: U+FFFD stands for
    them, and for the other control characters but tab and line ends.
    """
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        "\ufffd" if unicodedata.category(char) in {"Cc", "Cs"} and char not in "\t\n\r" else char
        for char in value
    )


def _place(record: Any, index: int) -> str:
    """Name a record on one line: its id where it has one, else its place in the list (from 0)."""
    key_id = record.get("id") if isinstance(record, dict) else None
    shown = " ".join(_text(key_id).split())[:64] if isinstance(key_id, str) else ""
    return f"key {shown}" if shown else f"record {index}"


def _kind(value: Any) -> str:
    """What a JSON value is, without showing it."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def _looks_like(body: bytes) -> str:
    """What a body that is not JSON seems to be, without showing it."""
    start = body[:512].lstrip().lower()
    if not start:
        return "an empty body"
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return f"{len(body)} bytes that are not JSON"
