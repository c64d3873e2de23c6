"""Key lists read one after the other: the same as each alone, and as the plain definition."""

import html
import json
import resource
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import parse_keys

from exporter.docspace.errors import InvalidResponse, Timeout, TooLarge
from exporter.docspace.model import FULL_ACCESS, ApiKey, Creator
from exporter.docspace.record import text
from exporter.docspace.wire import KeyList, KeyListReader, Malformed

# The plain definition: all JSON to objects, each record checked against these


class WireDate(msgspec.Struct, rename="camel"):
    """As upstream spells it."""

    utc_time: str


class WireCreator(msgspec.Struct, rename="camel"):
    """As upstream spells it."""

    id: str | None = None
    display_name: str | None = None


class WireKey(msgspec.Struct, rename="camel"):
    """As upstream spells it."""

    id: str
    is_active: bool
    name: str | None = None
    key_postfix: str | None = None
    permissions: list[str] | None = None
    create_by: WireCreator | None = None
    create_on: str | WireDate | None = None
    last_used: str | WireDate | None = None
    expires_at: str | WireDate | None = None


def plain(body: bytes) -> KeyList:
    """A key list by the plain definition."""
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"), parse_int=lambda _: 0)
    except ValueError as exc:
        raise InvalidResponse("no JSON") from exc
    if not isinstance(value, dict) or not isinstance(value.get("response"), list):
        raise InvalidResponse("no list")
    keys: dict[str, ApiKey] = {}
    problems: list[Malformed] = []
    for index, record in enumerate(value["response"]):
        try:
            key = plain_key(record)
        except ValueError as exc:
            problems.append(Malformed(plain_place(record, index), str(exc)))
            continue
        if key.id in keys:
            problem = "this `id` is in the list already"
            problems.append(Malformed(plain_place(record, index), problem))
        else:
            keys[key.id] = key
    if problems and not keys:
        raise InvalidResponse("no key")
    return KeyList(tuple(keys.values()), tuple(problems[:10]), max(len(problems) - 10, 0))


def plain_key(record: Any) -> ApiKey:
    wire = msgspec.convert(record, WireKey)
    key_id = short(text(wire.id).strip())
    if not key_id:
        raise ValueError("Expected an `id`, got an empty string - at `$.id`")
    creator = wire.create_by and Creator(
        short(text(wire.create_by.id or "")).lower(),
        short(text(html.unescape(wire.create_by.display_name or ""))),
    )
    scopes = FULL_ACCESS
    if wire.permissions and "*" not in wire.permissions:
        scopes = tuple(sorted({short(text(scope)) for scope in wire.permissions}))
    return ApiKey(
        key_id,
        short(text(wire.name or "")),
        short(text((wire.key_postfix or "")[-4:])),
        wire.is_active,
        scopes if len(scopes) <= 100 else (*scopes[:99], "…"),
        creator,
        plain_date(wire.create_on, "createOn"),
        plain_date(wire.last_used, "lastUsed"),
        plain_date(wire.expires_at, "expiresAt"),
    )


def plain_date(value: str | WireDate | None, field: str) -> float | None:
    if value is None:
        return None
    moment = value if isinstance(value, str) else value.utc_time
    if moment.startswith("0001-"):
        return None
    try:
        date = datetime.fromisoformat(moment)
    except ValueError:
        raise ValueError(f"Expected a date - at `$.{field}`") from None
    if date.tzinfo is None and isinstance(value, str):
        raise ValueError(f"Expected a date with an offset - at `$.{field}`")
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def short(value: str) -> str:
    return value if len(value) <= 256 else value[:255] + "…"


def plain_place(record: Any, index: int) -> str:
    key_id = record.get("id") if isinstance(record, dict) else None
    shown = " ".join(text(key_id).split())[:64] if isinstance(key_id, str) else ""
    return f"key {shown}" if shown else f"record {index}"


def outcome(parse: Any, body: bytes) -> KeyList | None:
    try:
        found: KeyList = parse(body)
    except InvalidResponse:
        return None
    return found


# Any answers

