"""Marks on the time axis: keys created, expired and vanished."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationPanelFilter, AnnotationQuery

from grafana.panels import DATASOURCE
from grafana.promql import ID, KEYS, NAMED, PORTALS, one_each, titled

# The least steps. Grafana asks for 100 to 1,600 points over the range, so the real ones are longer
# over days. A moment that is the value of a series needs one evaluation only, and is exact at any
# step; a key that vanished is looked for at each step, which costs as much as all keys each time.
MOMENT_STEP: Final = "1m"
SEARCH_STEP: Final = "30m"


class PrometheusAnnotation(AnnotationQuery):
    """An annotation with the Prometheus fields that the schema of the SDK leaves out.

    Up to Grafana 11 `expr` and `step` are read, later `target`: both are written. Where
    `value_is_time` the value of a sample is the moment of the event, in milliseconds.
    """

    def __init__(self, name: str, expr: str, color: str, panel: int, *, value_is_time: bool):
        super().__init__(
            name=name,
            datasource=DATASOURCE,
            icon_color=color,
            filter_val=AnnotationPanelFilter(exclude=False, ids=[panel]),
            expr=expr,
        )
        self.value_is_time = value_is_time

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


@dataclass(frozen=True)
class Ready(Builder[AnnotationQuery]):
    """An annotation that needs no building, for a dashboard that takes builders."""

    annotation: AnnotationQuery

    def build(self) -> AnnotationQuery:
        """The annotation."""
        return self.annotation


def of_keys(panel: int) -> list[Builder[AnnotationQuery]]:
    """What happened to keys, drawn on the panel of that id alone."""
    created = moments(NAMED.of("created_timestamp_seconds"))
    expired = moments(NAMED.of("expiry_timestamp_seconds"))
    return [
        Ready(PrometheusAnnotation("Created", created, "green", panel, value_is_time=True)),
        Ready(PrometheusAnnotation("Expired", expired, "red", panel, value_is_time=True)),
        Ready(PrometheusAnnotation("Vanished", vanished(), "purple", panel, value_is_time=False)),
    ]


def moments(selector: str) -> str:
    """Moments within the range, in milliseconds, of the keys that are listed at its end.

    All of it is as of the end of the range, so Prometheus evaluates it once, and only the last
    steps return it.
    """
    within = f"{selector} @ end() > $__from / 1000 <= $__to / 1000"
    names = f"{NAMED.of('info')} @ end()"
    marks = titled(f"{names} * on {ID} group_left () {one_each(within)}")
    last_steps = "vector(time()) > ($__to - 2 * $__interval_ms) / 1000"
    return f"1000 * max by (portal, key_id, key) ({marks}) and on () ({last_steps})"


def vanished() -> str:
    """Keys that were listed a step ago and are not now, on portals that were read.

    A portal that is down has no key series: its keys have not vanished. `$__interval` is the step
    that Grafana settled on, so that no key falls between two.
    """
    gone = (
        f"docspace_api_key_info{{{KEYS}}} offset $__interval"
        f" unless on {ID} docspace_api_key_active{{{PORTALS}}}"
    )
    return (
        f"group by (portal, key_id, key) ({titled(gone)})"
        f" and on (portal) docspace_up{{{PORTALS}}} == 1"
    )
