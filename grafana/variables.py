"""The choices at the top of the dashboards."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.panels import DATASOURCE
from grafana.promql import JOB, PORTALS

ALL: Final = VariableOption(selected=True, text=["All"], value=["$__all"])
# Grafana takes the first that there is; some releases fail on a variable without a choice.
FIRST: Final = VariableOption(selected=False, text="", value="")


def of_all_keys() -> list[Builder[VariableModel]]:
    """Data source, job, portals, expiring window, days without use, and part of a key's name."""
    return [
        _datasource(),
        _job(),
        _query("portal", "Portal", f"label_values(docspace_up{{{JOB}}}, portal)")
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(ALL),
        _query(
            "within",
            "Expiring within",
            f"label_values(docspace_api_keys_expiring{{{PORTALS}}}, within)",
        )
        .description("The windows that the exporter is configured with.")
        .sort(VariableSort.NUMERICAL_ASC)
        .current(VariableOption(selected=True, text="7d", value="7d")),
        _unused_days(),
        dashboard.TextBoxVariable("key")
        .label("Key name contains")
        .description(
            "Narrows the tables, bars, shares and marks of single keys, in either case; empty "
            "means every key. Any characters but a backtick."
        )
        .default_value("")
        .current(VariableOption(selected=True, text="", value="")),
    ]


def of_one_key() -> list[Builder[VariableModel]]:
    """Data source, job, one portal, and one of its keys: shown by name, known by id."""
    keys = f"max by (key_id, key_name) (docspace_api_key_info{{{PORTALS}}})"
    return [
        _datasource(),
        _job(),
        _query("portal", "Portal", f"label_values(docspace_up{{{JOB}}}, portal)"),
        _query("key_id", "Key", f"query_result({keys})").regex(
            r'/key_id="(?<value>[^"]*)".*?key_name="(?<text>[\s\S]*)"\}/'
        ),
    ]


def _datasource() -> dashboard.DatasourceVariable:
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .description("A Prometheus that scrapes the exporter.")
        .type("prometheus")
        .current(FIRST)
    )


def _job() -> dashboard.QueryVariable:
    # Under /probe the portals and the exporter itself are often two jobs.
    either = '{__name__=~"docspace_up|docspace_exporter_build_info"}'
    return (
        _query("job", "Job", f"label_values({either}, job)")
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(ALL)
    )


def _query(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .current(FIRST)
    )


def _unused_days() -> dashboard.CustomVariable:
    days = ["30", "60", "90", "180", "365"]
    return (
        dashboard.CustomVariable("unused_days")
        .label("Unused for (days)")
        .description("A key counts as forgotten when it was not used for so many days.")
        .values(",".join(days))
        .options([VariableOption(selected=day == "90", text=day, value=day) for day in days])
        .current(VariableOption(selected=True, text="90", value="90"))
    )
