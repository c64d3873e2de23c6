"""Which keys the table of all keys lists: the choice at the top of it, and where tiles lead."""

from dataclasses import dataclass
from typing import Final

from grafana.promql import Keys


@dataclass(frozen=True)
class Choice:
    """One kind of key.

    The name is shown; the value is PromQL, so that no query evaluates every
    kind. Grafana reads `name : value` on one line with commas escaped.
    """

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

# The table narrows what it lists by job, portal and name; these need not do it again.
ANY: Final = Keys('portal!=""')
CHOICES: Final = (
    Choice(EVERY, ANY.every),
    Choice(FAILING, ANY.failing),
    Choice(REFUSED, ANY.refused),
    Choice(EXPIRED, ANY.expired),
    Choice(DISABLED, ANY.disabled),
    Choice(ROTATED, ANY.rotated),
    Choice(ACTIVE, ANY.active),
    Choice(FULL_ACCESS, ANY.full_access),
    Choice(NEVER_EXPIRES, ANY.endless),
    Choice(NEVER_USED, ANY.never_used),
)


def value(name: str) -> str:
    """The value of a choice, for links: Grafana takes a name for PromQL there."""
    (found,) = (choice.expr for choice in CHOICES if choice.name == name)
    return found


#: How queries take the choice in.
CHOSEN: Final = "(${show:raw})"
