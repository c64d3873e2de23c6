"""Which keys the table of all keys lists: the choice at the top of it, and where tiles lead."""

from dataclasses import dataclass
from typing import Final

from grafana.promql import NAMED


@dataclass(frozen=True)
class Choice:
    """One kind of key: what it is called, and the PromQL of such keys."""

    name: str
    expr: str


EVERY: Final = "all"
FAILING: Final = "failing now"
REFUSED: Final = "creator gone"
EXPIRED: Final = "expired"
DISABLED: Final = "disabled"
ROTATED: Final = "rotated"
ACTIVE: Final = "active"
FULL_ACCESS: Final = "active with full access"
NEVER_EXPIRES: Final = "active without expiry"
NEVER_USED: Final = "active but never used"

CHOICES: Final = (
    Choice(EVERY, NAMED.every),
    Choice(FAILING, NAMED.failing),
    Choice(REFUSED, NAMED.refused),
    Choice(EXPIRED, NAMED.expired),
    Choice(DISABLED, NAMED.disabled),
    Choice(ROTATED, NAMED.rotated),
    Choice(ACTIVE, NAMED.active),
    Choice(FULL_ACCESS, NAMED.full_access),
    Choice(NEVER_EXPIRES, NAMED.endless),
    Choice(NEVER_USED, NAMED.never_used),
)


def number(name: str) -> int:
    """The value of the variable `show` for a choice; PromQL compares numbers, not words."""
    return [choice.name for choice in CHOICES].index(name)


def chosen() -> str:
    """The keys of the chosen kind; their values mean nothing."""
    return "\nor ".join(
        f"({choice.expr} and on () (vector($show) == {index}))"
        for index, choice in enumerate(CHOICES)
    )
