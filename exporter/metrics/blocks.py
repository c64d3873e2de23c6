"""The lines of a portal; those of its keys are kept from one scrape to the next.

What is kept, by what, and for how long::

    lines of a key      the ApiKey object, whether it is superseded, and what is known of its
                        creator; until the next list without that object
    text of a group     the lines of some 30 neighbouring keys, a text for each row; until one of
                        these lines is another
    deflated text       a text; as long as that

All of it hangs on one `PortalBlocks`, which is made for one portal's settings and holds what the
last list needs: nothing is left of older lists, whatever came and went.
"""

import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, pairwise
from operator import is_not
from threading import Lock

from exporter.config import PortalSettings
from exporter.docspace.model import ApiKey
from exporter.docspace.snapshot import Snapshot
from exporter.metrics.catalogue import KEY_LABELS, KEY_ROWS, PORTAL_ROWS, KeyView
from exporter.metrics.lines import Table

#: Keys of a group: the fewest, the most, and one in so many may be the first of a group. Smaller
#: groups compress worse, larger ones have more lines made anew beside the one that changed.
_FEWEST, _MOST, _ONE_IN = 16, 64, 16
#: Bytes that are worth a stretch of their own.
_LEAST_STRETCH = 2048


def deflate(text: bytes) -> bytes:
    """A stretch of a deflate stream that any other may follow and that needs none before it."""
    # Level 3 takes half the time of 5, and makes a tenth more of it.
    compressor = zlib.compressobj(3, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)


@dataclass(slots=True, eq=False)
class Text:
    """Lines of one row for the keys of a group. ``ends[n]`` is where the lines of key n begin.

    ``deflated`` is None for what is not compressed yet, or too short to be compressed by itself.
    """

    lines: bytes
    ends: "array[int]"
    deflated: bytes | None = None

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> "Text":
        """Join the lines of each key."""
        return cls(b"".join(lines), array("L", accumulate(map(len, lines), initial=0)))

    def line(self, place: int) -> bytes:
        """The lines of one key."""
        return self.lines[self.ends[place] : self.ends[place + 1]]

    def replaced(self, lines: Mapping[int, bytes]) -> "Text":
        """A text with other lines for some keys; itself where they are the same."""
        if all(self.line(place) == line for place, line in lines.items()):
            return self
        old = [self.lines[start:end] for start, end in pairwise(self.ends)]
        return Text.of([lines.get(place, line) for place, line in enumerate(old)])

    def compress(self) -> None:
        """Have the text compressed, if that is worth it."""
        if self.deflated is None and len(self.lines) >= _LEAST_STRETCH:
            self.deflated = deflate(self.lines)


