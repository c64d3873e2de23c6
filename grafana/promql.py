"""The PromQL that the panels share.

Two replicas may scrape one portal, with `/probe` the instance is the name of the portal, and the
configuration may add labels to every series. So each expression drops other labels with `max by`
before it counts or joins.

A number or an all-clear is shown only if a portal is up. Otherwise the panel says whether no portal
answers or no exporter is scraped. A query that fails leaves the panel empty, with Grafana's mark.
"""

from dataclasses import dataclass
from typing import Final

from prometheus.settings import Settings

# The thresholds of the alert rules, so that tables and alerts have the same keys.
THRESHOLDS: Final = Settings()

JOB: Final = 'job=~"$job"'
# Names may have quotes, backslashes and line breaks. Grafana's `regex` format in a raw string works
# with all characters except the backtick. In double quotes no format does: a plain variable keeps
# quotes, `regex` writes escapes that PromQL does not know, `doublequote` leaves backslashes alone.
PORTALS: Final = f"{JOB}, portal=~`${{portal:regex}}`"
# With `s` the dot matches a line break too, as it does without in Prometheus 3.
KEYS: Final = f"{PORTALS}, key_name=~`(?is).*${{key:regex}}.*`"
ONE_KEY: Final = f"{PORTALS}, key_id=~`${{key_id:regex}}`"

DAY: Final = 86400
# Stand-ins for absent numbers: a table cannot sort empty cells. The first two, beyond any real
# duration and date, mean "never".
NEVER_SECONDS: Final = 1e10
NEVER_MILLISECONDS: Final = 1e15
UNKNOWN: Final = -1
NOT_SCRAPED: Final = -2
# The value of a row that must be the last one when values rise or fall.
LAST_RISING: Final = 1e18
LAST_FALLING: Final = -1e18

ROW_LIMIT: Final = 100
PORTAL_LIMIT: Final = 200

# The label with the sentence of a table without rows.
NOTED: Final = "note"
NO_ANSWER: Final = "No portal answers"
NO_EXPORTER: Final = "No exporter is scraped"


def number(value: float) -> str:
    """A whole number as a PromQL literal without exponent: `10000000000`, `-1`."""
    return f"{value:.0f}"


def portal(metric: str, more: str = "") -> str:
    """One sample for each of the chosen portals."""
    return f"max by (portal) ({metric}{{{PORTALS}{more}}})"


UP: Final = portal("docspace_up")


def answered(value: str) -> str:
    """A number without labels. If it is absent: 0 if a portal is up.

    `UNKNOWN` if all portals are down, `NOT_SCRAPED` if there is no portal.
    """
    return (
        f"{value}\nor 0 * count({UP} == 1)\nor 0 * count({UP}) + {UNKNOWN}"
        f"\nor vector({NOT_SCRAPED})"
    )


def total(metric: str) -> str:
    """The sum over the chosen portals, as in `answered`."""
    return answered(f"sum({portal(metric)})")


def sentences(calm: str, value: float, label: str = NOTED) -> str:
    """The end of an expression: if it has no sample, one row with a sentence in `label`.

    The sentence is `calm` if portals are up. The value is not shown; it decides the row's place.
    """
    rest = number(value)

    def row(vector: str, sentence: str) -> str:
        return f'\nor on () label_replace({vector}, "{label}", "{sentence}", "", "")'

    return (
        row(f"0 * (count({UP} == 1) == count({UP})) + {rest}", calm)
        + row(f"0 * count({UP} == 1) + {rest}", f"{calm} on the portals that answer")
        + row(f"0 * count({UP}) + {rest}", NO_ANSWER)
        + row(f"vector({rest})", NO_EXPORTER)
    )


ID: Final = "(portal, key_id)"


def one_each(keys: str) -> str:
    """One sample for each key of a set of `Keys`, with the labels `portal` and `key_id`."""
    return f"max by {ID} ({keys})"


#: `UNKNOWN` or `NOT_SCRAPED` as in `answered`; absent if a portal is up.
UNREAD: Final = (
    f"(0 * count({UP}) + {UNKNOWN}\nor vector({NOT_SCRAPED})) unless on () count({UP} == 1)"
)


