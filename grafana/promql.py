"""The PromQL that the panels share.

Two replicas may scrape one portal, and under `/probe` the instance is the portal's name, so every
expression folds `instance` and `job` away with `max by` before it counts or joins.
"""

from dataclasses import dataclass
from typing import Final

JOB: Final = 'job=~"$job"'
# Names may have quotes, backslashes and line breaks. In a raw string the `regex` format lets all of
# them through; the one character it cannot hold is the backtick. Every other format breaks on more:
# between double quotes a plain variable keeps its quotes, `regex` gives escapes that PromQL does
# not know, and `doublequote` leaves backslashes alone.
PORTALS: Final = f"{JOB}, portal=~`${{portal:regex}}`"
# The `s`: Prometheus before 3 takes no line break for `.`, and such a key would be in no table.
KEYS: Final = f"{PORTALS}, key_name=~`(?is).*${{key:regex}}.*`"
ONE_KEY: Final = f"{PORTALS}, key_id=~`${{key_id:regex}}`"

# Stands for "does not expire" in a column of numbers, where an absent value would drop the cell
# out of the sort order: seconds beyond any real duration, milliseconds beyond any real date.
NEVER_SECONDS: Final = 1e10
NEVER_MILLISECONDS: Final = 1e15
UNKNOWN: Final = -1

ROW_LIMIT: Final = 100
PORTAL_LIMIT: Final = 200


def number(value: float) -> str:
    """A PromQL literal without exponent or needless decimals: `10000000000`, `-1`."""
    return f"{value:.0f}"


def portal(metric: str, more: str = "") -> str:
    """One sample a portal, of the chosen portals."""
    return f"max by (portal) ({metric}{{{PORTALS}{more}}})"


def total(metric: str, more: str = "") -> str:
    """The sum over the chosen portals, 0 when none of them has the metric."""
    return f"sum({portal(metric, more)}) or vector(0)"


def key(metric: str) -> str:
    """One sample a key, labels `portal` and `key_id`, of the keys the name filter lets through."""
    return f"max by (portal, key_id) ({metric}{{{KEYS}}})"


def one(metric: str) -> str:
    """The single sample of the key that the second dashboard is about, without labels."""
    return f"max({metric}{{{ONE_KEY}}})"


EXPIRY: Final = key("docspace_api_key_expiry_timestamp_seconds")
CREATED: Final = key("docspace_api_key_created_timestamp_seconds")
LAST_USED: Final = key("docspace_api_key_last_used_timestamp_seconds")
EVERY_KEY: Final = key("docspace_api_key_active")

# The portal calls a key active for up to ten minutes past its expiry: hence each second half.
ACTIVE: Final = f"({EVERY_KEY} == 1 unless {EXPIRY} <= time())"
TIME_LEFT: Final = f"({EXPIRY} - time() > 0 and {EVERY_KEY} == 1)"
ENDLESS: Final = f"({EVERY_KEY} == 1 unless {EXPIRY})"
# Of every key, 0 where the creation is not known.
AGE: Final = f"(clamp_min(time() - {CREATED}, 0) or {EVERY_KEY} * 0)"
UNUSED_FOR: Final = (
    f"(clamp_min(time() - ({LAST_USED} or {CREATED}), 0) > $unused_days * 86400 and {ACTIVE})"
)


def having(matcher: str) -> str:
    """Active keys whose info carries a label value, as in `having('access="full"')`."""
    info = f"max by (portal, key_id) (docspace_api_key_info{{{KEYS}, {matcher}}})"
    return f"({ACTIVE} and {info})"


def latest(metric: str, matchers: str, identity: str, labels: str) -> str:
    """An info metric with exactly one sample an identity.

    Replicas that scrape at different moments show an old and a new set of labels side by side for
    a while, which would make a join on it fail as many-to-many.
    """
    info = f"max by ({identity}, {labels}) ({metric}{{{matchers}}})"
    return f"topk by ({identity}) (1, {info})"


@dataclass(frozen=True)
class Rows:
    """What a table shows: a vector already limited, and the larger one it was taken from."""

    expr: str
    population: str

    def each(self, value: str, otherwise: float) -> str:
        """The value of each row, or the stand-in where a row has none: no cell stays empty."""
        return f"({value}\nor {self.population} * 0 + {number(otherwise)})\nand {self.expr}"


@dataclass(frozen=True)
class KeyRows(Rows):
    """Keys as rows, told apart by the labels `portal` and `key_id`."""

    population: str = EVERY_KEY

    def named(self) -> str:
        """The rows' own values, with the labels that become the text columns."""
        key_labels = "key_name, key_postfix, creator, access"
        info = latest("docspace_api_key_info", KEYS, "portal, key_id", key_labels)
        url = latest("docspace_portal_info", PORTALS, "portal", "url")
        return (
            f"{self.expr}\n* on (portal, key_id) group_left ({key_labels}) {info}"
            f"\n* on (portal) group_left (url) {url}"
        )

    def last_used(self) -> str:
        """Milliseconds; 0 for a key never used."""
        return self.each(f"{LAST_USED} * 1000", 0)

    def expires(self) -> str:
        """Milliseconds; `NEVER_MILLISECONDS` for a key without expiry."""
        return self.each(f"{EXPIRY} * 1000", NEVER_MILLISECONDS)

    def superseded(self) -> str:
        """1 or 0."""
        return self.each(key("docspace_api_key_superseded"), 0)


def soonest(seconds: str) -> KeyRows:
    """The `ROW_LIMIT` keys with the smallest values."""
    return KeyRows(f"bottomk({ROW_LIMIT}, {seconds})")


def longest(seconds: str) -> KeyRows:
    """The `ROW_LIMIT` keys with the largest values."""
    return KeyRows(f"topk({ROW_LIMIT}, {seconds})")
