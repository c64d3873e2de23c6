"""One gzip member (RFC 1952), put together from stretches that are compressed already.

A stretch of deflated text ends at a full flush: at a whole byte, and with nothing that a later
stretch refers to. So stretches can follow each other in any order, as curl, gunzip and Go read it.
"""

import struct
import zlib

from exporter.metrics.blocks import deflate

#: No name, no time, any system: the same text is the same member.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
#: A last block that is empty.
_END = b"\x03\x00"


class GzipMember:
    """Takes text in turn; what is not compressed yet is, in as few stretches as can be."""

    def __init__(self) -> None:
        self._stretches = [_HEADER]
        self._pending: list[bytes] = []
        self._checksum = 0
        self._size = 0

    def write(self, text: bytes, deflated: bytes | None = None) -> None:
        """Add text; ``deflated`` is the same, where that is known."""
        if deflated is None:
            self._pending.append(text)
            return
        self._flush()
        self._add(text, deflated)

    def finish(self) -> bytes:
        """The whole member."""
        self._flush()
        trailer = struct.pack("<LL", self._checksum, self._size & 0xFFFFFFFF)
        return b"".join([*self._stretches, _END, trailer])

    def _flush(self) -> None:
        if self._pending:
            text = b"".join(self._pending)
            self._pending = []
            self._add(text, deflate(text))

    def _add(self, text: bytes, deflated: bytes) -> None:
        self._stretches.append(deflated)
        self._checksum = zlib.crc32(text, self._checksum)
        self._size += len(text)


class Identity:
    """The same for text that is not to be compressed."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []

    def write(self, text: bytes, _: bytes | None = None) -> None:
        """Add text."""
        self._texts.append(text)

    def finish(self) -> bytes:
        """All of it."""
        return b"".join(self._texts)
