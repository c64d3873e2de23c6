"""The kinds of keys that the table of all keys can list."""

from dataclasses import dataclass
from typing import Final

from grafana.promql import Keys


@dataclass(frozen=True)
class Choice:
    """One kind of key: the name that users see, and the PromQL that becomes part of the query."""

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

# The table's own query selects job, portal and name.
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
    """The PromQL of a choice: in a link Grafana does not accept the name."""
    (found,) = (choice.expr for choice in CHOICES if choice.name == name)
    return found


#: The choice in a query.
CHOSEN: Final = "(${show:raw})"
