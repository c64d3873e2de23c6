"""Marks on the time axis: keys created, expired and vanished."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationPanelFilter, AnnotationQuery

from grafana.panels import DATASOURCE
from grafana.promql import KEYS, PORTALS, latest

# The least step: it keeps 10,000 keys over 30 days below Prometheus' limit of samples a query. The
# real one is longer where Grafana asks for no more than 100 points, as it does for annotations
# outside of scenes: 2 hours over 7 days. The queries reach back by `$__interval`, the step that the
# backend settled on, so that no event falls between two.
STEP: Final = "30m"
IDENTITY: Final = "portal, key_id"
# Names are not unique: the postfix tells keys of one name apart.
NAMES: Final = "key_name, key_postfix"


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
        return super().to_json() | {
            "step": STEP,
            "titleFormat": f"{self.name}: {{{{key_name}}}} ({{{{key_postfix}}}})",
            "textFormat": "{{portal}}",
            "useValueForTime": self.value_is_time,
            "target": {"refId": "Anno", "expr": self.expr, "interval": STEP},
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
    created = f"max by ({IDENTITY}) (docspace_api_key_created_timestamp_seconds{{{KEYS}}})"
    expiry = f"max by ({IDENTITY}) (docspace_api_key_expiry_timestamp_seconds{{{KEYS}}})"
    # A portal that is down has no key series: its keys have not vanished.
    vanished = (
        f"group by ({IDENTITY}, {NAMES}) (docspace_api_key_info{{{KEYS}}} offset $__interval)"
        f" unless on ({IDENTITY}) docspace_api_key_active{{{PORTALS}}}"
        f" and on (portal) docspace_up{{{PORTALS}}} == 1"
    )
    return [
        Ready(PrometheusAnnotation("Created", recent(created), "green", panel, value_is_time=True)),
        Ready(PrometheusAnnotation("Expired", recent(expiry), "red", panel, value_is_time=True)),
        Ready(PrometheusAnnotation("Vanished", vanished, "purple", panel, value_is_time=False)),
    ]


def recent(moment: str) -> str:
    """Moments since a day before the last step, in milliseconds, with the names of their keys.

    What is still to come is left out. The day is for keys that were not seen at once, for example
    because their portal was down.
    """
    names = latest("docspace_api_key_info", KEYS, IDENTITY, NAMES)
    since = "time() - 86400 - $__interval_ms / 1000"
    return f"({moment} <= time() > {since}) * 1000 * on ({IDENTITY}) group_left ({NAMES}) {names}"
