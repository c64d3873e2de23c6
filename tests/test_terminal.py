"""Text for a terminal: the short way for ordinary text gives what the long one does."""

import sys
import unicodedata

from exporter.commands.terminal import is_right_to_left, shown


def test_printable_text_has_nothing_to_escape() -> None:
    """Of all characters that there are."""
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    for char in map(chr, range(sys.maxunicode + 1)):
        safe = unicodedata.category(char) not in unsafe or char in "\u200c\u200d"
        assert (shown(char) == char) == safe


def test_ascii_is_written_from_the_left() -> None:
    for char in map(chr, range(128)):
        assert not is_right_to_left(char)
        assert unicodedata.bidirectional(char) not in {"R", "AL", "AN"}


def test_one_letter_from_the_right_is_enough() -> None:
    assert is_right_to_left("key \u05d0")
