"""One record of the key list to an API key: upstream's field names, nulls and two date forms.

The server (DocSpace 3.7) is followed where the OpenAPI description differs. Long values are cut and
end with ``…``, since every series of a key has its name as a label.
"""

import html
import json
import unicodedata
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from exporter.docspace.envelope import kind
from exporter.docspace.model import FULL_ACCESS, ApiKey, Creator

T = TypeVar("T")

#: Most characters of a name, an id or a scope, and most scopes of a key.
LONGEST_TEXT = 256
MOST_PERMISSIONS = 100

#: Most scopes of a key that are read.
_READ_PERMISSIONS = 1000
#: Most characters that are read before HTML is decoded or spaces are stripped.
_READ_TEXT = 8192
#: Most characters of a creator or permissions that are kept in `Shared`.
_SHARED_TEXT = 2048
#: Most bytes of a record that is parsed a second time.
_LARGEST_RECORD = 64 * 1024


class _Date(msgspec.Struct, rename="camel"):
    """The date form of the OpenAPI description; ``utcTime`` is UTC with or without a ``Z``."""

    utc_time: str


class _Creator(msgspec.Struct, rename="camel"):
    id: str | None = None
    display_name: str | None = None


class _Key(msgspec.Struct, rename="camel"):
    """A key on the wire; null and an absent field mean the same."""

    id: str
    is_active: bool
    name: str | None = None
    key_postfix: str | None = None
    permissions: list[str] | None = None
    create_by: _Creator | None = None
    create_on: str | _Date | None = None
    last_used: str | _Date | None = None
    expires_at: str | _Date | None = None


class _Placed(msgspec.Struct):
    id: Raw = Raw(b"null")


_key = msgspec.json.Decoder(_Key)
_placed = msgspec.json.Decoder(_Placed)


#: Creators and permissions by their text on the wire, since thousands of keys have the same.
Shared = dict[tuple[str | None, ...], Any]


def read_key(record: Raw | bytes, shared: Shared) -> ApiKey:
    """The key of a record. Raises ValueError, with a message for the log, if it is not a key.

    Equal creators and permissions are the same object: ``shared`` keeps them.
    """
    wire = typed(record, _key)
    key_id = _shortened(text(wire.id[:_READ_TEXT]).strip())
    if not key_id:
        raise ValueError("Expected an `id`, got an empty string - at `$.id`")
    return ApiKey(
        id=key_id,
        name=_label(wire.name),
        postfix=_label((wire.key_postfix or "")[-4:]),
        is_active=wire.is_active,
        permissions=_permissions(wire.permissions, shared),
        creator=_creator(wire.create_by, shared),
        created=_date(wire.create_on, "createOn"),
        last_used=_date(wire.last_used, "lastUsed"),
        expires=_date(wire.expires_at, "expiresAt"),
    )


def typed(value: Raw | bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """A JSON value as a type. Raises ValueError (msgspec.ValidationError is one).

    A second attempt accepts bytes that are not UTF-8, and a field that occurs twice, of which the
    last value counts.
    """
    try:
        return decoder.decode(value)
    except UnicodeDecodeError:
        problem = "Expected UTF-8"
    except ValueError as exc:
        problem = str(exc)
    except RecursionError:
        problem = "Expected a record, got nesting that is too deep"
    if len(memoryview(value)) > _LARGEST_RECORD or kind(value) in {"a list", "a string"}:
        raise ValueError(problem)
    try:
        return msgspec.convert(_parsed(value), decoder.type)
    except RecursionError:
        raise ValueError(problem) from None


def place(record: bytes, index: int) -> str:
    """A name for a record, on one line: its id, else its index in the list."""
    try:
        key_id = _parsed(_placed.decode(record).id)
    except (ValueError, RecursionError):
        key_id = None
    shown = " ".join(text(key_id[:_READ_TEXT]).split())[:64] if isinstance(key_id, str) else ""
    return f"key {shown}" if shown else f"record {index}"


def text(value: str) -> str:
    """A label value that any reader of the exposition accepts.

    U+FFFD replaces lone surrogates, which have no UTF-8 form, and control characters other than
    tab and line ends: Prometheus' parser stops at a NUL.
    """
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        "\ufffd" if unicodedata.category(char) in {"Cc", "Cs"} and char not in "\t\n\r" else char
        for char in value
    )


def _parsed(value: Raw | bytes) -> Any:
    """A JSON value, also with huge numbers and bytes that are not UTF-8."""
    return json.loads(bytes(value).decode("utf-8", "replace"), parse_int=lambda _: 0)


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…"


def _label(value: str | None) -> str:
    return text(_shortened(value)) if value else ""


def _creator(wire: _Creator | None, shared: Shared) -> Creator | None:
    if wire is None:
        return None
    written = ("creator", wire.id, wire.display_name)
    creator: Creator | None = shared.get(written)
    if creator is None:
        name = html.unescape((wire.display_name or "")[:_READ_TEXT])
        creator = Creator(_label(wire.id).lower(), _label(name))
        _remember(shared, written, creator)
    return creator


def _permissions(scopes: list[str] | None, shared: Shared) -> tuple[str, ...]:
    """The permissions: no list, an empty one, and one with ``*`` mean full access."""
    if not scopes or "*" in scopes:
        return FULL_ACCESS
    written = ("permissions", *scopes[:_READ_PERMISSIONS])
    permissions: tuple[str, ...] | None = shared.get(written)
    if permissions is None:
        found = sorted({_label(scope) for scope in written[1:]})
        if len(found) > MOST_PERMISSIONS:
            found[MOST_PERMISSIONS - 1 :] = ["…"]
        permissions = tuple(found)
        _remember(shared, written, permissions)
    return permissions


def _remember(shared: Shared, written: tuple[str | None, ...], value: object) -> None:
    if sum(len(part or "") for part in written) <= _SHARED_TEXT:
        shared[written] = value


def _date(value: str | _Date | None, field: str) -> float | None:
    """Unix seconds to the microsecond; None for no date and for the minimum date.

    A string without an offset is an error, since a guessed time zone could be hours wrong.
    """
    if value is None:
        return None
    moment, zone = (value, None) if isinstance(value, str) else (value.utc_time, UTC)
    try:
        date = datetime.fromisoformat(moment)
    except ValueError as exc:
        raise ValueError(f"Expected a date - at `$.{field}`") from exc
    if date.year == 1:
        return None
    if date.tzinfo is None:
        if zone is None:
            raise ValueError(f"Expected a date with an offset - at `$.{field}`")
        date = date.replace(tzinfo=zone)
    return date.timestamp()
