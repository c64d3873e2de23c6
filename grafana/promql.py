"""The PromQL that the panels share.

Two replicas may scrape one portal, under `/probe` the instance is the portal's name, and the
configuration may put further labels on every series. So every expression folds all labels but
those it names away with `max by` before it counts or joins.

No answer and no data look different everywhere. A number or a calm sentence stands only where a
portal was read at that moment; what stands otherwise says whether the portals do not answer or no
exporter is scraped; and a query that fails leaves the panel empty, with Grafana's mark of an error.
"""

from dataclasses import dataclass
from typing import Final

from prometheus.settings import Settings

# The thresholds of the alert rules: tables and alerts name the same keys.
THRESHOLDS: Final = Settings()

JOB: Final = 'job=~"$job"'
# Names may have quotes, backslashes and line breaks. In a raw string the `regex` format lets all of
# them through; the one character it cannot hold is the backtick. Every other format breaks on more:
# between double quotes a plain variable keeps its quotes, `regex` gives escapes that PromQL does
# not know, and `doublequote` leaves backslashes alone.
PORTALS: Final = f"{JOB}, portal=~`${{portal:regex}}`"
# The `s`: Prometheus before 3 takes no line break for `.`, and such a key would be in no table.
KEYS: Final = f"{PORTALS}, key_name=~`(?is).*${{key:regex}}.*`"
ONE_KEY: Final = f"{PORTALS}, key_id=~`${{key_id:regex}}`"

DAY: Final = 86400
# Stand-ins in a column of numbers, where an absent value would drop the cell out of the sort order.
# Seconds beyond any real duration and milliseconds beyond any real date mean "does not expire".
NEVER_SECONDS: Final = 1e10
NEVER_MILLISECONDS: Final = 1e15
UNKNOWN: Final = -1
NOT_SCRAPED: Final = -2
# The row below the others that says how many keys are not listed: last in either direction.
LAST_RISING: Final = 1e18
LAST_FALLING: Final = -1e18

ROW_LIMIT: Final = 100
PORTAL_LIMIT: Final = 200

# The label that holds the sentence of an expression without samples.
NOTED: Final = "note"
NO_ANSWER: Final = "No portal answers"
NO_EXPORTER: Final = "No exporter is scraped"


def number(value: float) -> str:
    """A PromQL literal without exponent or needless decimals: `10000000000`, `-1`."""
    return f"{value:.0f}"


def portal(metric: str, more: str = "") -> str:
    """One sample a portal, of the chosen portals."""
    return f"max by (portal) ({metric}{{{PORTALS}{more}}})"


UP: Final = portal("docspace_up")


def answered(value: str) -> str:
    """A number without labels; 0 where it is absent and a portal was read at this moment.

    `UNKNOWN` where portals are known and none answers, `NOT_SCRAPED` where none is known.
    """
    return (
        f"{value}\nor 0 * count({UP} == 1)\nor 0 * count({UP}) + {UNKNOWN}"
        f"\nor vector({NOT_SCRAPED})"
    )


def total(metric: str, more: str = "") -> str:
    """The sum over the chosen portals, as `answered`."""
    return answered(f"sum({portal(metric, more)})")


