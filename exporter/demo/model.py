"""What a portal remembers: its people, its API keys, and how they change as time passes.

Times are Unix seconds by the portal's own clock, which is the clock it was given plus its skew.
Nothing runs in the background: `Portal.advance` catches up with the clock, and every request
begins with it.
"""

import hashlib
import math
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

Condition = Literal[
    "ok",
    "unpaid",
    "suspended",
    "restoring",
    "ip_blocked",
    "broken",
    "bad_gateway",
    "unavailable",
    "html",
    "redirect",
]
"""How the portal answers as a whole; all but `ok` are answered before the caller is looked at."""

PERMISSIONS = (
    "*",
    "*:read",
    "*:write",
    "accounts:read",
    "accounts:write",
    "accounts.self:read",
    "accounts.self:write",
    "files:read",
    "files:write",
    "rooms:read",
    "rooms:write",
)
"""Every scope a key can be limited to; `*` is no limit."""

NO_DATE = -math.inf
"""A date the server stores as its minimum, 0001-01-01, where others store nothing."""


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a portal; `user_name` and `password` open a session."""

    id: str
    display_name: str
    is_admin: bool = False
    is_owner: bool = False
    user_name: str = ""
    password: str = field(default="", repr=False)

    @property
    def sees_all_keys(self) -> bool:
        """Whether the key list shows this person other people's keys too."""
        return self.is_admin or self.is_owner


OWNER = Person(
    id="66faa6e4-f133-11ea-b126-00ffeec8b4ef",
    display_name="Portal Owner",
    is_admin=True,
    is_owner=True,
    user_name="owner@portal.example",
    password="portal-owner",  # noqa: S106 - opens nothing but a demo portal
)
"""The one member of a portal that was given no people."""

REMOVED = Person(id="4a515a15-d4d6-4b8e-828e-e0586f18f3a3", display_name="Unknown Unknown")
"""Who the server names as creator once the real one was removed."""


@dataclass(frozen=True, slots=True)
class DemoKey:
    """One API key. `secret` is the full key, `sk-` and 64 hex digits, and is in no repr."""

    id: str
    secret: str = field(repr=False)
    name: str
    creator_id: str
    created: float
    permissions: tuple[str, ...] | None = None
    is_active: bool = True
    last_used: float | None = None
    expires_at: float | None = None

    @property
    def postfix(self) -> str:
        """The last four characters of the full key."""
        return self.secret[-4:]

    @property
    def masked(self) -> str:
        """The key as lists show it: `sk-***` and the postfix."""
        return f"sk-***{self.postfix}"

    @property
    def full_access(self) -> bool:
        """Whether the key carries no limit: no permissions at all, or `*`."""
        return not self.permissions or "*" in self.permissions

    def expired(self, now: float) -> bool:
        """Whether the expiry, if there is one, is not in the future."""
        return self.expires_at not in (None, NO_DATE) and (self.expires_at or 0) <= now

    def valid(self, now: float) -> bool:
        """Whether a call with this key is accepted."""
        return self.is_active and not self.expired(now)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a portal at a moment, told to `action` with that moment.

    An action reaches keys by `Portal.key`, not `Portal.keys`, which would catch up once more.
    """

    at: float
    action: "Callable[[Portal, float], None]"


def derive_secret(seed: str, postfix: str = "") -> str:
    """Return a full key that is the same for the same seed, ending in `postfix`."""
    digits = hashlib.sha256(f"secret:{seed}".encode()).hexdigest()
    return "sk-" + digits[: 64 - len(postfix)] + postfix


def derive_id(seed: str) -> str:
    """Return a UUID that is the same for the same seed."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"id:{seed}".encode()).digest()[:16], version=4))