TEXTS = (
    st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
    | st.sampled_from(["\ud83d\ude80", "\ud800", "\\ud800", "\x00", "&lt;&#x1F680;", "*", " "])
    | st.sampled_from(["x" * 256, "x" * 257, "é" * 300, " " * 300 + "x"])
)
DATES = st.sampled_from(
    [
        "2026-03-01T09:30:00.1234567+03:00",
        "0001-01-01T00:00:00.0000000Z",
        "2026-03-01",
        "2026-03-01\ud80009:30:00Z",
        "soon",
        None,
        7,
    ]
)
ODD = st.sampled_from([None, True, 0, 1.5, float("nan"), 10**400, "", [], [[]], {}, {"id": "a"}])
FIELDS = {
    "id": st.sampled_from(["a", "b", "c", "A", " a ", "a\x00"]) | TEXTS,
    "isActive": st.booleans(),
    "name": TEXTS,
    "keyPostfix": TEXTS,
    "permissions": st.lists(TEXTS, max_size=3)
    | st.sampled_from([[f"s{n}" for n in range(count)] for count in (100, 101, 500)]),
    "createBy": st.fixed_dictionaries({}, optional={"id": TEXTS, "displayName": TEXTS}),
    "createOn": DATES | DATES.map(lambda date: {"utcTime": date}),
    "lastUsed": DATES,
    "expiresAt": DATES,
    "unknown": ODD,
}
# Pairs, not a dict: a field may occur twice.
FIELD = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.tuples(st.just(name), FIELDS[name] | ODD)
)
RECORDS = st.builds(
    lambda first, more: "{" + ",".join(f'"{n}":{json.dumps(v)}' for n, v in first + more) + "}",
    st.tuples(FIELDS["id"], st.booleans()).map(lambda v: [("id", v[0]), ("isActive", v[1])]),
    st.lists(FIELD, max_size=4),
)  # fmt: skip
VALUES = RECORDS | RECORDS | RECORDS | ODD.map(json.dumps)
BODIES = st.builds(
    lambda head, records, tail, raw: (
        head.encode() + ",".join(records).encode("utf-8", "surrogatepass") + tail.encode()
    ).replace(b"&lt;", raw),
    st.sampled_from(
        ['{"count":1,"response":[', '\ufeff {"response" : [', '{"response":[],"response":[']
    ),
    st.lists(VALUES, max_size=14),
    st.sampled_from(["]}", ']} \n', ']} x', '],"more":{"a":[NaN]}}', ""]),
    st.sampled_from([b"&lt;", b"\xff", b"\xed\xa0\x80", "é".encode()]),
)  # fmt: skip


@given(BODIES)
def test_answer_is_read_as_the_plain_definition_says(body: bytes) -> None:
    assert outcome(parse_keys, body) == outcome(plain, body)


@given(st.lists(BODIES, min_size=2, max_size=4), st.data())
def test_answers_in_turn_are_read_as_each_by_itself(
    bodies: list[bytes], data: st.DataObject
) -> None:
    reader = KeyListReader()
    for _ in range(6):
        body = data.draw(st.sampled_from(bodies))
        assert outcome(reader.read, body) == outcome(parse_keys, body)


def body(*records: object) -> bytes:
    return json.dumps({"response": records}).encode()


def record(number: int, **fields: object) -> dict[str, object]:
    return {"id": f"{number}", "isActive": True, "name": "x", **fields}


@given(st.lists(st.lists(st.integers(0, 11), unique=True, max_size=12), min_size=2, max_size=5))
def test_record_that_stays_is_the_same_object_wherever_it_moves(lists: list[list[int]]) -> None:
    reader = KeyListReader()
    before: dict[str, ApiKey] = {}
    for numbers in lists:
        found = {key.id: key for key in reader.read(body(*map(record, numbers))).keys}
        assert all(found[each] is before[each] for each in found.keys() & before.keys())
        before = found


def test_only_what_changed_is_another_object() -> None:
    reader = KeyListReader()
    before = reader.read(body(*map(record, range(8)))).keys
    after = reader.read(body(*map(record, range(7)), record(7, name="y"))).keys
    assert [old is new for old, new in zip(before, after, strict=True)] == [True] * 7 + [False]


def test_list_that_stays_is_the_same_object() -> None:
    reader = KeyListReader()
    assert reader.read(body(record(1))) is reader.read(body(record(1)))


def test_equal_records_are_still_one_key() -> None:
    reader = KeyListReader()
    for _ in range(3):
        listing = reader.read(body(record(1), record(1), record(2)))
        assert (len(listing.keys), listing.malformed_count) == (2, 1)


def test_answer_that_is_no_list_is_forgotten() -> None:
    reader = KeyListReader()
    before = reader.read(body(record(1)))
    with pytest.raises(InvalidResponse):
        reader.read(b"<html>")
    assert reader.read(body(record(1))) is before


def test_answers_are_not_kept() -> None:
    """Only copies of records are kept: else each changed key would keep a whole answer."""
    reader = KeyListReader()
    answer = body(record(1), record(2, name="y" * 1_000_000))
    references = sys.getrefcount(answer)
    reader.read(answer)
    assert sys.getrefcount(answer) == references


def test_creators_and_permissions_are_shared() -> None:
    person = {"id": "x", "displayName": "Anna"}
    first, second = parse_keys(
        body(*(record(n, createBy=person, permissions=["a", "b"]) for n in range(2)))
    ).keys
    assert first.creator is second.creator
    assert first.permissions is second.permissions


def test_creator_named_like_permissions_is_a_creator() -> None:
    (key,) = parse_keys(
        body(record(1, createBy={"id": "permissions", "displayName": "a"}, permissions=["a"]))
    ).keys
    assert (key.creator, key.permissions) == (Creator("permissions", "a"), ("a",))


# Bounds


def test_ten_malformed_records_are_described_and_the_rest_counted() -> None:
    listing = parse_keys(body(record(1), *range(25)))
    assert [each.where for each in listing.malformed] == [f"record {n}" for n in range(1, 11)]
    assert (listing.more_malformed, listing.malformed_count) == (15, 25)


