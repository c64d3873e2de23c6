"""Mask API keys in text from elsewhere: whole keys, and parts of them.

Only ASCII letters and digits are compared, in lower case, so that a secret is also found with upper
case, white space or other characters within it.
"""

import re
import string
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from exporter.config import Secret
from exporter.docspace.model import ApiKey, Creator

MASK = "***"

#: Letters and digits in the order of a secret that count as a part of it.
_PART = 8
_ALPHANUMERIC = frozenset(string.ascii_letters + string.digits)
_LOWER = bytes(range(256)).lower()
#: Separates texts that are searched together. Names from `wire` do not contain it.
_NUL = "\0"
_OTHERS = bytes(code for code in range(1, 256) if chr(code) not in _ALPHANUMERIC)
#: The start of an API key (not as in "disk-full"), and the hexadecimal groups after it.
_API_KEY = re.compile(
    r"(?<![a-z0-9])sk-\s*[^\s\"'<>,;)]*(?:\s+[0-9a-f]+(?![a-z0-9]))*", re.ASCII | re.IGNORECASE
)


def mask_api_keys(text: str) -> str:
    """Return text with everything masked that looks like an API key (``sk-…``), in any case."""
    return _API_KEY.sub(MASK, text)


class SecretMask:
    """Masks one secret, and all text with 8 letters and digits in a row of it."""

    def __init__(self, secret: Secret) -> None:
        letters = _letters(secret.reveal())
        self._secret = secret
        self._parts = frozenset(
            letters[start : start + _PART] for start in range(len(letters) - _PART + 1)
        )
        # Excludes nearly all text quickly: a part has only letters of the secret.
        alphabet = bytes(sorted(set(letters)))
        self._suspect = re.compile(b"[%b]{%d,}" % (alphabet, _PART) if self._parts else b"(?!)")

    def apply(self, text: str) -> str:
        """Return text with the secret and its parts masked."""
        text = self._secret.redact(text.replace(_NUL, "\ufffd"))
        letters = _letters(text)
        if not self._within(letters):
            return text
        places = [place for place, char in enumerate(text) if char in _ALPHANUMERIC]
        pieces: list[str] = []
        end = 0
        for first, last in self._found(letters):
            pieces += text[end : places[first]], MASK
            end = places[last] + 1
        return "".join(pieces) + text[end:]

    def in_any(self, texts: Iterable[str]) -> bool:
        """Whether `apply` would change one of the texts; quicker than to try each."""
        together = _NUL.join(texts)
        if not self._parts:
            return self._secret.redact(together) != together
        return self._within(_letters(together))

    def _within(self, letters: bytes) -> bool:
        return any(
            not self._parts.isdisjoint(
                suspect[start : start + _PART] for start in range(len(suspect) - _PART + 1)
            )
            for suspect in self._suspect.findall(letters)
        )

    def _found(self, letters: bytes) -> Iterator[tuple[int, int]]:
        """First and last index of each run of letters that consists of parts of the secret."""
        first = last = -1
        for start in range(len(letters) - _PART + 1):
            if letters[start : start + _PART] not in self._parts:
                continue
            if first >= 0 and start > last + 1:
                yield first, last
                first = -1
            first = start if first < 0 else first
            last = start + _PART - 1
        if first >= 0:
            yield first, last


def _letters(text: str) -> bytes:
    """The ASCII letters and digits of a text, in lower case."""
    return text.encode("ascii", "ignore").translate(_LOWER, _OTHERS)


def mask_keys(keys: Sequence[ApiKey], mask: SecretMask) -> Sequence[ApiKey]:
    """The keys, with the secret masked in their names and in those of their creators."""
    names = [name for key in keys for name in (key.name, key.creator.name if key.creator else "")]
    return [_masked(key, mask) for key in keys] if mask.in_any(names) else keys


def _masked(key: ApiKey, mask: SecretMask) -> ApiKey:
    creator = key.creator and Creator(key.creator.id, mask.apply(key.creator.name))
    return replace(key, name=mask.apply(key.name), creator=creator)