def sentences(calm: str, value: float, label: str = NOTED) -> str:
    """Ends an expression: one row with a sentence in `label` where the expression has no sample.

    The sentence `calm` stands where portals were read. The row has the value given, which decides
    its place and is not shown.
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
    """One sample a key, labels `portal` and `key_id`, of a set of `Keys`."""
    return f"max by {ID} ({keys})"


#: The numbers of `answered` that stand for none, where no portal was read.
UNREAD: Final = (
    f"(0 * count({UP}) + {UNKNOWN}\nor vector({NOT_SCRAPED})) unless on () count({UP} == 1)"
)


@dataclass(frozen=True)
class Keys:
    """Sets of keys that one selection of labels lets through, as PromQL.

    With 10,000 keys a query has time for a dozen series a key. So the sets are of the series as
    they are stored, one a replica, joined by portal and key_id; `one_each` folds them at the end.
    """

    matchers: str

    def of(self, metric: str) -> str:
        """The samples of one metric of keys."""
        return f"docspace_api_key_{metric}{{{self.matchers}}}"

    @property
    def every(self) -> str:
        """Every key that is listed; the value is 1 where it is switched on."""
        return self.of("active")

    @property
    def expiry(self) -> str:
        """Seconds, of keys that expire."""
        return self.of("expiry_timestamp_seconds")

    @property
    def created(self) -> str:
        """Seconds, of keys whose creation is known."""
        return self.of("created_timestamp_seconds")

    @property
    def last_used(self) -> str:
        """Seconds, of keys that were used; a portal's clock that is ahead counts as now."""
        return f"clamp_max({self.of('last_used_timestamp_seconds')}, time())"

    @property
    def active(self) -> str:
        """Switched on and not past their expiry.

        A portal calls a key active for up to ten minutes past it, older ones for up to a day.
        """
        return f"({self.every} == 1 unless on {ID} {self.expired})"

    @property
    def orphaned(self) -> str:
        """Keys whose creator is known to be disabled or removed."""
        return f"({self.of('orphaned')} == 1)"

    @property
    def superseded(self) -> str:
        """Keys that were rotated: a newer active key of the same creator and name outlives them."""
        return f"({self.of('superseded')} == 1)"

    @property
    def refused(self) -> str:
        """Active keys that the portal refuses since their creator is gone."""
        return f"({self.orphaned} and on {ID} {self.active})"

    @property
    def expired(self) -> str:
        """The expiry of keys that are past it."""
        return f"({self.expiry} <= time())"

    @property
    def disabled(self) -> str:
        """Switched off by a person, as far as is known: not past their expiry."""
        return f"({self.every} == 0 unless on {ID} {self.expired})"

    @property
    def rotated(self) -> str:
        """Active keys that a newer one has replaced."""
        return f"({self.superseded} and on {ID} {self.active})"

    @property
    def left(self) -> str:
        """Seconds until the expiry of keys that are switched on."""
        return f"({self.expiry} - time() > 0 and on {ID} {self.every} == 1)"

    @property
    def endless(self) -> str:
        """Active keys without expiry."""
        return f"({self.every} == 1 unless on {ID} {self.expiry})"

    @property
    def fresh(self) -> str:
        """Keys near their expiry with most of their life still left: made for a short life."""
        near = f"({self.expiry} - time() > 0 < {THRESHOLDS.warn.seconds})"
        return f"({near} / ({self.expiry} - {self.created}) >= {THRESHOLDS.warn_share:g})"

    @property
    def next_to_fail(self) -> str:
        """Seconds left of active keys whose end would break something."""
        return (
            f"({self.left} unless on {ID} {self.orphaned} unless on {ID} {self.superseded}"
            f" unless on {ID} {self.fresh})"
        )

    @property
    def refused_in_use(self) -> str:
        """The last use of keys that are refused since their creator is gone, and still tried."""
        return (
            f"({self.last_used} > time() - {THRESHOLDS.tried.seconds} and on {ID} {self.refused})"
        )

    @property
    def expired_in_use(self) -> str:
        """The last use of keys that expired lately, and were in use until then."""
        return (
            f"({self.last_used} >= ({self.expired} > time() - {THRESHOLDS.expired.seconds})"
            f" - {THRESHOLDS.in_use.seconds}"
            f" unless on {ID} {self.orphaned} unless on {ID} {self.superseded})"
        )

    @property
    def failing(self) -> str:
        """The last use of keys that fail at this moment."""
        return f"({self.refused_in_use} or {self.expired_in_use})"

    @property
    def age(self) -> str:
        """Seconds since the creation of every key, 0 where that is not known."""
        return f"(clamp_min(time() - {self.created}, 0) or {self.every} * 0)"

    @property
    def never_used(self) -> str:
        """Active keys without a call."""
        return f"({self.active} unless on {ID} {self.of('last_used_timestamp_seconds')})"

    @property
    def unused(self) -> str:
        """Seconds without a call, of active keys that had none for the chosen number of days."""
        since = f"({self.last_used} or {self.created})"
        return f"(time() - {since} > $unused_days * {DAY} and on {ID} {self.active})"

    @property
    def full_access(self) -> str:
        """Active keys that may do all that their creator may."""
        info = f'docspace_api_key_info{{{self.matchers}, access="full"}}'
        return f"({info} and on {ID} {self.active})"


#: The keys that the name filter lets through, and those of all names.
NAMED: Final = Keys(KEYS)
ALL: Final = Keys(PORTALS)


def latest(metric: str, matchers: str, identity: str, labels: str) -> str:
    """An info metric with exactly one sample an identity.

    Replicas that scrape at different moments show an old and a new set of labels side by side for
    a while, which would make a join on it fail as many-to-many.
    """
    info = f"max by ({identity}, {labels}) ({metric}{{{matchers}}})"
    return f"topk by ({identity}) (1, {info})"


def titled(info: str) -> str:
    """Keys with a label `key` to call them by: `deploy …77fe`; without a name the postfix alone.

    Names are not unique, and may be withheld.
    """
    return f'label_join({info}, "key", " …", "key_name", "key_postfix")'
