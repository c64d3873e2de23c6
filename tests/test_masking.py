"""Keys in text from elsewhere: masked whole, changed, and in part."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Secret
from exporter.docspace.credential import Credential
from exporter.docspace.masking import MASK, SecretMask, mask_api_keys, mask_keys
from exporter.docspace.model import ApiKey, Creator

KEY = "sk-" + "0a1b2c3d4e5f6789" * 4
MASKING = SecretMask(Secret(KEY))

CHANGED = {
    "as it is": KEY,
    "in upper case": KEY.upper(),
    "split by a space": f"{KEY[:30]} {KEY[30:]}",
    "split by line ends": "\n".join(re.findall(".{1,5}", KEY)),
    "letter by letter": " ".join(KEY),
    "with colons": ":".join(re.findall("..", KEY)),
    "with invisible characters": "\u200b".join(KEY),
    "with zero bytes": "\0".join(KEY),
    "less its last four": KEY[:-4],
    "less its beginning": KEY[3:],
    "its middle": KEY[20:40],
    "eight characters": KEY[10:18],
    "quoted": f'"{KEY}"',
    "glued to a word": f"key{KEY}end",
    "twice": f"{KEY} {KEY}",
}


def letters(text: str) -> str:
    return re.sub("[^0-9a-z]", "", text.lower())


@pytest.mark.parametrize("changed", CHANGED.values(), ids=list(CHANGED))
def test_key_is_masked(changed: str) -> None:
    """No five characters of it in a row are left, and the text around it is."""
    left = letters(MASKING.apply(f"no such key: {changed} (really)"))
    assert left.startswith("nosuchkey")
    assert left.endswith("really")
    assert not [start for start in range(60) if letters(KEY)[start : start + 5] in left]


@given(st.text(), st.integers(0, 59), st.integers(8, 67), st.text(" \n-:.", max_size=3), st.text())
def test_any_eight_characters_are_masked(
    before: str, start: int, length: int, between: str, after: str
) -> None:
    part = between.join(KEY[start : start + length])
    left = letters(MASKING.apply(before + part + after))
    whole = letters(KEY)
    assert not [at for at in range(len(whole) - 7) if whole[at : at + 8] in left]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Access denied",
        "billing-export",
        "0a1b2c3",
        "4a515a15-d4d6-4b8e-828e-e0586f18f3a3",
        "名前",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert MASKING.apply(text) == text


def test_secret_too_short_for_parts_is_masked_as_it_is() -> None:
    mask = SecretMask(Secret("sk-x"))
    assert mask.apply("key sk-x, task x") == "key ***, task x"


def test_no_secret_masks_nothing() -> None:
    assert SecretMask(Secret("")).apply("text") == "text"


def test_repr_does_not_show_the_secret() -> None:
    assert "0a1b" not in repr(MASKING)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("key sk-deadbeef is wrong", "key *** is wrong"),
        ("key SK-DEADBEEF is wrong", "key *** is wrong"),
        ("key sk-\n dead beef 0123 is wrong", "key *** is wrong"),
        ("(Bearer sk-***77fe)", "(Bearer ***)"),
        ('"sk-dead", "sk-beef"', '"***", "***"'),
        ("sk-", "***"),
        ("disk-full on the task-force's desk-1", "disk-full on the task-force's desk-1"),
        ("sk", "sk"),
    ],
)
def test_whatever_begins_like_an_api_key_is_masked(text: str, left: str) -> None:
    assert mask_api_keys(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{KEY} " * 1000, "*** " * 1000),
        ("sk-" * 20_000, MASK),
        ("sk-" + "a " * 30_000 + "!", f"{MASK} !"),
        ("0a1b2c3 zz " * 6000, "0a1b2c3 zz " * 6000),
    ],
    ids=range(4),
)
def test_text_as_long_as_an_error_can_be(text: str, left: str) -> None:
    assert Credential.of(KEY).redact(text) == left


def key(name: str, creator: Creator | None) -> ApiKey:
    return ApiKey("id", name, "6789", True, ("*",), creator, None, None, None)  # noqa: FBT003


def test_names_that_hold_the_key_are_masked() -> None:
    """A name has up to 30 characters: nearly half of a key."""
    named = key(KEY[:30], Creator("p", KEY[30:]))
    assert mask_keys([named], MASKING) == [key(MASK, Creator("p", MASK))]


def test_names_that_hold_the_key_only_together_stay() -> None:
    keys = (key(KEY[:6], None), key(KEY[6:12], None))
    assert mask_keys(keys, MASKING) is keys


@pytest.mark.parametrize("creator", [None, Creator("p", "Anna")])
def test_other_names_stay(creator: Creator | None) -> None:
    named = [key("billing-export", creator)]
    assert mask_keys(named, MASKING) is named
