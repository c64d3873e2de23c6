"""Mappings of a YAML file, whose fields are taken by name; problems are collected."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from exporter.yamlfile import document

T = TypeVar("T")
D = TypeVar("D")


def as_it_is(value: object) -> object:
    """The value, for a format without variables."""
    return value


class Context:
    """Shared by all sections of a file: its name, how strings expand, the problems so far.

    ``expand`` raises ValueError("expected …") for a value that cannot be expanded.
    """

    def __init__(self, source: str, expand: Callable[[object], object] = as_it_is) -> None:
        self.source = source
        self.expand = expand
        self.problems: list[str] = []

    def problem(self, path: str, text: str) -> None:
        """Note a problem at a place of the file."""
        self.problems.append(f"{self.source}: {path}: {text}")

    def end(self) -> None:
        """Raise ConfigError if there was a problem."""
        if self.problems:
            raise document.ConfigError(self.problems)


class Section:
    """One mapping of the file. Fields are taken by name; `close` reports those not taken."""

    def __init__(self, mapping: dict[str, Any], path: str, context: Context) -> None:
        self._mapping = mapping
        self._path = path
        self._context = context
        self._taken: set[str] = set()

    def take(self, field: str, parse: Callable[[object], T], default: D, shown: str = "") -> T | D:
        """The parsed field; ``default`` if it is absent or null, or not valid, which is noted.

        ``shown`` replaces the name in the problem of a field whose name must not be repeated.
        """
        value = self._raw(field)
        if value is None:
            return default
        try:
            return parse(self._context.expand(value))
        except ValueError as exc:
            self.problem(shown or field, str(exc))
            return default

    def require(self, field: str, parse: Callable[[object], T], default: D) -> T | D:
        """Like `take`, for a required field."""
        if not self.has(field):
            self.problem(field, "expected a value; this field is required")
        return self.take(field, parse, default)

    def section(self, field: str) -> "Section":
        """The mapping of a field; an empty one if it is absent."""
        value = self._raw(field)
        return self._nested({} if value is None else value, self._name(field))

    def sections(self, field: str) -> "Iterator[Section]":
        """The mappings of a field's list; if it is no such list, the problem is noted."""
        value = self._raw(field)
        if not isinstance(value, list) or not value:
            self.problem(field, "expected a list with at least one entry")
            return
        for index, item in enumerate(value):
            yield self._nested(item, f"{self._name(field)}[{index}]")

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields in the file, in its order."""
        return tuple(self._mapping)

    def has(self, field: str) -> bool:
        """Whether the file has this field, and it is not null."""
        return self._mapping.get(field) is not None

    def problem(self, field: str, text: str) -> None:
        """Note a problem of a field."""
        self._context.problem(self._name(field), text)

    def refuse(self, field: str, instead: str) -> None:
        """Note the problem ``instead`` if the file has this field, which is not supported."""
        if self._raw(field) is not None:
            self.problem(field, instead)

    def close(self) -> None:
        """Note every field that was not taken."""
        for number, field in enumerate(self._mapping, 1):
            if field not in self._taken:
                close = difflib.get_close_matches(field, self._taken, n=1)
                expected = close[0] if close else ", ".join(sorted(self._taken))
                shown = document.shown(field, number, self._taken)
                self.problem(shown, f"unknown field; expected {expected}")

    def _nested(self, value: object, path: str) -> "Section":
        if not isinstance(value, dict):
            self._context.problem(path, "expected a mapping")
            # Its fields would only give more problems, so these go to a context that is dropped.
            return Section({}, path, Context("", self._context.expand))
        return Section(value, path, self._context)

    def _raw(self, field: str) -> Any:
        self._taken.add(field)
        return self._mapping.get(field)

    def _name(self, field: str) -> str:
        return f"{self._path}.{field}" if self._path else field
