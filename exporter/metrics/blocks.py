"""The lines of a portal; those of its keys are kept from one scrape to the next.

::

    text of a group    the lines of one row for some 30 neighbouring keys, deflated as well. A key
                       that changed (another ApiKey object, superseded, another status of its
                       creator) has its line replaced; one that comes or goes costs its group.
    block of a row     the texts of all groups, joined; until one of these texts is another

A `PortalBlocks` is made for one portal's settings and holds what its last list needs: nothing is
left of older lists.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import is_
from threading import Lock
from typing import NamedTuple

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
    """Lines of one row for the keys of a group, and the same deflated."""

    lines: bytes
    deflated: bytes | None = None


@dataclass(slots=True, eq=False)
class _Group:
    """Some neighbouring keys, and a text for each row."""

    keys: Sequence[ApiKey]
    texts: Sequence[Text]


@dataclass(slots=True, eq=False)
class Block:
    """Lines of one row for all keys of a portal: a text for each group."""

    texts: Sequence[Text]
    stretch: Stretch | None = None

    def replaced(self, texts: Sequence[Text]) -> "Block":
        """The block of these texts; itself where they are the same."""
        same = len(texts) == len(self.texts) and all(map(is_, texts, self.texts))
        return self if same else Block(texts)

    def parts(self) -> Sequence[bytes | Stretch]:
        """What to write of it."""
        return [text.lines for text in self.texts] if self.stretch is None else [self.stretch]

    def compress(self) -> None:
        """Have the block compressed, if that is worth it."""
        if self.stretch is not None:
            return
        lines = [text.lines for text in self.texts]
        if sum(map(len, lines)) >= _LEAST_STRETCH:
            for text in self.texts:
                text.deflated = text.deflated or deflate(text.lines)
            deflated = b"".join([text.deflated or b"" for text in self.texts])
            self.stretch = Stretch.of(lines, deflated)


class PortalLines(NamedTuple):
    """The lines of each row of a portal, and a block for each row of its keys.

    The clock is in many of a portal's own lines, so they are made anew each time. While it is down
    the blocks are empty.
    """

    families: list[bytes]
    keys: Sequence[Block]


@dataclass(frozen=True, slots=True)
class _Context:
    """What beside a key decides on its lines: the same for all keys of a moment."""

    superseded: frozenset[str] = frozenset()
    disabled: frozenset[str] | None = None


class PortalBlocks:
    """The lines of one portal and its keys. Any number of threads may ask at once."""

    def __init__(self, settings: PortalSettings) -> None:
        self.settings = settings
        constant = {**dict(settings.labels), "portal": settings.name}
        self._portal = Table(PORTAL_ROWS, constant)
        self._keys = Table(KEY_ROWS, constant, KEY_LABELS[1:])
        self._lock = Lock()
        self._context = _Context()
        self._groups: dict[str, _Group] = {}
        self._blocks = [Block(()) for _ in KEY_ROWS]

    def lines(self, snapshot: Snapshot, *, compressed: bool) -> PortalLines:
        """The lines of a portal and its keys, these compressed if that is wanted.

        Of two threads that ask at once the second finds what the first has made.
        """
        families = self._portal.lines(snapshot)
        listing = snapshot.observation.listing
        if listing is None:
            return PortalLines(families, [Block(()) for _ in KEY_ROWS])
        context = _Context(snapshot.superseded, snapshot.observation.facts.disabled)
        with self._lock:
            self._update(listing.keys, context)
            if compressed:
                for block in self._blocks:
                    block.compress()
            return PortalLines(families, self._blocks)

    def _update(self, keys: Sequence[ApiKey], context: _Context) -> None:
        """Have the groups and blocks of these keys; what is the same as before is kept."""
        if context == self._context:
            context = self._context
        groups = [
            self._group(keys[start:end], context)
            for start, end in pairwise([*_starts(keys), len(keys)])
        ]
        self._blocks = [
            block.replaced([group.texts[row] for group in groups])
            for row, block in enumerate(self._blocks)
        ]
        self._groups = {group.keys[0].id: group for group in groups}
        self._context = context

    def _group(self, keys: Sequence[ApiKey], context: _Context) -> _Group:
        """The group of these keys, made from the last one that began with the same key."""
        old, before = self._groups.get(keys[0].id), self._context
        if old is None or len(old.keys) != len(keys):
            return self._new_group(keys, context)
        texts = list(old.texts)
        for key, last in zip(keys, old.keys, strict=True):
            if key is last and (
                context is before or self._view(key, context) == self._view(key, before)
            ):
                continue
            lines, former = self._lines(key, context), self._lines(last, before)
            if key.id != last.id or [*map(bool, lines)] != [*map(bool, former)]:
                return self._new_group(keys, context)
            for row, text in enumerate(texts):
                if lines[row] != former[row]:  # its id is in it, so it is there once
                    texts[row] = Text(text.lines.replace(former[row], lines[row], 1))
        return _Group(keys, texts)

    def _new_group(self, keys: Sequence[ApiKey], context: _Context) -> _Group:
        rows = zip(*[self._lines(key, context) for key in keys], strict=True)
        return _Group(keys, [Text(b"".join(row)) for row in rows])

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
