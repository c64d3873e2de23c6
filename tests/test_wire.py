"""A portal's answer as typed keys: a bad record is left out, a bad envelope is an error."""

import html
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from observations import parse_keys

from exporter.docspace import wire
from exporter.docspace.errors import InvalidResponse
from exporter.docspace.model import REMOVED_CREATOR, ApiKey, Creator
from exporter.docspace.wire import KeyList, Malformed

ID = "6125d7a7-1003-455e-835e-b6110d8cb456"

# As the server sends it, with everything set.
RECORD = {
    "id": ID,
    "name": "chat-bridge",
    "key": "sk-***f46a",
    "keyPostfix": "f46a",
    "isActive": True,
    "permissions": ["rooms:write", "files:read"],
    "createOn": "2026-03-01T09:30:00.0000000+03:00",
    "createBy": {
        "id": "66FAA6E4-F133-11EA-B126-00FFEEC8B4EF",
        "displayName": "Liam O&#39;Brien",
        "avatar": "/skins/avatar.png",
        "profileUrl": "/profile",
        "hasAvatar": False,
        "isAnonim": False,
    },
    "lastUsed": "2026-03-02T06:30:00.2500000Z",
    "expiresAt": "2026-09-01T06:30:00.0000000Z",
}
KEY = ApiKey(
    id=ID,
    name="chat-bridge",
    postfix="f46a",
    is_active=True,
    permissions=("files:read", "rooms:write"),
    creator=Creator("66faa6e4-f133-11ea-b126-00ffeec8b4ef", "Liam O'Brien"),
    created=datetime(2026, 3, 1, 6, 30, tzinfo=UTC).timestamp(),
    last_used=datetime(2026, 3, 2, 6, 30, tzinfo=UTC).timestamp() + 0.25,
    expires=datetime(2026, 9, 1, 6, 30, tzinfo=UTC).timestamp(),
)


def envelope(*records: Any) -> bytes:
    return json.dumps(
        {
            "response": records,
            "count": len(records),
            "links": [{"href": "https://acme.example/api/2.0/keys", "action": "GET"}],
            "status": 0,
            "statusCode": 200,
        }
    ).encode()


def only_key(**fields: Any) -> ApiKey:
    """The key of a record with these fields."""
    listing = parse_keys(envelope(RECORD | fields))
    assert listing.malformed == ()
    (key,) = listing.keys
    return key


def problem(record: Any) -> Malformed:
    """The problem with a record between two valid ones, which are kept."""
    listing = parse_keys(envelope(RECORD | {"id": "a"}, record, RECORD | {"id": "b"}))
    assert [key.id for key in listing.keys] == ["a", "b"]
    (malformed,) = listing.malformed
    return malformed


# A key


def test_full_record() -> None:
    assert only_key() == KEY


def test_record_of_nothing_but_what_must_be() -> None:
    expected = ApiKey(
        id=ID,
        name="",
        postfix="",
        is_active=False,
        permissions=("*",),
        creator=None,
        created=None,
        last_used=None,
        expires=None,
    )
    (key,) = parse_keys(envelope({"id": ID, "isActive": False})).keys
    assert key == expected


def test_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(RECORD) | {"id": ID, "isActive": True}
    listing = parse_keys(envelope(nulls))
    assert listing == parse_keys(envelope({"id": ID, "isActive": True}))


def test_unknown_fields_are_ignored() -> None:
    assert only_key(scopeVersion=3, createBy=RECORD["createBy"] | {"mood": []}) == KEY  # type: ignore[operator]  # a dict


def test_keys_stay_in_the_portals_order() -> None:
    listing = parse_keys(envelope(*(RECORD | {"id": each} for each in "cab")))
    assert [key.id for key in listing.keys] == ["c", "a", "b"]


@pytest.mark.parametrize("count", [1, 0, 99, None, "1"])
def test_count_of_the_envelope_is_never_relied_on(count: object) -> None:
    records = [RECORD | {"id": each} for each in "abc"]
    body = json.dumps({"response": records, "count": count}).encode()
    assert len(parse_keys(body).keys) == 3


def test_names_and_postfixes_are_not_unique() -> None:
    listing = parse_keys(envelope(*(RECORD | {"id": each} for each in "ab")))
    assert [(key.name, key.postfix) for key in listing.keys] == [("chat-bridge", "f46a")] * 2
    assert listing.malformed == ()


def test_a_key_without_expiry_never_expires_and_one_without_use_was_never_used() -> None:
    fields = {name: value for name, value in RECORD.items() if name[:4] not in {"expi", "last"}}
    (key,) = parse_keys(envelope(fields)).keys
    assert (key.expires, key.last_used) == (None, None)


