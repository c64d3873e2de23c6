"""What happens in the demo's portals, as data: a moment, and what is done to the portal then."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from exporter.demo.demo_keys import KeySpec
from exporter.demo.model import Event, Portal

Action = Callable[[Portal, float], None]

USE_SECONDS = 20.0
CYCLE_SECONDS = 300.0


def appear(spec: KeySpec, portal_name: str) -> Action:
    """A key is created."""

    def act(portal: Portal, now: float) -> None:
        spec.add_to(portal, portal_name, now)

    return act


def vanish(key_id: str) -> Action:
    """A key is deleted."""

    def act(portal: Portal, _now: float) -> None:
        portal.remove_key(key_id)

    return act


def switch(key_id: str, *, on: bool) -> Action:
    """Someone switches a key on or off; an expired one stays as it is."""

    def act(portal: Portal, now: float) -> None:
        key = portal.key(key_id)
        if key is not None and not key.expired(now):
            portal.replace_key(replace(key, is_active=on))

    return act


def use(key_ids: Sequence[str]) -> Action:
    """Calls are made with keys; one refused for its creator counts as a use too."""

    def act(portal: Portal, now: float) -> None:
        for key_id in key_ids:
            portal.use(key_id, now)

    return act


def disable(person_id: str) -> Action:
    """A person is disabled; what uses that person's keys goes on calling."""

    def act(portal: Portal, _now: float) -> None:
        portal.disable(person_id)

    return act


def at(start: float, plan: Sequence[tuple[float, Action]]) -> Iterator[Event]:
    """Place a plan, in seconds from `start` and in order, on the clock."""
    for offset, action in plan:
        yield Event(start + offset, action)


def busy(start: float, key_ids: Sequence[str]) -> Iterator[Event]:
    """Use the keys every `USE_SECONDS`, for ever."""
    for number in count(1):
        yield Event(start + number * USE_SECONDS, use(key_ids))


def toggled(start: float, key_id: str, *, on_first: bool) -> Iterator[Event]:
    """Switch a key the other way once a cycle, for ever."""
    for number in count():
        on = on_first == (number % 2 == 0)
        yield Event(start + number * CYCLE_SECONDS, switch(key_id, on=on))


def rotated(start: float, spec: KeySpec, portal_name: str) -> Iterator[Event]:
    """Create a key anew each cycle; 60 s later switch its predecessor off, 120 s later delete it.

    There are never more than two of them.
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
