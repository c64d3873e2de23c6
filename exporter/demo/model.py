"""A portal's state: its people, its API keys, and how they change as time passes.

Times are Unix seconds of the portal's own clock, which is its `clock` plus its `clock_skew`.
Nothing runs in the background: each request calls `Portal.advance`, which makes all due changes.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from exporter.demo.key import DemoKey, derive_id, derive_secret
from exporter.demo.person import OWNER, REMOVED, Person
from exporter.demo.release import Release

Condition = Literal[
    "ok",
    "unpaid",
    "suspended",
    "no_such_portal",
    "restoring",
    "ip_blocked",
    "broken",
    "bad_gateway",
    "unavailable",
    "html",
    "redirect",
]
"""How the portal answers as a whole."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a portal at a moment; `action` is called with that moment.

    An action must read keys by `Portal.key`, because `Portal.keys` calls `Portal.advance` again.
    """

    at: float
    action: "Callable[[Portal, float], object]"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one path: its answers come `delay` seconds late.

    With a `status`, they all have that status and `body`.
    """

    status: int | None = None
    body: bytes = b""
    delay: float = 0.0


class Portal:
    """One portal.

    `events` must be in the order of their times and may be endless. `version` is the server's, any
    text; the portal behaves as that release (see `release`). A person may send `rate_limit`
    requests in any minute; None, as on self-hosted servers, is no limit.

    These may be set at any time: `condition`, `delay` (seconds before each answer), `faults` (by
    path), `clock_skew`, `rate_limit`, `gzip`, `version`. `requests` counts requests by path.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        people: Iterable[Person] = (OWNER,),
        utc_offset: timedelta = timedelta(0),
        clock_skew: float = 0.0,
        events: Iterable[Event] = (),
        version: str = "3.7.2",
        rate_limit: int | None = 1500,
    ) -> None:
        self.people = {person.id: person for person in people}
        self.utc_offset = utc_offset
        self.clock_skew = clock_skew
        self.version = version
        self.rate_limit = rate_limit
        self.gzip = True
        self.condition: Condition = "ok"
        self.delay = 0.0
        self.faults: dict[str, Fault] = {}
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._sessions: dict[str, str] = {}
        self._clock = clock
        self._keys: dict[str, DemoKey] = {}
        self._added = 0
        self._started = self._seen = self.now()
        self._events = iter(events)
        self._next_event = next(self._events, None)

    def now(self) -> float:
        """The time of the portal's own clock."""
        return self._clock() + self.clock_skew

    @property
    def release(self) -> Release:
        """The behaviour of the server's version."""
        return Release(self.version)

    @property
    def keys(self) -> tuple[DemoKey, ...]:
        """All keys, newest first; of two created at the same time, the one added later is first."""
        with self.lock:
            self.advance()
            latest_added_first = reversed(self._keys.values())
            return tuple(sorted(latest_added_first, key=lambda key: key.created, reverse=True))

    def visible_to(self, person: Person) -> tuple[DemoKey, ...]:
        """The keys in that person's list, newest first."""
        return tuple(
            key for key in self.keys if person.sees_all_keys or key.creator_id == person.id
        )

    def creator(self, key: DemoKey) -> Person:
        """The person who created the key, or `REMOVED`."""
        return self.people.get(key.creator_id, REMOVED)

    def disable(self, person_id: str) -> None:
        """Disable a person: id and name stay, each call of that person is refused."""
        with self.lock:
            self.people[person_id] = replace(self.people[person_id], is_disabled=True)

    def remove_person(self, person_id: str) -> None:
        """Remove a person. The keys stay, and their creator is `REMOVED`."""
        with self.lock:
            del self.people[person_id]

    def open_session(self, person: Person) -> str:
        """A token with which a person makes calls without a key."""
        token = derive_id(f"session/{person.id}")
        self._sessions[token] = person.id
        return token

    def session(self, token: str) -> Person | None:
        """The person of a session's token."""
        return self.people.get(self._sessions.get(token, ""))

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

        By default its creator is the portal's first member, it was created now, and its secret
        follows from its name and the number of keys added before.
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
        """Replace the key that has the same id, if it is still there."""
        with self.lock:
            if key.id in self._keys:
                self._keys[key.id] = key

    def remove_key(self, key_id: str) -> None:
        """Remove a key, if it is there."""
        with self.lock:
            self._keys.pop(key_id, None)

    def key(self, key_id: str) -> DemoKey | None:
        """The key with that id, as of the last `advance`."""
        return self._keys.get(key_id)

    def use(self, key_id: str, now: float) -> DemoKey | None:
        """Make a call with a key: return the key with its new `last_used`, or None if not valid.

        The portal may still refuse the call because the creator is removed or disabled.
        """
        with self.lock:
            key = self._keys.get(key_id)
            if key is None or not key.valid(now):
                return None
            self._keys[key_id] = used = replace(key, last_used=now)
            return used

    def use_secret(self, secret: str) -> DemoKey | None:
        """Like `use`, now and by the key's secret."""
        with self.lock:
            now = self.advance()
            found = (key.id for key in self._keys.values() if key.secret == secret)
            return self.use(next(found, ""), now)

    def advance(self) -> float:
        """Make all due changes, by events and the server's job, in order; return the time."""
        with self.lock:
            now = self.now()
            while (event := self._next_event) is not None and event.at <= now:
                self._next_event = next(self._events, None)
                self._run_job(event.at)
                event.action(self, event.at)
            self._run_job(now)
            return now

    def _run_job(self, until: float) -> None:
        """Switch expired keys off, if the job was due since the last call."""
        interval = self.release.job_seconds
        runs = math.floor((until - self._started) / interval)
        latest_run = self._started + runs * interval
        if latest_run > self._seen:
            for key in list(self._keys.values()):
                if key.is_active and key.expired(latest_run):
                    self._keys[key.id] = replace(key, is_active=False)
        self._seen = max(self._seen, until)
