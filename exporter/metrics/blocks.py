"""The lines of a portal; those of its keys are kept from one scrape to the next.

What is kept, by what, and for how long::

    lines of a key     the ApiKey object, whether it is superseded, and what is known of its
                       creator; until a list without that object
    text of a group    the lines of one row for some 30 neighbouring keys, deflated as well; until
                       one of these lines is another
    block of a row     the texts of all groups, joined; until one of these texts is another

All of it hangs on one `PortalBlocks`, which is made for one portal's settings and holds what the
last list needs: nothing is left of older lists, whatever came and went.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from operator import is_, is_not
from threading import Lock

from exporter.config import PortalSettings
from exporter.docspace.model import ApiKey
from exporter.docspace.snapshot import Snapshot
from exporter.metrics.catalogue import KEY_LABELS, KEY_ROWS, PORTAL_ROWS, KeyView
from exporter.metrics.gzipped import Stretch, deflate
from exporter.metrics.lines import Table

#: Keys of a group: the fewest, the most, and one in so many may be the first of a group. Smaller
#: groups compress worse, larger ones have more lines made anew beside the one that changed.
_FEWEST, _MOST, _ONE_IN = 16, 64, 16
#: Bytes of a block that are worth a stretch of their own.
_LEAST_STRETCH = 2048


@dataclass(slots=True, eq=False)
class Text:
    """Lines of one row for the keys of a group. ``ends[n]`` is where the lines of key n begin."""

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


class Block:
    """Lines of one row for all keys of a portal: a text for each group."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.texts = texts
        self.size = sum([len(text.lines) for text in texts])
        self.stretch: Stretch | None = None

    def replaced(self, lines: Mapping[int, Mapping[int, bytes]]) -> "Block":
        """A block with other lines, by group and place in it; itself where they are the same."""
        texts = list(self.texts)
        for group, of_group in lines.items():
            texts[group] = texts[group].replaced(of_group)
        return self if all(map(is_, texts, self.texts)) else Block(texts)

    def lines(self) -> list[bytes]:
        """All lines, in pieces."""
        return [text.lines for text in self.texts]

    def compress(self) -> None:
        """Have the block compressed, if that is worth it."""
        if self.stretch is not None or self.size < _LEAST_STRETCH:
            return
        for text in self.texts:
            if text.deflated is None:
                text.deflated = deflate(text.lines)
        deflated = [text.deflated or b"" for text in self.texts]
        self.stretch = Stretch.of(self.lines(), b"".join(deflated))


@dataclass(frozen=True, slots=True)
class _Context:
    """What beside a key decides on its lines: the same for all keys of a moment."""

    superseded: frozenset[str] = frozenset()
    disabled: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A list of keys, the places of the first key of each group, and a block for each row."""

    keys: tuple[ApiKey, ...]
    context: _Context
    starts: Sequence[int]
    blocks: Sequence[Block]


#: The number of a group, and the place of a key in it.
_Place = tuple[int, int]


class PortalBlocks:
    """The lines of one portal and its keys. Any number of threads may ask at once."""

    def __init__(self, settings: PortalSettings) -> None:
        self.settings = settings
        constant = {**dict(settings.labels), "portal": settings.name}
        self._portal = Table(PORTAL_ROWS, constant)
        self._keys = Table(KEY_ROWS, constant, KEY_LABELS[1:])
        self._lock = Lock()
        self._kept = _Kept((), _Context(), (), [Block(()) for _ in KEY_ROWS])

    def families(self, snapshot: Snapshot) -> list[bytes]:
        """The lines of each row of a portal, made anew: the clock is in many."""
        return self._portal.lines(snapshot)

    def blocks(self, snapshot: Snapshot, *, compressed: bool) -> Sequence[Block]:
        """The lines of each row of the snapshot's keys; empty ones while the portal is down.

        Of two threads that ask at once the second finds what the first has made.
        """
        listing = snapshot.observation.listing
        if listing is None:
            return [Block(()) for _ in KEY_ROWS]
        context = _Context(snapshot.superseded, snapshot.observation.facts.disabled)
        with self._lock:
            self._kept = kept = self._updated(self._kept, listing.keys, context)
            if compressed:
                for block in kept.blocks:
                    block.compress()
        return kept.blocks

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
        fresh = [
            (number, {at - kept.starts[number]: self._lines(keys[at], context) for at in places})
            for number, places in groupby(changed, lambda at: bisect_right(kept.starts, at) - 1)
        ]
        blocks = [
            block.replaced(
                {
                    number: {place: of_key[row] for place, of_key in lines.items()}
                    for number, lines in fresh
                }
            )
            for row, block in enumerate(kept.blocks)
        ]
        return _Kept(keys, context, kept.starts, blocks)

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
        blocks = [Block(texts) for texts in zip(*groups, strict=True)]
        return _Kept(keys, context, starts, blocks or [Block(()) for _ in KEY_ROWS])

    def _group(
        self,
        kept: _Kept,
        keys: Sequence[ApiKey],
        places: Sequence[_Place | None],
        context: _Context,
    ) -> list[Text]:
        """The texts of these keys, with the lines of those that have a place in the list before."""
        lines = [
            self._lines(key, context)
            if place is None
            else [block.texts[place[0]].line(place[1]) for block in kept.blocks]
            for key, place in zip(keys, places, strict=True)
        ]
        return [Text.of(row) for row in zip(*lines, strict=True)]

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


def _whole_group(kept: _Kept, places: Sequence[_Place | None]) -> list[Text] | None:
    """The texts of the group that consists of just these places, if there is one."""
    first = places[0]
    if first is None or list(places) != [(first[0], place) for place in range(len(places))]:
        return None
    texts = [block.texts[first[0]] for block in kept.blocks]
    return texts if len(texts[0].ends) == len(places) + 1 else None
