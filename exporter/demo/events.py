"""The events in the demo's portals: when they happen, and what they do to the portal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from exporter.demo.demo_keys import KeySpec
from exporter.demo.model import Event, Portal

Action = Callable[[Portal, float], object]

USE_SECONDS = 20.0
CYCLE_SECONDS = 300.0


def appear(spec: KeySpec, portal_name: str) -> Action:
    """A key is created."""
    return lambda portal, now: spec.add_to(portal, portal_name, now)


def vanish(key_id: str) -> Action:
    """A key is deleted."""
    return lambda portal, _: portal.remove_key(key_id)


def switch(key_id: str, *, on: bool) -> Action:
    """A person switches a key on or off; an expired key does not change."""

    def act(portal: Portal, now: float) -> None:
        key = portal.key(key_id)
        if key is not None and not key.expired(now):
            portal.replace_key(replace(key, is_active=on))

    return act


def use(key_ids: Sequence[str]) -> Action:
    """Calls are made with keys; a call that is refused for the creator counts as a use too."""
    return lambda portal, now: [portal.use(key_id, now) for key_id in key_ids]


def disable(person_id: str) -> Action:
    """A person is disabled. Programs continue to use that person's keys."""
    return lambda portal, _: portal.disable(person_id)


def at(start: float, plan: Sequence[tuple[float, Action]]) -> Iterator[Event]:
    """The events of a plan, which has seconds from `start`, in order."""
    for offset, action in plan:
        yield Event(start + offset, action)


def busy(start: float, key_ids: Sequence[str]) -> Iterator[Event]:
    """The keys are used every `USE_SECONDS`, without end."""
    for number in count(1):
        yield Event(start + number * USE_SECONDS, use(key_ids))


def toggled(start: float, key_id: str, *, on_first: bool) -> Iterator[Event]:
    """A key is switched off or on once a cycle, without end."""
    for number in count():
        on = on_first == (number % 2 == 0)
        yield Event(start + number * CYCLE_SECONDS, switch(key_id, on=on))


def rotated(start: float, spec: KeySpec, portal_name: str) -> Iterator[Event]:
    """Each cycle creates a new key; 60 s later its predecessor is switched off, and later deleted.

    That is after 120 s, so there are two of them at most.
    """
    predecessor: str | None = None
    for number in count():
        now = start + number * CYCLE_SECONDS
        fresh = replace(spec, label=f"{spec.name}/{number}")
        yield Event(now, appear(fresh, portal_name))
        if predecessor is not None:
            yield Event(now + 60.0, switch(predecessor, on=False))
            yield Event(now + 120.0, vanish(predecessor))
        predecessor = fresh.key_id(portal_name)
