"""YAML to plain values, with checks of size, nesting, aliases and doubled fields."""

import difflib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1024 * 1024
MAX_VALUES = 100_000
MAX_DEPTH = 50

#: Names of fields. Longer ones, or with other characters, may be secrets.
_FIELD = re.compile(r"[A-Za-z_]{1,30}", re.ASCII)
_QUOTED_NAME = re.compile(r"\b(alias|anchor|handle) '.*", re.DOTALL)
_MERGE = "tag:yaml.org,2002:merge"
_STRING = "tag:yaml.org,2002:str"


class ConfigError(Exception):
    """A configuration that cannot be used. ``problems`` has a line for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml where PyYAML has it
    """PyYAML's safe loader. It refuses doubled fields, and aliases that expand to too much."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _measure(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002, PyYAML's signature
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as exc:
            problem = "expected quotes around what only looks like a date or a number"
            raise _refusal(problem, node) from exc


def read(path: Path, *, may_be_empty: bool = False) -> dict[str, Any]:
    """Read the file's one mapping.

    Raises ConfigError with one line that names the file, the line and what was expected.
    """
    return parse(_bytes(path), str(path), may_be_empty=may_be_empty)


def parse(content: bytes, source: str, *, may_be_empty: bool = False) -> dict[str, Any]:
    """Read one mapping from YAML; ``source`` names it in errors. Raises ConfigError."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigError([f"{source}: expected UTF-8 text (byte {exc.start} is not)"]) from None
    try:
        _check_events(text)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506, a SafeLoader
    except yaml.MarkedYAMLError as exc:
        raise ConfigError([_yaml_problem(source, text, exc)]) from None
    except yaml.reader.ReaderError as exc:
        place = f"character {exc.position + 1}"
        raise ConfigError([f"{source}: expected printable text ({place} is not)"]) from None
    if document is None:
        if may_be_empty:
            return {}
        raise ConfigError([f"{source}: the file is empty; expected a mapping with `portals`"])
    if not isinstance(document, dict):
        raise ConfigError([f"{source}: expected a mapping at the top of the file"])
    return document


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be read: {exc.strerror}"]) from exc
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{path}: expected at most {MAX_BYTES // 1024} KiB of configuration"])
    return content


def _check_events(text: str) -> None:
    """Refuse tags, and deep nesting, on which libyaml would overflow the stack later.

    No field needs a tag. On a tag that does not fit its value PyYAML raises many types of errors.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _refusal(f"expected at most {MAX_DEPTH} levels", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal("expected a value without a tag such as !!str", event)


def _measure(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Count the values of a node with all aliases in it expanded.

    Each node is visited once, so this is fast even for a document that expands to billions.
    """
    if id(node) in sizes:
        known = sizes[id(node)]
        if known == 0:
            raise _refusal("expected an anchor that does not contain itself", node)
        return known
    sizes[id(node)] = 0
    children = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        _name_fields(node)
        children = [part for pair in node.value for part in pair]
    total = 1 + sum(_measure(child, sizes) for child in children)
    if total > MAX_VALUES:
        raise _refusal(f"expected at most {MAX_VALUES:,} values with all aliases unfolded", node)
    sizes[id(node)] = total
    return total


def _name_fields(node: yaml.MappingNode) -> None:
    """Make every field name a string, and refuse a doubled one.

    This is too late in the constructor, which merges (`<<`) the nodes before.
    """
    names = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _refusal("expected a field name before the colon", key)
        if key.value in names:
            shown = f"the field `{key.value}`" if _FIELD.fullmatch(key.value) else "this field"
            raise _refusal(f"{shown} occurs twice here", key)
        names.add(key.value)
        if key.tag != _MERGE:
            key.tag = _STRING


def shown(name: str, number: int, known: Collection[str] = ()) -> str:
    """A field's name for an error. It may be a secret in the wrong place.

    So only a name that looks like a field's, or like one of ``known``, is shown; else its number.
    """
    if _FIELD.fullmatch(name) or difflib.get_close_matches(name, known, n=1, cutoff=0.75):
        return printable(name)
    return f"(entry {number})"


def printable(text: str) -> str:
    """Text on one line, with escapes for characters that could control a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _refusal(problem: str, place: Any) -> yaml.MarkedYAMLError:
    """PyYAML's error for a problem at a node or an event."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _yaml_problem(source: str, text: str, exc: yaml.MarkedYAMLError) -> str:
    mark = exc.problem_mark or exc.context_mark
    problem = str(exc.problem or exc.context)
    if mark is None:
        return f"{source}: {problem}"
    if problem.startswith("but "):
        problem = f"{exc.context}, {problem}"
    # PyYAML without libyaml repeats names of aliases. A value that begins with * is such a name.
    problem = _QUOTED_NAME.sub(r"\1", problem)
    if _indented_with_tab(text, mark.line):
        problem = "found a tab; YAML is indented with spaces"
    return f"{source}:{mark.line + 1}:{mark.column + 1}: {problem}"


def _indented_with_tab(text: str, number: int) -> bool:
    """Whether a line starts with a tab, for which libyaml's own message is hard to understand."""
    line = "".join(text.split("\n")[number : number + 1])
    return "\t" in line[: len(line) - len(line.lstrip())]