def test_quotes_backslashes_and_markup_of_a_name_come_verbatim() -> None:
    name = 'a "b" \\ <i>&amp;'
    assert only_key(name=name).name == name


def test_a_record_shows_nothing_of_the_key_but_its_postfix() -> None:
    assert "sk-" not in repr(only_key())


@pytest.mark.parametrize("offset", ["Z", "+05:30", "-04:00"])
def test_minimum_date_of_any_offset_is_no_date(offset: str) -> None:
    assert only_key(lastUsed=f"0001-01-01T00:00:00.0000000{offset}").last_used is None


def test_no_keys() -> None:
    assert parse_keys(envelope()) == KeyList((), ())


def test_byte_order_mark_is_no_problem() -> None:
    assert parse_keys(b"\xef\xbb\xbf" + envelope(RECORD)).keys == (KEY,)


@pytest.mark.parametrize("permissions", [None, [], ["*"], ["files:read", "*"]])
def test_full_access(permissions: object) -> None:
    key = only_key(permissions=permissions)
    assert (key.permissions, key.access) == (("*",), "full")


@pytest.mark.parametrize(
    ("permissions", "access"),
    [
        (["*:read"], "read"),
        (["files:read", "accounts.self:read"], "read"),
        (["*:write"], "limited"),
        (["files:read", "rooms:write"], "limited"),
        (["something-new"], "limited"),
    ],
)
def test_access(permissions: list[str], access: str) -> None:
    assert only_key(permissions=permissions).access == access


def test_permissions_are_sorted_and_listed_once() -> None:
    permissions = ["rooms:read", "files:read", "rooms:read"]
    assert only_key(permissions=permissions).permissions == ("files:read", "rooms:read")


# Creator


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("Liam O&#39;Brien", "Liam O'Brien"),
        ("&lt;b&gt; &amp; &quot;c&quot;", '<b> & "c"'),
        ("J&#252;rgen &#x1F680;", "Jürgen 🚀"),
        ("&amp;lt;", "&lt;"),
        ("plain", "plain"),
        ("", ""),
        (None, ""),
    ],
)
def test_creators_name_is_decoded_once(sent: str | None, name: str) -> None:
    assert only_key(createBy={"id": "x", "displayName": sent}).creator == Creator("x", name)


@pytest.mark.parametrize(
    "spelled", [REMOVED_CREATOR, REMOVED_CREATOR.upper(), REMOVED_CREATOR.title()]
)
def test_removed_creator_goes_by_the_id_in_any_letter_case(spelled: str) -> None:
    creator = only_key(createBy={"id": spelled, "displayName": "profile removed"}).creator
    assert creator is not None
    assert creator.removed


@pytest.mark.parametrize("name", ["profile removed", "Unknown Unknown"])
def test_person_who_bears_the_name_of_a_removed_profile_is_not_removed(name: str) -> None:
    creator = only_key(createBy={"id": "x", "displayName": name}).creator
    assert creator is not None
    assert not creator.removed


# Dates

OFFSETS = st.builds(
    lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-14 * 60, 14 * 60)
)