@dataclass(frozen=True)
class Keys:
    """Sets of the keys that match `matchers`, as PromQL.

    With 10,000 keys a query has time to read a dozen series for each key. So the sets have the
    stored series, one for each replica, joined by portal and key_id. `one_each` comes at the end.
    """

    matchers: str

    def of(self, metric: str) -> str:
        """The samples of one metric of keys."""
        return f"docspace_api_key_{metric}{{{self.matchers}}}"

    @property
    def every(self) -> str:
        """Every listed key; the value is 1 if it is switched on."""
        return self.of("active")

    @property
    def expiry(self) -> str:
        """Unix seconds; absent for keys without expiry."""
        return self.of("expiry_timestamp_seconds")

    @property
    def created(self) -> str:
        """Unix seconds; absent if unknown."""
        return self.of("created_timestamp_seconds")

    @property
    def last_used(self) -> str:
        """Unix seconds, now at most: a portal's clock may be ahead. Absent for keys never used."""
        return f"clamp_max({self.of('last_used_timestamp_seconds')}, time())"

    @property
    def active(self) -> str:
        """Keys that are switched on and not expired.

        A portal still calls a key active for up to ten minutes after its expiry, an older portal
        for up to a day.
        """
        return f"({self.every} == 1 unless on {ID} {self.expired})"

    @property
    def orphaned(self) -> str:
        """Keys whose creator is known to be disabled or removed."""
        return f"({self.of('orphaned')} == 1)"

    @property
    def superseded(self) -> str:
        """Rotated keys: a newer active key of the same creator and name lives longer."""
        return f"({self.of('superseded')} == 1)"

    @property
    def refused(self) -> str:
        """Active keys that the portal refuses, since the creator is disabled or removed."""
        return f"({self.orphaned} and on {ID} {self.active})"

    @property
    def expired(self) -> str:
        """The expiry of expired keys."""
        return f"({self.expiry} <= time())"

    @property
    def disabled(self) -> str:
        """Keys that are switched off and not expired: a person did that."""
        return f"({self.every} == 0 unless on {ID} {self.expired})"

    @property
    def rotated(self) -> str:
        """Active keys that are superseded."""
        return f"({self.superseded} and on {ID} {self.active})"

    @property
    def left(self) -> str:
        """Seconds until the expiry of active keys."""
        return f"({self.expiry} - time() > 0 and on {ID} {self.every} == 1)"

    @property
    def endless(self) -> str:
        """Active keys without expiry."""
        return f"({self.every} == 1 unless on {ID} {self.expiry})"

    @property
    def fresh(self) -> str:
        """Keys with a short life: near their expiry, with much of their life left."""
        near = f"({self.expiry} - time() > 0 < {THRESHOLDS.warn.seconds})"
        return f"({near} / ({self.expiry} - {self.created}) >= {THRESHOLDS.warn_share:g})"

    @property
    def next_to_fail(self) -> str:
        """Seconds until the expiry of active keys whose end would break something."""
        return (
            f"({self.left} unless on {ID} {self.orphaned} unless on {ID} {self.superseded}"
            f" unless on {ID} {self.fresh})"
        )

    @property
    def refused_in_use(self) -> str:
        """The last use of refused keys that something still uses."""
        return (
            f"({self.last_used} > time() - {THRESHOLDS.tried.seconds} and on {ID} {self.refused})"
        )

    @property
    def expired_in_use(self) -> str:
        """The last use of keys that expired lately and were in use until then."""
        return (
            f"({self.last_used} >= ({self.expired} > time() - {THRESHOLDS.expired.seconds})"
            f" - {THRESHOLDS.in_use.seconds}"
            f" unless on {ID} {self.orphaned} unless on {ID} {self.superseded})"
        )

    @property
    def failing(self) -> str:
        """The last use of keys that something uses although the portal refuses them."""
        return f"({self.refused_in_use} or {self.expired_in_use})"

    @property
    def age(self) -> str:
        """Seconds since the creation of every key; 0 if unknown."""
        return f"(clamp_min(time() - {self.created}, 0) or {self.every} * 0)"

    @property
    def never_used(self) -> str:
        """Active keys that were never used."""
        return f"({self.active} unless on {ID} {self.of('last_used_timestamp_seconds')})"

    @property
    def unused(self) -> str:
        """Seconds since the last use, of active keys not used for the chosen number of days."""
        since = f"({self.last_used} or {self.created})"
        return f"(time() - {since} > $unused_days * {DAY} and on {ID} {self.active})"

    @property
    def full_access(self) -> str:
        """Active keys with full access."""
        info = f'docspace_api_key_info{{{self.matchers}, access="full"}}'
        return f"({info} and on {ID} {self.active})"


#: The keys whose names match the filter, and all keys.
NAMED: Final = Keys(KEYS)
ALL: Final = Keys(PORTALS)


def latest(metric: str, matchers: str, identity: str, labels: str) -> str:
    """An info metric with exactly one sample for each identity.

    Replicas scrape at different times, so an old and a new set of labels can exist for a while. A
    join would then fail as many-to-many.
    """
    info = f"max by ({identity}, {labels}) ({metric}{{{matchers}}})"
    return f"topk by ({identity}) (1, {info})"


def titled(info: str) -> str:
    """Keys with a label `key` to show: `deploy …77fe`, since names are not unique.

    A key whose name is withheld has its postfix only.
    """
    return f'label_join({info}, "key", " …", "key_name", "key_postfix")'
