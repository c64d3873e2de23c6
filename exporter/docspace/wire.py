"""Bytes of a portal's answers to typed values.

An answer that is not a key list is an error; a bad record is left out. ``envelope`` cuts an answer
into records, ``record`` turns a record into a key.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import ne
from typing import cast

import msgspec
from msgspec import Raw

from exporter.docspace import envelope
from exporter.docspace.errors import InvalidResponse
from exporter.docspace.model import ApiKey
from exporter.docspace.record import Shared, place, read_key, text, typed

#: Malformed records of a list that are described; more are only counted.
_DESCRIBED = 10
#: Records between two checks of the deadline.
_CHECKED_EACH = 256
#: Creators and permissions that are kept, so that equal ones are the same object.
_SHARED = 10_000


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record of the list that is not a key; ``where`` is its id, or its place in the list."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class KeyList:
    """The keys of an answer in the portal's order, with unique ids, and the records left out.

    ``malformed`` describes the first ten of these, ``more_malformed`` counts the others.
    """

    keys: tuple[ApiKey, ...]
    malformed: tuple[Malformed, ...]
    more_malformed: int = 0

    @property
    def malformed_count(self) -> int:
        """How many records were left out."""
        return len(self.malformed) + self.more_malformed


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of ``people/filter``: ids of disabled people in lower case, and ``count`` of records.

    ``total`` is the number of people on all pages, None if the answer does not have it.
    """

    disabled: frozenset[str]
    count: int
    total: int | None


class _Profile(msgspec.Struct, rename="camel"):
    is_admin: bool
    is_owner: bool = False


class _Person(msgspec.Struct):
    """``status`` 2 is disabled: the request filters by it, so it is also the default."""

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

#: A record as a key, or the problem with it.
_Outcome = ApiKey | str


@dataclass(frozen=True, slots=True)
class _Read:
    """A list that was read: its records, the outcome of each, and the result."""

    records: list[bytes]
    outcomes: list[_Outcome]
    keys: KeyList


class KeyListReader:
    """Reads the key lists of one portal, one after the other: ``GET /api/2.0/keys``.

    A record that has the same bytes as in the last list gives the same ApiKey object again: callers
    compare keys by identity. The reader keeps the records of the last list only. Two threads may
    read at once. ``mask`` masks secrets in the names of keys.
    """

    def __init__(
        self,
        max_keys: int = 100_000,
        mask: Callable[[Sequence[ApiKey]], Sequence[ApiKey]] = lambda keys: keys,
    ) -> None:
        self._max_keys = max_keys
        self._mask = mask
        self._last = _Read([], [], KeyList((), ()))
        self._shared: Shared = {}

    def read(self, body: bytes, check: Callable[[], None] = lambda: None) -> KeyList:
        """Read an answer. ``check`` is called repeatedly, and raises to end it at a deadline.

        Raises InvalidResponse if the body is not the envelope with a list, or if the list has
        records of which none is valid (0 keys would be wrong), and TooLarge for more than
        ``max_keys`` records.
        """
        last = self._last
        records = envelope.records(body, self._max_keys)
        check()
        changed = [at for at, new in enumerate(map(ne, map(bytes, records), last.records)) if new]
        if changed or len(records) != len(last.records):
            self._last = self._updated(last, records, changed, check)
        return self._last.keys

    def _updated(
        self, last: _Read, records: list[Raw], changed: list[int], check: Callable[[], None]
    ) -> _Read:
        """The list of these records, which differs from the last one at the ``changed`` indexes.

        Records that moved within the list are found by their content.
        """
        gone = [*changed, *range(len(records), len(last.records))]
        known = {last.records[at]: at for at in gone}
        kept, outcomes = last.records[: len(records)], last.outcomes[: len(records)]
        changed += range(len(kept), len(records))
        more = len(records) - len(kept)
        kept += [b""] * more
        outcomes += [""] * more
        fresh: list[int] = []
        for count, at in enumerate(changed):
            if count % _CHECKED_EACH == 0:
                check()
            kept[at] = bytes(records[at])
            moved = known.get(kept[at])
            if moved is None:
                fresh.append(at)
            else:
                kept[at], outcomes[at] = last.records[moved], last.outcomes[moved]
        self._read_fresh(kept, outcomes, fresh, check)
        same_ids = len(outcomes) == len(last.outcomes) and all(
            _id(outcomes[at]) == _id(last.outcomes[at]) for at in changed
        )
        if same_ids and not last.keys.malformed:
            return _Read(kept, outcomes, KeyList(tuple(cast("list[ApiKey]", outcomes)), ()))
        return _Read(kept, outcomes, _key_list(kept, outcomes))

    def _read_fresh(
        self,
        records: Sequence[bytes],
        outcomes: list[_Outcome],
        places: Sequence[int],
        check: Callable[[], None],
    ) -> None:
        """Set the outcomes of new records, which are at these ``places``."""
        if len(self._shared) > _SHARED:
            self._shared = {}
        keys: dict[int, ApiKey] = {}
        for count, at in enumerate(places):
            if count % _CHECKED_EACH == 0:
                check()
            try:
                keys[at] = read_key(records[at], self._shared)
            except ValueError as exc:  # msgspec.ValidationError is one
                outcomes[at] = str(exc)
        for at, key in zip(keys, self._mask([*keys.values()]), strict=True):
            outcomes[at] = key


