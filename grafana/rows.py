"""The rows of tables: which keys or portals are listed, and the cells that belong to them."""

from dataclasses import dataclass
from typing import Final

from grafana import promql
from grafana.promql import Keys, number

# Labels of a key that become columns; `url` leads to the portal's own page.
DETAILS: Final = "creator, creator_status, access, permissions"


@dataclass(frozen=True)
class Rows:
    """What a table shows: a vector already limited, and the larger one it was taken from."""

    expr: str
    population: str

    def each(self, value: str, otherwise: float) -> str:
        """The value of each row, or the stand-in where a row has none: no cell stays empty."""
        return f"({value}\nor {self.population} * 0 + {number(otherwise)})\nand {self.expr}"


@dataclass(frozen=True)
class KeyRows:
    """The keys with the largest or smallest values.

    `ranked` is a set of `Keys` with the values that rank them; `falling` is whether the largest
    comes first. `calm` is the sentence for portals that were read and have no such key. `why`
    has each of these keys once, with a label of that name in one word. What is known of the creator
    is added to it, as in `refused disabled`, and it becomes a column.
    """

    ranked: str
    calm: str
    falling: bool = False
    why: str = ""
    keys: Keys = promql.NAMED

    @property
    def listed(self) -> str:
        """The first `ROW_LIMIT` keys."""
        first = "topk" if self.falling else "bottomk"
        return f"{first}({promql.ROW_LIMIT}, {promql.one_each(self.ranked)})"

    @property
    def last(self) -> float:
        """A value that is ranked below all others."""
        return promql.LAST_FALLING if self.falling else promql.LAST_RISING

    def named(self) -> str:
        """The ranked values, with the labels that become the text columns.

        Where there are more keys than are listed a last row says so; where there is none the only
        row is a sentence.
        """
        return f"{self._labelled()}\nor {self._more()}" + promql.sentences(self.calm, self.last)

    def _labelled(self) -> str:
        info = self.keys.of("info")
        extra = "why" if self.why else ""
        listed = self.listed
        if self.why:
            listed = f"({listed}\n+ on (portal, key_id) group_left (why) 0 * ({self.why}))"
        row = promql.titled(f"{info}\n* on (portal, key_id) group_left ({extra}) {listed}")
        if self.why:
            row = f'label_join({row}, "why", " ", "why", "creator_status")'
        url = promql.latest("docspace_portal_info", promql.PORTALS, "portal", "url")
        kept = ", ".join(part for part in ("portal, key_id, key, url", DETAILS, extra) if part)
        # One row a key, also while two replicas have an old and a new name.
        return (
            f"topk by (portal, key_id) (1, max by ({kept}) (\n{row}\n"
            f"* on (portal) group_left (url) {url}))"
        )

    def _more(self) -> str:
        limit = promql.ROW_LIMIT
        all_of_them = f'count_values("all", count({promql.one_each(self.ranked)}) > {limit})'
        count = f"{all_of_them} * 0 + {number(self.last)}"
        said = f"and more: the first {limit} of $1"
        return f'max by (key) (label_replace({count}, "key", "{said}", "all", "(.*)"))'

    def each(self, value: str, otherwise: float) -> str:
        """The value of each key, or the stand-in where a key has none."""
        every = promql.one_each(self.keys.every)
        return Rows(self.listed, every).each(promql.one_each(value), otherwise)

    def last_used(self) -> str:
        """Milliseconds; 0 for a key never used."""
        return self.each(f"{self.keys.last_used} * 1000", 0)

    def expires(self) -> str:
        """Milliseconds; `NEVER_MILLISECONDS` for a key without expiry."""
        return self.each(f"{self.keys.expiry} * 1000", promql.NEVER_MILLISECONDS)
