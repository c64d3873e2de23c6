"""Bytes of a portal's answers to typed values.

Only what cannot be a key list at all is an error; one bad record costs itself. ``envelope`` cuts an
answer into records, ``record`` makes a key of each.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ne
from typing import cast

import msgspec
from msgspec import Raw

from exporter.docspace import envelope
from exporter.docspace.errors import InvalidResponse
from exporter.docspace.model import ApiKey
from exporter.docspace.record import Shared, place, read_key, text, typed

#: Records of a list that are not keys and are described; more are counted.
_DESCRIBED = 10
#: Records between two looks at the deadline.
_CHECKED_EACH = 256
#: Creators and sets of permissions that are remembered, so that equal ones are one object.
_SHARED = 10_000


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record of the list that is not a key. ``where`` places it, ``problem`` says what is off."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class KeyList:
    """What one answer held: keys in the portal's order, ids unique, and the records left out.

    ``malformed`` describes the first ten of these, ``more_malformed`` is how many there are beside.
    """

    keys: tuple[ApiKey, ...]
    malformed: tuple[Malformed, ...]
    more_malformed: int = 0

    @property
    def malformed_count(self) -> int:
        """All records left out."""
        return len(self.malformed) + self.more_malformed


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


_profile = msgspec.json.Decoder(_Profile)
_people = msgspec.json.Decoder(_People)
_build = msgspec.json.Decoder(_Build)

_VERSION = re.compile(r"[0-9]{1,6}\.[0-9A-Za-z.+-]{1,25}", re.ASCII)

#: What a record is: a key, or the problem with it.
_Outcome = ApiKey | str


@dataclass(frozen=True, slots=True)
class _Read:
    """A list that was read: its records, what each is, and what became of them.

    It is ``sound`` where every record is a key of its own.
    """

    records: Sequence[Raw]
    outcomes: Sequence[_Outcome]
    keys: KeyList
    sound: bool


class KeyListReader:
    """Reads the key lists of one portal, one after the other: ``GET /api/2.0/keys``.

    A record that is byte for byte in the last list as well is the same ApiKey object again, not
    only an equal one: most of a list stays as it is, and what is made of a key can be kept with it.
    It holds a copy of the last list's records, and nothing of older ones. Two threads may read at
    once; the list that is read last is the one remembered. ``mask`` hides secrets in a key's names.
    """

    def __init__(
        self, max_keys: int = 100_000, mask: Callable[[ApiKey], ApiKey] = lambda key: key
    ) -> None:
        self._max_keys = max_keys
        self._mask = mask
        self._last = _Read((), (), KeyList((), ()), sound=True)
        self._shared: Shared = {}

    def read(self, body: bytes, check: Callable[[], None] = lambda: None) -> KeyList:
        """Read an answer. ``check`` is called now and then, and raises to end it at a deadline.

        Raises InvalidResponse where the body is not the envelope with a list in it, or where the
        list has records and none of them can be understood: 0 keys would be a lie then. Raises
        TooLarge for more than ``max_keys`` records.
        """
        last = self._last
        records = envelope.records(body, self._max_keys)
        check()
        changed = [at for at, new in enumerate(map(ne, records, last.records)) if new]
        if len(records) != len(last.records) or len(changed) * 4 > len(records):
            self._last = self._moved(records, last, check)
        elif changed:
            self._last = self._changed(records, changed, last, check)
        return self._last.keys

    def _changed(
        self, records: list[Raw], places: Sequence[int], last: _Read, check: Callable[[], None]
    ) -> _Read:
        """A list that differs from the last one in these places only."""
        kept, outcomes = list(last.records), list(last.outcomes)
        known = _by_content(last, places)
        for at, record, outcome in self._outcomes(records, places, known, check):
            kept[at], outcomes[at] = record, outcome
        if last.sound and all(_id(outcomes[at]) == _id(last.outcomes[at]) for at in places):
            keys = KeyList(tuple(cast("list[ApiKey]", outcomes)), ())
            return _Read(kept, outcomes, keys, sound=True)
        return _assembled(kept, outcomes)

    def _moved(self, records: list[Raw], last: _Read, check: Callable[[], None]) -> _Read:
        """Any other list."""
        known = _by_content(last, range(len(last.records)))
        found = list(self._outcomes(records, range(len(records)), known, check))
        return _assembled([record for _, record, _ in found], [outcome for *_, outcome in found])

    def _outcomes(
        self,
        records: list[Raw],
        places: Sequence[int],
        known: Mapping[bytes, tuple[Raw, _Outcome]],
        check: Callable[[], None],
    ) -> Iterator[tuple[int, Raw, _Outcome]]:
        """What the records in these places are, with the copy of each that is to be kept."""
        if len(self._shared) > _SHARED:
            self._shared = {}
        for count, at in enumerate(places):
            if count % _CHECKED_EACH == 0:
                check()
            record = records[at]  # a view of the answer
            yield at, *(known.get(bytes(record)) or self._read_one(record.copy()))

    def _read_one(self, record: Raw) -> tuple[Raw, _Outcome]:
        try:
            return record, self._mask(read_key(record, self._shared))
        except ValueError as exc:  # msgspec.ValidationError is one
            return record, str(exc)


def parse_keys(body: bytes) -> KeyList:
    """Read one key list by itself. Raises what ``KeyListReader.read`` raises."""
    return KeyListReader().read(body)


def parse_own_key(body: bytes) -> ApiKey:
    """Read the answer of ``GET /api/2.0/keys/@self``. Raises InvalidResponse."""
    try:
        return read_key(envelope.response(body), {})
    except ValueError as exc:
        raise InvalidResponse(f"expected a key in `response`: {exc}") from exc


def parse_profile(body: bytes) -> Profile:
    """Read the answer of ``GET /api/2.0/people/@self``. Raises InvalidResponse."""
    try:
        wire = typed(envelope.response(body), _profile)
    except ValueError as exc:
        raise InvalidResponse(f"expected a profile in `response`: {exc}") from exc
    return Profile(is_admin=wire.is_admin, is_owner=wire.is_owner)


def parse_people(body: bytes) -> PeoplePage:
    """Read a page of ``GET /api/2.0/people/filter?employeeStatus=2``. Raises InvalidResponse."""
    try:
        people = typed(envelope.unpacked(body), _people)
    except ValueError as exc:
        raise InvalidResponse(f"expected a page of people: {exc}") from exc
    disabled = frozenset(person.id.lower() for person in people.response if person.status == 2)
    return PeoplePage(disabled, len(people.response), people.total)


def parse_version(body: bytes) -> str:
    """Read the answer of ``GET /api/2.0/settings/version/build``: the version of DocSpace.

    At most 32 characters; empty where the answer holds nothing that looks like a version.
    """
    try:
        version = typed(envelope.response(body), _build).doc_space.strip()
    except (InvalidResponse, ValueError):
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
    return " ".join(text(mask(message)).split())[:200] if isinstance(message, str) else None


def _by_content(last: _Read, places: Sequence[int]) -> dict[bytes, tuple[Raw, _Outcome]]:
    """The records in these places of a list, and what they are."""
    return {bytes(last.records[at]): (last.records[at], last.outcomes[at]) for at in places}


def _id(outcome: _Outcome) -> str | None:
    return outcome.id if isinstance(outcome, ApiKey) else None


def _assembled(records: Sequence[Raw], outcomes: Sequence[_Outcome]) -> _Read:
    """The list of these records. Raises InvalidResponse where none is a key."""
    keys: dict[str, ApiKey] = {}
    malformed: list[Malformed] = []
    more = 0
    for at, outcome in enumerate(outcomes):
        if isinstance(outcome, ApiKey) and outcome.id not in keys:
            keys[outcome.id] = outcome
            continue
        if len(malformed) == _DESCRIBED:
            more += 1
            continue
        problem = outcome if isinstance(outcome, str) else "this `id` is in the list already"
        malformed.append(Malformed(place(records[at], at), problem))
    if malformed and not keys:
        message = f"none of {len(records)} records is a key that we know: {malformed[0].problem}"
        raise InvalidResponse(message)
    found = KeyList(tuple(keys.values()), tuple(malformed), more)
    return _Read(records, outcomes, found, sound=not malformed)
