"""YAML to plain values, safely: size, nesting, aliases and doubled keys are checked here."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1024 * 1024
MAX_VALUES = 100_000
MAX_DEPTH = 50


class ConfigError(Exception):
    """A configuration that cannot be used. ``problems`` has one line for each thing wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml where PyYAML has it
    """PyYAML's safe loader that refuses doubled keys and documents that unfold without end."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _measure(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002, PyYAML's signature
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refusal("expected a field name before the colon", key_node)
            if key_node.value in seen:
                raise _refusal(f"the field `{key_node.value}` stands here twice", key_node)
            seen.add(key_node.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def read(path: Path) -> dict[str, Any]:
    """Read the file's one mapping.

    Raises ConfigError with one line that names the file, the line and what was expected.
    """
    return parse(_bytes(path), str(path))


def parse(content: bytes, source: str) -> dict[str, Any]:
    """Read one mapping from YAML; ``source`` names it in errors. Raises ConfigError."""
    try:
        text = content.decode("utf-8")
        _check_depth(text)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506, a SafeLoader
    except UnicodeDecodeError as exc:
        raise ConfigError([f"{source}: expected UTF-8 text (byte {exc.start} is not)"]) from None
    except yaml.MarkedYAMLError as exc:
        raise ConfigError([_yaml_problem(source, exc)]) from None
    except yaml.YAMLError as exc:
        raise ConfigError(
            [f"{source}: expected YAML text ({' '.join(str(exc).split())})"]
        ) from None
    except (RecursionError, ValueError) as exc:
        raise ConfigError([f"{source}: expected plain YAML ({type(exc).__name__})"]) from None
    if document is None:
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


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the tree is built: libyaml's builder would overflow the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _refusal(f"expected at most {MAX_DEPTH} levels", event)


def _measure(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Count the values that a node stands for once every alias in it is unfolded.

    Each node is counted once, so a document that would unfold to billions is refused at once.
    """
    if id(node) in sizes:
        known = sizes[id(node)]
        if known == 0:
            raise _refusal("an anchor that holds itself", node)
        return known
    sizes[id(node)] = 0
    children = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    total = 1 + sum(_measure(child, sizes) for child in children)
    if total > MAX_VALUES:
        raise _refusal(f"expected at most {MAX_VALUES:,} values with all aliases unfolded", node)
    sizes[id(node)] = total
    return total


def _refusal(problem: str, place: Any) -> yaml.MarkedYAMLError:
    """The error of a problem at a node or an event, shaped as PyYAML's own."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _yaml_problem(source: str, exc: yaml.MarkedYAMLError) -> str:
    mark = exc.problem_mark or exc.context_mark
    place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
    problem = str(exc.problem or exc.context)
    if problem.startswith("but "):
        problem = f"{exc.context}, {problem}"
    if "\\t" in problem or "tab character" in problem:
        problem = "found a tab; YAML is indented with spaces"
    return f"{place}: {problem}"
