"""What a portal remembers: its people, its API keys, and how they change as time passes.

Times are Unix seconds by the portal's own clock, which is the clock it was given plus its skew.
Nothing runs in the background: `Portal.advance` catches up with the clock, and every request
begins with it.
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

    An action reaches keys by `Portal.key`, not `Portal.keys`, which would catch up once more.
    """

    at: float
    action: "Callable[[Portal, float], None]"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one path: the answer comes `delay` seconds late, or is another one.

    With a `status`, that status and `body` are the answer to everybody.
    """

    status: int | None = None
    body: bytes = b""
    delay: float = 0.0


class Portal:
    """One portal.

    `events` must come in the order of their times and may be endless. `version` is the server's:
    what differs between releases follows it (see `release`), and it may be any text. A person
    may send `rate_limit` requests in any minute; None, as on self-hosted servers, is no limit.

    Free to set at any time: `condition`, `delay` (seconds each answer is held back), `faults` (by
    path), `clock_skew`, `rate_limit`, `gzip`, `version`. `requests` counts what arrived, by path.
    """

    def __init__(  # the one place where a portal's traits are named
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
        """Return the moment by the portal's own clock."""
        return self._clock() + self.clock_skew

    @property
    def release(self) -> Release:
        """What the server's version can do."""
        return Release(self.version)

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
        """Return the person that made the key, or `REMOVED`."""
        return self.people.get(key.creator_id, REMOVED)

    def disable(self, person_id: str) -> None:
        """Switch a person off: id and name stay, every call of that person is refused."""
        with self.lock:
            self.people[person_id] = replace(self.people[person_id], is_disabled=True)

    def remove_person(self, person_id: str) -> None:
        """Forget a person. The keys stay, and name `REMOVED` as their creator."""
        with self.lock:
            del self.people[person_id]

    def open_session(self, person: Person) -> str:
        """Return a token that speaks for a person without a key."""
        token = derive_id(f"session/{person.id}")
        self._sessions[token] = person.id
        return token

    def session(self, token: str) -> Person | None:
        """Return the person a token speaks for."""
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

    def use(self, key_id: str, now: float) -> DemoKey | None:
        """Make a call with a key: return it with `last_used` moved, or None if it is not valid.

        Whether the call is then accepted is another matter: a creator who is removed or disabled
        gets it refused, and it counts as a use all the same.
        """
        with self.lock:
            key = self._keys.get(key_id)
            if key is None or not key.valid(now):
                return None
            self._keys[key_id] = used = replace(key, last_used=now)
            return used

    def use_secret(self, secret: str) -> DemoKey | None:
        """Make a call now with the key that has this secret; as `use`."""
        with self.lock:
            now = self.advance()
            found = (key.id for key in self._keys.values() if key.secret == secret)
            return self.use(next(found, ""), now)

    def advance(self) -> float:
        """Let happen all that is due: events and runs of the server job, in order.

        Returns now.
        """
        with self.lock:
            now = self.now()
            while (event := self._next_event) is not None and event.at <= now:
                self._next_event = next(self._events, None)
                self._run_job(event.at)
                event.action(self, event.at)
            self._run_job(now)
            return now

    def _run_job(self, until: float) -> None:
        """Switch expired keys off, if the job's time came after the portal last looked."""
        interval = self.release.job_seconds
        runs = math.floor((until - self._started) / interval)
        latest_run = self._started + runs * interval
        if latest_run > self._seen:
            for key in list(self._keys.values()):
                if key.is_active and key.expired(latest_run):
                    self._keys[key.id] = replace(key, is_active=False)
        self._seen = max(self._seen, until)