#: The texts of a group of keys, one for each row of the catalogue.
Group = tuple[Text, ...]
#: The number of a group, and the place of a key in it.
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Context:
    """What beside a key decides on its lines: the same for all keys of a moment."""

    superseded: frozenset[str] = frozenset()
    disabled: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A list of keys and its groups; ``starts`` are the places of their first keys."""

    keys: tuple[ApiKey, ...] = ()
    context: _Context = field(default_factory=_Context)
    starts: Sequence[int] = ()
    groups: Sequence[Group] = ()


class PortalBlocks:
    """The lines of one portal and its keys. Any number of threads may ask at once."""

    def __init__(self, settings: PortalSettings) -> None:
        self.settings = settings
        constant = {**dict(settings.labels), "portal": settings.name}
        self._portal = Table(PORTAL_ROWS, constant)
        self._keys = Table(KEY_ROWS, constant, KEY_LABELS[1:])
        self._lock = Lock()
        self._kept = _Kept()

    def families(self, snapshot: Snapshot) -> list[bytes]:
        """The lines of each row of a portal, made anew: the clock is in many."""
        return self._portal.lines(snapshot)

    def groups(self, snapshot: Snapshot, *, compressed: bool) -> Sequence[Group]:
        """The lines of a snapshot's keys, in groups that follow each other; none while it is down.

        Of two threads that ask at once the second finds what the first has made.
        """
        listing = snapshot.observation.listing
        if listing is None:
            return ()
        context = _Context(snapshot.superseded, snapshot.observation.facts.disabled)
        with self._lock:
            self._kept = kept = self._updated(self._kept, listing.keys, context)
            if compressed:
                for group in kept.groups:
                    for text in group:
                        text.compress()
        return kept.groups

    def _updated(self, kept: _Kept, keys: tuple[ApiKey, ...], context: _Context) -> _Kept:
        changed = [at for at, new in enumerate(map(is_not, keys, kept.keys)) if new]
        if len(keys) != len(kept.keys) or len(changed) * 4 > len(keys):
            return self._regrouped(kept, keys, context)
        if context != kept.context:
            changed = [
                at
                for at, key in enumerate(keys)
                if key is not kept.keys[at]
                or self._view(key, context) != self._view(key, kept.context)
            ]
        if not changed:
            return _Kept(keys, context, kept.starts, kept.groups)
        groups = list(kept.groups)
        for number, places in groupby(changed, lambda at: bisect_right(kept.starts, at) - 1):
            start = kept.starts[number]
            fresh = {at - start: self._lines(keys[at], context) for at in places}
            groups[number] = tuple(
                text.replaced({place: lines[row] for place, lines in fresh.items()})
                for row, text in enumerate(groups[number])
            )
        return _Kept(keys, context, kept.starts, groups)

    def _regrouped(self, kept: _Kept, keys: tuple[ApiKey, ...], context: _Context) -> _Kept:
        """Groups of any other list. One whose keys are neighbours as before stays as it is."""
        known = {
            id(key): place
            for key, place in zip(kept.keys, _places(kept), strict=True)
            if context == kept.context or self._view(key, context) == self._view(key, kept.context)
        }
        starts = list(_starts(keys))
        groups = []
        for start, end in pairwise([*starts, len(keys)]):
            places = [known.get(id(key)) for key in keys[start:end]]
            groups.append(
                _whole_group(kept, places) or self._group(kept, keys[start:end], places, context)
            )
        return _Kept(keys, context, starts, groups)

    def _group(
        self,
        kept: _Kept,
        keys: Sequence[ApiKey],
        places: Sequence[_Place | None],
        context: _Context,
    ) -> Group:
        """A group of these keys, with the lines of those that have a place in the list before."""
        lines = [
            self._lines(key, context)
            if place is None
            else [text.line(place[1]) for text in kept.groups[place[0]]]
            for key, place in zip(keys, places, strict=True)
        ]
        return tuple(Text.of(row) for row in zip(*lines, strict=True))

    def _view(self, key: ApiKey, context: _Context) -> KeyView:
        status = "unknown" if key.creator is None else key.creator.status(context.disabled)
        superseded = key.id in context.superseded
        return KeyView(key, superseded, status, self.settings.withhold)

    def _lines(self, key: ApiKey, context: _Context) -> list[bytes]:
        name = "" if "key_name" in self.settings.withhold else key.name
        return self._keys.lines(self._view(key, context), (key.id, name))


def _starts(keys: Sequence[ApiKey]) -> Iterator[int]:
    """The places at which groups begin.

    Keys that may be the first of a group are chosen by their ids: a key that comes or goes moves
    the others from one place to the next, and not from one group to the next.
    """
    size = _MOST
    for at, key in enumerate(keys):
        if size == _MOST or (size >= _FEWEST and hash(key.id) % _ONE_IN == 0):
            yield at
            size = 0
        size += 1


def _places(kept: _Kept) -> Iterator[_Place]:
    """Where the lines of each key are."""
    for number, (start, end) in enumerate(pairwise([*kept.starts, len(kept.keys)])):
        for place in range(end - start):
            yield number, place


def _whole_group(kept: _Kept, places: Sequence[_Place | None]) -> Group | None:
    """The group that consists of just these places, if there is one."""
    first = places[0]
    if first is None or list(places) != [(first[0], place) for place in range(len(places))]:
        return None
    group = kept.groups[first[0]]
    return group if len(group[0].ends) == len(places) + 1 else None
