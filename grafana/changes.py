"""Row 4 of the main dashboard: counts over time, with marks for single keys."""

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql
from grafana.panels import COUNT, Frame, Query, course, stacked


def what_changed() -> list[Builder[Panel]]:
    """Row 4."""
    return [keys_by_state(), risks()]


def keys_by_state() -> timeseries.Panel:
    """Active, disabled and expired keys, stacked."""
    frame = Frame(
        "Keys by state",
        "A short dip means that a portal was down. The marks show keys that were created (green), "
        "that expired (red), and that vanished from a portal that is up (purple).",
        12,
        9,
    )
    colors = {"active": "green", "disabled": "text", "expired": "red"}
    return stacked(course(frame, _counts({state: state for state in colors}), COUNT, colors))


def risks() -> timeseries.Panel:
    """The counts of the first row that should go down."""
    names = {
        "orphaned": "creator gone",
        "unrestricted": "full access",
        "never_expiring": "never expire",
        "never_used": "never used",
        "superseded": "rotated",
    }
    colors = dict(zip(names.values(), ("red", "orange", "yellow", "blue", "purple"), strict=True))
    frame = Frame("Keys to clean up", "Active keys. A key may count in several lines.", 12, 9)
    return course(frame, _counts(names), COUNT, colors).axis_soft_max(1)


def _counts(names: dict[str, str]) -> list[Query]:
    return [
        Query(f"sum({promql.portal(f'docspace_api_keys_{metric}')})", name, ref)
        for ref, (metric, name) in zip("ABCDE", names.items(), strict=False)
    ]
