"""Marks on the time axis: keys created, expired and vanished."""

from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationPanelFilter, AnnotationQuery

from grafana.panels import DATASOURCE
from grafana.promql import ID, KEYS, NAMED, PORTALS, one_each, titled

# Minimum steps. Grafana asks for 100 to 1,600 points, so the step is longer over days. The moment
# of a creation or an expiry is the value of a series, and so exact at any step. The search for
# vanished keys reads all keys at each step, so users switch it on when they need it.
MOMENT_STEP: Final = "1m"
SEARCH_STEP: Final = "30m"


class PrometheusAnnotation(AnnotationQuery, Builder[AnnotationQuery]):
    """An annotation with the Prometheus fields that are missing in the SDK's schema.

    Grafana up to 11 reads `expr` and `step`, newer releases read `target`: both are written. With
    `value_is_time` the value of a sample is the time of the event, in milliseconds.
    """

    def __init__(self, name: str, expr: str, color: str, panel: int, *, value_is_time: bool):
        super().__init__(
            name=name,
            datasource=DATASOURCE,
            icon_color=color,
            enable=value_is_time,
            filter_val=AnnotationPanelFilter(exclude=False, ids=[panel]),
            expr=expr,
        )
        self.value_is_time = value_is_time

    def build(self) -> AnnotationQuery:
        """The annotation itself: the dashboard takes builders only."""
        return self

    def to_json(self) -> dict[str, object]:
        """The annotation as Grafana stores it."""
        step = MOMENT_STEP if self.value_is_time else SEARCH_STEP
        return super().to_json() | {
            "step": step,
            "titleFormat": f"{self.name}: {{{{key}}}}",
            "textFormat": "{{portal}}",
            "useValueForTime": self.value_is_time,
            "target": {"refId": "Anno", "expr": self.expr, "interval": step},
        }


def of_keys(panel: int) -> list[Builder[AnnotationQuery]]:
    """The marks for keys, drawn on the panel with this id only."""
    created = moments(NAMED.of("created_timestamp_seconds"))
    expired = moments(NAMED.of("expiry_timestamp_seconds"))
    return [
        PrometheusAnnotation("Created", created, "green", panel, value_is_time=True),
        PrometheusAnnotation("Expired", expired, "red", panel, value_is_time=True),
        PrometheusAnnotation("Vanished", vanished(), "purple", panel, value_is_time=False),
    ]


def moments(selector: str) -> str:
    """Times within the range, in milliseconds, for keys that are listed at the end of the range.

    Everything is fixed to the end of the range, so Prometheus evaluates it once. Only the last
    steps return a result.
    """
    within = f"{selector} @ end() > $__from / 1000 <= $__to / 1000"
    names = f"{NAMED.of('info')} @ end()"
    marks = titled(f"{names} * on {ID} group_left () {one_each(within)}")
    last_steps = "vector(time()) > ($__to - 2 * $__interval_ms) / 1000"
    return f"1000 * max by (portal, key_id, key) ({marks}) and on () ({last_steps})"


def vanished() -> str:
    """Keys that were listed one step ago and are not listed now, on portals that are up.

    A portal that is down has no key series, but its keys still exist. `$__interval` is the real
    step of the query, so no key is missed between two steps.
    """
    gone = (
        f"docspace_api_key_info{{{KEYS}}} offset $__interval"
        f" unless on {ID} docspace_api_key_active{{{PORTALS}}}"
    )
    return (
        f"group by (portal, key_id, key) ({titled(gone)})"
        f" and on (portal) docspace_up{{{PORTALS}}} == 1"
    )
