"""The lines of a portal. Those of its keys are kept from one scrape to the next.

::

    text of a group    lines of one row for about 30 neighbouring keys, plain and deflated. If a key
                       changes (another ApiKey object, superseded, another status of its creator),
                       its line is replaced. If a key is added or removed, all lines of its group
                       are rendered again.
    block of a row     the texts of all groups; kept until one of these texts changes

A `PortalBlocks` belongs to one portal's settings. It holds what the last list needs, and nothing of
older lists. While only a part of the last list is rendered, it also holds lines of the list before.
"""

from collections.abc import Callable, Iterator, Sequence
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

#: Keys of a group, at least and at most; one key in 16 may be the first of a group. Smaller groups
#: compress worse; in larger ones a changed key has more neighbours to deflate again.
_FEWEST, _MOST, _ONE_IN = 16, 64, 16
#: Bytes from which on a block is compressed by itself.
_LEAST_STRETCH = 2048
#: Seconds between two calls of ``check`` while another thread renders the same portal.
_POLL = 0.02


@dataclass(slots=True, eq=False)
class Text:
    """Lines of one row for the keys of a group, and the same deflated."""

    lines: bytes
    deflated: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Context:
    """What the lines of a key depend on beside the key; the same for all keys of a moment."""

    superseded: frozenset[str] = frozenset()
    disabled: frozenset[str] | None = None


@dataclass(slots=True, eq=False)
class _Group:
    """Some neighbouring keys, and a text for each row, rendered in this context."""

    keys: Sequence[ApiKey]
    texts: Sequence[Text]
    context: _Context


@dataclass(slots=True, eq=False)
class Block:
    """Lines of one row for all keys of a portal: one text for each group."""

    texts: Sequence[Text]
    stretch: Stretch | None = None

    def replaced(self, texts: Sequence[Text]) -> "Block":
        """The block of these texts: this one if they are the same."""
        same = len(texts) == len(self.texts) and all(map(is_, texts, self.texts))
        return self if same else Block(texts)

    def parts(self) -> Sequence[bytes | Stretch]:
        """The texts, or the compressed stretch of them."""
        return [text.lines for text in self.texts] if self.stretch is None else [self.stretch]

    def compress(self, check: Callable[[], None]) -> None:
        """Compress the block if it is large enough. ``check`` is called after each text."""
        if self.stretch is not None:
            return
        lines = [text.lines for text in self.texts]
        if sum(map(len, lines)) >= _LEAST_STRETCH:
            for text in self.texts:
                if text.deflated is None:
                    text.deflated = deflate(text.lines)
                    check()
            deflated = b"".join([text.deflated or b"" for text in self.texts])
            self.stretch = Stretch.of(lines, deflated)


class PortalLines(NamedTuple):
    """The lines of each row of a portal, and a block for each row of its keys.

    The blocks of a portal without a key list are empty.
    """

    families: list[bytes]
    keys: Sequence[Block]


class PortalBlocks:
    """The lines of one portal and its keys. Any number of threads may call it at once."""

    def __init__(self, settings: PortalSettings) -> None:
        self.settings = settings
        constant = {**dict(settings.labels), "portal": settings.name}
        self._portal = Table(PORTAL_ROWS, constant)
        self._keys = Table(KEY_ROWS, constant, KEY_LABELS[1:])
        self._lock = Lock()
        self._context = _Context()
        self._groups: dict[str, _Group] = {}
        self._blocks = [Block(()) for _ in KEY_ROWS]

    def lines(
        self, snapshot: Snapshot, check: Callable[[], None], *, compressed: bool
    ) -> PortalLines:
        """The lines of a portal and its keys; with ``compressed`` the blocks are compressed.

        ``check`` is called after each step of work, and raises to end it. What is rendered by then
        is kept: the next call renders the rest. If two threads call at once, the second uses the
        lines of the first.
        """
        families = self._portal.lines(snapshot)
        listing = snapshot.observation.listing
        if listing is None:
            return PortalLines(families, [Block(()) for _ in KEY_ROWS])
        while not self._lock.acquire(timeout=_POLL):
            check()
        try:
            context = _Context(snapshot.superseded, snapshot.observation.facts.disabled)
            self._update(listing.keys, context, check)
            if compressed:
                for block in self._blocks:
                    block.compress(check)
            return PortalLines(families, self._blocks)
        finally:
            self._lock.release()

    def _update(self, keys: Sequence[ApiKey], context: _Context, check: Callable[[], None]) -> None:
        """Render the groups and blocks that have changed."""
        if context != self._context:
            self._context = context
        starts = [*_starts(keys)]
        firsts = [keys[at].id for at in starts]
        known = self._groups
        self._groups = {first: known[first] for first in firsts if first in known}
        for first, (start, end) in zip(firsts, pairwise([*starts, len(keys)]), strict=True):
            old = self._groups.get(first)
            group = self._group(old, keys[start:end], self._context)
            if group is not old:
                self._groups[first] = group
                check()
        groups = [self._groups[first] for first in firsts]
        self._blocks = [
            block.replaced([group.texts[row] for group in groups])
            for row, block in enumerate(self._blocks)
        ]

    def _group(self, old: _Group | None, keys: Sequence[ApiKey], context: _Context) -> _Group:
        """The group of these keys; ``old`` is the last group that began with the same key."""
        if old is None or len(old.keys) != len(keys):
            return self._new_group(keys, context)
        before = old.context
        if context is before and all(map(is_, keys, old.keys)):
            return old
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
                if lines[row] != former[row]:  # the key's id is in it, so it occurs once
                    texts[row] = Text(text.lines.replace(former[row], lines[row], 1))
        return _Group(keys, texts, context)

    def _new_group(self, keys: Sequence[ApiKey], context: _Context) -> _Group:
        rows = zip(*[self._lines(key, context) for key in keys], strict=True)
        return _Group(keys, [Text(b"".join(row)) for row in rows], context)

    def _view(self, key: ApiKey, context: _Context) -> KeyView:
        status = "unknown" if key.creator is None else key.creator.status(context.disabled)
        superseded = key.id in context.superseded
        return KeyView(key, superseded, status, self.settings.withhold)

    def _lines(self, key: ApiKey, context: _Context) -> list[bytes]:
        name = "" if "key_name" in self.settings.withhold else key.name
        return self._keys.lines(self._view(key, context), (key.id, name))


def _starts(keys: Sequence[ApiKey]) -> Iterator[int]:
    """The indexes at which groups begin.

    The first key of a group is chosen by its id, so that a key that is added or removed changes
    its own group and not all groups after it.
    """
    size = _MOST
    for at, key in enumerate(keys):
        if size == _MOST or (size >= _FEWEST and hash(key.id) % _ONE_IN == 0):
            yield at
            size = 0
        size += 1
