"""Bytes of a portal's answers to typed values.

Only what cannot be a key list at all is an error; one bad record costs itself. ``envelope`` cuts an
answer into records, ``record`` makes a key of each.
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


class Profile(msgspec.Struct, rename="camel", frozen=True):
    """The caller, from ``people/@self``."""

    is_admin: bool
    is_owner: bool = False

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


class _Person(msgspec.Struct):
    """``status`` 2 is disabled; where it is missing, the filter of the request is relied on."""

    id: str
    status: int = 2


class _People(msgspec.Struct):
    response: list[_Person]
    total: int | None = None


class _Build(msgspec.Struct, rename="camel"):
    doc_space: str


_profile = msgspec.json.Decoder(Profile)
_people = msgspec.json.Decoder(_People)
_build = msgspec.json.Decoder(_Build)

_VERSION = re.compile(r"[0-9]{1,6}\.[0-9A-Za-z.+-]{1,25}", re.ASCII)

#: What a record is: a key, or the problem with it.
_Outcome = ApiKey | str


@dataclass(frozen=True, slots=True)
class _Read:
    """A list that was read: its records, what each of them is, and the keys among them."""

    records: list[bytes]
    outcomes: list[_Outcome]
    keys: KeyList


class KeyListReader:
    """Reads the key lists of one portal, one after the other: ``GET /api/2.0/keys``.

    A record that is byte for byte in the last list as well is the same ApiKey object again, not
    only an equal one: most of a list stays as it is, and what is made of a key can be kept with it.
    It holds a copy of the last list's records, and nothing of older ones. Two threads may read at
    once; the list that is read last is the one remembered. ``mask`` hides secrets in a key's names.
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
        """Read an answer. ``check`` is called now and then, and raises to end it at a deadline.

        Raises InvalidResponse where the body is not the envelope with a list in it, or where the
        list has records and none of them is valid: 0 keys would be wrong then. Raises
        TooLarge for more than ``max_keys`` records.
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
        """The list of these records, which differs from the last one in the ``changed`` places.

        Records that only moved are looked up by their content.
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
        """Put into their places what the records are that were in no list before."""
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


def parse_keys(body: bytes) -> KeyList:
    """Read one key list by itself. Raises what ``KeyListReader.read`` raises."""
    return KeyListReader().read(body)


def parse_own_key(body: bytes) -> ApiKey:
    """Read the answer of ``GET /api/2.0/keys/@self``. Raises InvalidResponse."""
    with _expected("a key in `response`"):
        return read_key(envelope.response(body), {})


def parse_profile(body: bytes) -> Profile:
    """Read the answer of ``GET /api/2.0/people/@self``. Raises InvalidResponse."""
    with _expected("a profile in `response`"):
        return typed(envelope.response(body), _profile)


def parse_people(body: bytes) -> PeoplePage:
    """Read a page of ``GET /api/2.0/people/filter?employeeStatus=2``. Raises InvalidResponse."""
    with _expected("a page of people"):
        people = typed(envelope.unpacked(body), _people)
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
    """Read ``error.message`` of an error answer, at most 200 characters of one line, or None.

    ``mask`` hides secrets in it before it is cut: half a secret would not be found any more.
    The stack beside it is never looked at.
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
    """The keys among the outcomes. Raises InvalidResponse where there are records and no key."""
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
    return KeyList(tuple(keys.values()), tuple(malformed), more)