class Portal:
    """One portal.

    `events` must come in the order of their times and may be endless. The server job that
    switches expired keys off runs every `job_interval` seconds from the portal's start. A user
    may send `rate_limit` requests in any minute, and have `concurrency` GETs open at once.

    Free to set at any time: `condition`, `delay` (seconds each answer is held back),
    `clock_skew`, `rate_limit`, `concurrency`, `rate_limit_headers` (whether a 200 has them too),
    `gzip`. `requests` counts what arrived, by path.
    """

    def __init__(  # the one place where a portal's traits are named
        self,
        *,
        clock: Callable[[], float],
        people: Iterable[Person] = (OWNER,),
        utc_offset: timedelta = timedelta(0),
        clock_skew: float = 0.0,
        events: Iterable[Event] = (),
        job_interval: float = 600.0,
        rate_limit: int = 1500,
        concurrency: int = 50,
        rate_limit_headers: bool = False,
    ) -> None:
        self.people = {person.id: person for person in people}
        self.utc_offset = utc_offset
        self.clock_skew = clock_skew
        self.job_interval = job_interval
        self.rate_limit = rate_limit
        self.concurrency = concurrency
        self.rate_limit_headers = rate_limit_headers
        self.gzip = True
        self.condition: Condition = "ok"
        self.delay = 0.0
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._clock = clock
        self._keys: dict[str, DemoKey] = {}
        self._added = 0
        self._started = self._seen = self.now()
        self._events = iter(events)
        self._next_event = next(self._events, None)

    def now(self) -> float:
        """Return the moment by the portal's own clock."""
        return self._clock() + self.clock_skew

    @property
    def keys(self) -> tuple[DemoKey, ...]:
        """Every key as of now, newest first; of two born together the later added is first."""
        with self.lock:
            self.advance()
            latest_added_first = reversed(self._keys.values())
            return tuple(sorted(latest_added_first, key=lambda key: key.created, reverse=True))

    def visible_to(self, person: Person) -> tuple[DemoKey, ...]:
        """Return the keys that person's list shows, newest first."""
        return tuple(
            key for key in self.keys if person.sees_all_keys or key.creator_id == person.id
        )

    def creator(self, key: DemoKey) -> Person:
        """Return who made the key, or `REMOVED`."""
        return self.people.get(key.creator_id, REMOVED)

    def count(self, path: str) -> None:
        """Count one request."""
        with self.lock:
            self.requests[path] += 1

    def add_key(
        self,
        name: str = "key",
        *,
        creator: Person | None = None,
        permissions: Iterable[str] | None = None,
        is_active: bool = True,
        created: float | None = None,
        last_used: float | None = None,
        expires_at: float | None = None,
        secret: str | None = None,
    ) -> DemoKey:
        """Add a key and return it.

        By default it belongs to the portal's first member, was created now, and has a secret
        that is the same for the same name and number of keys added before.
        """
        with self.lock:
            self._added += 1
            seed = f"{name}/{self._added}"
            key = DemoKey(
                id=derive_id(secret or seed),
                secret=secret or derive_secret(seed),
                name=name,
                creator_id=(creator or next(iter(self.people.values()))).id,
                created=self.now() if created is None else created,
                permissions=None if permissions is None else tuple(permissions),
                is_active=is_active,
                last_used=last_used,
                expires_at=expires_at,
            )
            self._keys[key.id] = key
            return key

    def replace_key(self, key: DemoKey) -> None:
        """Put a changed key in the place of the one with its id, if that is still there."""
        with self.lock:
            if key.id in self._keys:
                self._keys[key.id] = key

    def remove_key(self, key_id: str) -> None:
        """Forget a key, if it is there."""
        with self.lock:
            self._keys.pop(key_id, None)

    def key(self, key_id: str) -> DemoKey | None:
        """Return the key with that id as it was when the portal last caught up."""
        return self._keys.get(key_id)

    def use_key(self, secret: str) -> DemoKey | None:
        """Return the valid key with that secret, its `last_used` moved to now; None otherwise."""
        with self.lock:
            now = self.advance()
            for key in self._keys.values():
                if key.secret == secret and key.valid(now):
                    used = replace(key, last_used=now)
                    self._keys[key.id] = used
                    return used
            return None

    def advance(self) -> float:
        """Let happen all that is due: events and runs of the server job, in order.

        Returns now.
        """
        with self.lock:
            now = self.now()
            while (event := self._next_event) is not None and event.at <= now:
                self._next_event = next(self._events, None)
                self._sweep(event.at)
                event.action(self, event.at)
            self._sweep(now)
            return now

    def _sweep(self, until: float) -> None:
        """Run the server job if its time came after the portal last looked."""
        runs = math.floor((until - self._started) / self.job_interval)
        latest_run = self._started + runs * self.job_interval
        if latest_run > self._seen:
            for key in list(self._keys.values()):
                if key.is_active and key.expired(latest_run):
                    self._keys[key.id] = replace(key, is_active=False)
        self._seen = max(self._seen, until)