@given(
    st.datetimes(min_value=datetime(2, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001, hypothesis adds the zone
    OFFSETS,
    st.integers(0, 9),
)
def test_date_means_what_datetime_says(date: datetime, zone: timezone, seventh: int) -> None:
    """Seven digits, of which a datetime has six, with any offset of a portal."""
    date = date.replace(tzinfo=zone)
    offset = date.strftime("%z")
    sent = f"{date:%H:%M:%S.%f}{seventh}{offset[:3]}:{offset[3:]}"
    expected = (date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert only_key(expiresAt=f"{date.date().isoformat()}T{sent}").expires == expected


@pytest.mark.parametrize("digits", ["", ".1", ".12", ".123", ".1234567", ".123456789"])
def test_any_number_of_fractional_digits(digits: str) -> None:
    expected = pytest.approx(1772357400 + float(f"0{digits}"), abs=1e-6)
    assert only_key(expiresAt=f"2026-03-01T09:30:00{digits}Z").expires == expected


@pytest.mark.parametrize("offset", ["Z", "+00:00", "-00:00"])
def test_utc(offset: str) -> None:
    assert only_key(expiresAt=f"2026-03-01T09:30:00.0000000{offset}").expires == 1772357400


@pytest.mark.parametrize("utc_time", ["2026-03-01T09:30:00.0000000Z", "2026-03-01T09:30:00"])
def test_date_as_an_object(utc_time: str) -> None:
    date = {"utcTime": utc_time, "timeZoneOffset": "03:00:00"}
    assert only_key(expiresAt=date).expires == 1772357400


@pytest.mark.parametrize("field", ["createOn", "lastUsed", "expiresAt"])
@pytest.mark.parametrize(
    "minimum",
    [
        "0001-01-01T00:00:00.0000000Z",
        "0001-01-01T00:00:00.0000000+05:30",
        "0001-01-01T00:00:00",
        {"utcTime": "0001-01-01T00:00:00.0000000Z"},
        {"utcTime": "0001-01-01T00:00:00"},
        None,
    ],
)
def test_minimum_date_is_no_date(field: str, minimum: object) -> None:
    key = only_key(**{field: minimum})
    name = {"createOn": "created", "lastUsed": "last_used", "expiresAt": "expires"}[field]
    assert getattr(key, name) is None


@pytest.mark.parametrize(
    "date",
    [
        "2026-03-01T09:30:00.0000000",
        "2026-02-30T09:30:00Z",
        "2026-03-01T25:30:00Z",
        "2026-03-01T09:30:00+99:00",
        "0000-03-01T09:30:00Z",
        "tomorrow",
        "",
        "1772357400",
        1772357400,
        {"timeZoneOffset": "00:00"},
        {"utcTime": None},
        {"utcTime": "tomorrow"},
        [],
        True,
    ],
)
def test_date_that_is_none_costs_its_record(date: object) -> None:
    malformed = problem(RECORD | {"expiresAt": date})
    assert malformed.where == f"key {ID}"
    assert "expiresAt" in malformed.problem


@given(st.text())
def test_any_text_as_date_is_a_date_or_costs_its_record(text: str) -> None:
    other = RECORD | {"id": "other"}
    listing = parse_keys(envelope(other, RECORD | {"expiresAt": text}))
    assert len(listing.keys) + len(listing.malformed) == 2


# Bad records


def test_a_list_of_which_nothing_is_valid_is_no_key_list() -> None:
    """0 keys with `docspace_up 1` would resolve all alerts when upstream changes a format."""
    with pytest.raises(InvalidResponse, match="none of 2 records is a valid key: Expected"):
        parse_keys(envelope({"id": 1}, None))


def test_an_empty_list_is_a_key_list() -> None:
    assert parse_keys(envelope()) == wire.KeyList((), ())


@pytest.mark.parametrize(
    ("record", "where", "message"),
    [
        (None, "record 1", "Expected `object`, got `null`"),
        ("text", "record 1", "Expected `object`, got `str`"),
        ([], "record 1", "Expected `object`, got `array`"),
        ({}, "record 1", "Object missing required field `id`"),
        ({"id": "x"}, "key x", "Object missing required field `isActive`"),
        ({"id": "x", "isActive": None}, "key x", "Expected `bool`, got `null` - at `$.isActive`"),
        ({"id": "x", "isActive": 1}, "key x", "Expected `bool`, got `int` - at `$.isActive`"),
        ({"id": 7, "isActive": True}, "record 1", "Expected `str`, got `int` - at `$.id`"),
        (
            {"id": " ", "isActive": True},
            "record 1",
            "Expected an `id`, got an empty string - at `$.id`",
        ),
        (RECORD | {"name": 7}, f"key {ID}", "Expected `str | null`, got `int` - at `$.name`"),
        (
            RECORD | {"permissions": ["a", 7]},
            f"key {ID}",
            "Expected `str`, got `int` - at `$.permissions[1]`",
        ),
        (
            RECORD | {"createBy": "Anna"},
            f"key {ID}",
            "Expected `object | null`, got `str` - at `$.createBy`",
        ),
    ],
)
def test_bad_record_is_placed_and_explained(record: Any, where: str, message: str) -> None:
    assert problem(record) == Malformed(where, message)


def test_doubled_id_is_one_key() -> None:
    listing = parse_keys(envelope(RECORD, RECORD | {"name": "other"}))
    assert listing.keys == (KEY,)
    assert listing.malformed == (Malformed(f"key {ID}", "this `id` is in the list already"),)


@pytest.mark.parametrize(
    ("first", "second"), [("a ", "a"), ("a\x00", "a\ufffd"), ("\ud800", "\udfff")]
)
def test_ids_that_would_be_one_label_value_are_one_key(first: str, second: str) -> None:
    listing = parse_keys(envelope(RECORD | {"id": first}, RECORD | {"id": second}))
    assert (len(listing.keys), len(listing.malformed)) == (1, 1)


def test_message_of_a_bad_record_is_short() -> None:
    assert len(problem({"id": "x" * 10_000, "isActive": 1}).where) < 100


# Not the envelope


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "expected the JSON envelope, got an empty body"),
        (b"  \n", "expected the JSON envelope, got an empty body"),
        (b"<!DOCTYPE html><title>Sign in</title>", "expected the JSON envelope, got an HTML page"),
        (b"\n<html lang=en>", "expected the JSON envelope, got an HTML page"),
        (b"\x1f\x8b\x08", "expected the JSON envelope, got 3 bytes that are not JSON"),
        (b"{", "expected the JSON envelope, got 1 bytes that are not JSON"),
        (b"null", "expected the JSON envelope, got null"),
        (b"[]", "expected the JSON envelope, got a list"),
        (b'"keys"', "expected the JSON envelope, got a string"),
        (b"true", "expected the JSON envelope, got a boolean"),
        (b"7", "expected the JSON envelope, got a number"),
        (b"{}", "expected the JSON envelope, got an object without `response`"),
        (b'{"response": null}', "expected a list of keys in `response`, got null"),
        (b'{"response": {}}', "expected a list of keys in `response`, got an object"),
        (b'{"response": "x"}', "expected a list of keys in `response`, got a string"),
        (b"[" * 200_000, "expected the JSON envelope, got nesting that is too deep"),
    ],
    ids=range(16),
)
def test_what_is_not_the_envelope(body: bytes, message: str) -> None:
    with pytest.raises(InvalidResponse) as caught:
        parse_keys(body)
    assert str(caught.value) == message