def parse_own_key(body: bytes) -> ApiKey:
    """Read the answer of ``GET /api/2.0/keys/@self``. Raises InvalidResponse."""
    with _expected("a key in `response`"):
        return read_key(envelope.response(body), {})


def parse_profile(body: bytes) -> bool:
    """Read the answer of ``GET /api/2.0/people/@self``: whether the caller sees all keys.

    Raises InvalidResponse.
    """
    with _expected("a profile in `response`"):
        profile = typed(envelope.response(body), _profile)
    return profile.is_admin or profile.is_owner


def parse_people(body: bytes) -> PeoplePage:
    """Read a page of ``GET /api/2.0/people/filter?employeeStatus=2``. Raises InvalidResponse."""
    with _expected("a page of people"):
        people = typed(envelope.unpacked(body), _people)
    disabled = frozenset(person.id.lower() for person in people.response if person.status == 2)
    return PeoplePage(disabled, len(people.response), people.total)


def parse_version(body: bytes) -> str:
    """Read the answer of ``GET /api/2.0/settings/version/build``: the version of DocSpace.

    At most 32 characters; empty if the answer has no valid version.
    """
    try:
        version = typed(envelope.response(body), _build).doc_space.strip()
    except (InvalidResponse, ValueError):
        return ""
    return version if _VERSION.fullmatch(version) else ""


def parse_error_message(body: bytes, mask: Callable[[str], str] = str) -> str | None:
    """Read ``error.message`` of an error answer: one line of at most 200 characters, or None.

    ``mask`` is applied before the message is cut: half a secret would not be found. The stack in
    the answer is not used.
    """
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return " ".join(text(mask(message)).split())[:200] if isinstance(message, str) else None


@contextlib.contextmanager
def _expected(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as exc:  # msgspec.ValidationError is one
        raise InvalidResponse(f"expected {what}: {exc}") from exc


def _id(outcome: _Outcome) -> str | None:
    return outcome.id if isinstance(outcome, ApiKey) else None


def _key_list(records: Sequence[bytes], outcomes: Sequence[_Outcome]) -> KeyList:
    """The key list of these outcomes. Raises InvalidResponse if there are records but no key."""
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
        message = f"none of {len(records)} records is a valid key: {malformed[0].problem}"
        raise InvalidResponse(message)
    return KeyList(tuple(keys.values()), tuple(malformed), more)
