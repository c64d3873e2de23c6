"""Text for a terminal or a pipe: the fast functions give the same as the slow ones."""

import json
import sys
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table

from exporter.commands.key_columns import aligned
from exporter.commands.tables import cell, render
from exporter.commands.terminal import GAP, is_right_to_left, json_text, shown


def test_printable_text_has_nothing_to_escape() -> None:
    """For every Unicode character."""
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


CELLS = st.text(max_size=8).map(lambda text: cell(text).plain)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=2)
    )
)
@example([["Name", "Key"], ["e\u0301 備份 \U0001f680", "x"], ["", ""]])
def test_rows_for_a_pipe_are_those_that_rich_makes(rows: list[list[str]]) -> None:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for heading in rows[0]:
        table.add_column(cell(heading), no_wrap=True, overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(cell, row))
    assert aligned(list(zip(*rows, strict=True))) == render(table)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
@example({"a": [], "b": {}, "\x1b[2J": ["\u2028", "\ud800"]})
def test_json_is_as_indented_as_ever_and_means_the_same(document: object) -> None:
    """Unsafe characters are escaped. A lone surrogate, which UTF-8 lacks, is replaced."""
    written = json_text(document)
    expected = json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8", "replace")
    lines = expected.decode().split("\n")
    assert written == "".join(f"{shown(line)}\n" for line in lines)
    assert json.loads(written) == json.loads(expected)
