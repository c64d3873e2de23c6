"""The JSON envelope around every answer of a portal: bytes in, the value of `response` out.

A value is cut out and not parsed: a ``msgspec.Raw`` is a view of the answer. If msgspec refuses an
answer, it is corrected once: U+FFFD replaces lone surrogates, a number NaN and Infinity. No number
of an answer is used.
"""

import json
import random
import re

import msgspec
from msgspec import Raw

from exporter.docspace.errors import InvalidResponse, TooLarge

_BOM = b"\xef\xbb\xbf"

#: Fewest bytes for each comma (or bracket) of an answer. A real record has 34; an answer with fewer
#: is an attack on the memory, since each value that is cut out takes 56 bytes or more.
_SPARSE = 8
#: The same for an answer that is parsed as a whole, where each value may take 230 bytes.
_SPARSE_PARSED = 16
_WINDOW = 4096
_WINDOWS = 64


class _Envelope(msgspec.Struct):
    response: Raw = Raw()


class _ListEnvelope(msgspec.Struct):
    response: list[Raw]


_whole = msgspec.json.Decoder(Raw)
_envelope = msgspec.json.Decoder(_Envelope)
_list_envelope = msgspec.json.Decoder(_ListEnvelope)
_list = msgspec.json.Decoder(list[Raw])

#: Escapes that may be lone surrogates, and how many of them are checked at most.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LOW_SURROGATE = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_MOST_SURROGATES = 200_000
_REPLACEMENT = b"\\ufffd"


def unpacked(body: bytes) -> Raw:
    """The whole envelope, an object. Raises InvalidResponse."""
    body = body.removeprefix(_BOM)
    try:
        try:
            whole = _whole.decode(body)
        except msgspec.DecodeError:
            whole = _whole.decode(_mended(body))
    except msgspec.DecodeError as exc:
        raise InvalidResponse(f"expected the JSON envelope, got {_looks_like(body)}") from exc
    except RecursionError as exc:
        raise InvalidResponse("expected the JSON envelope, got nesting that is too deep") from exc
    if kind(whole) != "an object":
        raise InvalidResponse(f"expected the JSON envelope, got {kind(whole)}")
    return whole


def response(body: bytes) -> Raw:
    """The value of `response`. Raises InvalidResponse."""
    value = _envelope.decode(unpacked(body)).response
    if not memoryview(value):
        raise InvalidResponse("expected the JSON envelope, got an object without `response`")
    return value


def records(body: bytes, most: int) -> list[Raw]:
    """Cut the records of the list in `response` out of an answer.

    Raises InvalidResponse, and TooLarge for more than ``most`` records.
    """
    body = body.removeprefix(_BOM)
    _check_density(body, most)
    try:
        found = _list_envelope.decode(body).response
    except (msgspec.DecodeError, RecursionError):
        value = response(body)
        if kind(value) != "a list":
            message = f"expected a list of keys in `response`, got {kind(value)}"
            raise InvalidResponse(message) from None
        found = _list.decode(value)
    if len(found) > most:
        raise TooLarge(f"the list holds {len(found)} records, more than {most}")
    return found


def kind(value: Raw | bytes) -> str:
    """The type of a JSON value in words."""
    first = bytes(memoryview(value)[:1])
    names = {b"{": "an object", b"[": "a list", b'"': "a string", b"n": "null"}
    return names.get(first, "a boolean" if first in b"tf" else "a number")


def _mended(body: bytes) -> bytes:
    """The same answer without NaN, Infinity and lone surrogates. Raises DecodeError."""
    if b"NaN" in body or b"Infinity" in body:
        body = _without_constants(body)
    return _without_lone_surrogates(body)


def _without_lone_surrogates(body: bytes) -> bytes:
    mended = bytearray(body)
    end = 0
    for count, found in enumerate(_SURROGATE.finditer(body)):
        if count == _MOST_SURROGATES:
            raise msgspec.DecodeError("too many surrogates to look for lone ones")
        start = found.start()
        if start < end:
            continue  # the second half of a pair
        before = body[end:start]
        end = found.end()
        if (len(before) - len(before.rstrip(b"\\"))) % 2:
            continue  # not an escape: the backslash itself is escaped
        if found[0][3] in b"89abAB" and _LOW_SURROGATE.match(body, end):
            end += len(_REPLACEMENT)
        else:
            mended[start:end] = _REPLACEMENT
    return bytes(mended)


def _without_constants(body: bytes) -> bytes:
    values = sum(body.count(mark) for mark in (b",", b"[", b"{"))
    if values > max(len(body) // _SPARSE_PARSED, _WINDOW):
        raise msgspec.DecodeError("too many values to look for the one that is no number")
    try:
        parsed = json.loads(
            body.decode("utf-8", "replace"),
            parse_int=lambda _: 0,
            parse_float=lambda _: 0.5,
            parse_constant=lambda _: 0.5,
        )
    except ValueError as exc:
        raise msgspec.DecodeError("not JSON") from exc
    return json.dumps(parsed).encode()


def _check_density(body: bytes, most: int) -> None:
    """Raise TooLarge for an answer with more values than its bytes can be records.

    Commas are first counted in some windows, at random places so that no answer can avoid them.
    Counting all of them takes as long as cutting the records out.
    """
    limit = max(len(body) // _SPARSE, most, _WINDOW)
    if len(body) // 2 <= limit:
        return
    places = (random.randrange(len(body) - _WINDOW) for _ in range(_WINDOWS))  # noqa: S311, no secret
    if all(body.count(b",", at, at + _WINDOW) * _SPARSE * 2 < _WINDOW for at in places):
        return
    values = body.count(b",")
    if values > limit:
        raise TooLarge(f"{values} values in {len(body)} bytes: no list of at most {most} keys")


def _looks_like(body: bytes) -> str:
    """The kind of a body that is not JSON, in words."""
    start = body[:512].lstrip().lower()
    if not start:
        return "an empty body"
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return f"{len(body)} bytes that are not JSON"