@pytest.mark.parametrize("number", [b"9" * 5000, b"1e999", b"-1e-999", b"NaN", b"-Infinity"])
def test_number_whatever_costs_its_record(number: bytes) -> None:
    body = envelope(RECORD, "HERE", RECORD | {"id": "b", "unknown": "HERE"})
    listing = parse_keys(body.replace(b'"HERE"', number))
    assert [key.id for key in listing.keys] == [ID, "b"]
    assert [record.where for record in listing.malformed] == ["record 1"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from([*RECORD, "displayName", "utcTime"]) | st.text(), inner)
    ),
    max_leaves=12,
)


def keys_or_none(body: bytes) -> KeyList | None:
    try:
        return parse_keys(body)
    except InvalidResponse as exc:
        assert str(exc).isprintable()  # noqa: PT017, most bodies are a list
        return None


@given(st.binary())
def test_any_bytes_are_a_list_or_an_invalid_response(body: bytes) -> None:
    keys_or_none(body)


@given(JSON)
def test_any_json_is_a_list_or_an_invalid_response(value: Any) -> None:
    keys_or_none(json.dumps(value).encode())


@given(
    st.lists(
        JSON
        | st.builds(
            lambda changes: {**RECORD, **changes},
            st.dictionaries(st.sampled_from(sorted(RECORD)), JSON, max_size=3),
        ),
        max_size=6,
    )
)
def test_every_record_is_a_key_or_malformed(records: list[Any]) -> None:
    listing = keys_or_none(envelope(RECORD | {"id": "sound"}, *records))
    assert listing is not None
    assert len(listing.keys) + len(listing.malformed) == len(records) + 1
    assert len({key.id for key in listing.keys}) == len(listing.keys)


@given(JSON)
def test_the_other_answers_are_read_or_are_invalid_responses(value: Any) -> None:
    body = json.dumps({"response": value}).encode()
    for parse in (wire.parse_own_key, wire.parse_profile):
        try:
            parse(body)
        except InvalidResponse as exc:
            assert str(exc).startswith("expected a ")  # noqa: PT017, a few are read


# Text

TEXTS = st.text(st.characters(codec=None, exclude_categories=()))


