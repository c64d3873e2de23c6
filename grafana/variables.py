"""The variables at the top of the dashboards."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana import shown
from grafana.panels import DATASOURCE
from grafana.promql import JOB, PORTALS, titled

EVERY: Final = VariableOption(selected=True, text=["All"], value=["$__all"])


def of_all_keys() -> list[Builder[VariableModel]]:
    """The variables of the main dashboard."""
    return [
        _datasource(),
        _job(),
        _query("portal", "Portal", f"label_values(docspace_up{{{JOB}}}, portal)")
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(EVERY),
        _days(
            "within_days",
            "Expiring within (days)",
            "The period of the second number in the first row.",
            ["1", "3", "7", "14", "30", "90"],
            "7",
        ),
        _days(
            "unused_days",
            "Unused for (days)",
            "A key counts as unused if it was not used for this number of days.",
            ["30", "60", "90", "180", "365"],
            "90",
        ),
        _shown(),
        dashboard.TextBoxVariable("key")
        .label("Key name contains")
        .description(
            "Part of the name of a key, in upper or lower case. Tables, bars, shares and marks "
            "then show such keys only. Any character but a backtick."
        )
        .default_value("")
        .current(VariableOption(selected=True, text="", value="")),
    ]


def of_one_key() -> list[Builder[VariableModel]]:
    """The variables of the dashboard of one key, which is shown by name and chosen by id."""
    # Grafana reads text and value from two labels.
    keys = f"max by (key, key_id) ({titled(f'docspace_api_key_info{{{PORTALS}}}')})"
    return [
        _datasource(),
        _job(),
        _query("portal", "Portal", f"label_values(docspace_up{{{JOB}}}, portal)"),
        _query("key_id", "Key", f"query_result({keys})").regex(
            r'/key="(?<text>[\s\S]*)", *key_id="(?<value>[^"]*)"\}/'
        ),
    ]


def _datasource() -> dashboard.DatasourceVariable:
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .description("A Prometheus that scrapes the exporter.")
        .type("prometheus")
    )


def _job() -> dashboard.QueryVariable:
    # With /probe, the portals and the exporter itself often have different jobs.
    either = '{__name__=~"docspace_up|docspace_exporter_build_info"}'
    return (
        _query("job", "Job", f"label_values({either}, job)")
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(EVERY)
    )


def _query(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def _days(
    name: str, label: str, description: str, days: list[str], chosen: str
) -> dashboard.CustomVariable:
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .description(description)
        .values(",".join(days))
        .options([VariableOption(selected=day == chosen, text=day, value=day) for day in days])
        .current(VariableOption(selected=True, text=chosen, value=chosen))
    )


def _shown() -> dashboard.CustomVariable:
    kinds = [
        VariableOption(selected=index == 0, text=choice.name, value=choice.expr)
        for index, choice in enumerate(shown.CHOICES)
    ]
    # Grafana reads `name : value` and needs commas escaped.
    pairs = (f"{c.name} : {c.expr}".replace(",", "\\,") for c in shown.CHOICES)
    return (
        dashboard.CustomVariable("show")
        .label("Keys listed")
        .description("The kind of keys that the table of all keys lists.")
        .values(", ".join(pairs))
        .options(kinds)
        .current(kinds[0])
    )