@pytest.mark.parametrize("field", ["id", "name"])
def test_long_text_is_cut(field: str) -> None:
    (key,) = parse_keys(body({**record(1), field: "x" * 257})).keys
    assert getattr(key, field) == "x" * 255 + "…"


def test_of_a_long_postfix_the_last_four_characters_are_kept() -> None:
    (key,) = parse_keys(body(record(1, keyPostfix="sk-0123456789ab"))).keys
    assert key.postfix == "89ab"


def test_long_creator_is_cut() -> None:
    (key,) = parse_keys(body(record(1, createBy={"id": "X" * 257, "displayName": "é" * 257}))).keys
    assert key.creator == Creator("x" * 255 + "…", "é" * 255 + "…")


def test_text_that_just_fits_is_not_cut() -> None:
    (key,) = parse_keys(body(record(1, name="x" * 256))).keys
    assert key.name == "x" * 256


def test_permissions_beyond_a_hundred_are_cut_and_never_called_read_only() -> None:
    scopes = [f"{n:03}:read" for n in range(101)]
    first, second = parse_keys(
        body(record(1, permissions=scopes[:100]), record(2, permissions=scopes))
    ).keys
    assert (first.permissions, first.access) == (tuple(scopes[:100]), "read")
    assert (second.permissions, second.access) == ((*scopes[:99], "…"), "limited")


def test_most_keys() -> None:
    reader = KeyListReader(max_keys=3)
    assert len(reader.read(body(*map(record, range(3)))).keys) == 3
    with pytest.raises(TooLarge, match="the list holds 4 records, more than 3"):
        reader.read(body(*map(record, range(4))))


def test_reading_ends_at_the_deadline() -> None:
    calls = iter(range(10))

    def check() -> None:
        if next(calls) == 3:
            raise Timeout("over")

    reader = KeyListReader()
    with pytest.raises(Timeout):
        reader.read(body(*map(record, range(2000))), check)
    assert next(calls) == 4


MEASURE = """
import json, resource, sys
from exporter.docspace.errors import PortalError
from exporter.docspace.wire import KeyListReader, parse_profile
head, unit, tail = (part.encode("latin-1") for part in json.loads(sys.argv[1]))
size = 8 * 2**20
body = head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (KeyListReader().read, parse_profile):
    try:
        read(body)
    except PortalError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
LIST = '{"response":[{"id":"a","isActive":true}'
NAME = '{"response":[{"id":"a","isActive":true,"name":"'
COSTLY: dict[str, tuple[str, str, str]] = {
    "zeros": (LIST, ",0", "]}"),
    "objects": (LIST, ",{}", "]}"),
    "malformed keys": (LIST, ',{"id":"' + "x" * 60 + '","isActive":""}', "]}"),
    "a list of lists": (LIST + ",[0", ",[]", "]]}"),
    "lists in an unknown field": (LIST + ',{"id":"b","x":[0', ",[[[[[[[[[[]]]]]]]]]]", "]}]}"),
    "deep lists": (LIST, "," + "[" * 500 + "]" * 500, "]}"),
    "lists without end": (LIST, ",[", ""),
    "objects without end": (LIST, ',{"a":[', ""),
    "permissions": (LIST[:-1] + ',"permissions":["x"', ',"files:read"', "]}]}"),
    "escaped text": (NAME, "\\u00e9", '"}]}'),
    "four-byte text": (NAME, "\xf0\x9f\x9a\x80", '"}]}'),
    "bytes that are not UTF-8": (NAME, "\xff", '"}]}'),
    "control characters": (NAME.replace('"a"', '"b"'), "\\u0001", '"}]}'),
    "lone surrogates": (NAME, "\\ud800", '"}]}'),
    "escaped surrogates": (NAME + "\\ud800", "\\\\ud800", '"}]}'),
    "entities": (NAME.replace('"name":', '"createBy":{"displayName":'), "&lt;", '"}}]}'),
    "a number": ('{"response":[', "9", "]}"),
    "numbers of many digits": (LIST, ',{"id":' + "9" * 60_000 + "}", "]}"),
    "NaN and lists": (LIST + ",NaN", ",[]", "]}"),
    "NaN and objects": (LIST + ",NaN", ',{"abcdefghijklmnopqrstuvwxy":0}', "]}"),
    "NaN and text": (LIST + ',NaN,"', "\xf0\x9f\x9a\x80", '"]}'),
    "one field": ('{"response":[{"id":"a","isActive":true', ',"name":"x"', "}]}"),
    "spaces": ("", " ", ""),
}  # fmt: skip


@pytest.mark.parametrize("costly", COSTLY)
def test_eight_mebibytes_of_anything_cost_little(costly: str) -> None:
    """At most 150 MB, and limited CPU time."""
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(COSTLY[costly])],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (8, 8)),
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert (measured.returncode, measured.stderr) == (0, "")
    assert int(measured.stdout) * 1024 <= 150_000_000
