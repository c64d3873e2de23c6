"""The tests that docs/reliability.md and SECURITY.md name exist."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
MODEL = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE + MODEL)


def written_in(file: str) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_test_that_is_named_is_there(file: str, name: str) -> None:
    assert name in written_in(file)


def test_each_attack_is_on_the_page() -> None:
    assert written_in("test_attacks.py") <= {name for _, name in NAMED}


def test_each_line_of_the_page_names_a_test() -> None:
    rows = [
        line for line in PAGE.splitlines() if line.startswith("| ") and "what is done" not in line
    ]
    assert len(rows) > 25
    assert [row for row in rows if not re.search(r"`test_\w+\.py::test_\w+` \|$", row)] == []