@given(TEXTS)
@example('\ud83d\ude80 \ud800 \x00 \x1b[31m \n\r\t\\"{},=# \u2028\u0085')
def test_any_text_has_a_utf_8_form_and_no_control_character(text: str) -> None:
    """As label values must be; the exposition escapes tab and line ends."""
    key = only_key(name=text, keyPostfix=text, createBy={"displayName": text}, permissions=[text])
    values = [key.name, key.postfix, *key.permissions, key.creator.name if key.creator else ""]
    for value in values:
        assert value.encode().decode() == value
        assert not any(ord(char) < 32 and char not in "\t\n\r" for char in value)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_ordinary_text_arrives_as_it_is(text: str) -> None:
    key = only_key(name=text, createBy={"displayName": html.escape(text)})
    assert (key.name, key.creator) == (text, Creator("", text))


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    body = envelope(RECORD | {"name": "MARK"}).replace(b"MARK", b"caf\xe9")
    assert parse_keys(body).keys[0].name == "caf\ufffd"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (rb"\ud800", "\ufffd"),
        (rb"\uDBFF\uD800\uDFFFx", "\ufffd\U000103ffx"),
        (rb"\\ud800", r"\ud800"),
        (rb"\\\ud800", "\\\ufffd"),
        (rb"\ud83d\ude80 \ude80\ud83d", "\U0001f680 \ufffd\ufffd"),
        (rb"\\ud83d\ude80", "\\ud83d\ufffd"),
    ],
)
def test_lone_surrogate_is_replaced_where_it_is_one(sent: bytes, name: str) -> None:
    body = envelope(RECORD | {"name": "MARK", "lone": "LONE"})
    body = body.replace(b"MARK", sent).replace(b"LONE", rb"\udfff")
    assert parse_keys(body).keys[0].name == name


# The smaller answers


def test_own_key() -> None:
    assert wire.parse_own_key(json.dumps({"response": RECORD}).encode()) == KEY


@pytest.mark.parametrize("response", [None, [], {}, {"id": "x"}, RECORD | {"createOn": "soon"}])
def test_no_own_key(response: Any) -> None:
    with pytest.raises(InvalidResponse, match=r"^expected a key in `response`: "):
        wire.parse_own_key(json.dumps({"response": response}).encode())


@pytest.mark.parametrize(
    ("profile", "sees_all"),
    [
        ({"isAdmin": True, "isOwner": False}, True),
        ({"isAdmin": False, "isOwner": True}, True),
        ({"isAdmin": False, "isOwner": False, "displayName": "Anna"}, False),
        ({"isAdmin": True}, True),
        ({"isAdmin": False}, False),
    ],
)
def test_admin_and_owner_see_all(profile: dict[str, Any], sees_all: bool) -> None:  # noqa: FBT001, a parameter of the test
    assert wire.parse_profile(json.dumps({"response": profile}).encode()) is sees_all


@pytest.mark.parametrize("response", [None, [], {}, {"isAdmin": "yes"}])
def test_no_profile(response: Any) -> None:
    with pytest.raises(InvalidResponse, match=r"^expected a profile in `response`: "):
        wire.parse_profile(json.dumps({"response": response}).encode())


def build(version: Any) -> bytes:
    return json.dumps({"response": {"docSpace": version, "communityServer": "12.7"}}).encode()


@pytest.mark.parametrize("version", ["3.7.2", "3.7.2.1234", "3.8.0-rc.1", "10.0"])
def test_version_is_the_field_docspace(version: str) -> None:
    """`GET /api/2.0/settings/version/build` gives the portal's version (`docSpace`)."""
    assert wire.parse_version(build(version)) == version


@pytest.mark.parametrize(
    "body",
    [
        build(None),
        build(""),
        build(3.7),
        build("latest"),
        build("3.7\n2"),
        build("3." + "7" * 31),
        build("0a1b2c3d4e5f6789"),
        b'{"response": []}',
        b'{"response": {}}',
        b'{"response": null}',
        b"{}",
        b"<html>",
        b"",
    ],
    ids=range(13),
)
def test_version_that_is_none_is_empty(body: bytes) -> None:
    assert wire.parse_version(body) == ""


@given(JSON)
def test_version_of_any_answer_is_a_short_text(value: Any) -> None:
    for response in (value, {"docSpace": value}):
        assert len(wire.parse_version(json.dumps({"response": response}).encode())) <= 32


def test_error_message_without_the_stack() -> None:
    error = {"message": "Access  denied\n at all", "type": "SecurityException", "stack": "at Foo()"}
    body = json.dumps({"status": 1, "statusCode": 403, "error": error}).encode()
    assert wire.parse_error_message(body) == "Access denied at all"


def test_error_message_is_cut() -> None:
    message = wire.parse_error_message(json.dumps({"error": {"message": "x" * 999}}).encode())
    assert message == "x" * 200


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[]", b"null", b'{"error": "x"}', b'{"error": {"message": 7}}',
     b"\xff", b"[" * 200_000],
    ids=range(9),
)  # fmt: skip
def test_no_error_message(body: bytes) -> None:
    assert wire.parse_error_message(body) is None


@given(st.binary() | JSON.map(lambda value: json.dumps({"error": {"message": value}}).encode()))
def test_error_message_of_anything_is_one_short_line(body: bytes) -> None:
    message = wire.parse_error_message(body)
    assert message is None or (len(message) <= 200 and "\n" not in message)
