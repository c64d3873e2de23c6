"""The rows of tables: which keys or portals are listed, and their cells."""

from dataclasses import dataclass
from typing import Final

from grafana import promql
from grafana.promql import NAMED, number

# Labels of a key that become columns.
DETAILS: Final = "creator, creator_status, access, permissions"


@dataclass(frozen=True)
class Rows:
    """The rows of a table: a limited vector, and the larger vector that it is taken from."""

    expr: str
    population: str

    def each(self, value: str, otherwise: float) -> str:
        """The value of each row, or `otherwise`, so that no cell is empty."""
        return f"({value}\nor {self.population} * 0 + {number(otherwise)})\nand {self.expr}"


@dataclass(frozen=True)
class KeyRows:
    """The keys with the largest or smallest values.

    `ranked` is a set of `Keys`, with the values that rank them; with `falling` the largest comes
    first. `calm` is the sentence if portals are up and have no such key. `why` has each of these
    keys once, with a label `why` of one word. The status of the creator is added to this label, as
    in `refused disabled`, and it becomes a column.
    """

    ranked: str
    calm: str
    falling: bool = False
    why: str = ""

    @property
    def listed(self) -> str:
        """The first `ROW_LIMIT` keys."""
        first = "topk" if self.falling else "bottomk"
        return f"{first}({promql.ROW_LIMIT}, {promql.one_each(self.ranked)})"

    @property
    def last(self) -> float:
        """The value of the row below all others."""
        return promql.LAST_FALLING if self.falling else promql.LAST_RISING

    def named(self) -> str:
        """The ranked values, with the labels that become the text columns.

        If there are more keys than are listed, the last row says so. If there is no key, the only
        row is a sentence.
        """
        return f"{self._labelled()}\nor {self._more()}" + promql.sentences(self.calm, self.last)

    def _labelled(self) -> str:
        info = NAMED.of("info")
        extra = "why" if self.why else ""
        listed = self.listed
        if self.why:
            listed = f"({listed}\n+ on (portal, key_id) group_left (why) 0 * ({self.why}))"
        row = promql.titled(f"{info}\n* on (portal, key_id) group_left ({extra}) {listed}")
        if self.why:
            row = f'label_join({row}, "why", " ", "why", "creator_status")'
        url = promql.latest("docspace_portal_info", promql.PORTALS, "portal", "url")
        kept = ", ".join(part for part in ("portal, key_id, key, url", DETAILS, extra) if part)
        # One row for each key, also if two replicas have different labels for a while.
        return (
            f"topk by (portal, key_id) (1, max by ({kept}) (\n{row}\n"
            f"* on (portal) group_left (url) {url}))"
        )

    def _more(self) -> str:
        limit = promql.ROW_LIMIT
        all_of_them = f'count_values("all", count({promql.one_each(self.ranked)}) > {limit})'
        count = f"{all_of_them} * 0 + {number(self.last)}"
        text = f"and more: the first {limit} of $1"
        return f'max by (key) (label_replace({count}, "key", "{text}", "all", "(.*)"))'

    def each(self, value: str, otherwise: float) -> str:
        """The value of each key, or `otherwise`."""
        every = promql.one_each(NAMED.every)
        return Rows(self.listed, every).each(promql.one_each(value), otherwise)

    def last_used(self) -> str:
        """Unix milliseconds; 0 for a key that was never used."""
        return self.each(f"{NAMED.last_used} * 1000", 0)

    def expires(self) -> str:
        """Unix milliseconds; `NEVER_MILLISECONDS` for a key without expiry."""
        return self.each(f"{NAMED.expiry} * 1000", promql.NEVER_MILLISECONDS)
