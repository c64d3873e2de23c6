"""A file of rules: groups of records and alerts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Record:
    """A recorded series. The comment stands above it in the file."""

    name: str
    expr: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert; `links` are annotations beside summary, description and runbook."""

    name: str
    severity: Severity
    expr: str
    summary: str
    description: str
    links: Mapping[str, str] = field(default_factory=dict)
    wait: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other at one moment."""

    name: str
    rules: tuple[Record | Alert, ...]
    interval: str = "1m"


@dataclass(frozen=True, slots=True)
class File:
    """One file of rules; the comment is its head."""

    name: str
    comment: str
    groups: tuple[Group, ...]
